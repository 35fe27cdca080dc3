#!/usr/bin/env bash
# install_go.sh: prints the folder that `go` is in. Where this machine has none that is new enough, the
# toolchain comes from the Go module proxy, which has it as the module golang.org/toolchain.
set -euo pipefail
version=1.26.8
least=1.26.6 # of ../shared/kube
sum=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7

if command -v go >/dev/null; then
  has=$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
  if [ "$(printf '%s\n' "$least" "$has" | sort -V | head -1)" = "$least" ]; then
    dirname "$(command -v go)"
    exit
  fi
fi

case $(uname -m) in
x86_64) ;;
*)
  echo "install_go.sh: Go $least or newer is needed; install it, for there is no pinned toolchain for $(uname -m)" >&2
  exit 1
  ;;
esac
root=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/go-$version
if [ ! -x "$root/bin/go" ]; then
  echo "install: Go $version from the Go module proxy" >&2
  mkdir -p "${root%/*}"
  work=$(mktemp -d "$root.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  name=golang.org/toolchain@v0.0.1-go$version.linux-amd64
  curl -fsSL --retry 5 --retry-all-errors -o "$work/go.zip" "https://proxy.golang.org/${name/@//@v/}.zip"
  echo "$sum  $work/go.zip" | sha256sum --check --quiet
  python3 -m zipfile -e "$work/go.zip" "$work"
  chmod -R u+x "$work/$name/bin" "$work/$name/pkg/tool"
  rm -rf "$root"
  mv "$work/$name" "$root"
fi
echo "$root/bin"
