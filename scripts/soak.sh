#!/usr/bin/env bash
# Explore the simulated grid for hours, from a random seed that is printed: scripts/soak.sh [HOURS, default 8]
# A failing seed is printed as it is found; replay it with `npm run sim -- --seed S`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
npm run --silent build
npm run --silent sim -- --from random --hours "${1:-8}"
