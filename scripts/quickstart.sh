#!/usr/bin/env bash
# From a fresh clone to a grid that has run something: install, build, start a one-machine grid in a folder of its own,
# run the example (in real containers when a Docker engine answers), show where each task ran and why, stop again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
stop_with() {
  printf '%s\n' "$@" >&2
  exit 1
}

command -v node >/dev/null || stop_with "Node.js 20.19 or newer is needed: see docs/install.md"
command -v npm >/dev/null || stop_with "npm is needed: it comes with Node.js, see docs/install.md"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  stop_with "Node.js $(node --version) is too old: 20.19 or newer is needed, see docs/install.md"

# A grid of this checkout may be running: what is installed already is left alone.
if [ node_modules/.package-lock.json -nt package-lock.json ]; then
  say "Building"
else
  say "Installing and building"
  npm ci --no-audit --no-fund
fi
npm run --silent build

GRID_HOME=$(mktemp -d "${TMPDIR:-/tmp}/gryphgen-quickstart.XXXXXX")
export GRID_HOME
# Of the grid that this one is not.
unset GRID_BROKER GRID_LISTEN
grid() { node packages/cli/bin/grid.js "$@"; }
finish() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  # A grid that would not stop keeps its folder: it is needed to try again.
  if grid down >"$GRID_HOME/down.log" 2>&1; then
    rm -rf "$GRID_HOME"
  else
    cat "$GRID_HOME/down.log" >&2
    echo "still there: GRID_HOME=$GRID_HOME npx grid down" >&2
    [ "$status" != 0 ] || status=1
  fi
  exit "$status"
}
trap finish EXIT
# Without these, a command that takes Ctrl-C as an answer would let the rest go on.
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

say "Starting a grid on this machine"
grid up --detach

# An image to run: one that is there, or one made of this machine's static busybox, or a pulled one.
image=busybox:latest
have_image() {
  docker image inspect "$image" >/dev/null 2>&1 && return
  bash scripts/make-test-image.sh >/dev/null 2>&1 && docker image inspect "$image" >/dev/null 2>&1 && return
  timeout 60 docker pull --quiet "$image" >/dev/null 2>&1
}

run() {
  printf '$ grid'
  local word
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n'
  grid "$@"
}

processes() {
  say "Running the example as processes"
  run submit --name hello --wait -- sh -c 'echo "hello from process $$ on $(uname -n)"'
  run run docs/examples/process.yaml
}

if ! grid nodes --json | grep -q '"container"'; then
  processes
  echo
  echo "They ran as plain processes, because this grid has no Docker engine:"
  grid doctor | awk '/^[a-z]/ { shown = / docker / } shown' || true
elif ! have_image; then
  processes
  echo
  echo "They ran as plain processes: a Docker engine answers, but there is no image $image and none could be had"
  echo "(docker pull $image, or apt-get install busybox-static to make one here)."
else
  say "Running the example in containers"
  run submit --image "$image" --name hello --wait -- sh -c 'echo "hello from container $(hostname)"'
  run run docs/examples/hello.yaml
fi

say "Where each ran, and why"
run ps --all
run explain t1
run explain t2

say "Stopping it"
grid down
say "Done. Your own grid: npx grid up --detach, then npx grid submit -- CMD"
