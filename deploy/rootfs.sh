#!/usr/bin/env bash
# rootfs.sh FOLDER: all files of the container image, from build/release: sluice, libsluice_picker.so, the shared libraries
# that they need or load (src/wasm/library.h), CA certificates, and who `nonroot` is. No shell, no package manager.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$1

rm -rf "$root"
mkdir -p "$root"/usr/local/bin "$root"/usr/local/lib "$root"/etc/ssl/certs "$root"/tmp "$root"/usr/share/doc/sluice
install -s -m 755 build/release/sluice "$root/usr/local/bin/sluice"
install -s -m 644 build/release/libsluice_picker.so "$root/usr/local/lib/libsluice_picker.so"
install -m 644 LICENSE "$root/usr/share/doc/sluice/LICENSE"

loaded=()
for name in libcurl.so.4 libarchive.so.13; do
  path=$(ldconfig -p | awk -v n="$name" '$1 == n { print $NF; exit }')
  [ -n "$path" ] || { echo "rootfs.sh: there is no $name; scripts/install.sh brings it" >&2; exit 1; }
  loaded+=("$path")
done
# The path that whoever needs it looks at, and the loader's own, which ldd names alone. Debian has /lib in /usr/lib.
ldd build/release/sluice "${loaded[@]}" | awk '/=> not found/ { print "rootfs.sh: not found: " $1 > "/dev/stderr"; exit 1 }
  $2 == "=>" { print $3 } $1 ~ /^\// && NF == 2 && $1 !~ /:$/ { print $1 }' | sort -u |
  { cat; printf '%s\n' "${loaded[@]}"; } | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  install -m 755 "$(readlink -f "$library")" "$root$library"
done

install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
