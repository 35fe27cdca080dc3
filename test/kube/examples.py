"""What tests of examples in a rig have in common."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from kube_rig import NAMESPACE, KubeRig, Object


def condition(conditions: list[Object], kind: str) -> Object:
    return next((each for each in conditions if each["type"] == kind), {})


def image_in(file: Path, program: str) -> str:
    """The image by which a manifest calls a program."""
    for line in file.read_text().splitlines():
        if line.strip().startswith("image:") and program in line:
            return line.split()[-1]
    raise ValueError(f"{file} has no image of {program}")


def address_of(rig: KubeRig, gateway: str) -> str:
    """Of a Gateway that is programmed."""

    def served() -> str:
        status = rig.get("gateway", gateway).get("status", {})
        addresses = status.get("addresses", [])
        is_programmed = condition(status.get("conditions", []), "Programmed").get("status") == "True"
        return addresses[0]["value"] if addresses and is_programmed else ""

    return rig.wait(f"Gateway {gateway} is programmed", served, 90)


def allow_backends(rig: KubeRig) -> None:
    """Switches the kind Backend on, if it is not: what the chart's config.envoyGateway.extensionApis.enableBackend does."""
    held = rig.get("configmap", "sluice-config", NAMESPACE)
    config = yaml.safe_load(held["data"]["envoy-gateway.yaml"])
    apis = config.get("extensionApis") or {}
    if apis.get("enableBackend"):
        return
    config["extensionApis"] = {**apis, "enableBackend": True}
    rig.kubectl("patch", "configmap", "sluice-config", "-n", NAMESPACE, "--type=merge", "-p",
                json.dumps({"data": {"envoy-gateway.yaml": yaml.safe_dump(config)}}))
    rig.kubectl("rollout", "restart", "deployment/sluice", "-n", NAMESPACE)
    rig.kubectl("rollout", "status", "deployment/sluice", "-n", NAMESPACE, "--timeout=60s", timeout=90)
