"""EnvoyPatchPolicy: what it changes, and what it leaves alone. What Envoy refuses is in test/reject."""

from __future__ import annotations

import unittest

from feature import Ask, Feature, Stage
from rig import (Object, backend_ref, http_route, https_listener, make_certificate, path_rule, tls_secret, wait_answer,
                 wait_for)

TYPES = {"listener": "envoy.config.listener.v3.Listener", "routes": "envoy.config.route.v3.RouteConfiguration",
         "cluster": "envoy.config.cluster.v3.Cluster", "endpoints": "envoy.config.endpoint.v3.ClusterLoadAssignment",
         "secret": "envoy.extensions.transport_sockets.tls.v3.Secret"}
LISTENER = "default/web/http"  # Envoy Gateway's name, of the route table too


def patch(resource: str, name: str, op: str, **operation: object) -> Object:
    return {"type": f"type.googleapis.com/{TYPES[resource]}", "name": name, "operation": {"op": op, **operation}}


def policy(name: str, *patches: Object) -> Object:
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyPatchPolicy",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "JSONPatch", "jsonPatches": list(patches),
                     "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}}}


def route(name: str, backend: str = "blue") -> Object:
    return http_route(name, [f"{name}.example"], [path_rule("/", backend_ref(backend))], section="http")


def header_for(name: str) -> Object:
    return patch("routes", LISTENER, "add", path="/response_headers_to_add/-",
                 jsonPath=f"$.virtual_hosts[?(@.domains[0] == '{name}.example')]",
                 value={"header": {"key": "x-patched", "value": "yes"}})


def undone(stage: Stage, test: unittest.TestCase) -> None:
    """Without the policy the answers are as they were before."""
    test.assertEqual(stage.ask("patchedhost.example").headers["x-patched"], "yes")
    stage.resources.write("patchedhost.yaml", [route("patchedhost")])

    def gone() -> bool:
        answer = stage.ask("patchedhost.example")
        test.assertEqual(answer.status, 200)
        return "x-patched" not in answer.headers
    wait_for(gone, "the header to go")


patched_host = Feature(
    "patchedhost", lambda stage: [route("patchedhost"), policy("patchedhost", header_for("patchedhost"))], check=undone)


def added_header(value: str) -> Object:
    return {"path": "/response_headers_to_add/-", "value": {"header": {"key": "x-patched", "value": value}}}


# Virtual hosts and routes by their names in Envoy Gateway: those of the names, and none beside them.
named_host = Feature(
    "namedhost",
    lambda stage: [
        route("namedhost"), route("namedhost-other"),
        policy("namedhost", patch("routes", LISTENER, "add", **added_header("host"),
                                  jsonPath=f"$.virtual_hosts[?(@.name == '{LISTENER}/namedhost_example')]"))],
    requests=[Ask("/", "namedhost.example", headers={"x-patched": "host"}),
              Ask("/", "namedhost-other.example", headers={"x-patched": None})])


def three_rules(name: str, *backends: str) -> Object:
    """With the paths /0, /1 and /2."""
    return http_route(name, [f"{name}.example"], [path_rule(f"/{index}", backend_ref(backend))
                                                  for index, backend in enumerate(backends)], section="http")


named_routes = Feature(
    "namedroutes",
    lambda stage: [
        three_rules("namedroutes", "blue", "blue", "blue"),
        policy("namedroutes",
               patch("routes", LISTENER, "add", **added_header("one"),
                     jsonPath="..routes[?(@.name == 'httproute/default/namedroutes/rule/1/match/0/namedroutes_example')]"),
               # Of the host's routes those whose name matches.
               patch("routes", LISTENER, "add", path="/route/prefix_rewrite", value="/rewritten",
                     jsonPath=f"$.virtual_hosts[?(@.name == '{LISTENER}/namedroutes_example')]"
                              ".routes[?match(@.name, '.*/rule/[12]/.*')]"))],
    requests=[Ask("/0", "namedroutes.example", headers={"x-patched": None}, backend_sees={"path": "/0"}),
              Ask("/1", "namedroutes.example", headers={"x-patched": "one"}, backend_sees={"path": "/rewritten"}),
              Ask("/2", "namedroutes.example", headers={"x-patched": None}, backend_sees={"path": "/rewritten"})])


