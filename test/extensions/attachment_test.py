#!/usr/bin/python3
"""Where policies are in force that find Gateways and ListenerSets by their labels, and what a route's own policy makes of
them that replaces them or adds to them: as requests and backends see it."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from examples import ExtProc, FORMS, find  # noqa: E402
from rig import (  # noqa: E402
    ENVOY_GATEWAY, GATEWAY_API, Object, Rig, an_object, backend_ref, endpoint_slice, envoy_proxy, envoy_proxy_ref, gateway,
    gateway_class, http_listener, path_rule, request, run_tests, service, wait_for)

LABELS = {"extended": "yes"}
# How the policy of a route says what becomes of that of its listener; the route `plain` has none.
ROUTES = {"plain": None, "replaces": {}, "strategic": {"mergeType": "StrategicMerge"}, "json": {"mergeType": "JSONMerge"}}


def script(text: str) -> list[Object]:
    """Tells the backend this in x-seen, behind what others have told it."""
    return [{"type": "Inline", "inline": f"""
function envoy_on_request(handle)
  local seen = handle:headers():get("x-seen") or ""
  handle:headers():replace("x-seen", seen .. "{text}")
end"""}]


def policy(name: str, **spec: object) -> Object:
    return an_object(f"{ENVOY_GATEWAY}/v1alpha1", "EnvoyExtensionPolicy", name, spec=spec)


def selects(kind: str) -> list[Object]:
    return [{"group": "gateway.networking.k8s.io", "kind": kind, "matchLabels": LABELS}]


def labelled(made: Object) -> Object:
    return {**made, "metadata": {**made["metadata"], "labels": LABELS}}


class Attachment(unittest.TestCase):
    """Two Gateways, `chosen` and `other`; `chosen` has the ListenerSets `more` and `rest`. The policy of Gateways with the
    label has a script, which tells "g", and a service, which names the model; that of ListenerSets a script, which tells
    "s". Routes' own ones tell "r"."""

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.ports = {name: self.rig.port() for name in ("chosen", "more", "rest", "other")}
        self.resources = self.rig.resources()
        model = FORMS["ext-proc-cpp"].objects("gateways", {}, ExtProc(self.rig, {}).address)
        asks = find(model, "EnvoyExtensionPolicy")["spec"]["extProc"]
        self.resources.write("policies.yaml", [
            find(model, "Backend"),
            policy("gateways", targetSelectors=selects("Gateway"), lua=script("g"), extProc=asks),
            policy("sets", targetSelectors=selects("ListenerSet"), lua=script("s")),
            *(policy(route, targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route}],
                     lua=script("r"), **spec) for route, spec in ROUTES.items() if spec is not None)])
        backend = self.rig.echo("blue").addresses["blue"]
        parents = [{"name": "chosen"}, {"name": "other"}, *({"kind": "ListenerSet", "name": name} for name in ("more", "rest"))]
        self.resources.write("routes.yaml", [
            gateway_class(), envoy_proxy("small", concurrency=1), service("backend"),
            endpoint_slice("backend", "backend", backend[1]),
            *(an_object(GATEWAY_API, "HTTPRoute", route, spec={
                "parentRefs": parents, "hostnames": [f"{route}.test"], "rules": [path_rule("/", backend_ref("backend"))]})
              for route in ROUTES)])
        self.label("chosen", "more")
        self.sluice = self.rig.sluice(self.resources)

    def label(self, *names: str) -> None:
        """These have the label, and no others."""
        made = []
        for name in ("chosen", "other"):
            its = gateway([http_listener("http", self.ports[name])], name)
            its["spec"].update(allowedListeners={"namespaces": {"from": "Same"}},
                               infrastructure={"parametersRef": envoy_proxy_ref("small")})
            made.append(its)
        made += [an_object(GATEWAY_API, "ListenerSet", name, spec={
            "parentRef": {"name": "chosen"}, "listeners": [http_listener(name, self.ports[name])]})
            for name in ("more", "rest")]
        self.resources.write("gateways.yaml", [
            labelled(each) if each["metadata"]["name"] in names else each for each in made])

    def told(self, listener: str, route: str) -> tuple[str | None, str | None] | str:
        """What the backend was told: in x-seen, and as the model."""
        try:
            answer = request(f"http://127.0.0.1:{self.ports[listener]}/", f"{route}.test", "POST", body=b'{"model": "m"}')
        except OSError as error:
            return str(error)
        if answer.status != 200:
            return str(answer.status)
        return answer.json["headers"].get("x-seen"), answer.json["headers"].get("x-model")

    # By the policy in force at a listener: what each route's backend is told. A list that the route's policy has itself
    # is the route's, whether it merges or not.
    GATEWAYS = {"plain": ("g", "m"), "replaces": ("r", None), "strategic": ("r", "m"), "json": ("r", "m")}
    SETS = {"plain": ("s", None), "replaces": ("r", None), "strategic": ("r", None), "json": ("r", None)}
    NONE = {"plain": (None, None), "replaces": ("r", None), "strategic": ("r", None), "json": ("r", None)}

    def expect(self, **at: dict[str, tuple[str | None, str | None]]) -> None:
        for listener, routes in at.items():
            last: object = None

            def as_wanted() -> bool:
                nonlocal last
                last = {route: self.told(listener, route) for route in ROUTES}
                return last == routes
            try:
                wait_for(as_wanted, f"what is expected at {listener}", 15, every=0.1)
            except TimeoutError:
                self.assertEqual(last, routes, listener)

    def test_policies_are_in_force_where_labels_say_and_routes_replace_them_or_add_to_them(self) -> None:
        self.expect(chosen=self.GATEWAYS, more=self.SETS, rest=self.GATEWAYS, other=self.NONE)
        # The labels move: so do the policies.
        self.label("other", "rest")
        self.expect(chosen=self.NONE, more=self.NONE, rest=self.SETS, other=self.GATEWAYS)
        self.label()
        self.expect(chosen=self.NONE, more=self.NONE, rest=self.NONE, other=self.NONE)
        self.assertEqual(self.sluice.rejections(), [])


if __name__ == "__main__":
    run_tests()
