#!/usr/bin/env bash
# Writes the golden texts anew: `make golden`, then read the diff.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release sluice
/usr/bin/python3 test/golden/run.py --update
git --no-pager diff --stat -- test/golden
