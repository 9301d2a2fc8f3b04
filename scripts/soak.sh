#!/usr/bin/env bash
# For hours: scripts/soak.sh [HOURS, default 8] explores the simulated grid, from a random seed that is printed. A failing
# seed is printed as it is found; replay it with `npm run sim -- --seed S`.
# scripts/soak.sh --models [HOURS, default 1]: three models swapped where two have room, with a real llama-server.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "${1:-}" = --models ]; then
  hours=${2:-1}
  [[ $hours =~ ^[0-9]+$ ]] || { echo "scripts/soak.sh: expected whole hours, not \"$hours\"" >&2; exit 2; }
  bash scripts/get-llama-server.sh .tmp/llama
  npm run --silent build
  export GRID_SWAP_S=$((hours * 3600))
  exec npm run --silent test:e2e -- test/e2e/model-swap.test.ts
fi
npm run --silent build
npm run --silent sim -- --from random --hours "${1:-8}"
