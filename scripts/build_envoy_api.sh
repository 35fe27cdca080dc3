#!/usr/bin/env bash
# Builds the generated Envoy API library into build/envoy-api; does nothing if it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=build/envoy-api
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9
[ -f "$dir/build.ninja" ] || cmake -S cmake/envoy_api -B "$dir" -G Ninja >"$dir/configure.log" || {
  cat "$dir/configure.log" >&2
  exit 1
}
exec ninja -C "$dir" ${NINJAFLAGS:-}
