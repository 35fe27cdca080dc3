#!/usr/bin/env bash
# sluice at scale in a real Kubernetes, beside Envoy Gateway: bench/results/kube.md. A quarter of an hour, and twenty minutes
# more the first time, for the rig; on a quiet machine, please. Arguments go to bench.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release sluice picker_module echo
/usr/bin/python3 bench/kube/bench.py --output bench/results/kube.md "$@"
cat bench/results/kube.md
