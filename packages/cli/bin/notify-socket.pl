#!/usr/bin/perl
# Starts a daemon of grid for systemd: connects $NOTIFY_SOCKET, which Node.js cannot (it has no unix datagrams), and
# becomes the daemon, which finds the connection at the descriptor $GRID_NOTIFY_FD. Process number and all else stay.
# perl-base, all that this needs, is essential on Debian and Ubuntu.
use strict;
use warnings;
use Fcntl;
use Socket;

my $socket;
if (defined(my $path = $ENV{NOTIFY_SOCKET})) {
  $path =~ s/^@/\0/; # an abstract address
  socket($socket, AF_UNIX, SOCK_DGRAM, 0) or die "notify-socket: no socket: $!\n";
  connect($socket, pack_sockaddr_un($path)) or die "notify-socket: cannot connect to $ENV{NOTIFY_SOCKET}: $!\n";
  # It stays open in the daemon, and never makes it wait. Node.js closes it for what the daemon starts.
  fcntl($socket, F_SETFD, 0) or die "notify-socket: $!\n";
  fcntl($socket, F_SETFL, O_NONBLOCK) or die "notify-socket: $!\n";
  $ENV{GRID_NOTIFY_FD} = fileno($socket);
}
exec { $ARGV[0] } @ARGV or die "notify-socket: cannot run $ARGV[0]: $!\n";
