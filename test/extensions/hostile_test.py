#!/usr/bin/python3
"""Extensions that fail: what becomes of their own requests, and that nobody else notices."""

from __future__ import annotations

import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

import gateway  # noqa: E402
from examples import BUILT, FORMS, find, objects_of  # noqa: E402
from hostile_modules import path_of_module_that_traps  # noqa: E402
from rig import BUILD, Answer, Object, Rig, request, run_tests, wait_for  # noqa: E402

HOSTILE_EXT_PROC = BUILD / "test/extensions/hostile-ext-proc"
TIMEOUT = "200ms"  # the policy's messageTimeout


class Hostile(unittest.TestCase):
    """Each test has a Gateway with its hostile routes, and `good.test`, with an extension that works."""

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.backend = self.rig.echo("blue").addresses["blue"]

    def start(self, routes: dict[str, list[Object]], **options: Any) -> None:
        self.gateway = gateway.start(self.rig, self.backend, {
            **routes, "good.test": objects_of(self.rig, "wasm-cpp", "good.test", {})}, **options)

    def ask(self, route: str, path: str = "") -> Answer:
        answer = request(self.gateway.url + path, route, "POST", body=b'{"model": "m"}')
        good = request(self.gateway.url, "good.test", "POST", body=b'{"model": "m"}')
        self.assertEqual((good.status, good.json["headers"].get("x-model")), (200, "m"), f"after {route}")
        return answer

    # ---- WebAssembly ----------------------------------------------------------------------------------

    def wasm_that_traps(self, route: str, where: str, fail_open: bool = False) -> list[Object]:
        module = path_of_module_that_traps(self.rig, where)
        objects = FORMS["wasm-cpp"].objects(route, {}, module.as_uri())
        find(objects, "EnvoyExtensionPolicy")["spec"]["wasm"][0].update(name=f"wasm-of-{route}", failOpen=fail_open)
        return objects

    def test_a_module_that_traps_on_each_request_stops_its_own_requests(self) -> None:
        self.start({"traps.test": self.wasm_that_traps("traps.test", "REQUEST")})
        self.assertEqual([self.ask("traps.test").status for _ in range(20)], [503] * 20)

    def test_a_module_that_traps_on_each_request_lets_them_pass_if_it_fails_open(self) -> None:
        self.start({"traps.test": self.wasm_that_traps("traps.test", "REQUEST", fail_open=True)})
        self.assertEqual([self.ask("traps.test").status for _ in range(20)], [200] * 20)

    def wait_refused(self, route: str, words: str = "") -> None:
        """By Envoy, whose words have these in them: by default, the name of the route's plugin."""
        condition = wait_for(lambda: (c := self.gateway.condition(route)).get("reason") == "RejectedByProxy" and c,
                             f"{route} is refused", 30, every=0.1)
        self.assertEqual(condition["status"], "False")
        self.assertIn(words or f"wasm-of-{route}", condition["message"])
        problem = self.gateway.sluice.wait_line(
            lambda line: line.message == "problem" and line.fields["code"] == "value/rejected"
            and line.fields["object"] == f"EnvoyExtensionPolicy default/{route}", f"{route} is a problem")
        self.assertIn(f"/{route}.yaml:", problem.fields["where"])

    def test_a_module_that_traps_at_its_start_is_refused_and_the_others_are_served(self) -> None:
        places = {"start.test": "START", "configure.test": "CONFIGURE"}
        self.start({**{route: self.wasm_that_traps(route, where) for route, where in places.items()},
                    "open.test": self.wasm_that_traps("open.test", "START", fail_open=True), "plain.test": []})
        for route in places:
            with self.subTest(route):
                self.wait_refused(route)
                self.assertEqual(self.ask(route).status, 500)
        self.assertEqual(self.ask("open.test").status, 200)
        self.assertEqual(self.ask("plain.test").status, 200)
        # What comes later is served as ever.
        self.gateway.write("late.test", [])
        wait_for(lambda: self.ask("late.test").status == 200, "a route that comes later is served")
        # And so is another module in its place.
        good = objects_of(self.rig, "wasm-cpp", "start.test", {})
        find(good, "EnvoyExtensionPolicy")["spec"]["wasm"][0]["code"]["http"]["url"] = gateway.url_of(
            BUILT / "wasm-cpp.wasm")
        self.gateway.write("start.test", good)
        wait_for(lambda: self.ask("start.test").status == 200, "the mended policy is served", 15)
        self.assertEqual(self.ask("start.test").json["headers"].get("x-model"), "m")
        wait_for(lambda: self.gateway.condition("start.test")["status"] == "True", "its status says so")

    def test_an_edit_to_a_module_that_traps_at_its_start_leaves_the_module_before(self) -> None:
        self.start({"edited.test": objects_of(self.rig, "wasm-cpp", "edited.test", {})})
        self.assertEqual(self.ask("edited.test").json["headers"].get("x-model"), "m")
        # What nobody has said yes to yet is no good version.
        wait_for(lambda: self.gateway.condition("edited.test").get("status") == "True", "it is good")
        traps = self.wasm_that_traps("edited.test", "START")
        find(traps, "EnvoyExtensionPolicy")["spec"]["wasm"][0]["code"]["http"]["url"] = gateway.url_of(
            path_of_module_that_traps(self.rig, "START"))
        self.gateway.write("edited.test", traps)
        self.wait_refused("edited.test")
        # It comes out of the cache once more, which takes some milliseconds.
        wait_for(lambda: self.ask("edited.test").status == 200, "the module before is served")
        for _ in range(20):
            self.assertEqual(self.ask("edited.test").json["headers"].get("x-model"), "m")

    def test_a_module_that_changes_at_its_url_is_judged_anew(self) -> None:
        module = self.rig.path("moving.wasm")
        good, bad = (BUILT / "wasm-cpp.wasm").read_bytes(), path_of_module_that_traps(self.rig, "START").read_bytes()
        module.write_bytes(good)
        objects = FORMS["wasm-cpp"].objects("moving.test", {}, module.as_uri())
        extension = find(objects, "EnvoyExtensionPolicy")["spec"]["wasm"][0]
        extension["name"] = "wasm-of-moving.test"
        extension["code"]["pullPolicy"] = "Always"
        self.start({"moving.test": objects}, arguments=["--look-again", "1"])
        self.assertEqual(self.ask("moving.test").status, 200)
        module.write_bytes(bad)
        self.wait_refused("moving.test")
        self.assertEqual(self.ask("moving.test").status, 500)
        module.write_bytes(good + b"\0\5\4note")  # and a section besides
        wait_for(lambda: self.ask("moving.test").status == 200, "the module that is good again is served", 15)

    # ---- Lua ---------------------------------------------------------------------------------------------

    def lua(self, route: str, source: str) -> list[Object]:
        objects = FORMS["lua"].objects(route, {})
        find(objects, "ConfigMap")["data"]["lua"] = source
        return objects

    def test_a_script_that_fails_lets_its_requests_pass(self) -> None:
        source = """function envoy_on_request(handle)
          if handle:headers():get(":authority") == "fails.test" then error("no") end
        end"""
        self.start({"fails.test": self.lua("fails.test", source)})
        self.assertEqual(self.ask("fails.test").status, 200)

    DOES_NOT_PARSE = "function envoy_on_request(handle) if end"

    def test_a_script_that_does_not_parse_stops_its_own_requests(self) -> None:
        self.start({"broken.test": self.lua("broken.test", self.DOES_NOT_PARSE)})
        self.assertEqual(self.ask("broken.test").status, 500)
        condition = self.gateway.condition("broken.test")
        self.assertEqual((condition["status"], condition["reason"]), ("False", "Invalid"))
        self.assertIn("line 1", condition["message"])

    def test_a_script_that_nobody_has_looked_at_and_that_does_not_parse_is_refused_and_the_others_are_served(self) -> None:
        unchecked = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy",
                     "metadata": {"name": "extensions", "namespace": "default"},
                     "spec": {"lua": {"validationType": "Disabled"}}}
        self.start({"broken.test": [*self.lua("broken.test", self.DOES_NOT_PARSE), unchecked], "plain.test": []})
        self.wait_refused("broken.test", "near 'end'")
        self.assertEqual(self.ask("broken.test").status, 500)
        self.assertEqual(self.ask("plain.test").status, 200)
        # Its ConfigMap is not its text, but counts.
        self.gateway.write("broken.test", self.lua("broken.test", "function envoy_on_request(handle) end"))
        wait_for(lambda: self.ask("broken.test").status == 200, "the mended script is served")

    # ---- dynamic modules -----------------------------------------------------------------------------------

    GONE = "/nonexistent/model.so"

    def library_that_is_gone(self, route: str) -> list[Object]:
        return FORMS["dynamic-module-cpp"].objects(route, {}, self.GONE)

    def test_a_library_that_is_not_there_stops_its_own_requests(self) -> None:
        self.start({"gone.test": self.library_that_is_gone("gone.test"), "plain.test": []})
        self.wait_refused("gone.test", self.GONE)
        self.assertEqual(self.ask("gone.test").status, 500)
        self.assertEqual(self.ask("plain.test").status, 200)

    def test_a_library_that_is_not_there_is_no_fault_of_a_gateway_that_is_new_with_it(self) -> None:
        self.gateway = gateway.start(self.rig, self.backend, {
            "gone.test": self.library_that_is_gone("gone.test"), "plain.test": []})
        self.wait_refused("gone.test", self.GONE)
        for route, status in (("gone.test", 500), ("plain.test", 200)):
            self.assertEqual(request(self.gateway.url, route, "POST", body=b"{}").status, status)

    # ---- ext_proc ----------------------------------------------------------------------------------------

    # The path (see hostile_ext_proc.cc), and the status if the policy fails closed, and open. What comes after an
    # answer Envoy ignores, as it does changes of pseudo-headers; a header that is none it refuses either way.
    EXT_PROC = (("good", 200, 200), ("never", 504, 200), ("late", 504, 200), ("wrong-part", 500, 200),
                ("twice", 200, 200), ("fails", 500, 200), ("finishes", 200, 200), ("bad-header", 500, 500),
                ("pseudo", 200, 200))

    def test_a_service_that_answers_wrong_or_never_stops_its_own_requests_in_time(self) -> None:
        process = self.rig.start(HOSTILE_EXT_PROC, "127.0.0.1:0", stdout=subprocess.PIPE, text=True)
        address = process.stdout.readline().split()[-1]

        def objects(route: str, fail_open: bool) -> list[Object]:
            made = FORMS["ext-proc-cpp"].objects(route, {}, address)
            extension = find(made, "EnvoyExtensionPolicy")["spec"]["extProc"][0]
            extension.update(failOpen=fail_open, messageTimeout=TIMEOUT, processingMode={"request": {}})
            return made

        self.start({"closed.test": objects("closed.test", False), "open.test": objects("open.test", True)})
        for path, if_closed, if_open in self.EXT_PROC:
            for route, expected in (("closed.test", if_closed), ("open.test", if_open)):
                with self.subTest(path, route=route):
                    begin = time.monotonic()
                    answer = self.ask(route, path)
                    self.assertEqual(answer.status, expected)
                    self.assertLess(time.monotonic() - begin, 1)
                    if expected == 200:
                        self.assertEqual(answer.json["path"], f"/{path}")
                        self.assertNotIn("x-admin", answer.json["headers"])


if __name__ == "__main__":
    run_tests()
