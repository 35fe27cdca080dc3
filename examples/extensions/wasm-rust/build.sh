#!/usr/bin/env bash
# build.sh OUTPUT: compiles the filter to WebAssembly, in the file OUTPUT.
#
# With rustup that is
#
#   rustup target add wasm32-wasip1
#   cargo build --release --target wasm32-wasip1
#
# and this script does so if it finds that target. Else it takes Debian 12's packages rustc, cargo,
# libstd-rust-dev-wasm32 and lld-14, which call the target by its older name. That cargo asks GitHub for the index
# of crates unless it is told to ask crates.io, and tells it on to rustc what is meant for it alone: so the crates
# are fetched first, and compiled in a second step.
set -euo pipefail
output=$(realpath -m "$1")
work=$(dirname "$output")/wasm-rust
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=$work/target

modern=wasm32-wasip1 debian=wasm32-wasi
if [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$modern" ]; then
  cargo build --quiet --locked --release --target "$modern"
  cp "$CARGO_TARGET_DIR/$modern/release/model.wasm" "$output"
  exit
fi

export PATH=/usr/bin:$PATH CARGO_HOME=$work/cargo CARGO_TARGET_WASM32_WASI_LINKER=wasm-ld-14
if ! cmp -s Cargo.lock "$work/crates/Cargo.lock"; then
  mkdir -p "$work"
  RUSTC_BOOTSTRAP=1 cargo -Z sparse-registry vendor --quiet --locked --versioned-dirs "$work/crates" >/dev/null
  cp Cargo.lock "$work/crates/"
fi
cargo build --quiet --locked --offline --release --target "$debian" \
  --config 'source.crates-io.replace-with="fetched"' --config "source.fetched.directory=\"$work/crates\""
cp "$CARGO_TARGET_DIR/$debian/release/model.wasm" "$output"
