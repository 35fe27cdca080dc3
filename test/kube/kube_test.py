#!/usr/bin/env python3
"""sluice in a real Kubernetes: installed and used as docs/install.md has it, and through what happens to clusters.

Needs what kube_rig.py needs; where that is missing it says so and there is nothing to test.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import run_tests  # noqa: E402

from conformance import CLASS, GATEWAY_CLASS  # noqa: E402
from kube_rig import BUILD, NAMESPACE, ROOT, KubeRig, Object, why_not  # noqa: E402

QUICKSTART = ROOT / "examples/kubernetes/quickstart.yaml"
rig: KubeRig


def setUpModule() -> None:
    global rig
    rig = unittest.enterModuleContext(KubeRig())
    rig.install()
    rig.apply(QUICKSTART)


def condition(status: Object, kind: str) -> Object:
    return next((each for each in status.get("conditions", []) if each["type"] == kind), {})


def address_of(gateway: str, namespace: str = "default") -> str:
    """Of a Gateway that serves."""

    def served() -> str:
        status = rig.get("gateway", gateway, namespace).get("status", {})
        addresses = status.get("addresses", [])
        is_programmed = condition(status, "Programmed").get("status") == "True"
        return addresses[0]["value"] if addresses and is_programmed else ""

    return rig.wait(f"Gateway {namespace}/{gateway} is programmed", served, 90)


def answer(address: str, host: str, path: str = "/") -> int:
    said = rig.inside("curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}",
                      f"http://{address}{path}", check=False)
    return int(said or 0)


def route(name: str, host: str, backend: str = "backend", port: int = 3000) -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "default"},
        "spec": {"parentRefs": [{"name": "eg"}], "hostnames": [host], "rules": [{"backendRefs": [{"name": backend, "port": port}]}]},
    }


class Traffic:
    """Requests to a Gateway at a steady rate, until lost() tells which went wrong."""

    def __init__(self, address: str, host: str, rate: int = 100) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._output = Path(self._folder.name) / "answers.csv"
        self._process = rig.start_inside(BUILD / "test/rig/load", "--until-eof", "--rate", str(rate), "--seconds", "600", "--new",
                                         "0.2", "--output", self._output, "--target", f"a http://{address}:80/ {host}",
                                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def finish(self) -> tuple[int, list[str]]:
        """How many requests there were, and what became of those without a 200."""
        self._process.stdin.close()
        self._process.wait(60)
        with open(self._output, newline="") as file:
            rows = list(csv.DictReader(file))
        self._folder.cleanup()
        return len(rows), [row["error"] or row["status"] for row in rows if row["status"] != "200"]


class KubernetesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.address = address_of("eg")
        rig.wait("the quickstart answers", lambda: answer(self.address, "www.example.com") == 200)

    def expect_no_loss(self, traffic: Traffic, least: int) -> None:
        count, lost = traffic.finish()
        self.assertGreater(count, least)
        self.assertEqual(lost, [])

    def leader(self) -> str:
        """The pod that leads."""
        leases = json.loads(rig.kubectl("get", "lease", "-n", NAMESPACE, "-o", "json"))["items"]
        return next(re.sub(r"_[^_]*$", "", each["spec"].get("holderIdentity", "")) for each in leases
                    if each["metadata"]["name"].startswith("sluice."))

    def serves_a_new_route(self, name: str) -> None:
        rig.apply(route(name, f"{name}.example.com"))
        self.addCleanup(rig.kubectl, "delete", "httproute", name, "-n", "default", "--ignore-not-found")
        rig.wait(f"{name} answers", lambda: answer(self.address, f"{name}.example.com") == 200)

        def accepted() -> bool:
            parents = rig.get("httproute", name).get("status", {}).get("parents", [])
            return bool(parents) and condition(parents[0], "Accepted").get("status") == "True"

        rig.wait(f"{name} is accepted", accepted)

    def test_the_quickstart_answers(self) -> None:
        said = rig.inside("curl", "-s", "-H", "Host: www.example.com", f"http://{self.address}/hello")
        self.assertEqual(json.loads(said)["path"], "/hello")

    def test_a_deployment_that_is_deleted_comes_back(self) -> None:
        name = rig.kubectl("get", "deployment", "-n", NAMESPACE, "-l", "gateway.envoyproxy.io/owning-gateway-name=eg", "-o",
                           "jsonpath={.items[0].metadata.name}")
        rig.kubectl("delete", "deployment", name, "-n", NAMESPACE)
        rig.wait("the Deployment is back", lambda: rig.get("deployment", name, NAMESPACE).get("status", {}).get("availableReplicas"), 60)

    def test_a_gateway_that_is_deleted_takes_its_objects_along(self) -> None:
        gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                   "metadata": {"name": "short", "namespace": "default"},
                   "spec": {"gatewayClassName": CLASS, "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}
        rig.apply(GATEWAY_CLASS, gateway)
        address_of("short")
        rig.kubectl("delete", "gateway", "short", "-n", "default")

        def left() -> str:
            return rig.kubectl("get", "deployment,service,configmap,serviceaccount", "-n", NAMESPACE, "-l",
                               "gateway.envoyproxy.io/owning-gateway-name=short", "-o", "name")

        rig.wait("nothing is left of it", lambda: not left().strip(), 60)

    def test_a_leader_that_is_killed_is_followed_by_another_and_no_request_is_lost(self) -> None:
        rig.kubectl("scale", "deployment", "sluice", "-n", NAMESPACE, "--replicas=2")
        self.addCleanup(rig.kubectl, "scale", "deployment", "sluice", "-n", NAMESPACE, "--replicas=1")
        rig.kubectl("rollout", "status", "deployment/sluice", "-n", NAMESPACE, "--timeout=60s", timeout=90)
        traffic = Traffic(self.address, "www.example.com")
        first = self.leader()
        rig.kubectl("delete", "pod", first, "-n", NAMESPACE, "--grace-period=0", "--force")
        rig.wait("another leads", lambda: self.leader() not in ("", first), 60)
        self.serves_a_new_route("after-the-leader")
        self.expect_no_loss(traffic, 100)

    def test_an_api_server_that_stops_for_a_minute_takes_nothing_away(self) -> None:
        traffic = Traffic(self.address, "www.example.com")
        seconds = float(os.environ.get("OUTAGE", "60"))
        rig.inside("pkill", "-STOP", "-x", "kube-apiserver")
        try:
            time.sleep(seconds)
        finally:
            rig.inside("pkill", "-CONT", "-x", "kube-apiserver")
        self.serves_a_new_route("after-the-outage")
        self.expect_no_loss(traffic, int(seconds) * 50)

    def test_fifty_endpoint_events_a_second_lose_no_request(self) -> None:
        rig.kubectl("scale", "deployment", "backend", "-n", "default", "--replicas=2")
        rig.kubectl("rollout", "status", "deployment/backend", "-n", "default", "--timeout=60s", timeout=90)
        pods = rig.kubectl("get", "pods", "-n", "default", "-l", "app=backend", "-o", "jsonpath={.items[*].status.podIP}").split()
        churn = [sys.executable, Path(__file__).parent / "churn.py", "--service", "churned", "--port", "3000", *pods]
        rig.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "churned", "namespace": "default"},
                   "spec": {"ports": [{"name": "http", "port": 3000}]}}, route("churned", "churned.example.com", "churned"))
        rig.inside(*churn, "--seconds", "1", "--rate", "1")
        rig.wait("it answers", lambda: answer(self.address, "churned.example.com") == 200)
        traffic = Traffic(self.address, "churned.example.com", 200)
        changes = rig.inside(*churn, "--seconds", "10", "--rate", "50")
        self.assertGreater(int(changes), 300)
        self.expect_no_loss(traffic, 1000)


class ConformanceTest(unittest.TestCase):
    def test_the_core_profile_passes(self) -> None:
        rig.apply(GATEWAY_CLASS)
        self.assertEqual(rig.conformance("gwapi", CLASS, "--profile", "core"), 0)


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print(f"nothing to test in Kubernetes: {reason}")
        sys.exit(0)
    run_tests()
