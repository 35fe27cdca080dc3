#!/usr/bin/env bash
# build.sh: two Debian packages in build/deb: sluice, of build/release, and sluice-envoy, of build/envoy, which the former
# depends on. Envoy has a package of its own for it changes seldom and is large; a sluice that is restarted hands over from
# the old Envoy to a new one without losing a request.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=deploy/deb
out=build/deb

scripts/install.sh
scripts/build.sh release sluice picker_module
read -r version envoy_version < <(build/release/sluice version | sed -E 's/sluice (\S+) for Envoy (\S+)/\1 \2/')
arch=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
date=$(date -R -u -d "@$SOURCE_DATE_EPOCH")
maintainer="${DEBFULLNAME:-The sluice authors} <${DEBEMAIL:-packages@sluice.dev}>"
rm -rf "$out"

# put FILE PATH MODE: into the package.
put() { install -D -m "$3" "$1" "$root$2"; }

# doc PACKAGE VERSION WHAT: what Debian wants to find there.
doc() {
  local folder=$root/usr/share/doc/$1
  mkdir -p "$folder"
  printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: %s\n\nFiles: *\nCopyright: 2026 %s\nLicense: Apache-2.0\n On Debian systems, the license is in /usr/share/common-licenses/Apache-2.0.\n' "$3" "The $3 authors" >"$folder/copyright"
  printf '%s (%s) unstable; urgency=medium\n\n  * This version.\n\n -- %s  %s\n' "$1" "$2" "$maintainer" "$date" |
    gzip -9n >"$folder/changelog.gz"
}

# libraries PROGRAM: the packages with what it is linked with. dpkg-shlibdeps wants to be where a source package is.
libraries() {
  local source
  source=$(mktemp -d)
  mkdir "$source/debian"
  printf 'Source: sluice\n\nPackage: sluice\nArchitecture: any\n' >"$source/debian/control"
  (cd "$source" && dpkg-shlibdeps -O "$OLDPWD/$root/$1") | sed -n 's/^shlibs:Depends=//p'
  rm -rf "$source"
}

# control PACKAGE VERSION LINES...
control() {
  mkdir -p "$root/DEBIAN"
  {
    printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %s\nSection: net\nPriority: optional\n' \
      "$1" "$2" "$arch" "$maintainer" "$(du -sk --exclude=DEBIAN "$root" | cut -f1)"
    printf '%s\n' "${@:3}"
  } >"$root/DEBIAN/control"
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
  dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$out/$1_$2_$arch.deb"
}

root=$out/sluice-envoy
put build/envoy/envoy /usr/lib/sluice/envoy 755
doc sluice-envoy "$envoy_version" Envoy
control sluice-envoy "$envoy_version" \
  "Depends: $(libraries usr/lib/sluice/envoy)" \
  "Description: Envoy, for sluice" \
  " The proxy that sluice runs, as its makers built it, where no other program" \
  " looks."

root=$out/sluice
put build/release/sluice /usr/bin/sluice 755
put build/release/libsluice_picker.so /usr/lib/sluice/libsluice_picker.so 644
strip --strip-unneeded "$root/usr/bin/sluice" "$root/usr/lib/sluice/libsluice_picker.so"
for unit in sluice.service sluice-envoy.socket sluice-envoy@.service; do
  put "deploy/systemd/$unit" "/lib/systemd/system/$unit" 644
done
put $here/default /etc/default/sluice 644
put $here/options.yaml /etc/sluice/options.yaml 644
mkdir -p "$root/etc/sluice/conf.d"
put docs/install.md /usr/share/doc/sluice/install.md 644
for file in examples/quickstart/*.yaml; do put "$file" "/usr/share/doc/sluice/examples/$(basename "$file")" 644; done
doc sluice "$version" sluice
mkdir -p "$root/usr/share/man/man1"
{
  printf '.TH SLUICE 1 "" "sluice %s" "User Commands"\n.SH NAME\nsluice \\- Gateway API control plane for Envoy\n' "$version"
  printf '.SH SYNOPSIS\n.B sluice\nCOMMAND [OPTIONS]\n.SH DESCRIPTION\n.nf\n'
  build/release/sluice --help | tail -n +5 | sed 's/-/\\-/g'
  printf '.fi\n.SH SEE ALSO\n/usr/share/doc/sluice/install.md\n'
} | gzip -9n >"$root/usr/share/man/man1/sluice.1.gz"
mkdir -p "$root/DEBIAN"
printf '/etc/default/sluice\n/etc/sluice/options.yaml\n' >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 $here/$script "$root/DEBIAN/$script"; done
# libcurl and libarchive are loaded when the first module is fetched: src/wasm/library.h.
control sluice "$version" \
  "Depends: $(libraries usr/bin/sluice), adduser, sluice-envoy (>= $envoy_version)" \
  "Recommends: ca-certificates, libarchive13, libcurl4" \
  "Description: Gateway API control plane for Envoy" \
  " sluice serves Gateway API resources of files, or of a Kubernetes cluster," \
  " through Envoys that it runs as services of their own."
ls -l "$out"/*.deb
