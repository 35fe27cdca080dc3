#!/usr/bin/env bash
# The quickstart with its two backends: what `make run` runs. Arguments go to `sluice run`. Ctrl-C ends it all.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The backends are told to end when this process does, which becomes sluice: they serve until it has drained.
exec 3< <(exec setpriv --pdeathsig TERM build/echo --listen 127.0.0.1:3000=blue --listen 127.0.0.1:3001=green)
if ! read -r -u 3; then
  echo "the quickstart's backends need the ports 3000 and 3001" >&2
  exit 1
fi
exec 3<&-

cat >&2 <<'TEXT'
Try, in another terminal:

  curl -H 'Host: www.example.com' http://127.0.0.1:8080/
  curl -i -H 'Host: www.example.com' http://127.0.0.1:8080/next

and edit examples/quickstart/*.yaml meanwhile. Ctrl-C ends everything.

TEXT
exec build/sluice run -f examples/quickstart "$@"
