#!/usr/bin/python3
"""Several `sluice run --kubernetes` at once: who makes certificates, and what one hears of another's Envoys."""

from __future__ import annotations

import socket
import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cluster_test import Cluster, InCluster, condition  # noqa: E402

import rig  # noqa: E402
from rig import (  # noqa: E402
    Object, Rig, backend_ref, endpoint_slice, gateway, gateway_class, http_listener, http_route, path_rule, run_tests,
    service, wait_for)

# As the value of a header: text to the Gateway API, a command to Envoy, and one with an argument that it does not take.
BAD = "%REQ(NOPE?A?B)%"


class Replica(InCluster):
    """One that serves Envoys in pods, too."""

    def source(self) -> list[Any]:
        return [*super().source(), "--xds", "127.0.0.1:0"]

    def leads(self) -> bool:
        return any(line.message == "this replica leads" for line in self.lines)

    def certificate(self) -> Object:
        return self.wait_line(lambda line: line.message == "certificate", "a certificate is shown").fields


class ReplicasTest(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.cluster = Cluster(self.rig)
        self.port = self.rig.port()
        backend = self.rig.echo("blue").addresses["blue"][1]
        self.cluster.put(gateway_class(), gateway([http_listener("http", self.port)]), service("web"),
                         endpoint_slice("web", "web", backend), self.route("a"))

    @staticmethod
    def route(name: str, header: str = "") -> Object:
        rule = path_rule("/", backend_ref("web"))
        if header:
            rule["filters"] = [{"type": "RequestHeaderModifier",
                                "requestHeaderModifier": {"set": [{"name": "x-test", "value": header}]}}]
        return http_route(name, [f"{name}.example"], [rule])

    def secret(self, name: str) -> Object | None:
        return self.cluster.ask("get", kind="Secret", namespace="default", name=name)

    def start(self, name: str) -> Replica:
        return Replica(self.rig, self.cluster, name=name)

    def start_leader_without_envoys(self) -> Replica:
        with mock.patch.object(rig, "ENVOY", "/bin/false"):
            leader = self.start("leader")
        leader.wait_line(lambda line: line.message == "this replica leads", "it leads")
        return leader

    def condition(self, route: str, kind: str) -> Object:
        parents = self.cluster.status("HTTPRoute", route).get("parents", [])
        return condition(parents[0]["conditions"], kind) if parents else {}

    def test_the_leader_makes_the_certificates_that_all_show(self) -> None:
        replicas = [self.start("one"), self.start("two")]
        shown = [(each["names"], each["until"]) for each in (replica.certificate() for replica in replicas)]
        self.assertEqual(shown[0], shown[1])
        self.assertIn("sluice.default.svc.cluster.local", shown[0][0])
        wait_for(lambda: all(self.secret(name) for name in ("sluice", "sluice-ca", "envoy")), "all Secrets are there")
        self.assertEqual(self.secret("envoy")["type"], "kubernetes.io/tls")

    def test_what_an_envoy_of_a_follower_takes_is_programmed(self) -> None:
        self.start_leader_without_envoys()
        self.start("follower").wait_line(lambda line: line.message == "acknowledged", "its Envoy is served", seconds=30)
        wait_for(lambda: any("configmaps" in target for target in self.cluster.writes("sluice-report")),
                 "it tells so", 20)

    def test_what_an_envoy_of_a_follower_refuses_is_told_by_the_leader(self) -> None:
        self.start_leader_without_envoys()
        follower = self.start("follower")
        follower.wait_line(lambda line: line.message == "acknowledged", "its Envoy is served", seconds=30)
        self.assertFalse(follower.leads())
        self.cluster.put(self.route("bad", BAD))
        wait_for(lambda: "NOPE" in str(self.condition("bad", "Accepted")), "the condition says why", 30)
        self.assertEqual(self.condition("a", "Accepted")["status"], "True")
        # Its version is mended by whoever wrote it.
        self.cluster.put(self.route("bad"))
        wait_for(lambda: self.condition("bad", "Accepted").get("status") == "True", "it is accepted", 30)

    def test_a_port_that_an_envoy_of_a_follower_does_not_get_is_told_by_the_leader(self) -> None:
        self.start_leader_without_envoys()
        follower = self.start("follower")
        follower.wait_line(lambda line: line.message == "acknowledged", "its Envoy is served", seconds=30)

        def message() -> str:
            listeners = self.cluster.status("Gateway", "web").get("listeners", [])
            return str([condition(each["conditions"], "Programmed") for each in listeners])

        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.cluster.put(gateway([http_listener("http", self.port), http_listener("taken", port)]))
            wait_for(lambda: f"{port} is in use" in message(), "the condition says why", 30)
        wait_for(lambda: "is in use" not in message(), "the follower's Envoy has got it", 60)

    def test_what_a_follower_found_out_outlives_it(self) -> None:
        leader = self.start_leader_without_envoys()
        follower = self.start("follower")
        follower.wait_line(lambda line: line.message == "acknowledged", "its Envoy is served", seconds=30)
        self.cluster.put(self.route("bad", BAD))
        wait_for(lambda: "NOPE" in str(self.condition("bad", "Accepted")), "the condition says why", 30)
        follower.stop()
        mark = leader.mark()
        self.cluster.put(self.route("b"))
        leader.commit_of(["HTTPRoute default/b"], mark)
        wait_for(lambda: self.condition("b", "Accepted").get("status") == "True", "the next status is written", 20)
        self.assertIn("NOPE", str(self.condition("bad", "Accepted")))


if __name__ == "__main__":
    run_tests()
