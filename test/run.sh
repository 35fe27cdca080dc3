#!/usr/bin/env bash
# All tests, in stages: run.sh [--list | STAGE...]
#
# Prints each stage's minutes, and last "N passed, N failed". Fails if a test failed or was skipped.
# A stage that reads ../shared is left out where that does not exist; with CI=true that is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
self=$PWD/test/run.sh

# NAME | reads ../shared? | command. A command runs in the root of the repository, with $RESULTS, an
# empty folder, to leave its results in: see scripts/count_tests.py. A stage that leaves none counts
# as one test.
stages='
install  | no     | scripts/install.sh
build    | no     | make --no-print-directory build
lint     | no     | scripts/lint.sh --quick && python scripts/check_includes_test.py
golden   | no     | python test/golden/run.py
rig      | no     | scripts/build.sh release sluice echo load && python test/rig/rig_test.py && PYTHONPATH=test/rig python test/change/timeline_test.py
features | no     | scripts/build.sh release sluice echo load && python test/features/run.py && python test/lua/envoy_api.py
observe  | no     | python test/observe/observe_test.py
reject   | no     | python test/reject/reject_test.py
lifetime | no     | scripts/build.sh release sluice echo load && python test/lifetime/lifetime_test.py && python test/lifetime/quickstart_test.py
registry | no     | scripts/build.sh release wasm_fetch && python test/wasm_registry/registry_test.py
extensions | no | test/extensions/run.sh
picker   | no     | scripts/build.sh release sluice sluice-vllm-sim picker_module && python test/picker/picker_test.py && python test/picker/module_test.py && python test/picker/pool_test.py && python test/picker/demo_test.py
ports    | no     | python test/reject/ports_test.py
change   | no     | python test/change/change_test.py
cluster  | no     | scripts/build.sh release sluice echo load memory-api-server pod-files && python test/cluster/cluster_test.py && python test/cluster/pod_test.py && python test/cluster/replicas_test.py && python test/cluster/permissions_test.py
deploy   | no     | scripts/build.sh release sluice picker_module && python test/deploy/deploy_test.py && python test/deploy/package_test.py
parity   | yes    | python test/parity/run.py
talk     | yes    | scripts/install.sh --examples && scripts/build.sh release sluice echo ext-proc-model && make --no-print-directory -C examples/extensions wasm-cpp && python test/talk/talk_test.py
explain  | yes    | python test/explain/explain_test.py
benches  | no     | scripts/build.sh release benches && bench/llm/run.sh --quick --scenario adapters/8 --policy ours,llm-d,round-robin --load 1
unit     | no     | scripts/build.sh asan unit_tests && run_ctest asan unit
tsan     | no     | scripts/build.sh tsan threaded_tests && run_ctest tsan threaded
fuzz     | no     | scripts/build.sh asan fuzz_targets && python test/fuzz/run.py
'
# Without these there is nothing to test. They are counted only when they fail.
needed=' install build '

python() { /usr/bin/python3 "$@"; }

# End-to-end tests mostly wait. While all stages run, what those with sanitizers need is compiled with the processor time
# that is left over, until the first of them goes on from there.
ahead=
compile_ahead() {
  setsid chrt --idle 0 bash -c '
    scripts/build.sh asan unit_tests fuzz_targets
    scripts/build.sh tsan threaded_tests' </dev/null >build/test-results/ahead.log 2>&1 &
  ahead=$!
}
stop_ahead() {
  if [ -n "$ahead" ]; then
    kill -- "-$ahead" 2>/dev/null
    wait "$ahead" 2>/dev/null
    ahead=
  fi
}
trap stop_ahead EXIT

# run_ctest PRESET LABEL
run_ctest() {
  GTEST_OUTPUT="xml:$RESULTS/" ctest --test-dir "build/$1" -L "^$2\$" -j 2 --output-on-failure \
    --no-tests=error --output-junit "$RESULTS/ctest.xml" --quiet --output-log "$RESULTS/ctest.log" || {
    # Only failed tests' output is in the log; of that, not the tests that passed.
    grep -vE '^\[( RUN      |       OK |----------)' "$RESULTS/ctest.log" | head -300
    echo "see $RESULTS/ctest.log"
    return 1
  }
}

# what_failed STAGE: of its output, some lines that say so. Of a long log often only the end is kept.
what_failed() {
  grep -E '\b(FAIL|FAILS|FAILED|ERROR|SUMMARY|error)\b' "$RESULTS.log" | cut -c 1-300 | awk '!seen[$0]++' |
    head -12 | sed "s/^/$1: /"
}

if [ "${1:-}" = --list ]; then
  sed -n 's/ *|.*//p' <<<"$stages"
  exit
fi

for name in "$@"; do
  if ! "$self" --list | grep -qxF -e "$name"; then
    echo "$name is not a stage; the stages are" $("$self" --list)
    exit 2
  fi
done

passed=0 failed=0 skipped=0 left_out= summary= broken=
while IFS='|' read -r name shared command; do
  name=${name// /} shared=${shared// /}
  if [ -z "$name" ] || { [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; }; then continue; fi
  if [ "$shared" = yes ] && [ ! -d ../shared ]; then
    left_out+=" $name"
    continue
  fi
  case $name in
    golden) if [ $# = 0 ]; then compile_ahead; fi ;;
    benches | unit | tsan | fuzz) stop_ahead ;;
  esac
  echo "== $name"
  export RESULTS=$PWD/build/test-results/$name
  rm -rf "$RESULTS"
  mkdir -p "$RESULTS"
  start=$(date +%s.%N)
  (eval "$command") </dev/null 2>&1 | tee "$RESULTS.log"
  status=${PIPESTATUS[0]}
  read -r p f s < <(python scripts/count_tests.py "$RESULTS" "$status")
  if [[ $needed == *" $name "* ]]; then p=0; fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  line=$(awk -v a="$start" -v b="$(date +%s.%N)" -v n="$name" -v p="$p" -v f="$f" -v s="$s" \
    'BEGIN { printf "%-10s %5.1f min  %5d passed, %d failed, %d skipped", n, (b - a) / 60, p, f, s }')
  echo "$line"
  summary+="$line"$'\n'
  if [ "$status" != 0 ]; then broken+=$(what_failed "$name")$'\n'; fi
  if [ "$status" != 0 ] && [[ $needed == *" $name "* ]]; then break; fi
done <<<"$stages"

echo
printf '%s' "$summary$broken"
status=0
if [ -n "$left_out" ]; then
  echo "left out, for there is no ../shared:$left_out"
fi
if [ "${CI:-}" = true ] && [ ! -d ../shared ]; then
  echo "CI=true, and there is no ../shared"
  status=1
fi
if [ "$failed" -gt 0 ] || [ "$skipped" -gt 0 ] || [ "$passed" = 0 ]; then status=1; fi
if [ "$skipped" -gt 0 ]; then echo "$skipped skipped, which fails the run"; fi
echo "$passed passed, $failed failed"
exit $status
