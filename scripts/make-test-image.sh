#!/usr/bin/env bash
# Make the image that quickstart and the end-to-end tests run: gryphgen-test:latest, also named busybox:latest unless
# there is one. There is no registry to pull from, so it is made of this machine's static busybox, with /bin/sh and a
# link for each applet. Does nothing when the image is there.
#
#   scripts/make-test-image.sh
set -euo pipefail

image=gryphgen-test:latest

present() { docker image inspect "$1" >/dev/null 2>&1; }

if ! present "$image"; then
  busybox=$(command -v busybox) || {
    echo "busybox is needed for the test image: apt-get install busybox-static" >&2
    exit 1
  }
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev}
  chmod 1777 "$root/tmp"
  cp "$busybox" "$root/bin/busybox"
  echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  tar -C "$root" --owner=0 --group=0 -c . |
    docker import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' - "$image" >/dev/null
fi
present busybox:latest || docker tag "$image" busybox:latest
echo "$image"
