"""EnvoyExtensionPolicy: scripts, services that are not there, and their order."""

from __future__ import annotations

import unittest
from collections.abc import Callable

from feature import Ask, Feature, Stage
from rig import Object, backend_ref, http_route, wait_for

Target = dict[str, str]


def policy(name: str, target: Target, **spec: object) -> Object:
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyExtensionPolicy",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", **target}], **spec}}


def route(name: str, *rules: str) -> Object:
    """An HTTPRoute whose rules are called as their paths are."""
    return http_route(name, [f"{name}.example"], [
        {"name": rule, "matches": [{"path": {"type": "PathPrefix", "value": f"/{rule}"}}],
         "backendRefs": [backend_ref("blue")]} for rule in rules], section="http")


def script(text: str) -> Object:
    """Adds `text` to the header x-seen of requests, and says in answers what that was."""
    return {"type": "Inline", "inline": f"""
function envoy_on_request(handle)
  local seen = handle:headers():get("x-seen") or ""
  handle:headers():replace("x-seen", seen .. "{text}")
  handle:streamInfo():dynamicMetadata():set("test", "seen", seen .. "{text}")
end
function envoy_on_response(handle)
  local seen = handle:streamInfo():dynamicMetadata():get("test")
  if seen then handle:headers():replace("x-was-seen", seen["seen"]) end
end"""}


def to_route(name: str, rule: str = "") -> Target:
    return {"kind": "HTTPRoute", "name": name, **({"sectionName": rule} if rule else {})}


scripts = Feature(
    "scripts",
    lambda stage: [
        route("scripts", "both", "own", "none"),
        policy("scripts", to_route("scripts", "both"), lua=[script("a"), script("b")]),
        policy("scripts-own", to_route("scripts", "own"), lua=[script("c")]),
    ],
    requests=[
        Ask("/both", "scripts.example", backend="blue", headers={"x-was-seen": "ab"}),
        Ask("/own", "scripts.example", backend="blue", headers={"x-was-seen": "c"}),
        Ask("/none", "scripts.example", backend="blue", headers={"x-was-seen": None}),
    ])


def labelled(name: str) -> list[Object]:
    """A route `name` with the label that the policy `name` selects, and one without."""
    its, other = route(name, "all"), route(f"{name}-other", "all")
    its["metadata"]["labels"] = {"extended": name}
    selects = policy(name, {}, lua=[script("s")])
    del selects["spec"]["targetRefs"]
    selects["spec"]["targetSelectors"] = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute",
                                           "matchLabels": {"extended": name}}]
    return [its, other, selects]


selected = Feature("selected", lambda stage: labelled("selected"), requests=[
    Ask("/all", "selected.example", backend="blue", headers={"x-was-seen": "s"}),
    Ask("/all", "selected-other.example", backend="blue", headers={"x-was-seen": None})])


def with_context(stage: Stage) -> list[Object]:
    reads = {"type": "ValueRef", "valueRef": {"group": "v1", "kind": "ConfigMap", "name": "context"},
             "filterContext": {"colour": "teal"}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "context", "namespace": "default"},
         "data": {"lua": 'function envoy_on_response(handle) local colour = handle:filterContext():get("colour") '
                         'if colour then handle:headers():add("x-colour", colour) end end'}},
        route("context", "all"), policy("context", to_route("context"), lua=[reads])]


context = Feature("context", with_context, requests=[
    Ask("/all", "context.example", backend="blue", headers={"x-colour": "teal"})])


broken = Feature(
    "broken",
    lambda stage: [
        route("broken", "script", "well"),
        policy("broken", to_route("broken", "script"),
               lua=[{"type": "Inline", "inline": "function envoy_on_request(handle) if then end"}]),
    ],
    requests=[Ask("/script", "broken.example", status=500, headers={"x-backend": None}),
              Ask("/well", "broken.example", backend="blue")])


def without_backends(name: str) -> list[Object]:
    """A route whose rule `script` answers by one, and `none` by nothing."""
    made = route(name, "script", "none")
    for rule in made["spec"]["rules"]:
        del rule["backendRefs"]
    answers = "function envoy_on_request(handle) handle:respond({[':status'] = '202'}, 'itself') end"
    return [made, policy(name, to_route(name, "script"), lua=[{"type": "Inline", "inline": answers}])]


def warned(stage: Stage, test: unittest.TestCase) -> None:
    """Of the rule that nobody answers, and not of the other."""
    said = [line.fields for line in stage.sluice.lines if line.fields.get("code") == "value/no-backend"]
    test.assertEqual([each["path"] for each in said if each["object"] == "HTTPRoute default/answering"], ["spec.rules[1]"])


answering = Feature("answering", lambda stage: without_backends("answering"), requests=[
    Ask("/script", "answering.example", status=202), Ask("/none", "answering.example", status=500)], check=warned)


def asking(backend: str, **more: object) -> Object:
    return {"backendRefs": [backend_ref(backend)], "processingMode": {"request": {}}, **more}


dead = Feature(
    "dead",
    lambda stage: [
        route("dead", "closed", "open", "status"),
        policy("dead-closed", to_route("dead", "closed"), extProc=[asking("down")]),
        policy("dead-open", to_route("dead", "open"), extProc=[asking("down", failOpen=True)]),
        policy("dead-status", to_route("dead", "status"), extProc=[asking("down", statusOnError=503)]),
    ],
    requests=[Ask("/closed", "dead.example", status=500, headers={"x-backend": None}),
              Ask("/open", "dead.example", backend="blue"),
              Ask("/status", "dead.example", status=503, headers={"x-backend": None})])


def end_of(name: str) -> Callable[[Stage, unittest.TestCase], None]:
    def check(stage: Stage, test: unittest.TestCase) -> None:
        """A policy that is removed takes its filter along, and requests go on meanwhile."""
        test.assertEqual(stage.ask(f"{name}.example", "/all").headers["x-was-seen"], "a")
        stage.resources.write(f"{name}.yaml", [route(name, "all")])

        def gone() -> bool:
            answer = stage.ask(f"{name}.example", "/all")
            test.assertEqual(answer.status, 200)
            return "x-was-seen" not in answer.headers
        wait_for(gone, "the filter to go")

    return check


removed = Feature(
    "removed", lambda stage: [route("removed", "all"), policy("removed", to_route("removed"), lua=[script("a")])],
    check=end_of("removed"))


FEATURES = [scripts, selected, context, broken, answering, dead, removed]
