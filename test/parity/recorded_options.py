"""The options with which a case of ../shared/parity was recorded, as a file for --options: those that are sluice's. The others
are Envoy Gateway's and its tests'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

OURS = ("backendEnabled", "endpointRoutingDisabled", "envoyPatchPolicyEnabled", "envoyProxyForGatewayClass",
        "gatewayClassName", "gatewayControllerName", "luaEnvoyExtensionPolicyDisabled", "mergeGateways", "runningOnHost")


def write_options(case: Path, folder: Path, **more: Any) -> Path:
    """options.yaml in the folder, which is made if need be."""
    recorded = yaml.safe_load((case / "options.yaml").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    if recorded.get("mergeBackends") is not None:  # of the EnvoyProxy of Envoy Gateway's own configuration
        more["mergeBackends"] = True
    options = folder / "options.yaml"
    options.write_text(yaml.safe_dump({name: recorded[name] for name in OURS if name in recorded} | more))
    return options
