#!/usr/bin/env bash
# How policies of picking pods do on traces of LLM requests: bench/results/llm.md, and its pictures in docs/images; and what
# a pick adds to a request, beside Envoy and inside it: bench/results/picker_homes.md. About ten minutes on two cores;
# README.md beside this says what is played. Arguments go to bench_llm: with --quick it takes a minute. With any argument
# nothing is kept, and no Envoy runs: the table goes to standard output.
set -euo pipefail
cd "$(dirname "$0")/../.."
targets=(bench_llm)
if [ $# -eq 0 ]; then targets+=(sluice picker_module picker_pods); fi
scripts/build.sh release "${targets[@]}" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build/release/bench/llm/bench_llm --threads "$(nproc)" "$@" >"$work/runs.jsonl"
if [ $# -eq 0 ]; then
  mkdir -p bench/results docs/images
  /usr/bin/python3 bench/llm/llm_report.py "$work/runs.jsonl" --pictures docs/images >"$work/llm.md"
  cp "$work/llm.md" bench/results/llm.md
  /usr/bin/python3 bench/picker/through_envoy.py --output bench/results/picker_homes.md
  cat bench/results/llm.md bench/results/picker_homes.md
else
  /usr/bin/python3 bench/llm/llm_report.py "$work/runs.jsonl"
fi
