#!/usr/bin/env bash
# What an extension costs, by its form: bench/results/extensions.md, and its copy in docs/extensions.md. About six
# minutes; on a quiet machine, please. Arguments go to bench.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release echo load
make --no-print-directory -C examples/extensions
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
load=$(cut -d' ' -f1 /proc/loadavg)
/usr/bin/python3 bench/extensions/bench.py --output "$work/figures.json" "$@" >/dev/null
/usr/bin/python3 bench/extensions/extensions_report.py "$work/figures.json" "$load"
cat bench/results/extensions.md
