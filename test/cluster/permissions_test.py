#!/usr/bin/python3
"""What `sluice run` asks of an API server is what the chart lets it ask, in each way in which the chart installs it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import unittest
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "deploy"))
from cluster_test import Cluster, InCluster  # noqa: E402
from deploy_test import installed, needs_helm, of_kind, render  # noqa: E402

from rig import Object, Rig, gateway, gateway_class, http_listener, run_tests, wait_for  # noqa: E402

SYSTEM = "sluice-system"
KINDS = ("ServiceAccount", "ConfigMap", "Deployment", "Service")
# Name and namespace of what runs the Envoys of the Gateway web/eg.
BESIDE_SLUICE = (f"envoy-web-eg-{hashlib.sha256(b'web/eg').hexdigest()[:8]}", SYSTEM)
BESIDE_GATEWAY = ("eg", "web")


@dataclass(frozen=True)
class Request:
    """As an API server looks at it to decide on it: group, resource with its subresource, namespace."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str

    @staticmethod
    def read(method: str, target: str) -> Request | None:
        """Nothing where it is of no resource."""
        url = urllib.parse.urlsplit(target)
        found = re.fullmatch(r"/(?:api|apis/([^/]+))/[^/]+/(?:namespaces/([^/]+)/(?=.))?([^/]+)(?:/([^/]+)(?:/([^/]+))?)?", url.path)
        if not found:
            return None
        group, namespace, resource, name, subresource = (each or "" for each in found.groups())
        asked = urllib.parse.parse_qs(url.query)
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method)
        if verb is None:
            verb = "get" if name else "watch" if "watch" in asked else "list"
        one = re.fullmatch(r"metadata\.name=([^,]+)", asked.get("fieldSelector", [""])[0])
        return Request(verb, group, f"{resource}/{subresource}" if subresource else resource, namespace,
                       name or (one.group(1) if one else ""))

    def is_allowed_by(self, rule: Object) -> bool:
        names = rule.get("resourceNames")
        return (self.group in rule["apiGroups"] and self.resource in rule["resources"] and self.verb in rule["verbs"]
                and (names is None or self.name in names))

    def is_allowed(self, objects: list[Object]) -> bool:
        return any(self.is_allowed_by(rule) for role in objects if role["kind"] in ("ClusterRole", "Role")
                   and role["metadata"].get("namespace", self.namespace) == self.namespace for rule in role["rules"])


class Installed(InCluster):
    """With the arguments that the chart gives it, but for addresses and files."""

    def __init__(self, rig: Rig, cluster: Cluster, objects: list[Object], name: str) -> None:
        self._config = rig.path(f"{name}.yaml")
        self._config.write_text(of_kind(objects, "ConfigMap")[0]["data"]["envoy-gateway.yaml"])
        container = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
        self._former = [each for each in container["args"] if each.startswith("--former-deploy-type")]
        super().__init__(rig, cluster, name)

    def source(self) -> list[Any]:
        return [*super().source(), "--config", self._config, "--envoys", "cluster", "--xds", "127.0.0.1:0", *self._former]


class PermissionsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.cluster = Cluster(self.rig)
        config = json.loads(self.cluster.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = SYSTEM
        self.cluster.kubeconfig.write_text(json.dumps(config))
        its_gateway = gateway([http_listener("http", 80)], "eg")
        its_gateway["metadata"]["namespace"] = "web"
        self.cluster.put(gateway_class(), its_gateway)
        self.sluice: Installed | None = None

    def made(self, where: tuple[str, str]) -> int:
        """How many of its objects there are."""
        return sum(each is not None for each in self.cluster.objects(*KINDS, name=where[0], namespace=where[1]))

    def start(self, objects: list[Object], name: str = "run") -> None:
        """In place of the one that runs."""
        if self.sluice is not None:
            self.sluice.stop()
        self.sluice = Installed(self.rig, self.cluster, objects, name)

    def wait_made(self, where: tuple[str, str]) -> None:
        wait_for(lambda: self.made(where) == len(KINDS), f"all is made in {where[1]}", 30)

    def wait_gone(self, where: tuple[str, str]) -> None:
        wait_for(lambda: self.made(where) == 0, f"nothing is left in {where[1]}", 30)

    def serve(self, where: tuple[str, str]) -> None:
        """As a cluster's own controllers would say."""
        self.cluster.change("Deployment", *where, status={"availableReplicas": 1})
        self.cluster.change("Service", *where, status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})

    def expect_all_allowed(self, objects: list[Object]) -> None:
        asked = {Request.read(*each) for each in self.cluster.ask("requests")} - {None}
        self.assertEqual([each for each in asked if not each.is_allowed(objects)], [])
        # What it is about is there at all.
        self.assertLessEqual({"list", "watch", "patch", "delete"}, {each.verb for each in asked})

    def live_and_die(self, objects: list[Object], where: tuple[str, str]) -> None:
        self.start(objects)
        self.wait_made(where)
        self.serve(where)
        wait_for(lambda: self.cluster.status("Gateway", "eg", "web").get("addresses"), "it has its address")
        self.cluster.ask("remove", kind="Gateway", namespace="web", name="eg")
        self.wait_gone(where)
        self.expect_all_allowed(objects)

    def test_of_install_yaml_are_enough(self) -> None:
        self.live_and_die(installed(), BESIDE_SLUICE)

    @needs_helm
    def test_with_gateways_are_enough(self) -> None:
        self.live_and_die(render({"deployMode": "GatewayNamespace"}), BESIDE_GATEWAY)

    @needs_helm
    def test_of_watched_namespaces_are_enough(self) -> None:
        self.live_and_die(render({"watch": {"namespaces": ["web"]}}), BESIDE_SLUICE)

    @needs_helm
    def test_with_gateways_of_watched_namespaces_are_enough(self) -> None:
        self.live_and_die(render({"watch": {"namespaces": ["web"]}, "deployMode": "GatewayNamespace"}), BESIDE_GATEWAY)

    @needs_helm
    def test_of_selected_namespaces_are_enough(self) -> None:
        self.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "labels": {"team": "web"}}})
        self.live_and_die(render({"watch": {"namespaceSelector": {"matchLabels": {"team": "web"}}}}), BESIDE_SLUICE)

    def move(self, values: Object) -> None:
        """Beside Gateways, and back."""
        there, back = render({**values, "deployMode": "GatewayNamespace"}), render({**values, "formerDeployMode": "GatewayNamespace"})
        self.start(render(values), "before")
        self.wait_made(BESIDE_SLUICE)
        self.serve(BESIDE_SLUICE)
        for name, objects, now, before in (("there", there, BESIDE_GATEWAY, BESIDE_SLUICE), ("back", back, BESIDE_SLUICE, BESIDE_GATEWAY)):
            self.cluster.ask("forget")
            self.start(objects, name)
            self.wait_made(now)
            self.assertEqual(self.made(before), len(KINDS))
            self.serve(now)
            self.wait_gone(before)
            self.expect_all_allowed(objects)

    @needs_helm
    def test_to_move_envoys_and_back_are_enough(self) -> None:
        self.move({})

    @needs_helm
    def test_to_move_envoys_of_watched_namespaces_and_back_are_enough(self) -> None:
        self.move({"watch": {"namespaces": ["web"]}})


if __name__ == "__main__":
    run_tests()
