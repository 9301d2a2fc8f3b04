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

say "Installing and building"
npm ci --no-audit --no-fund
npm run --silent build

GRID_HOME=$(mktemp -d "${TMPDIR:-/tmp}/gryphgen-quickstart.XXXXXX")
export GRID_HOME
grid() { node packages/cli/bin/grid.js "$@"; }
finish() {
  local status=$?
  trap - EXIT
  grid down >/dev/null 2>&1 || true
  rm -rf "$GRID_HOME"
  exit "$status"
}
trap finish EXIT

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
  printf '$ grid %s\n' "$*"
  grid "$@"
}

if docker info >/dev/null 2>&1 && have_image; then
  say "Running the example in containers"
  run submit --image "$image" --name hello --wait -- sh -c 'echo "hello from container $(hostname)"'
  run run docs/examples/hello.yaml
else
  say "Running the example as processes"
  echo "No Docker engine answers here, so tasks run as plain processes. To get one:"
  echo "    sudo apt-get install docker.io && sudo usermod -aG docker \$USER     (then log in again)"
  run submit --name hello --wait -- sh -c 'echo "hello from process $$ on $(uname -n)"'
  run run docs/examples/process.yaml
fi

say "Where each ran, and why"
run ps --all
run explain t1
run explain t2

say "Stopping it"
grid down
say "Done. Your own grid: npx grid up --detach, then npx grid submit -- CMD"
