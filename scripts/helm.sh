#!/usr/bin/env bash
# helm.sh: prints the path of Helm 3: that of $PATH, or else one that is built from its Go module into ~/.cache/sluice, once
# (some minutes and, while it builds, 2 GB). Fails, and says why, where there is neither Helm nor a way to the module.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v3.19.0
if found=$(command -v helm) && [[ $("$found" version --template '{{.Version}}') == v3.* ]]; then
  echo "$found"
  exit 0
fi
tools=${XDG_CACHE_HOME:-$HOME/.cache}/sluice
if [ ! -x "$tools/helm-$version" ]; then
  go=$(scripts/install_go.sh)
  mkdir -p "$tools"
  work=$(mktemp -d "$tools/helm.XXXXXX")
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  echo "helm.sh: building helm $version" >&2
  GOBIN=$work/bin GOMODCACHE=$work/mod GOCACHE=$work/cache GOFLAGS= CGO_ENABLED=0 \
    "$go/go" install -trimpath -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$version" "helm.sh/helm/v3/cmd/helm@$version" >&2
  mv "$work/bin/helm" "$tools/helm-$version"
fi
echo "$tools/helm-$version"
