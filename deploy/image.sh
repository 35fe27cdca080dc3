#!/usr/bin/env bash
# image.sh [--rig] NAME:TAG: the container image of what is built in build/release, by docker or podman; with --rig into the
# Kubernetes of ../shared/kube, which needs neither. Both have the files of rootfs.sh and run as deploy/Dockerfile says.
set -euo pipefail
cd "$(dirname "$0")/.."
rig=
if [ "${1:-}" = --rig ]; then rig=yes; shift; fi
[ $# = 1 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }

scripts/build.sh release sluice picker_module
deploy/rootfs.sh build/image
if [ -n "$rig" ]; then
  exec ../shared/kube/image.sh --user 65532:65532 "$1" sluice build/image=/
fi
for program in docker podman; do
  if command -v "$program" >/dev/null && "$program" info >/dev/null 2>&1; then
    exec "$program" build --build-context rootfs=build/image -f deploy/Dockerfile -t "$1" .
  fi
done
echo "image.sh: there is neither a running docker nor podman here" >&2
exit 1