def at_green(stage: Stage) -> list[Object]:
    """The rule's endpoints are another backend's."""
    host, port = stage.addresses["green"]
    there = {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
    return [three_rules("namedendpoints", "blue", "blue", "blue"), route("namedendpoints-other"),
            policy("namedendpoints", patch("endpoints", "httproute/default/namedendpoints/rule/1", "replace",
                                           path="/endpoints/0/lb_endpoints", value=[there]))]


named_endpoints = Feature("namedendpoints", at_green, requests=[
    Ask("/0", "namedendpoints.example", backend="blue"), Ask("/1", "namedendpoints.example", backend="green"),
    Ask("/2", "namedendpoints.example", backend="blue"), Ask("/", "namedendpoints-other.example", backend="blue")])


class Certificates:
    """A listener whose Secret has one certificate, and for which Envoy gets another; beside it one that it leaves alone."""

    NAMES = ("patchedsecret", "patchedsecret-other")
    SERIALS = {"patchedsecret": 0xE1, "patchedsecret-other": 0xE2}

    def listeners(self, stage: Stage) -> list[Object]:
        self.ports = {name: stage.rig.port() for name in self.NAMES}
        return [https_listener(name, port, name) for name, port in self.ports.items()]

    def objects(self, stage: Stage) -> list[Object]:
        folder = stage.rig.path("patchedsecret")
        folder.mkdir()
        chain, key = make_certificate(folder, ["patchedsecret.example"], 0xE3)
        return [
            *(tls_secret(name, *make_certificate(folder, [f"{name}.example"], serial))
              for name, serial in self.SERIALS.items()),
            *(http_route(name, [f"{name}.example"], [path_rule("/", backend_ref("blue"))], section=name)
              for name in self.NAMES),
            policy("patchedsecret", patch("secret", "default/patchedsecret", "replace", path="/tls_certificate", value={
                "certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}))]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        for name, serial in (("patchedsecret", "E3"), ("patchedsecret-other", "E2")):
            answer = wait_answer(f"https://127.0.0.1:{self.ports[name]}/", f"{name}.example")
            test.assertEqual((answer.backend, answer.serial), ("blue", serial))


certificates = Certificates()
patched_secret = Feature("patchedsecret", certificates.objects, check=certificates.check, listeners=certificates.listeners)


# No request passes the breaker of the one rule's cluster.
patched_cluster = Feature(
    "patchedcluster",
    lambda stage: [
        route("patchedcluster"), http_route("unpatched", ["unpatched.example"], [path_rule("/", backend_ref("blue"))],
                                            section="http"),
        policy("patchedcluster",
               patch("cluster", "httproute/default/patchedcluster/rule/0", "add", path="/circuit_breakers",
                     value={"thresholds": [{"max_requests": 0}]}))],
    requests=[Ask("/", "patchedcluster.example", status=503, headers={"x-backend": None}),
              Ask("/", "unpatched.example", backend="blue")])


def chosen_backend(stage: Stage, test: unittest.TestCase) -> None:
    """The header that a filter may have set says which endpoint a request goes to."""
    for name in ("green", "red"):
        endpoint = "{}:{}".format(*stage.addresses[name])
        test.assertEqual(stage.ask("chosenbackend.example", headers={"x-endpoint": endpoint}).backend, name)


added_cluster = Feature(
    "chosenbackend",
    lambda stage: [
        route("chosenbackend"),
        policy("chosenbackend",
               patch("cluster", "by-header", "add", path="",
                     value={"name": "by-header", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED",
                            "connect_timeout": "1s",
                            "original_dst_lb_config": {"use_http_header": True, "http_header_name": "x-endpoint"}}),
               patch("routes", LISTENER, "replace", value="by-header",
                     jsonPath="..routes[?match(@.name, 'httproute/default/chosenbackend/.*')].route.cluster"))],
    check=chosen_backend)


FEATURES = [patched_host, named_host, named_routes, named_endpoints, patched_secret, patched_cluster, added_cluster]
