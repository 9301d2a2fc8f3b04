#!/usr/bin/env bash
# A clean Debian with systemd, for tests that install packages: made once (debootstrap, about 30 s), kept in the user's
# cache and never written to; prints its folder. What is in it is part of its name, so another list makes another.
set -euo pipefail

suite=bookworm
packages=systemd,systemd-sysv,dbus
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gryphgen
root=$cache/test-root-$suite-${packages//,/-}

if [ ! -d "$root" ]; then
  mkdir -p "$cache"
  draft=$(mktemp -d "$cache/draft-XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  timeout 300 debootstrap --variant=minbase --include="$packages" $suite "$draft" http://deb.debian.org/debian >"$draft.log" 2>&1 ||
    { tail -20 "$draft.log" >&2; exit 1; }
  rm -rf "$draft.log" "$draft"/var/cache/apt/archives/*.deb "$draft"/var/lib/apt/lists/*
  chmod 755 "$draft"
  mv -T "$draft" "$root" 2>/dev/null || [ -d "$root" ] # another run was first
fi
echo "$root"
