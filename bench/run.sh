#!/usr/bin/env bash
# All benchmarks of the goals, in one table: bench/results/bench.md. Less than ten minutes; on a quiet machine, please.
#
# The programs are those of $SLUICE_BUILD, build/release if unset.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(sluice echo benches)
if [ -n "${SLUICE_BUILD:-}" ]; then
  ninja -C "$SLUICE_BUILD" ${NINJAFLAGS:-} "${targets[@]}"
else
  SLUICE_BUILD=build/release
  scripts/build_envoy_api.sh
  scripts/build.sh release "${targets[@]}"
fi
SLUICE_BUILD=$(realpath "$SLUICE_BUILD")
export SLUICE_BUILD
sizes=(10 100 1000 5000 10000)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cut -d' ' -f1 /proc/loadavg >"$work/load"

echo "pipeline_bench …" >&2
# A process each, so that the memory of one size is not that of the sizes before it.
for size in "${sizes[@]}"; do
  "$SLUICE_BUILD/bench/pipeline_bench" "$size" >>"$work/pipeline.jsonl"
done
echo "read_bench …" >&2
"$SLUICE_BUILD/bench/read_bench" --benchmark_repetitions=5 --benchmark_min_time=0.2 \
  --benchmark_format=json >"$work/read.json" 2>"$work/read.log" || {
  cat "$work/read.log" >&2
  exit 1
}
/usr/bin/python3 bench/scale/bench.py --routes "$(IFS=, && echo "${sizes[*]}")" \
  --output "$work/scale.json" >/dev/null

mkdir -p bench/results
/usr/bin/python3 bench/report.py "$work" >"$work/bench.md"
cp "$work/bench.md" bench/results/bench.md
cat bench/results/bench.md
