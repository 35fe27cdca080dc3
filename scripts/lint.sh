#!/usr/bin/env bash
# lint.sh [--quick | --fix]: the checks of format, includes and code. --quick leaves out clang-tidy,
# which takes minutes; --fix formats in place and checks nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

folders=()
for folder in src test bench examples; do
  if [ -d "$folder" ]; then folders+=("$folder"); fi
done
mapfile -t files < <(find "${folders[@]}" -name '*.h' -o -name '*.cc')

if [ "${1:-}" = --fix ]; then
  clang-format-19 -i "${files[@]}"
  exit
fi

failed=0
clang-format-19 --dry-run -Werror --ferror-limit=1 "${files[@]}" || {
  echo "lint: make format" >&2
  failed=1
}
/usr/bin/python3 scripts/check_includes.py || failed=1
/usr/bin/python3 scripts/check_effects.py || failed=1
/usr/bin/python3 scripts/check_stages.py || failed=1

if [ "${1:-}" != --quick ]; then
  scripts/build_envoy_api.sh >/dev/null
  # Without precompiled headers: clang cannot read those of g++, and a file includes what it uses. The compile
  # commands are those of g++, some of whose warnings clang does not know.
  cmake --preset release -B build/lint -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
  run-clang-tidy-19 -quiet -p build/lint -j "$(nproc)" \
    -extra-arg=-Wno-unknown-warning-option '/src/(?!.*_test\.cc).*\.cc$' 2>&1 |
    sed '/^[0-9]* warnings\? generated\.$/d; /^$/d' || failed=1
fi
exit $failed
