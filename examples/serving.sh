# Sourced by the examples' run.sh, in the root of the repository: what they have in common.
#
#   build    the folder of the programs: $SLUICE_BUILD, or what `make build` makes
#   work     an empty folder, which goes when the script ends
#   port     by the port that manifests name: the one to take
build=${SLUICE_BUILD:-build/release}
work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-example.XXXXXX")
trap 'rm -rf "$work"' EXIT
declare -A port=()

# find_ports PORT...: fills `port`. Where somebody listens already, another port is taken, and said.
find_ports() {
  local wanted got
  while read -r wanted got; do
    port[$wanted]=$got
    if [ "$wanted" != "$got" ]; then echo "port $wanted is taken: $got instead" >&2; fi
  done < <(/usr/bin/python3 - "$@" <<'PYTHON'
import socket, sys
held = []  # until all are found: each gets another
for wanted in sys.argv[1:]:
    for port in (int(wanted), 0):
        held.append(socket.socket())
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held[-1].bind(("", port))
            break
        except OSError:
            pass
    print(wanted, held[-1].getsockname()[1])
PYTHON
  )
}

# Whether some port is another than the manifests say.
moved() {
  local wanted
  for wanted in "${!port[@]}"; do
    if [ "$wanted" != "${port[$wanted]}" ]; then return 0; fi
  done
  return 1
}

# copy FILE TO [SED]: a manifest with the ports that were found.
copy() {
  local wanted script=${3:-}
  for wanted in "${!port[@]}"; do script+=";s|\\b$wanted\\b|${port[$wanted]}|g"; done
  mkdir -p "$(dirname "$2")"
  sed "$script" "$1" >"$2"
}

# start PROGRAM...: a server that ends when this script does, however it ends, and not by Ctrl-C: it serves until sluice
# has drained. Returns when it has said that it listens.
start() {
  local line
  exec 3< <(exec setsid setpriv --pdeathsig TERM "$@")
  if ! read -r -u 3 line; then
    echo "$1 could not listen where it should" >&2
    exit 1
  fi
  exec 3<&-
}

# serve ARGUMENT...: `sluice run` with these until a signal ends it; the script ends with its status. A sluice that is
# killed is started again, as systemd would do, and takes its Envoy over.
serve() {
  local signal
  # With job control sluice is a process group of its own: what the terminal says comes here, and goes on from here.
  set -m
  for signal in INT TERM HUP; do
    trap "kill -$signal \"\$sluice\"" "$signal"
  done
  while true; do
    setpriv --pdeathsig TERM "$build/sluice" run "$@" &
    sluice=$!
    # A signal ends `wait`, not sluice.
    while status=0 && wait "$sluice" || status=$? && kill -0 "$sluice" 2>/dev/null; do :; done
    if [ "$status" != 137 ]; then exit "$status"; fi
    echo "sluice was killed: it is started again, and takes its Envoy over" >&2
  done
}
