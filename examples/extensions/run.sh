#!/usr/bin/env bash
# The five extensions on one Gateway, with a backend and whatever they need: what `make run EXAMPLE=extensions` runs.
# Arguments go to `sluice run`. Ctrl-C ends it all.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/install.sh --examples
make --no-print-directory -C examples/extensions

# Starts a server that ends when this process does, which becomes sluice; returns when it has said that it listens.
start() {
  local line
  exec 3< <(exec setpriv --pdeathsig TERM "$@")
  if ! read -r -u 3 line; then
    echo "$1 could not listen where it should" >&2
    exit 1
  fi
  exec 3<&-
}
start build/echo --listen 127.0.0.1:3000=echo
start build/extensions/ext-proc-cpp --listen unix:/tmp/sluice-model.sock --forbid gpt-secret
start /usr/bin/python3 -u -c 'import functools, http.server as http
handler = functools.partial(http.SimpleHTTPRequestHandler, directory="build/extensions")
handler.func.log_message = lambda *_: None
server = http.ThreadingHTTPServer(("127.0.0.1", 3080), handler)
print("listening")
server.serve_forever()'

# The manifests as they are, but for the place of the module, which is that of this build.
manifests=(-f examples/extensions/gateway.yaml)
for form in lua wasm-cpp wasm-rust ext-proc-cpp; do manifests+=(-f "examples/extensions/$form/policy.yaml"); done
sed "s|/usr/local/lib/sluice|$PWD/build/extensions|" examples/extensions/dynamic-module-cpp/policy.yaml \
  >build/extensions/dynamic-module-cpp.yaml
manifests+=(-f build/extensions/dynamic-module-cpp.yaml)

cat >&2 <<'TEXT'
Try, in another terminal, with lua, wasm-cpp, wasm-rust, ext-proc-cpp or dynamic-module-cpp as the path:

  curl -d '{"model": "gpt-4"}'      http://127.0.0.1:8080/lua       # the backend gets x-model
  curl -d '{"model": "gpt-secret"}' http://127.0.0.1:8080/lua       # 403
  curl -d '{"model": "gpt-secret"}' http://127.0.0.1:8080/          # a rule without an extension

and edit examples/extensions/*/policy.yaml meanwhile. Ctrl-C ends everything.

TEXT
exec build/sluice run "${manifests[@]}" "$@"
