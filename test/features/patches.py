"""EnvoyPatchPolicy: what it changes, and what it leaves alone. What Envoy refuses is in test/reject."""

from __future__ import annotations

import unittest

from feature import Ask, Feature, Stage
from rig import Object, backend_ref, http_route, path_rule, wait_for

TYPES = {"listener": "envoy.config.listener.v3.Listener", "routes": "envoy.config.route.v3.RouteConfiguration",
         "cluster": "envoy.config.cluster.v3.Cluster"}
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


FEATURES = [patched_host, patched_cluster, added_cluster]
