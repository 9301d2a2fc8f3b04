#!/usr/bin/env bash
# Put a real llama.cpp (llama-server, llama-fit-params, ggml-rpc-server, …) in TARGET_DIR.
#
#   scripts/get-llama-server.sh TARGET_DIR      for Debian or Ubuntu, amd64 or arm64; needs patchelf, and no root
#
# Installs nothing on the system: Debian's packages are unpacked, and the programs pointed at the C library that came
# with them, so that each in TARGET_DIR/bin is an ordinary executable (its own name, pid, signals, exit status).
#
# The packages are those of llama-packages.txt, held to their sha-256. Debian's mirrors drop what has been superseded:
# then those that the suite has by now are taken, as its signature vouches for them, and the last line says so.
#
# stdout: one line, the path of llama-server; all else goes to stderr. Run again, it does nothing; what was downloaded is
# kept. Settings, in the environment:
#   LLAMA_DEBS     folder where packages are kept        (TARGET_DIR/debs)
#   LLAMA_MIRROR   a Debian mirror                       (that of the system's own sources, else deb.debian.org)
#   LLAMA_OFFLINE  1: take packages from LLAMA_DEBS alone
set -euo pipefail

SUITE=forky
UNPACKING=3 # the number of this way of unpacking: raised when a target that is there must be made again

say() { printf 'get-llama-server: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

[ $# = 1 ] || die 'usage: scripts/get-llama-server.sh TARGET_DIR'
pins=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/llama-packages.txt
mkdir -p "$1"
target=$(cd "$1" && pwd -P)
debs=${LLAMA_DEBS:-$target/debs}
mkdir -p "$debs"
debs=$(cd "$debs" && pwd -P)

for tool in dpkg-deb patchelf flock; do
  command -v "$tool" >/dev/null || die "needs $tool: apt-get install dpkg patchelf util-linux"
done
arch=$(dpkg --print-architecture)
case $arch in
  amd64) triple=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
  arm64) triple=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
  *) die "$pins has no packages for $arch" ;;
esac

exec 9>"$target/.lock"
flock 9
wanted="$UNPACKING $arch $target $(sha256sum <"$pins")"
if [ "$(cat "$target/.complete" 2>/dev/null)" = "$wanted" ] && [ -x "$target/bin/llama-server" ]; then
  echo "$target/bin/llama-server"
  exit 0
fi
rm -rf "$target/.complete" "$target/.work"
work=$target/.work
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT

mirror() {
  if [ -n "${LLAMA_MIRROR:-}" ]; then
    echo "$LLAMA_MIRROR"
    return
  fi
  { cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null || true; } |
    grep -oE '^(URIs:|deb )[^#]*' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1 | tr -d ' ' | grep . ||
    echo http://deb.debian.org/debian
}

holds() { [ -f "$1" ] && echo "$2  $1" | sha256sum -c --status; }

# pinned: the names of the pinned packages into $work/packages, the packages into $debs; false when one cannot be had.
pinned() {
  local path sha name
  : >"$work/packages"
  while read -r path sha; do
    name=${path##*/}
    if ! holds "$debs/$name" "$sha"; then
      [ -z "${LLAMA_OFFLINE:-}" ] || die "LLAMA_OFFLINE, and $debs/$name is missing or not as pinned"
      rm -f "$debs/$name"
      /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User= -o Acquire::Retries=3 download-file \
        "$(mirror)/${path//+/%2b}" "$work/$name" "SHA256:$sha" >&2 || return 1
      holds "$work/$name" "$sha" || return 1
      mv "$work/$name" "$debs/$name"
    fi
    echo "$name" >>"$work/packages"
  done < <(awk -v arch="$arch" '$1 == arch { print $2, $3 }' "$pins")
}

# of_suite: the same packages as the suite has them now, through an apt with a state of its own.
of_suite() {
  local apt=$work/apt name
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/new"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg arch=$arch] $(mirror) $SUITE main" >"$apt/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State=$apt"
    -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o APT::Sandbox::User= -o Acquire::Languages=none
    -o Acquire::Retries=3)
  mapfile -t names < <(awk -v arch="$arch" '$1 == arch { sub(/.*\//, "", $2); sub(/_.*/, "", $2); print $2 }' "$pins")
  apt-get "${options[@]}" update >&2 || die "no packages from $(mirror) $SUITE: is it a Debian mirror, and reachable?"
  (cd "$apt/new" && apt-get "${options[@]}" download "${names[@]}" >&2) ||
    die "$(mirror) $SUITE does not have all of: ${names[*]}"
  : >"$work/packages"
  for name in "$apt/new"/*.deb; do
    mv "$name" "$debs/"
    echo "${name##*/}" >>"$work/packages"
  done
}

as=pinned
if ! pinned; then
  say "a pinned package cannot be had from $(mirror): taking those of $SUITE as they are now"
  of_suite
  as="newer than pinned"
fi

root=$work/root
new=$work/new
mkdir -p "$root" "$new/bin" "$new/lib" "$new/libexec"
while read -r name; do dpkg-deb -x "$debs/$name" "$root" || die "$debs/$name does not unpack"; done <"$work/packages"
libs=$root/usr/lib/$triple

# ggml looks for its backends beside the running executable: so they lie with the programs in libexec/.
find "$root/usr/bin" -maxdepth 1 -type f -name 'llama-*' -exec cp -p {} "$new/libexec/" \;
find "$root/usr/libexec/$triple/llama" -type f -exec cp -p {} "$new/libexec/" \; 2>/dev/null || true
cp -a "$libs"/ggml/backends*/*.so "$new/libexec/"
find "$libs" -maxdepth 1 \( -name '*.so.*' -o -name '*.so' \) ! -name "$loader" -exec cp -a {} "$new/lib/" \;
find "$libs/llama" -name '*.so*' -exec cp -a {} "$new/lib/" \;
cp -pL "$libs/$loader" "$new/lib/$loader"

for program in "$new"/libexec/llama-* "$new"/libexec/*rpc-server; do
  [ -f "$program" ] || continue
  # RPATH, not RUNPATH: it holds for indirect and dlopened libraries too, and comes before LD_LIBRARY_PATH.
  patchelf --set-interpreter "$target/lib/$loader" --force-rpath --set-rpath "$target/lib" "$program"
  ln -s "../libexec/${program##*/}" "$new/bin/${program##*/}"
done
for library in "$new"/lib/libllama*.so* "$new"/lib/libmtmd*.so*; do # these have a RUNPATH of their own
  [ -L "$library" ] || [ ! -f "$library" ] || patchelf --remove-rpath "$library"
done
rm -rf "$target/bin" "$target/lib" "$target/libexec"
mv "$new"/* "$target/"

missing=$("$target/lib/$loader" --library-path "$target/lib" --list "$target/libexec/llama-server" | grep 'not found' || true)
[ -z "$missing" ] || die "llama-server lacks libraries: $missing"
version=$("$target/bin/llama-server" --version 2>&1 | grep -m1 version) || die 'llama-server does not start'
for program in llama-fit-params ggml-rpc-server; do
  [ -x "$target/bin/$program" ] || die "the packages have no $program"
done
say "$version ($as)"
echo "$wanted" >"$target/.complete"
echo "$target/bin/llama-server"
