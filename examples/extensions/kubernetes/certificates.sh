#!/usr/bin/env bash
# certificates.sh: an authority, a certificate of the service and one of Envoy, and the objects that hold them.
# KUBECTL is how to reach the cluster.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# make NAME SUBJECT_ALT_NAME...
make() {
  local name=$1
  shift
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=$name" \
    -out "$name.crt" -keyout "$name.key" "$@" 2>/dev/null
}
make ca -addext basicConstraints=critical,CA:TRUE
make server -CA ca.crt -CAkey ca.key -addext subjectAltName=DNS:model-service.internal -addext basicConstraints=CA:FALSE
make client -CA ca.crt -CAkey ca.key -addext subjectAltName=DNS:envoy.internal -addext basicConstraints=CA:FALSE

# The service's is where its pods are, what Envoy is told where the policy and the EnvoyProxy are.
apply() { $kubectl create "$@" --dry-run=client -o yaml | $kubectl apply -f -; }
apply secret generic model-service -n sluice-system --type=kubernetes.io/tls \
  --from-file=tls.crt=server.crt --from-file=tls.key=server.key --from-file=ca.crt
apply secret tls model-client -n default --cert=client.crt --key=client.key
apply configmap model-service-ca -n default --from-file=ca.crt
