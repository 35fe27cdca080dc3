#!/usr/bin/env bash
# Four simulated vLLM pods behind a Gateway, a minute of requests by round robin, the same by the picker, and what came of
# it: what `make run EXAMPLE=llm` runs. Arguments go to demo.py (--help). Ctrl-C ends it all. A sluice that is killed is
# started again, as systemd would do, and takes its Envoy over.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${SLUICE_BUILD:-}" ]; then
  scripts/build.sh release sluice-vllm-sim
fi
build=${SLUICE_BUILD:-build/release}

work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-llm.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The manifests, with ports that are free.
examples/llm/demo.py manifests "$work" "$@"
if [ ! -f "$work/ports.json" ]; then exit; fi # --help

# The pods and their traffic end when this script does, however it ends. They do not hear of Ctrl-C: pods serve until
# sluice has drained.
setsid setpriv --pdeathsig TERM examples/llm/demo.py traffic "$work" \
  --simulator "$build/examples/vllm-sim/sluice-vllm-sim" "$@" &
demo=$!

# With job control sluice is a process group of its own: what the terminal says comes here, and goes on from here.
set -m
for signal in INT TERM HUP; do
  trap "kill -INT $demo 2>/dev/null; kill -$signal \"\$sluice\"" "$signal"
done
while true; do
  setpriv --pdeathsig TERM "$build/sluice" run -f "$work/manifests" --run-dir "$work/run" 2>>"$work/sluice.log" &
  sluice=$!
  # A signal ends `wait`, not sluice.
  while status=0 && wait "$sluice" || status=$? && kill -0 "$sluice" 2>/dev/null; do :; done
  if [ "$status" != 137 ]; then break; fi
  echo "sluice was killed: it is started again, and takes its Envoy over" >&2
done
if [ "$status" != 0 ]; then tail -5 "$work/sluice.log" >&2; fi
kill "$demo" 2>/dev/null || true
wait "$demo" || true
exit "$status"
