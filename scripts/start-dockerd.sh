#!/usr/bin/env bash
# Make sure a Docker engine answers: use the one that runs, else install Debian's and start it.
#
#   scripts/start-dockerd.sh PIDFILE [dockerd options...]
#
# PIDFILE is written only when this script started the engine, so whoever holds one knows it is theirs to stop:
#   scripts/start-dockerd.sh --stop PIDFILE
# A unix:// DOCKER_HOST is honoured. The engine's log lies beside PIDFILE.
set -euo pipefail

READY_TRIES=120 # half a second each: a first start on a slow disk takes some 20 s
STOP_TRIES=60   # half a second each: dockerd gives containers 15 s to end

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
answers() { docker info >/dev/null 2>&1; }

# forget_dead PIDFILE NAME: an engine that was killed leaves its pid files, and dockerd takes any process that has
# such a number by now for its own (it then waits for a containerd that is a kernel thread, and gives up).
forget_dead() {
  local pid
  [ -f "$1" ] || return 0
  pid=$(cat "$1")
  # Also one that has ended and that nobody has taken note of.
  awk -v name="$2" '/^Name:/ { named = $2 == name } /^State:/ { ended = $2 == "Z" } END { exit !(named && !ended) }' \
    "/proc/$pid/status" 2>/dev/null || as_root rm -f "$1"
}

stop() {
  local pidfile=$1 pid
  [ -f "$pidfile" ] || return 0
  pid=$(cat "$pidfile")
  as_root kill "$pid" 2>/dev/null || true
  for ((i = 0; i < STOP_TRIES; i++)); do
    as_root kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
  done
  if as_root kill -0 "$pid" 2>/dev/null; then
    echo "dockerd ($pid) did not stop" >&2
    return 1
  fi
  as_root rm -f "$pidfile"
}

install_missing() {
  local missing=()
  command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] || missing+=(docker.io)
  command -v iptables >/dev/null || [ -x /usr/sbin/iptables ] || missing+=(iptables)
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "no Docker engine answers and ${missing[*]} cannot be installed without apt-get" >&2
    return 1
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

if [ "${1:-}" = --stop ]; then
  stop "$2"
  exit
fi

pidfile=$1
shift
if command -v docker >/dev/null && answers; then
  echo "using the Docker engine that runs ($(docker version --format '{{.Server.Version}}'))"
  exit 0
fi
case "${DOCKER_HOST:-unix:///var/run/docker.sock}" in
  unix://*) ;;
  *) echo "DOCKER_HOST=$DOCKER_HOST does not answer, and is not ours to start" >&2; exit 1 ;;
esac

install_missing
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$(dirname "$pidfile")"
forget_dead "$pidfile" dockerd
forget_dead /var/run/docker/containerd/containerd.pid containerd
log=${pidfile%.pid}.log
# Its own session and pid file: a Ctrl-C at us must not reach it, and a stale /var/run/docker.pid must not stop it.
# Redirected here, not under sudo, so that the log is ours to read.
as_root setsid dockerd --host "${DOCKER_HOST:-unix:///var/run/docker.sock}" --group "$(id -gn)" \
  --pidfile "$pidfile" "$@" </dev/null >"$log" 2>&1 &
starter=$!
for ((i = 0; i < READY_TRIES; i++)); do
  if answers; then
    echo "started a Docker engine ($(docker version --format '{{.Server.Version}}'), log $log)"
    exit 0
  fi
  if [ $i -gt 4 ] && [ ! -f "$pidfile" ] && ! kill -0 $starter 2>/dev/null; then break; fi
  sleep 0.5
done
echo "dockerd did not become ready; the end of $log:" >&2
tail -n 20 "$log" >&2
stop "$pidfile" || true
exit 1
