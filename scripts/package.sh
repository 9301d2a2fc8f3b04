#!/usr/bin/env bash
# Make the packages of this checkout, Node.js inside, for the machine's own architecture:
#   scripts/package.sh [--fast] [FOLDER]     (default: dist-packages/; --fast hardly compresses, for tests)
# -> gryphgen_VERSION_ARCH.deb and gryphgen-VERSION-linux-ARCH.tar.gz. The same checkout gives the same bytes, whenever and by
# whomever: times are SOURCE_DATE_EPOCH (default: that of the last commit), owners are root. Run `npm ci && npm run build` first.
set -euo pipefail
umask 022
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(node -p 'require("./package.json").version')
compress=(-Zzstd -z9 --threads-max=1)
level=-6
if [ "${1:-}" = --fast ]; then
  compress=(-Znone)
  level=-1
  shift
fi
out=${1:-dist-packages}
mkdir -p "$out"
out=$(realpath "$out")
node=$(node -p process.execPath)
arch=$(node -p process.arch) # x64, arm64
deb_arch=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
NEWEST_GLIBC=2.35 # of Ubuntu 22.04, the oldest that it is for

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
name=gryphgen-$version-linux-$arch
root=$stage/$name
mkdir -p "$root"

fail() {
  echo "package.sh: $*" >&2
  exit 1
}

# Ours: the one program that `npm run build` makes.
cli=packages/cli
[ -e $cli/dist/grid/main.js ] || fail 'it is not built: npm run build'
mkdir -p "$root/$cli/dist"
cp -r $cli/package.json $cli/bin "$root/$cli/"
node scripts/bundle.js "$root/$cli/dist/grid"
cp -r deploy docs LICENSE README.md "$root/"
rm -r "$root/deploy/debian" "$root/docs/internals"

# Theirs.
node scripts/stage-dependencies.js "$root"
find "$root" -type d -empty -delete

mkdir -p "$root/bin"
install -m 755 "$node" "$root/bin/node"
for licence in "$(dirname "$node")/../LICENSE" /usr/share/doc/nodejs/LICENSE /usr/share/doc/nodejs/copyright; do
  [ ! -e "$licence" ] || { cp "$licence" "$root/licences/node.txt" && break; }
done
[ -s "$root/licences/node.txt" ] || fail "the licence of $node is not beside it"
cat >"$root/bin/grid" <<'GRID'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/../packages/cli/bin/grid.js" "$@"
GRID
chmod 755 "$root/bin/grid"

# What it needs of the C library, by the versions of the symbols that it names. zeromq brings several builds for one
# platform, some for newer libraries than others, and loads the first that can be.
glibc_of() { grep -aohE 'GLIBC_2\.[0-9]+' "$@" | sed 's/GLIBC_//' | sort -Vu | tail -1; }
is_newer() { [ "$(printf '%s\n' "$1" "$2" | sort -V | tail -1)" != "$2" ]; }
for build in "$root/node_modules/zeromq/build/linux/$arch"/node/*/addon.node; do
  if is_newer "$(glibc_of "$build")" $NEWEST_GLIBC; then rm -r "$(dirname "$build")"; fi
done
mapfile -t native < <(find "$root" -name '*.node' -type f)
glibc=$(glibc_of "$root/bin/node" "${native[@]}")
! is_newer "$glibc" $NEWEST_GLIBC ||
  fail "it needs glibc $glibc; Ubuntu 22.04 has $NEWEST_GLIBC: use Node.js as nodejs.org builds it"
(cd "$root/$cli" && "$root/bin/node" -e 'import("zeromq").then(({ Router }) => new Router().close()); import("@photostructure/sqlite")') ||
  fail 'a native part cannot be loaded'
grid_version=$("$root/bin/grid" --version)
[ "$grid_version" = "$version" ] || fail "it says that it is $grid_version"

# Times and rights that do not depend on who made it.
settle() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

deb=$stage/deb
mkdir -p "$deb/DEBIAN" "$deb/usr/lib/systemd/system" "$deb/usr/lib/sysusers.d" "$deb/usr/bin" "$deb/usr/share/doc/gryphgen" \
  "$deb/usr/share/bash-completion/completions" "$deb/usr/share/zsh/vendor-completions" "$deb/usr/share/fish/vendor_completions.d"
settle "$root"
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -c "$name" | gzip -n $level >"$out/$name.tar.gz"

mv "$root" "$deb/usr/lib/gryphgen"
ln -s ../lib/gryphgen/bin/grid "$deb/usr/bin/grid"
cp "$deb"/usr/lib/gryphgen/deploy/systemd/*.service "$deb/usr/lib/systemd/system/"
cp "$deb/usr/lib/gryphgen/deploy/sysusers.d/gryphgen.conf" "$deb/usr/lib/sysusers.d/"
mv "$deb"/usr/lib/gryphgen/docs/* "$deb/usr/share/doc/gryphgen/"
rmdir "$deb/usr/lib/gryphgen/docs"
cat LICENSE "$deb"/usr/lib/gryphgen/licences/*.txt >"$deb/usr/share/doc/gryphgen/copyright"
"$deb/usr/lib/gryphgen/bin/grid" completion bash >"$deb/usr/share/bash-completion/completions/grid"
"$deb/usr/lib/gryphgen/bin/grid" completion zsh >"$deb/usr/share/zsh/vendor-completions/_grid"
"$deb/usr/lib/gryphgen/bin/grid" completion fish >"$deb/usr/share/fish/vendor_completions.d/grid.fish"
cp deploy/debian/* "$deb/DEBIAN/"
cat >"$deb/DEBIAN/control" <<CONTROL
Package: gryphgen
Version: $version
Architecture: $deb_arch
Maintainer: GRYPHGEN <gryphgen@localhost>
Installed-Size: $(du -sk --apparent-size "$deb/usr" | cut -f1)
Depends: libc6 (>= $glibc), libstdc++6, perl-base, passwd, systemd | systemd-standalone-sysusers
Suggests: docker.io
Section: net
Priority: optional
Description: one grid out of the unequal machines you own
 A daemon per machine, one command line, one ledger of every GPU's memory. Node.js is inside.
CONTROL
(cd "$deb" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
settle "$deb"
chmod 755 "$deb"/DEBIAN/p*
dpkg-deb --root-owner-group "${compress[@]}" --build "$deb" "$out/gryphgen_${version}_$deb_arch.deb" >/dev/null

echo "needs glibc $glibc"
for file in "$out/gryphgen_${version}_$deb_arch.deb" "$out/$name.tar.gz"; do
  echo "$(stat -c %s "$file" | numfmt --to=iec-i --suffix=B) $(sha256sum <"$file" | cut -c1-64) ${file##*/}"
done
