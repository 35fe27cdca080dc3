#!/usr/bin/env python3
"""sluice and Envoy Gateway at scale, each in a Kubernetes of its own, one after the other.

usage: bench.py [--routes 100,1000] [--large 5000] [--only sluice|envoy-gateway] [--output FILE]

The rig is test/kube/kube_rig.py's, the load ../shared/tools/kscale; README.md says what is measured. --large: a size at which
only sluice is measured, and only its memory; 0: none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/kube"), str(ROOT / "bench/scale"), str(ROOT / "test/rig")]

import bench as scale  # noqa: E402  (bench/scale/bench.py)
import kube_report  # noqa: E402
from kube_rig import NAMESPACE, SHARED, WORK, KubeRig, Object, why_not  # noqa: E402

KSCALE = ROOT.parent / "shared/tools/kscale/kscale.py"
IN_RIG = "kscale"  # its namespace
CHANGES = 20  # of endpoints

# As Envoy Gateway's in the rig has them (../shared/kube/manifests/eg-class.yaml).
ENVOY_PROXY: Object = {
    "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy",
    "metadata": {"name": "proxy-config", "namespace": NAMESPACE},
    "spec": {
        "ipFamily": "IPv4", "shutdown": {"drainTimeout": "5s", "minDrainDuration": "1s"}, "concurrency": 1,
        "provider": {"type": "Kubernetes", "kubernetes": {"envoyDeployment": {"container": {
            "image": "docker.io/envoyproxy/envoy:distroless-v1.40.0",
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}}}}}},
}
GATEWAY_CLASS: Object = {
    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "sluice"},
    "spec": {
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy-config", "namespace": NAMESPACE}},
}


class BenchRig(KubeRig):
    """A rig with one of the two in it."""

    SELECTORS = {"sluice": (NAMESPACE, "app.kubernetes.io/name=sluice"),
                 "envoy-gateway": ("envoy-gateway-system", "control-plane=envoy-gateway")}

    def install_subject(self, name: str) -> None:
        if name == "sluice":
            self.install()
            self.apply(ENVOY_PROXY, GATEWAY_CLASS)
            return
        if not (WORK / "images/envoy-gateway.tar").exists():
            subprocess.run([SHARED / "build.sh"], env={**self._environment, "EG": "1"}, check=True)
            self._script("load.sh", WORK / "images/envoy-gateway.tar")
        self._script("crds.sh", stdout=subprocess.DEVNULL)
        self._script("eg.sh")

    def kscale(self, name: str, routes: str, *more: str) -> list[Any]:
        namespace, selector = self.SELECTORS[name]
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "out.json")
            self._script("in", sys.executable, KSCALE, "--class", name, "--controller-ns", namespace,
                         "--controller-selector", selector, "--n", routes, "--out", output, *more)
            return json.loads(output.read_text())["runs"]

    def endpoint_times(self) -> list[float]:
        """In what kscale has kept."""
        address = self.get("gateway", "gw", IN_RIG)["status"]["addresses"][0]["value"]
        pods = json.loads(self.kubectl("get", "pods", "-n", IN_RIG, "-o", "json"))["items"]
        ips = {pod["metadata"]["labels"]["app"]: pod["status"]["podIP"] for pod in pods
               if pod["metadata"].get("labels", {}).get("app", "").startswith("echo-")}
        said = self.inside(sys.executable, ROOT / "bench/kube/endpoints.py", "--namespace", IN_RIG, "--slice", "s00001",
                           "--address", address, "--host", "h1.example.com", "--changes", str(CHANGES),
                           *(f"{name}={ip}" for name, ip in sorted(ips.items())), timeout=600)
        return json.loads(said.splitlines()[-1])


def measure(name: str, routes: str, large: int) -> dict[str, Any]:
    with BenchRig() as rig:
        rig.install_subject(name)
        runs = rig.kscale(name, routes, "--keep")
        runs[-1]["endpoint_s"] = rig.endpoint_times()
        measured: dict[str, Any] = {"runs": runs}
        if large and name == "sluice":
            measured["large"] = rig.kscale(name, str(large), "--phases", "apply")[0]
        return measured


def measure_envoy_alone(routes: list[int]) -> dict[str, float]:
    """Seconds that a plain Envoy takes to serve a changed route, by their number."""
    alone = {}
    for number in routes:
        row: dict[str, Any] = {}
        scale.measure_envoy(number, 20, row)
        alone[str(number)] = row["own route"].seconds()["median"]
    return alone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", default="100,1000")
    parser.add_argument("--large", type=int, default=5000)
    parser.add_argument("--only", choices=sorted(BenchRig.SELECTORS))
    parser.add_argument("--output", type=Path, help="the report; beside it, with .json, what was measured")
    parser.add_argument("--json", type=Path, help="where what was measured is kept")
    arguments = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"no Kubernetes to measure in: {reason}")
        return 1
    result: dict[str, Any] = {"load": os.getloadavg()[0], "began": time.strftime("%F")}
    result["envoy alone"] = measure_envoy_alone([int(number) for number in arguments.routes.split(",")])
    for name in [arguments.only] if arguments.only else ["sluice", "envoy-gateway"]:
        result[name] = measure(name, arguments.routes, arguments.large)
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1))
    text = kube_report.render(result)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
