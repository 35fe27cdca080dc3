"""One proxy's xDS as a bootstrap that Envoy can validate.

`envoy --mode validate` reads no dynamic resources. So what listeners and clusters refer to is put in its place: route
tables into their listeners, endpoints into their clusters, secrets beside them. What Envoy then says of the bootstrap
is what it would say of the resources.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

# What Envoy says of a certificate that is none. Some inputs carry such, because what they test is elsewhere.
_BAD_CERTIFICATE = re.compile(r"[Ff]ailed to load (incomplete )?(certificate|private key|trusted CA|CRL)|OCSP"
                              r"|certificate chain|[Ii]nvalid path: /certs/|unable to read file: /certs/|KEY_VALUES_MISMATCH")

# As in sluice's own bootstraps: Envoy's limit on the size of a regex is for others to set.
RUNTIME = {"layers": [{"name": "global_config", "staticLayer": {"re2.max_program_size.error_level": 4294967295}}]}


def _inline(node: Any, routes: dict[str, Any], secrets: set[str]) -> Any:
    if isinstance(node, list):
        return [_inline(item, routes, secrets) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == "rds" and isinstance(value, dict) and value.get("routeConfigName") in routes:
            # A route table that came by RDS may name clusters that do not exist.
            out["routeConfig"] = {"validateClusters": False, **_inline(routes[value["routeConfigName"]], routes, secrets)}
        elif key == "sdsConfig" and node.get("name") in secrets:
            continue  # a secret without a source is a static one
        else:
            out[key] = _inline(value, routes, secrets)
    return out


def static_bootstrap(xds: dict[str, Any]) -> dict[str, Any]:
    """xds: {listeners, routes, clusters, endpoints, secrets} in protobuf JSON. What is referred to and missing stays
    dynamic, which Envoy refuses."""
    routes = {table["name"]: table for table in xds.get("routes") or []}
    secrets = {secret["name"] for secret in xds.get("secrets") or []}
    endpoints = {assignment["clusterName"]: assignment for assignment in xds.get("endpoints") or []}
    resources = {part: _inline(copy.deepcopy(xds.get(part) or []), routes, secrets)
                 for part in ("listeners", "clusters", "secrets")}
    for cluster in resources["clusters"]:
        discovery = cluster.get("edsClusterConfig")
        if cluster.get("type") == "EDS" and discovery is not None:
            name = discovery.get("serviceName") or cluster["name"]
            if name not in endpoints:
                continue
            del cluster["edsClusterConfig"]
            cluster["type"] = "STATIC"
            cluster["loadAssignment"] = copy.deepcopy(endpoints[name])
    return {"node": {"id": "test", "cluster": "test"}, "layeredRuntime": RUNTIME, "staticResources": resources}


def _with_certificate(node: Any, certificate: str, key: str) -> Any:
    """The same with every certificate, key and CA replaced by these."""
    def source(text: str) -> dict[str, str]:
        return {"inlineString": text}

    if isinstance(node, list):
        return [_with_certificate(item, certificate, key) for item in node]
    if not isinstance(node, dict):
        return node
    replaced = {"certificateChain": source(certificate), "privateKey": source(key), "trustedCa": source(certificate)}
    return {name: replaced.get(name) or _with_certificate(value, certificate, key)
            for name, value in node.items() if name not in ("ocspStaple", "crl")}


class Validator:
    """Asks Envoy. certificate, key: real ones, for inputs whose own are not."""

    def __init__(self, envoy: Path, certificate: str, key: str) -> None:
        self._envoy, self._certificate, self._key = envoy, certificate, key

    def problem(self, xds: dict[str, Any], scratch: Path) -> str:
        """Why Envoy refuses these resources, in its words; empty if it does not. scratch: a file to use."""
        bootstrap = static_bootstrap(xds)
        problem = self._ask(bootstrap, scratch)
        if _BAD_CERTIFICATE.search(problem):
            problem = self._ask(_with_certificate(bootstrap, self._certificate, self._key), scratch)
        return problem

    def _ask(self, bootstrap: dict[str, Any], scratch: Path) -> str:
        scratch.write_text(json.dumps(bootstrap))
        result = subprocess.run([self._envoy, "--mode", "validate", "-c", scratch, "--log-level", "error"],
                                capture_output=True, text=True, timeout=60)
        if result.returncode == 0:
            return ""
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        last = lines[-1] if lines else f"exit status {result.returncode}"
        return re.sub(r"^\[.*\] error initializing configuration '[^']*': ", "", last)
