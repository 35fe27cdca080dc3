"""`sluice run --kubernetes` with the real Envoy and an API server in memory: what is served, what is written back, and
what outages and restarts change, which is nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import (  # noqa: E402
    BUILD, SLUICE, Object, Rig, Sluice, Target, backend_ref, endpoint_slice, gateway, gateway_class, http_listener, http_route,
    path_rule, request, run_tests, service, wait_answer, wait_for)

ROUTES = 300
# Of a Gateway to which they attach one after the other: 5, where nobody else uses the machine.
MOST_GATEWAY_WRITES = 20


class Cluster:
    """An API server in memory; see memory_api_server.cc."""

    def __init__(self, rig: Rig) -> None:
        self.kubeconfig = rig.path("kubeconfig")
        self._process = rig.start(BUILD / "test/cluster/memory-api-server", self.kubeconfig, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, do: str, **more: Any) -> Any:
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def put(self, *objects: Object) -> None:
        self.ask("put", objects=objects)

    def status(self, kind: str, name: str, namespace: str = "default") -> Object:
        return (self.ask("get", kind=kind, namespace=namespace, name=name) or {}).get("status") or {}

    def objects(self, *kinds: str, name: str, namespace: str) -> list[Object | None]:
        return [self.ask("get", kind=kind, namespace=namespace, name=name) for kind in kinds]

    def change(self, kind: str, name: str, namespace: str, **members: Any) -> None:
        self.put({**self.ask("get", kind=kind, namespace=namespace, name=name), **members})

    def writes(self, part: str) -> list[str]:
        return [target for method, target in self.ask("writes") if method == "PATCH" and part in target]


class InCluster(Sluice):
    """`sluice run` on the objects of a cluster."""

    def __init__(self, rig: Rig, cluster: Cluster, name: str = "run") -> None:
        self._kubeconfig = cluster.kubeconfig
        super().__init__(rig, None, name=name)

    def source(self) -> list[Any]:
        return ["--kubernetes", "--kubeconfig", self._kubeconfig]


class WithEnvoysThere(InCluster):
    """The same, with Envoys as pods, of which there are none here: nobody runs what is made."""

    def source(self) -> list[Any]:
        return [*super().source(), "--envoys", "cluster", "--xds", "127.0.0.1:0"]


def condition(conditions: list[Object], kind: str) -> Object:
    return next((each for each in conditions if each["type"] == kind), {})


class ClusterTest(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.cluster = Cluster(self.rig)
        self.port = self.rig.port()
        self.url = f"http://127.0.0.1:{self.port}/"
        echo = self.rig.echo("blue", "green")
        self.ports = {name: address[1] for name, address in echo.addresses.items()}
        self.cluster.put(gateway_class(), gateway([http_listener("http", self.port)]), service("web"),
                         endpoint_slice("web", "web", self.ports["blue"]), self.route("a"))
        self.sluice = InCluster(self.rig, self.cluster)

    @staticmethod
    def route(name: str) -> Object:
        return http_route(name, [f"{name}.example"], [path_rule("/", backend_ref("web"))])

    def programmed(self) -> bool:
        return condition(self.cluster.status("Gateway", "web").get("conditions", []), "Programmed").get("status") == "True"

    def attached(self) -> int:
        listeners = self.cluster.status("Gateway", "web").get("listeners", [])
        return listeners[0]["attachedRoutes"] if listeners else 0

    def accepted(self, name: str) -> bool:
        parents = self.cluster.status("HTTPRoute", name).get("parents", [])
        return bool(parents) and condition(parents[0]["conditions"], "Accepted")["status"] == "True"

    def wait_serving(self) -> None:
        wait_answer(self.url, "a.example")
        wait_for(self.programmed, "the Gateway is programmed")
        wait_for(lambda: self.accepted("a"), "the route is accepted")
        wait_for(lambda: self.attached() == 1, "the route is counted")

    def load(self) -> Any:
        return self.rig.load([Target("a", self.url, "a.example")], rate=200)

    def test_objects_are_served_and_have_their_statuses(self) -> None:
        self.wait_serving()
        accepted = condition(self.cluster.status("GatewayClass", "sluice", "")["conditions"], "Accepted")
        self.assertEqual((accepted["status"], accepted["observedGeneration"]), ("True", 1))

    def test_an_endpoint_that_changes_is_served_soon(self) -> None:
        self.wait_serving()
        self.cluster.put(endpoint_slice("web", "web", self.ports["green"]))
        wait_answer(self.url, "a.example", lambda answer: answer.backend == "green")

    def test_many_routes_at_once_cost_few_writes(self) -> None:
        self.wait_serving()
        self.cluster.ask("forget")
        names = [f"r{i}" for i in range(ROUTES)]
        self.cluster.put(*(self.route(name) for name in names))
        wait_for(lambda: all(self.accepted(name) for name in names[::50] + names[-1:]), "routes are accepted", 30)
        wait_for(lambda: self.attached() == ROUTES + 1, "routes are counted", 30)
        wait_answer(self.url, f"{names[-1]}.example")
        self.assertLessEqual(len(self.cluster.writes("/gateways/")), MOST_GATEWAY_WRITES)
        self.assertLessEqual(len(self.cluster.writes("/httproutes/")), ROUTES)

    def test_an_outage_costs_no_request_and_is_told(self) -> None:
        self.wait_serving()
        load = self.load()
        self.cluster.ask("stop")
        wait_for(lambda: "cluster/api-server" in self.sluice.status().stdout, "the problem is told")
        self.cluster.ask("start")
        wait_for(lambda: "cluster/api-server" not in self.sluice.status().stdout, "the problem is gone", 30)
        self.cluster.put(self.route("b"))
        wait_answer(self.url, "b.example")
        records = load.finish()
        self.assertGreater(len(records), 100)
        self.assertEqual({record.status for record in records}, {200})

    def test_a_restart_costs_no_request_and_takes_nothing_back(self) -> None:
        self.wait_serving()
        load = self.load()
        before = self.cluster.status("Gateway", "web")
        self.sluice.kill()
        self.cluster.ask("forget")
        self.sluice.start()
        wait_for(self.leads, "it leads again", 40)
        time.sleep(2)
        self.assertEqual(self.cluster.status("Gateway", "web"), before)
        self.assertEqual(self.cluster.writes("/status"), [])
        self.assertEqual({record.status for record in load.finish()}, {200})

    def leads(self) -> bool:
        return any(line.message == "this replica leads" for line in self.sluice.lines[self.sluice.first_line:])

    def test_a_restart_in_an_outage_costs_no_request(self) -> None:
        self.wait_serving()
        load = self.load()
        self.cluster.ask("stop")
        self.sluice.kill()
        self.sluice.start()
        wait_for(lambda: "cluster/api-server" in self.sluice.status().stdout, "it says what it waits for")
        time.sleep(2)
        self.cluster.ask("start")
        self.cluster.put(self.route("b"))
        wait_answer(self.url, "b.example")
        self.assertEqual({record.status for record in load.finish()}, {200})


class EnvoysInClusterTest(unittest.TestCase):
    NAME = "envoy-default-web-82b3ade9"
    KINDS = ("ServiceAccount", "ConfigMap", "Deployment", "Service")

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.cluster = Cluster(self.rig)
        self.cluster.put(gateway_class(), gateway([http_listener("http", 80)]))
        self.sluice = WithEnvoysThere(self.rig, self.cluster)

    def objects(self) -> list[Object | None]:
        return self.cluster.objects(*self.KINDS, name=self.NAME, namespace="default")

    def programmed(self) -> tuple[str, str]:
        now = condition(self.cluster.status("Gateway", "web").get("conditions", []), "Programmed")
        return now.get("status", ""), now.get("reason", "")

    def test_a_gateway_is_programmed_when_its_service_has_an_address_and_a_pod_serves(self) -> None:
        wait_for(lambda: all(self.objects()), "all objects are there", 30)
        wait_for(lambda: self.programmed() == ("False", "AddressNotAssigned"), "there is no address")
        self.cluster.change("Service", self.NAME, "default",
                            status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})
        wait_for(lambda: self.programmed() == ("False", "NoResources"), "there is no pod")
        self.cluster.change("Deployment", self.NAME, "default", status={"availableReplicas": 1})
        wait_for(lambda: self.programmed() == ("True", "Programmed"), "the Gateway is programmed")
        self.assertEqual(self.cluster.status("Gateway", "web")["addresses"],
                         [{"type": "IPAddress", "value": "192.0.2.1"}])

    def test_what_a_gateway_had_is_deleted_by_the_next_process_too(self) -> None:
        wait_for(lambda: all(self.objects()), "all objects are there", 30)
        self.sluice.kill()
        self.cluster.ask("remove", kind="Gateway", namespace="default", name="web")
        self.sluice.start()
        wait_for(lambda: not any(self.objects()), "all objects are gone", 40)

    def test_no_envoy_runs_here(self) -> None:
        wait_for(lambda: all(self.objects()), "all objects are there", 30)
        self.assertEqual(self.sluice.envoys(), [])


class PickerTest(unittest.TestCase):
    """`sluice picker --kubernetes`."""

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.cluster = Cluster(self.rig)
        self.log = self.rig.path("picker.log")

    def start(self) -> None:
        self.process = self.rig.start(SLUICE, "picker", "--kubernetes", "--kubeconfig", self.cluster.kubeconfig, "--pool", "models",
                                      "--listen", "127.0.0.1:0", stderr=self.log.open("w"))

    @staticmethod
    def pool() -> Object:
        return {"apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool",
                "metadata": {"name": "models", "namespace": "default"},
                "spec": {"selector": {"matchLabels": {"app": "vllm"}}, "targetPorts": [{"number": 8000}]}}

    @staticmethod
    def pod(name: str, ip: str) -> Object:
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": "vllm"}},
                "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}}

    def servers(self) -> set[str]:
        """Those that it knows, by its metrics; none as long as it does not listen."""
        found = re.search(r'"admin":"([^"]+)"', self.log.read_text())
        page = request(f"http://{found[1]}/metrics").body.decode() if found else ""
        return set(re.findall(r'^sluice_picker_endpoint_up\{endpoint="([^"]+)"', page, re.M))

    def test_it_follows_the_pods_of_a_pool(self) -> None:
        self.cluster.put(self.pool(), self.pod("one", "127.0.0.1"))
        self.start()
        wait_for(lambda: self.servers() == {"127.0.0.1:8000"}, "it has the pod")
        self.cluster.put(self.pod("two", "127.0.0.2"))
        wait_for(lambda: self.servers() == {"127.0.0.1:8000", "127.0.0.2:8000"}, "it has both")
        self.cluster.ask("remove", kind="Pod", namespace="default", name="one")
        wait_for(lambda: self.servers() == {"127.0.0.2:8000"}, "it has the other one alone")

    def test_it_waits_for_its_pool(self) -> None:
        self.start()
        wait_for(lambda: "waiting for the pool" in self.log.read_text(), "it waits")
        self.cluster.put(self.pool(), self.pod("one", "127.0.0.1"))
        wait_for(lambda: self.servers() == {"127.0.0.1:8000"}, "it has the pod")

    def test_while_it_waits_it_ends_when_it_is_told_to(self) -> None:
        self.start()
        wait_for(lambda: "waiting for the pool" in self.log.read_text(), "it waits")
        self.process.terminate()
        self.assertEqual(self.process.wait(10), 0)

    def test_an_outage_of_the_api_server_takes_no_pod_away(self) -> None:
        self.cluster.put(self.pool(), self.pod("one", "127.0.0.1"))
        self.start()
        wait_for(lambda: self.servers() == {"127.0.0.1:8000"}, "it has the pod")
        self.cluster.ask("stop")
        wait_for(lambda: "cluster/api-server" in self.log.read_text(), "it says so")
        self.assertEqual(self.servers(), {"127.0.0.1:8000"})


if __name__ == "__main__":
    run_tests()
