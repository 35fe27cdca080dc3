#!/usr/bin/env bash
# The five extensions on one Gateway, with a backend and whatever they need: what `make run EXAMPLE=extensions` runs.
# Arguments go to `sluice run`. Ctrl-C ends it all. A sluice that is killed is started again, as systemd would do, and
# takes its Envoy over.
set -euo pipefail
cd "$(dirname "$0")/../.."
. examples/serving.sh
if [ -z "${SLUICE_BUILD:-}" ]; then
  scripts/install.sh --examples
  make --no-print-directory -C examples/extensions
fi

find_ports 8080 3000 3080
socket=/tmp/sluice-model.sock
if moved; then socket=$work/model.sock; fi
start "$build/examples/echo" --listen "127.0.0.1:${port[3000]}=echo"
start "$build/examples/extensions/ext-proc-model" --listen "unix:$socket" --forbid gpt-secret
trap 'rm -rf "$work" "$socket"' EXIT
start /usr/bin/python3 -u -c 'import functools, http.server as http, sys
handler = functools.partial(http.SimpleHTTPRequestHandler, directory="build/extensions")
handler.func.log_message = lambda *_: None
server = http.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler)
print("listening")
server.serve_forever()' "${port[3080]}"

# The manifests as they are, if their ports are free, but for the place of the library, which is that of this build.
manifests=()
for file in gateway lua/policy wasm-cpp/policy wasm-rust/policy ext-proc-cpp/policy dynamic-module-cpp/policy; do
  from=examples/extensions/$file.yaml
  if moved || [ "$file" = dynamic-module-cpp/policy ]; then
    copy "$from" "$work/$file.yaml" "s|/usr/local/lib/sluice|$PWD/build/extensions|;s|/tmp/sluice-model.sock|$socket|"
    from=$work/$file.yaml
  fi
  manifests+=(-f "$from")
done

cat >&2 <<TEXT
Try, in another terminal, with lua, wasm-cpp, wasm-rust, ext-proc-cpp or dynamic-module-cpp as the path:

  curl -d '{"model": "gpt-4"}'      http://127.0.0.1:${port[8080]}/lua       # the backend gets x-model
  curl -d '{"model": "gpt-secret"}' http://127.0.0.1:${port[8080]}/lua       # 403
  curl -d '{"model": "gpt-secret"}' http://127.0.0.1:${port[8080]}/          # a rule without an extension

and edit the policies meanwhile:

$(printf '  %s\n' "${manifests[@]}" | grep policy)

Ctrl-C ends everything.

TEXT
serve "${manifests[@]}" "$@"
