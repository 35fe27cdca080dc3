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

from conformance import CLASS
from kube_rig import BUILD, NAMESPACE, ROOT, WORK, KubeRig, Object, run_kube_tests

QUICKSTART = ROOT / "examples/kubernetes/quickstart.yaml"
OF_EG = "gateway.envoyproxy.io/owning-gateway-name=eg"
OF_OURS = "sluice.dev/controller"  # all that runs Envoys has this label
RUNS_ENVOYS = "deployment,service,configmap,serviceaccount"
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


class QuickstartTest(unittest.TestCase):
    """Of tests that begin with the quickstart as it is to be."""

    def setUp(self) -> None:
        self.address = self.answering()

    def answering(self) -> str:
        address = address_of("eg")
        rig.wait("the quickstart answers", lambda: answer(address, "www.example.com") == 200)
        return address

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
        self.make_route(name)
        rig.wait(f"{name} answers", lambda: self.answers(name) == 200)

        def accepted() -> bool:
            parents = rig.get("httproute", name).get("status", {}).get("parents", [])
            return bool(parents) and condition(parents[0], "Accepted").get("status") == "True"

        rig.wait(f"{name} is accepted", accepted)

    def make_route(self, name: str) -> None:
        rig.apply(route(name, f"{name}.example.com"))
        self.addCleanup(rig.kubectl, "delete", "httproute", name, "-n", "default", "--ignore-not-found")

    def answers(self, name: str) -> int:
        return answer(self.address, f"{name}.example.com")


