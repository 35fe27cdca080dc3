#!/usr/bin/env bash
# Writes the golden texts, those of src/infra, the sessions in documents and the reference pages anew: `make golden`, then read the diff.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release sluice infra_test
/usr/bin/python3 test/golden/run.py --update
build/release/sluice schema docs --output docs/reference
SLUICE_UPDATE_GOLDEN=1 build/release/tests/infra_test --gtest_brief=1 --gtest_filter="*Golden*"
git --no-pager diff --stat -- test/golden src/infra/testdata docs README.md
