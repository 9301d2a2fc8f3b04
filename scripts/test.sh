#!/usr/bin/env bash
# Install what the tests need, build, check and test everything, and end with one line: `N passed, N failed`.
#
# Passed and failed count tests; a step that is not a test (install, build, lint, ...) counts one failed when it fails.
# A failed step does not hide the others: all that can still run does.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
SUITE_LIMIT_S=1500 # a hung suite must fail, not hang its caller

out=$PWD/.tmp/results
rm -rf "$out"
mkdir -p "$out"
: >"$out/steps.tsv"
dockerd_pid=$PWD/.tmp/dockerd.pid

finish() {
  local status=$?
  trap - EXIT
  bash scripts/start-dockerd.sh --stop "$dockerd_pid" || echo -e "stop dockerd\t1" >>"$out/steps.tsv"
  # A way out that no step accounts for (a signal, a bug in this script) is a failure too.
  [ "$status" = 0 ] || echo -e "scripts/test.sh\t$status" >>"$out/steps.tsv"
  if command -v node >/dev/null; then
    node scripts/count-results.js "$out"
  else
    echo '0 passed, 1 failed'
    exit 1
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step NAME COMMAND...: run it, note how it ended in steps.tsv, and return its status.
step() {
  local name=$1 status=0
  shift
  printf '\n== %s\n' "$name"
  "$@" || status=$?
  printf '%s\t%s\n' "$name" "$status" >>"$out/steps.tsv"
  return "$status"
}

suite() {
  step "test:$1" timeout --kill-after=30 "$SUITE_LIMIT_S" \
    npm run --silent "test:$1" -- --reporter=default --reporter=json "--outputFile.json=$out/$1.json"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_tools() {
  local missing=()
  command -v busybox >/dev/null || missing+=(busybox-static) # the tests' container images are made of it
  command -v script >/dev/null || missing+=(bsdutils)        # gives the tests a terminal
  command -v ss >/dev/null || missing+=(iproute2)            # counts the bytes on the broker's connections; makes hosts
  command -v iptables >/dev/null || [ -x /usr/sbin/iptables ] || missing+=(iptables) # cuts one host off from another
  command -v docker-registry >/dev/null || missing+=(docker-registry) # what images are pulled from
  command -v debootstrap >/dev/null || missing+=(debootstrap) # the machine that packages are installed on,
  command -v systemd-nspawn >/dev/null || missing+=(systemd-container) # and what starts it
  command -v patchelf >/dev/null || missing+=(patchelf) # points llama.cpp at the libraries it came with
  [ ${#missing[@]} = 0 ] && return
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

step 'install tools' install_tools || true
step 'llama.cpp' bash scripts/get-llama-server.sh .tmp/llama || true
step 'docker engine' bash scripts/start-dockerd.sh "$dockerd_pid" || true
if step 'npm ci' npm ci --no-progress; then
  built=yes
  step build npm run --silent build || built=no
  step lint npm run --silent lint || true
  step knip npm run --silent knip || true
  step typecheck npm run --silent typecheck || true
  if [ $built = yes ]; then
    suite unit || true
    suite sim || true
    suite e2e || true
    suite packages || true
  fi
fi
