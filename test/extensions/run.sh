#!/usr/bin/env bash
# The stage `extensions`: builds the examples, and tests them.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/install.sh --examples
scripts/build.sh release sluice echo hostile-ext-proc probe-ext-proc
make --no-print-directory -C examples/extensions
failed=0
for name in extensions attachment wasm ext_proc image library hostile hostile_fetch demo; do
  /usr/bin/python3 "test/extensions/${name}_test.py" || failed=1
done
exit $failed
