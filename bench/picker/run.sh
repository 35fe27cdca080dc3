#!/usr/bin/env bash
# What a pick costs: bench/results/picker.md, and bench/results/picker_homes.md. About four minutes; on a quiet machine,
# please. Arguments go to bench.py.
#
# The client is ../shared/tools/extproc-load, built with Go (its modules come from the module proxy).
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release sluice picker_module picker_pods
client=$PWD/build/bench/extproc-load
if [ ! -x "$client" ]; then
  mkdir -p build/bench
  (cd ../shared/tools/extproc-load && go build -p 2 -o "$client" .)
fi
/usr/bin/python3 bench/picker/bench.py --client "$client" --output bench/results/picker.md "$@"
/usr/bin/python3 bench/picker/through_envoy.py --output bench/results/picker_homes.md
cat bench/results/picker.md bench/results/picker_homes.md
