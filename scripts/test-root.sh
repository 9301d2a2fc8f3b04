#!/usr/bin/env bash
# A clean machine with systemd, for tests that install packages: made once (debootstrap, about 30 s), kept in the user's
# cache and never written to; prints its folder. What is in it is part of its name, so another list makes another.
#   scripts/test-root.sh [SUITE]     a release of Debian, or of Ubuntu since 22.04 (default: bookworm)
set -euo pipefail

suite=${1:-bookworm}
packages=systemd,systemd-sysv,dbus
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gryphgen
root=$cache/test-root-$suite-${packages//,/-}

# Whose archive is Ubuntu's, the system here has no key for: it comes from there, and is what it was when this was written.
ubuntu=http://archive.ubuntu.com/ubuntu
keyring=ubuntu-keyring_2023.11.28.1_all.deb
keyring_sha256=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8

ubuntu_keys() {
  curl -fsSL --retry 3 --max-time 60 -o "$draft.deb" "$ubuntu/pool/main/u/ubuntu-keyring/$keyring" &&
    echo "$keyring_sha256  $draft.deb" | sha256sum --check --quiet &&
    dpkg-deb -x "$draft.deb" "$draft.keys"
}

bootstrap() {
  local from=(http://deb.debian.org/debian) options=()
  case $suite in
  jammy | noble)
    # Where debootstrap is older than a release, it has no script of that name; all of Ubuntu's are one.
    from=("$ubuntu" /usr/share/debootstrap/scripts/gutsy)
    # Behind || nothing ends the script by itself.
    ubuntu_keys || return 1
    options=("--keyring=$draft.keys/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    ;;
  esac
  timeout 300 debootstrap --variant=minbase --include="$packages" "${options[@]}" "$suite" "$draft" "${from[@]}"
}

if [ ! -d "$root" ]; then
  mkdir -p "$cache"
  draft=$(mktemp -d "$cache/draft-XXXXXX")
  trap 'rm -rf "$draft" "$draft".*' EXIT
  bootstrap >"$draft.log" 2>&1 || { tail -20 "$draft.log" >&2; exit 1; }
  rm -rf "$draft"/var/cache/apt/archives/*.deb "$draft"/var/lib/apt/lists/*
  chmod 755 "$draft"
  mv -T "$draft" "$root" 2>/dev/null || [ -d "$root" ] # another run was first
fi
echo "$root"
