"""What Envoy refuses harms nobody but the object that it comes of: against the real Envoy, with 1 000 routes in one
RouteConfiguration."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import unittest
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import (  # noqa: E402
    Answer, Object, Resources, Rig, Sluice, Target, endpoint_slice, backend_ref, gateway, gateway_class, get,
    http_listener, http_route, path_rule, run_tests, service, wait_answer, wait_for)

ROUTES = 1_000
# As the value of a header: text to the Gateway API, a command to Envoy, and one with an argument that it does not take.
BAD = "%REQ(NOPE?A?B)%"
WORDS = "NOPE"  # what it says then has this in it
WORDLESS = "%REQ(A?B?C)%"  # of this it says nothing that tells one route from another


def name(i: int) -> str:
    return f"r{i:03}"


def host(i: int) -> str:
    return f"{name(i)}.example"


def route(i: int, backend: str, bad: bool | str = False) -> Object:
    rule = path_rule("/", backend_ref(backend))
    if bad:
        value = bad if isinstance(bad, str) else BAD
        rule["filters"] = [{"type": "RequestHeaderModifier",
                            "requestHeaderModifier": {"set": [{"name": "x-test", "value": value}]}}]
    return http_route(name(i), [host(i)], [rule])


def patch_policy(kind: str, resource: str, path: str, value: object) -> Object:
    """With one patch: what it adds at the path."""
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyPatchPolicy",
            "metadata": {"name": "patch", "namespace": "default"},
            "spec": {"type": "JSONPatch",
                     "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"},
                     "jsonPatches": [{"type": f"type.googleapis.com/envoy.config.{kind}", "name": resource,
                                      "operation": {"op": "add", "path": path, "value": value}}]}}


def key(i: int) -> str:
    return f"HTTPRoute default/{name(i)}"


MENDED = patch_policy("route.v3.RouteConfiguration", "default/web/http", "/response_headers_to_add/-",
                      {"header": {"key": "x-patched", "value": "yes"}})


class World:
    """A Gateway with all routes: those of `own` in a file together, the rest in another."""

    def __init__(self, rig: Rig, own: list[Object]) -> None:
        echo = rig.echo("blue", "green")
        self.port = rig.port()
        self.resources: Resources = rig.resources()
        self.resources.write("gateway.yaml", [gateway_class(), gateway([http_listener("http", self.port)])])
        self.resources.write("services.yaml", [document for color in ("blue", "green") for document in (
            service(color), endpoint_slice(color, color, echo.addresses[color][1]))])
        names = {document["metadata"]["name"] for document in own}
        self.resources.write("rest.yaml", [route(i, "blue") for i in range(ROUTES) if name(i) not in names])
        self.resources.write("own.yaml", own)
        self.sluice: Sluice = rig.sluice(self.resources)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, i: int) -> Answer:
        return get(self.url, host(i))

    def wait_backend(self, i: int, backend: str, seconds: float = 30) -> None:
        wait_answer(self.url, host(i), lambda answer: answer.backend == backend, seconds)

    def wait_refused(self, i: int, since: int = 0) -> None:
        """Until that is the state: what is held back on the way may be let go yet."""
        self.sluice.wait_line(lambda line: line.message == "problem" and line.fields["code"] == "value/rejected"
                              and line.fields["object"] == key(i), f"{key(i)} is refused", since, 30)

    def statuses(self) -> dict[str, dict[str, Object]]:
        """The conditions of each route by type."""
        try:
            text = (self.sluice.run_dir / "status.yaml").read_text()
        except FileNotFoundError:
            return {}
        found = {}
        for document in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or []:
            if document["kind"] == "HTTPRoute":
                conditions = document["status"]["parents"][0]["conditions"]
                found[document["name"]] = {condition["type"]: condition for condition in conditions}
        return found

    def told(self) -> dict[str, dict[str, Object]]:
        """Of the routes that are told of a rejection, their conditions."""
        return {route: conditions for route, conditions in self.statuses().items()
                if any(condition["reason"] == "RejectedByProxy" for condition in conditions.values())}

    def wait_told(self, routes: list[int]) -> dict[str, dict[str, Object]]:
        wanted = {name(i) for i in routes}
        wait_for(lambda: len(self.statuses()) == ROUTES and set(self.told()) == wanted,
                 f"status.yaml of {ROUTES} routes tells {sorted(wanted)} of a rejection, and nobody else", 15, 0.1)
        return self.told()

    def remembered(self) -> list[Any]:
        return json.loads((self.sluice.run_dir / "refusals.json").read_text())


class RejectTest(unittest.TestCase):
    def assert_serves(self, world: World, backends: dict[int, str]) -> None:
        for i, backend in backends.items():
            answer = world.ask(i)
            self.assertEqual((answer.status, answer.backend), (200, backend), host(i))

    def assert_untouched(self, world: World, conditions: dict[str, dict[str, Object]], but: set[int]) -> None:
        """The status of every other route is as it was."""
        now = world.statuses()
        self.assertEqual([route for route in conditions if route not in {name(i) for i in but}
                          and now.get(route) != conditions[route]], [])

    def test_one_rejected_and_another_edited_in_the_same_commit(self) -> None:
        with Rig() as rig:
            world = World(rig, [route(7, "blue"), route(8, "blue")])
            for i in (7, 8, 0, 999):
                world.wait_backend(i, "blue")
            world.wait_told([])
            before = world.statuses()
            load = rig.load([Target(name(i), world.url, host(i)) for i in (7, 0, 500, 999)], rate=200)

            mark = world.sluice.mark()
            world.resources.write("own.yaml", [route(7, "green", bad=True), route(8, "green")])
            world.sluice.commit_of([key(7), key(8)], mark)
            world.wait_backend(8, "green")
            world.wait_refused(7, mark)
            self.assert_serves(world, {7: "blue", 8: "green", 0: "blue", 999: "blue"})
            told = world.wait_told([7])[name(7)]
            self.assertEqual((told["PartiallyInvalid"]["status"], told["Accepted"]["status"]), ("True", "True"))
            self.assertRegex(told["PartiallyInvalid"]["message"], re.escape(WORDS))
            self.assert_untouched(world, before, {7, 8})
            self.assertEqual([entry["refused"]["metadata"]["name"] for entry in world.remembered()], [name(7)])

            # Others are edited while it is refused.
            world.resources.write("own.yaml", [route(7, "green", bad=True), route(8, "blue")])
            world.wait_backend(8, "blue")
            self.assert_serves(world, {7: "blue"})

            # The next sluice serves the last good version, and does not ask Envoy to refuse the same again.
            world.sluice.kill()
            world.sluice.start()
            first = world.sluice.wait_line(lambda line: line.message == "commit", "its first commit",
                                           world.sluice.first_line)
            world.sluice.wait_acknowledged(first)
            self.assert_serves(world, {7: "blue", 8: "blue", 500: "blue"})
            self.assertEqual([line.fields for line in world.sluice.lines[world.sluice.first_line:]
                              if line.message == "rejected"], [])
            self.assertRegex(world.wait_told([7])[name(7)]["PartiallyInvalid"]["message"], re.escape(WORDS))
            records = load.finish()
            self.assertGreater(len(records), 200)
            self.assertEqual({(record.status, record.backend, record.error) for record in records},
                             {(200, "blue", "")})

            # Nor does an Envoy that knows nothing of it.
            world.sluice.kill()
            for pid in world.sluice.envoys():
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not world.sluice.envoys(), "the end of Envoy")
            world.sluice.start()
            world.wait_backend(7, "blue")
            self.assert_serves(world, {8: "blue", 500: "blue"})

            # Another bad version after that has the same last good one.
            mark = world.sluice.mark()
            world.resources.write("own.yaml", [route(7, "blue", bad=True), route(8, "green")])
            world.wait_backend(8, "green")
            world.wait_refused(7, mark)
            self.assert_serves(world, {7: "blue", 500: "blue"})

            # Mended, it goes live.
            mark = world.sluice.mark()
            world.resources.write("own.yaml", [route(7, "green"), route(8, "green")])
            world.wait_backend(7, "green")
            world.sluice.wait_acknowledged(world.sluice.commit_of([key(7)], mark))
            world.wait_told([])
            wait_for(lambda: world.remembered() == [], "nothing is remembered")

            # And is the last good version from then on, whatever was refused before.
            mark = world.sluice.mark()
            world.resources.write("own.yaml", [route(7, "blue", bad=True), route(8, "green")])
            world.sluice.commit_of([key(7)], mark)
            world.wait_refused(7, mark)
            self.assert_serves(world, {7: "green", 8: "green"})
            self.assertEqual(world.sluice.stop(90), 0)

    def test_a_version_of_which_nothing_is_served_is_no_good_one(self) -> None:
        with Rig() as rig:
            world = World(rig, [route(7, "blue")])
            world.wait_backend(7, "blue")
            # That is no header of Envoy's: we answer 500 ourselves, and Envoy takes that.
            mark = world.sluice.mark()
            world.resources.write("own.yaml", [route(7, "blue", bad="%BOGUS%")])
            wait_for(lambda: world.ask(7).status == 500, "the route fails")
            world.sluice.wait_acknowledged(world.sluice.commit_of([key(7)], mark))
            mark = world.sluice.mark()
            world.resources.write("own.yaml", [route(7, "blue", bad="%CEL(1 +)%")])
            world.wait_refused(7, mark)
            world.wait_backend(7, "blue")
            told = [line.fields["problem"] for line in world.sluice.lines[mark:] if line.message == "problem"]
            self.assertFalse([problem for problem in told if "BOGUS" in problem], told)
            self.assertTrue([problem for problem in told if "Not able to parse expression" in problem], told)

    def refused_patch(self, policy: Object, mended: Object) -> str:
        """A policy alone is held back, whatever it changes, and its next version is taken. What is said of it."""
        with Rig() as rig:
            world = World(rig, [route(7, "blue")])
            for i in (7, 0):
                world.wait_backend(i, "blue")
            mark = world.sluice.mark()
            world.resources.write("patch.yaml", [policy])
            problem = world.sluice.wait_line(
                lambda line: line.message == "problem" and line.fields["code"] == "value/rejected"
                and line.fields["object"] == "EnvoyPatchPolicy default/patch", "the policy is refused", mark, 30)
            world.wait_backend(7, "blue")
            self.assert_serves(world, {7: "blue", 0: "blue", 500: "blue", 999: "blue"})
            world.wait_told([])
            self.assertEqual([entry["refused"]["kind"] for entry in world.remembered()], ["EnvoyPatchPolicy"])
            world.resources.write("patch.yaml", [mended])
            wait_for(lambda: world.ask(0).headers.get("x-patched") == "yes", "the mended policy")
            self.assert_serves(world, {7: "blue", 0: "blue", 999: "blue"})
            self.assertEqual([line for line in world.sluice.lines if "goo.gle" in str(line.fields)], [])
            return problem.fields["problem"]

    def test_a_value_that_breaks_a_rule_of_a_large_table(self) -> None:
        said = self.refused_patch(
            patch_policy("route.v3.RouteConfiguration", "default/web/http", "/virtual_hosts/0/retry_policy",
                         {"retry_on": "5xx", "retry_back_off": {"base_interval": "0s"}}), MENDED)
        self.assertEqual(said, "the proxy rejected it: RetryBackOff.BaseInterval: value must be greater than 0s")

    def test_a_patch_of_a_listener(self) -> None:
        self.refused_patch(
            patch_policy("listener.v3.Listener", "default/web/http",
                         "/default_filter_chain/filters/0/typed_config/http_filters/0",
                         {"name": "script", "typed_config": {
                             "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                             "default_source_code": {"inline_string": "no script"}}}), MENDED)

    def test_a_patch_of_a_route_table(self) -> None:
        self.refused_patch(
            patch_policy("route.v3.RouteConfiguration", "default/web/http", "/virtual_hosts/0/domains/-", host(999)), MENDED)

    def test_a_patch_of_a_cluster(self) -> None:
        self.refused_patch(
            patch_policy("cluster.v3.Cluster", f"httproute/default/{name(7)}/rule/0", "/connect_timeout", "0s"), MENDED)

    def test_some_of_many_edited_in_one_commit(self) -> None:
        with Rig() as rig:
            many, bad = list(range(100, 140)), [103, 121, 122]
            world = World(rig, [route(i, "blue") for i in many])
            world.wait_backend(many[-1], "blue")
            world.wait_told([])
            mark = world.sluice.mark()
            began = time.monotonic()
            world.resources.write("own.yaml", [route(i, "green", bad=i in bad) for i in many])
            for i in many:
                if i not in bad:
                    world.wait_backend(i, "green")
            for i in bad:
                world.wait_refused(i, mark)
            took = time.monotonic() - began
            self.assert_serves(world, {i: "blue" for i in [*bad, 0, 500, 999]})
            world.wait_told(bad)
            print(f"reject: 3 bad of {len(many)} edited at once are found in {took:.1f} s")

    def test_a_bad_edit_while_there_is_no_sluice(self) -> None:
        with Rig() as rig:
            world = World(rig, [route(7, "blue"), route(8, "blue")])
            for i in (7, 8, 0, 999):
                world.wait_backend(i, "blue")
            journal = world.sluice.run_dir / "good.journal"
            wait_for(lambda: journal.exists() and journal.read_text().count("\n") > ROUTES, "the journal has all", 10)
            self.assertEqual(journal.stat().st_mode & 0o777, 0o600)
            for bad in (True, WORDLESS):
                load = rig.load([Target(name(i), world.url, host(i)) for i in (7, 0, 500, 999)], rate=200)
                world.sluice.kill()
                world.resources.write("own.yaml", [route(7, "green", bad=bad), route(8, "green")])
                world.sluice.start()
                world.wait_backend(8, "green")
                world.wait_refused(7, world.sluice.first_line)
                self.assert_serves(world, {7: "blue", 8: "green", 0: "blue", 999: "blue"})
                world.wait_told([7])
                # Only what is new has been a suspect, and nobody has been answered with an error.
                held = [line.fields["objects"] for line in world.sluice.lines[world.sluice.first_line:]
                        if line.message == "held back"]
                self.assertLessEqual(max(held, default=0), 2)
                records = load.finish()
                self.assertGreater(len(records), 100)
                self.assertEqual({(record.status, record.backend, record.error) for record in records},
                                 {(200, "blue", "")})
                mark = world.sluice.mark()
                world.resources.write("own.yaml", [route(7, "blue"), route(8, "blue")])
                world.sluice.wait_acknowledged(world.sluice.commit_of([key(7), key(8)], mark))
                world.wait_told([])

    def test_one_bad_from_the_start_whom_the_words_name(self) -> None:
        self.one_bad_from_the_start(True, 1.0)

    def test_one_bad_from_the_start_of_whom_the_words_tell_nothing(self) -> None:
        self.one_bad_from_the_start(WORDLESS, 2.5)

    def one_bad_from_the_start(self, bad: bool | str, seconds: float) -> None:
        with Rig() as rig:
            world = World(rig, [route(500, "blue", bad=bad)])
            others = [0, 1, 250, 499, 501, 750, 998, 999]
            first = world.sluice.wait_line(lambda line: line.message == "rejected", "a rejection", 0, 60)
            for i in others:
                world.wait_backend(i, "blue", 60)
            served = time.monotonic_ns()
            world.wait_refused(500)
            world.wait_told([500])
            took = (served - first.time) / 1e9
            print(f"reject: 1 bad of {ROUTES} at the start: {took:.2f} s after the rejection all others are served")
            self.assertLess(took, seconds)
            self.assert_serves(world, {i: "blue" for i in range(ROUTES) if i != 500})
            self.assertEqual(world.ask(500).status, 500)
            accepted = world.told()[name(500)]["Accepted"]
            self.assertEqual(accepted["status"], "False")
            self.assertRegex(accepted["message"], re.escape(WORDS if bad is True else "alternative"))

            # It is neither forgotten nor let near Envoy by a restart.
            world.sluice.kill()
            world.sluice.start()
            first = world.sluice.wait_line(lambda line: line.message == "commit", "its first commit",
                                           world.sluice.first_line)
            world.sluice.wait_acknowledged(first)
            self.assertEqual(world.ask(500).status, 500)
            self.assert_serves(world, {i: "blue" for i in others})

            world.resources.write("own.yaml", [route(500, "green")])
            world.wait_backend(500, "green")
            world.wait_told([])


if __name__ == "__main__":
    run_tests()