class KubernetesTest(QuickstartTest):
    def test_the_quickstart_answers(self) -> None:
        said = rig.inside("curl", "-s", "-H", "Host: www.example.com", f"http://{self.address}/hello")
        self.assertEqual(json.loads(said)["path"], "/hello")

    def test_a_deployment_that_is_deleted_comes_back(self) -> None:
        name = rig.kubectl("get", "deployment", "-n", NAMESPACE, "-l", OF_EG, "-o", "jsonpath={.items[0].metadata.name}")
        rig.kubectl("delete", "deployment", name, "-n", NAMESPACE)
        rig.wait("the Deployment is back", lambda: rig.get("deployment", name, NAMESPACE).get("status", {}).get("availableReplicas"), 60)

    def test_a_field_that_somebody_changes_is_taken_back(self) -> None:
        name = rig.kubectl("get", "service", "-n", NAMESPACE, "-l", OF_EG, "-o", "jsonpath={.items[0].metadata.name}")
        rig.kubectl("patch", "service", name, "-n", NAMESPACE, "-p", '{"spec": {"externalTrafficPolicy": "Cluster"}}')
        rig.wait("it is as it was", lambda: rig.get("service", name, NAMESPACE)["spec"]["externalTrafficPolicy"] == "Local")

    def test_a_gateway_that_is_deleted_takes_its_objects_along(self) -> None:
        gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                   "metadata": {"name": "short", "namespace": "default"},
                   "spec": {"gatewayClassName": CLASS, "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}
        rig.apply(gateway)
        address_of("short")
        rig.kubectl("delete", "gateway", "short", "-n", "default")

        def left() -> str:
            return rig.kubectl("get", RUNS_ENVOYS, "-n", NAMESPACE, "-l", "gateway.envoyproxy.io/owning-gateway-name=short",
                               "-o", "name")

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


    def test_a_kubelet_and_a_containerd_that_restart_cost_no_request(self) -> None:
        traffic = Traffic(self.address, "www.example.com")
        rig.restart_components("kubelet", "containerd")
        self.expect_pods_to_start()
        self.serves_a_new_route("after-the-kubelet")
        self.expect_no_loss(traffic, 100)

    def expect_pods_to_start(self) -> None:
        rig.kubectl("run", "probe", "-n", "default", "--image=registry.k8s.io/pause:3.10", "--restart=Never")
        self.addCleanup(rig.kubectl, "delete", "pod", "probe", "-n", "default", "--now", "--ignore-not-found")
        rig.kubectl("wait", "--for=condition=Ready", "pod/probe", "-n", "default", "--timeout=60s", timeout=90)

    def test_a_node_that_restarts_serves_what_it_served(self) -> None:
        before = self.running()
        rig.reboot_node()
        rig.wait("all pods run again", lambda: self.running() and not self.running() & before, 120)
        self.answering()
        self.serves_a_new_route("after-the-reboot")

    @staticmethod
    def running() -> set[str]:
        """The containers that run; nothing as long as some do not."""
        pods = json.loads(rig.kubectl("get", "pods", "-A", "-o", "json"))["items"]
        containers = [each for pod in pods for each in pod["status"].get("containerStatuses", [])]
        ready = containers and all(each["ready"] for each in containers)
        return {each["containerID"] for each in containers} if ready else set()

    def test_data_of_yesterday_are_served_as_they_are_and_no_request_is_lost(self) -> None:
        """etcd's data are replaced by older ones, so that versions of objects go backwards."""
        data, saved = WORK / "state/etcd", WORK / "state/etcd.saved"
        self.make_route("of-yesterday")
        rig.wait("it answers", lambda: self.answers("of-yesterday") == 200)
        etcd = rig.kill_components("etcd")
        rig.inside("rm", "-rf", saved)  # of a test before, in a rig that was kept
        rig.inside("cp", "-a", data, saved)
        rig.start_components(etcd)
        rig.wait("the API server answers", lambda: rig.kubectl("get", "--raw", "/readyz", check=False) == "ok")
        traffic = Traffic(self.address, "www.example.com")
        rig.kubectl("delete", "httproute", "of-yesterday", "-n", "default")
        self.make_route("of-today")
        rig.wait("today's route answers", lambda: self.answers("of-today") == 200)
        rig.wait("yesterday's does not", lambda: self.answers("of-yesterday") == 404)
        control = ["lb", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"]
        commands = rig.kill_components(*control)
        rig.inside("rm", "-rf", data)
        rig.inside("mv", saved, data)
        rig.start_components(commands)
        rig.wait("the API server answers", lambda: rig.kubectl("get", "--raw", "/readyz", check=False) == "ok")
        rig.wait("yesterday's route answers", lambda: self.answers("of-yesterday") == 200, 90)
        rig.wait("today's does not", lambda: self.answers("of-today") == 404)
        self.serves_a_new_route("of-tomorrow")
        self.expect_no_loss(traffic, 500)


class GatewayNamespaceTest(QuickstartTest):
    """Envoys beside their Gateways, who show tokens."""

    @classmethod
    def setUpClass(cls) -> None:
        rig.upgrade("--set", "deployMode=GatewayNamespace")
        rig.wait("Envoys beside sluice are gone", lambda: not cls.left_in(NAMESPACE), 120)

    @classmethod
    def tearDownClass(cls) -> None:
        rig.upgrade("--set", "deployMode=ControllerNamespace", "--set", "formerDeployMode=GatewayNamespace")
        rig.wait("Envoys beside their Gateways are gone", lambda: not cls.left_in("default"), 120)

    @staticmethod
    def left_in(namespace: str) -> str:
        return rig.kubectl("get", RUNS_ENVOYS, "-n", namespace, "-l", OF_OURS, "-o", "name").strip()

    def test_a_new_route_is_served(self) -> None:
        self.serves_a_new_route("beside")

    def test_envoys_that_are_replaced_lose_no_request(self) -> None:
        traffic = Traffic(self.address, "www.example.com")
        rig.kubectl("rollout", "restart", "deployment/eg", "-n", "default")
        rig.kubectl("rollout", "status", "deployment/eg", "-n", "default", "--timeout=60s", timeout=90)
        rig.wait("the old pod is gone", lambda: len(rig.kubectl("get", "pods", "-n", "default", "-l", OF_EG, "-o", "name").split()) == 1,
                 90)
        self.expect_no_loss(traffic, 500)


class ConformanceTest(unittest.TestCase):
    def test_the_core_profile_passes(self) -> None:
        self.assertEqual(rig.conformance("gwapi", CLASS, "--profile", "core"), 0)


class UninstallTest(unittest.TestCase):
    """The last of all."""

    def test_leaves_nothing_behind(self) -> None:
        rig.kubectl("delete", "gateways", "--all", "-A")
        rig.wait("no Envoy is left", lambda: not rig.kubectl("get", RUNS_ENVOYS, "-A", "-l", OF_OURS, "-o", "name").strip())
        rig.helm("uninstall", "sluice", "-n", NAMESPACE)
        rig.kubectl("delete", "namespace", NAMESPACE, timeout=90)
        left = rig.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name")
        self.assertNotIn("sluice", left)


if __name__ == "__main__":
    run_kube_tests()
