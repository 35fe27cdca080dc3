#!/usr/bin/env bash
# Writes the golden texts, the sessions in documents and the reference pages anew: `make golden`, then read the diff.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release sluice
/usr/bin/python3 test/golden/run.py --update
build/release/sluice schema docs --output docs/reference
git --no-pager diff --stat -- test/golden docs README.md
