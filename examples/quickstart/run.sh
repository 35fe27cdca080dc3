#!/usr/bin/env bash
# The quickstart with its two backends: what `make run` runs. Arguments go to `sluice run`. Ctrl-C ends it all. A
# sluice that is killed is started again, as systemd would do, and takes its Envoy over.
set -euo pipefail
cd "$(dirname "$0")/../.."
. examples/serving.sh

find_ports 8080 3000 3001
start "$build/examples/echo" --listen "127.0.0.1:${port[3000]}=blue" --listen "127.0.0.1:${port[3001]}=green"

# The manifests as they are, if their ports are free.
manifests=examples/quickstart
if moved; then
  manifests=$work/manifests
  for file in examples/quickstart/*.yaml; do copy "$file" "$manifests/${file##*/}"; done
fi

cat >&2 <<TEXT
Try, in another terminal:

  curl -H 'Host: www.example.com' http://127.0.0.1:${port[8080]}/
  curl -i -H 'Host: www.example.com' http://127.0.0.1:${port[8080]}/next

and edit $manifests/*.yaml meanwhile. Ctrl-C ends everything.

TEXT
serve -f "$manifests" "$@"
