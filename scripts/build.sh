#!/usr/bin/env bash
# build.sh PRESET [TARGET...]: configures build/PRESET if need be, and builds.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
dir=build/$preset
if [ ! -f "$dir/build.ninja" ]; then
  mkdir -p "$dir"
  cmake --preset "$preset" >"$dir/configure.log" || {
    cat "$dir/configure.log" >&2
    exit 1
  }
fi
exec ninja -C "$dir" ${NINJAFLAGS:-} "$@"
