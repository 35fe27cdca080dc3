#!/usr/bin/env bash
# update.sh: makes what is made of something else anew: the CustomResourceDefinitions of deploy/crds.yaml and the chart from
# `sluice schema crd`, and deploy/install.yaml from the chart. Then read the diff. test/deploy/deploy_test.py holds that they are.
# update.sh --install: prints what install.yaml should be.
set -euo pipefail
cd "$(dirname "$0")/.."

install_yaml() {
  local helm
  helm=$(scripts/helm.sh)
  cat <<'END'
# sluice in the namespace sluice-system, as the chart deploy/helm/sluice has it by default. Made by deploy/update.sh.
#
#   kubectl apply --server-side -f deploy/crds.yaml -f deploy/install.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: sluice-system
END
  "$helm" template sluice deploy/helm/sluice --namespace sluice-system --kube-version 1.29.0 |
    grep -vE '^# Source: |^ +helm\.sh/chart: |^ +app\.kubernetes\.io/managed-by: Helm$'
}

if [ "${1:-}" = --install ]; then
  install_yaml
  exit
fi
scripts/build.sh release sluice
build/release/sluice schema crd >deploy/crds.yaml
cp deploy/crds.yaml deploy/helm/sluice/crds/crds.yaml
install_yaml >build/install.yaml
mv build/install.yaml deploy/install.yaml
git --no-pager diff --stat -- deploy
