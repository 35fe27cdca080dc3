#!/usr/bin/python3
"""Dynamic modules in the real Envoy: libraries that sluice fetches, what becomes of servers that lie, and what
`terminalFilter`, `doNotClose` and `loadGlobally` do."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / folder) for folder in ("rig", "wasm_registry")]

import gateway  # noqa: E402
from examples import BUILT, ExtProc, FORMS, endpoint, find  # noqa: E402
from hostile_server import Server  # noqa: E402
from rig import Answer, Object, Rig, an_object, http_route, request, run_tests, wait_for  # noqa: E402


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def local(path: Path) -> Object:
    return {"type": "Local", "local": {"path": str(path)}}


def policy(route: str, *modules: str, filter_name: str = "tells", **more: Any) -> Object:
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyExtensionPolicy",
            "metadata": {"name": route, "namespace": "default"},
            "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route}],
                     "dynamicModule": [{"name": module, "filterName": filter_name, **more} for module in modules]}}


def registry(**sources: Object) -> Object:
    """The EnvoyProxy with these modules. An underscore in a name is a hyphen."""
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy",
            "metadata": {"name": "extensions", "namespace": "default"},
            "spec": {"dynamicModules": entries(**sources), "shutdown": {"drainTimeout": "1s"}}}


def entries(**sources: Object) -> list[Object]:
    """With `source`, an entry has other fields too."""
    return [{"name": name.replace("_", "-"), **(source if "source" in source else {"source": source})}
            for name, source in sources.items()]


class Libraries(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.backend = self.rig.echo("blue").addresses["blue"]

    def build(self, note: str, *defines: str) -> Path:
        library = self.rig.path(f"{note}.so")
        subprocess.run(["g++", "-shared", "-fPIC", "-std=c++20", "-O1", "-fvisibility=hidden", "-static-libstdc++",
                        "-static-libgcc", "-fno-gnu-unique",  # what has unique symbols is never closed
                        f"-I{ROOT / 'src'}",  # where Envoy's ABI is declared
                        f'-DNOTE="{note}"', *defines,
                        "-o", library, HERE / "probe_library.cc"], check=True)
        return library

    def serve(self, library: bytes) -> None:
        self.server = Server(library)
        self.addCleanup(self.server.end)

    def remote(self, path: str, digest: str = "") -> Object:
        it = self.server.paths.get(f"/{path}")
        return {"type": "Remote", "remote": {"url": f"http://{self.server.host}/{path}",
                                             "sha256": digest or sha256(it if isinstance(it, bytes) else b"")}}

    def start(self, proxy: Object, routes: dict[str, list[Object]], until_there: list[str] | None = None) -> None:
        self.gateway = gateway.start(self.rig, self.backend, {**routes, "plain.test": [proxy]},
                                     until_there=until_there)

    def ask(self, route: str) -> Answer:
        plain = request(self.gateway.url, "plain.test", "POST", body=b"{}")
        self.assertEqual(plain.status, 200, "a route without a policy notices nothing")
        return request(self.gateway.url, route, "POST", body=b"{}")

    def seen(self, route: str, header: str = "x-note") -> str | None:
        """What the backend got."""
        return self.ask(route).json["headers"].get(header)

    def loaded(self) -> str:
        """All files in Envoy's memory."""
        return Path(f"/proc/{self.gateway.envoy}/maps").read_text()

    def wait_reason(self, route: str, reason: str) -> str:
        """The words of the condition."""
        condition = wait_for(lambda: (c := self.gateway.condition(route)).get("reason") == reason and c,
                             f"{route} is {reason}", 30, every=0.1)
        return condition["message"]

    # ---- fetched ------------------------------------------------------------------------------------------

    def test_a_library_is_fetched_and_loaded_from_disk_under_its_digest(self) -> None:
        library = self.build("fetched").read_bytes()
        self.serve(library)
        self.start(registry(probe=self.remote("good")), {"a.test": [policy("a.test", "probe")]})
        self.assertEqual(self.seen("a.test"), "fetched")
        file = self.gateway.sluice.run_dir / "wasm" / f"{sha256(library)}.so"
        self.assertEqual(file.read_bytes(), library)
        self.assertIn(str(file), self.loaded())

    # What of the server is asked for, and what the policy is told.
    LIES = {
        "html": "HTML",
        "cut": "cut off|digest",
        "short": "broke off",
        "endless": "larger",
        "loop": "redirects",
        "metadata": "169\\.254\\.169\\.254",
        "teapot": "418",
        "nowhere": "is not there",
        "wasm": "WebAssembly",
        "other-machine": "it is for RISC-V, and Envoy runs on",
    }

    def test_a_server_that_lies_is_named_and_answered_for_with_503(self) -> None:
        library = self.build("good").read_bytes()
        self.serve(library)
        self.server.paths["/wasm"] = b"\0asm\1\0\0\0"
        self.server.paths["/other-machine"] = library[:18] + b"\xf3\0" + library[20:]
        routes = {f"{path}.test": [policy(f"{path}.test", path)] for path in [*self.LIES, "digest", "good"]}
        sources = {path: self.remote(path, sha256(library) if path == "cut" else "") for path in [*self.LIES, "good"]}
        proxy = registry(**sources, digest=self.remote("good", "0" * 64))
        self.start(proxy, routes, until_there=["good.test"])
        for name, words in {**self.LIES, "digest": "0" * 64}.items():
            with self.subTest(name):
                told = self.wait_reason(f"{name}.test", "Invalid")
                self.assertRegex(told, words)
                self.assertIn(f"dynamic module `{name}`", told)
                self.assertEqual(self.ask(f"{name}.test").status, 503)
                self.assertEqual(self.seen("good.test"), "good")

    def test_a_server_that_hangs_or_is_gone_holds_up_nobody(self) -> None:
        library = self.build("late").read_bytes()
        self.serve(library)
        gone = {"type": "Remote", "remote": {"url": f"http://127.0.0.1:{self.rig.port()}/x.so", "sha256": "0" * 64}}
        begin = time.monotonic()
        self.start(registry(hangs=self.remote("hang", sha256(library)), gone=gone),
                   {"hangs.test": [policy("hangs.test", "hangs")], "gone.test": [policy("gone.test", "gone")]},
                   until_there=["gone.test"])
        self.assertEqual(self.ask("hangs.test").status, 503)
        self.assertEqual(self.ask("gone.test").status, 503)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(self.gateway.condition("hangs.test")["reason"], "Pending")
        self.assertIn("nobody answers", self.wait_reason("gone.test", "Invalid"))
        # What comes later is served as ever.
        self.gateway.write("late.test", [])
        wait_for(lambda: self.ask("late.test").status == 200, "a route that comes later is served")
        # And so is the library, once it has a server that answers.
        self.gateway.write_proxy(dynamicModules=entries(hangs=self.remote("good"), gone=gone))
        wait_for(lambda: self.ask("hangs.test").status == 200, "the library is there", 15, every=0.1)
        self.assertEqual(self.seen("hangs.test"), "late")
        self.wait_reason("hangs.test", "Accepted")

    def test_a_new_version_takes_over_once_it_is_there(self) -> None:
        old, new = self.build("old").read_bytes(), self.build("new").read_bytes()
        self.serve(old)
        self.start(registry(probe=self.remote("good")), {"a.test": [policy("a.test", "probe")]})
        self.assertEqual(self.seen("a.test"), "old")
        self.server.paths["/new"] = self.server.paths["/hang"]
        self.gateway.write_proxy(dynamicModules=entries(probe=self.remote("new", sha256(new))))
        self.wait_reason("a.test", "Accepted")
        for _ in range(10):
            self.assertEqual(self.seen("a.test"), "old")
            time.sleep(0.1)
        self.server.paths["/newer"] = new
        self.gateway.write_proxy(dynamicModules=entries(probe=self.remote("newer")))
        statuses = set()
        wait_for(lambda: statuses.add((a := self.ask("a.test")).status) or a.json["headers"].get("x-note") == "new",
                 "the new version serves", 15, every=0.02)
        self.assertEqual(statuses, {200})

    def test_one_that_envoy_cannot_load_is_refused_alone(self) -> None:
        nothing = self.rig.path("nothing.so")
        subprocess.run(["g++", "-shared", "-x", "c++", "-", "-o", nothing], input=b"int nothing;", check=True)
        self.serve(nothing.read_bytes())
        self.start(registry(nothing=self.remote("good")), {"nothing.test": [policy("nothing.test", "nothing")]},
                   until_there=[])
        self.assertIn("envoy_dynamic_module_on_program_init", self.wait_reason("nothing.test", "RejectedByProxy"))
        self.assertEqual(self.ask("nothing.test").status, 500)

    def test_one_that_was_fetched_is_there_after_a_restart_without_its_server(self) -> None:
        self.serve(self.build("kept").read_bytes())
        self.start(registry(probe=self.remote("good")), {"a.test": [policy("a.test", "probe")]})
        self.assertEqual(self.seen("a.test"), "kept")
        self.server.end()
        self.server.server_close()
        sluice = self.gateway.sluice
        sluice.stop()
        sluice.start()
        wait_for(lambda: self.status_of("a.test") == 200, "it is served again", 15, every=0.1)
        self.assertEqual(self.seen("a.test"), "kept")

    def status_of(self, route: str) -> int:
        try:
            return request(self.gateway.url, route, "POST", body=b"{}").status
        except OSError:
            return 0

    # ---- proxies on other machines ---------------------------------------------------------------------------

    def test_proxies_that_see_no_files_of_ours_fetch_from_sluice_by_digest(self) -> None:
        library, module = self.build("far").read_bytes(), (BUILT / "wasm-cpp.wasm")
        self.serve(library)
        options = self.rig.path("options.yaml")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options.write_text("runningOnHost: false\n")
        self.gateway = gateway.start(
            self.rig, self.backend,
            {"a.test": [policy("a.test", "probe")], "wasm.test": FORMS["wasm-cpp"].objects("wasm.test", {}, module.as_uri()),
             "plain.test": [registry(probe=self.remote("good")), an_object("v1", "Namespace", "default", None)]},
            arguments=["--options", options, "--modules", f"127.0.0.1:{port}"])
        self.assertEqual(self.seen("a.test"), "far")
        self.assertNotIn(str(self.gateway.sluice.run_dir / "wasm"), self.loaded())
        answer = request(self.gateway.url, "wasm.test", "POST", body=b'{"model": "m"}')
        self.assertEqual(answer.json["headers"]["x-model"], "m")
        ours = f"http://127.0.0.1:{port}"
        self.assertEqual(request(f"{ours}/{sha256(library)}.so").body, library)
        self.assertEqual(request(f"{ours}/index.json").status, 404)

    # ---- load balancers ------------------------------------------------------------------------------------

    def balanced(self, route: str, services: list[ExtProc], policy_name: str, library: str = "probe",
                 **spec: Any) -> list[Object]:
        """With an ext_proc filter that asks one of the services."""
        objects = FORMS["ext-proc-cpp"].objects(route, {}, services[0].address)
        backend, extension = (find(objects, kind) for kind in ("Backend", "EnvoyExtensionPolicy"))
        backend["spec"]["endpoints"] = [endpoint(each.address) for each in services]
        extension["spec"]["extProc"][0].update(spec, backendSettings={"loadBalancer": {
            "type": "DynamicModule", "dynamicModule": {"name": library, "lbPolicyName": policy_name}}})
        return objects

    def test_a_load_balancer_that_envoy_refuses_is_told_by_its_policy_and_stops_no_other(self) -> None:
        service, gone = ExtProc(self.rig, {"forbidden": ["a"]}), self.rig.path("gone.so")
        proxy = registry(probe=local(self.build("balances")), gone=local(gone))
        self.start(proxy, {
            "works.test": self.balanced("works.test", [service], "first"),
            "gone.test": self.balanced("gone.test", [service], "first", "gone"),
            "open.test": self.balanced("open.test", [service], "first", "gone", failOpen=True)})
        for route, status in {"gone.test": 500, "open.test": 200}.items():
            told = self.wait_reason(route, "RejectedByProxy")
            self.assertRegex(told, rf"^extProc\[0\]: the proxy rejected the way to its service: .*{gone}")
            self.assertEqual(self.ask(route).status, status)
        self.assertEqual(self.gateway.condition("works.test")["status"], "True")
        body = b'{"model": "a"}'
        self.assertEqual(request(self.gateway.url, "works.test", "POST", body=body).status, 403)

        self.gateway.write_proxy(dynamicModules=entries(probe=local(self.build("balances")),
                                                        gone=local(self.build("there"))))
        self.wait_reason("gone.test", "Accepted")
        wait_for(lambda: request(self.gateway.url, "gone.test", "POST", body=body).status == 403,
                 "the service is asked", 15, every=0.1)

    def test_a_load_balancer_is_fetched_too(self) -> None:
        self.serve(self.build("balances").read_bytes())
        services = [ExtProc(self.rig, {"forbidden": [model]}) for model in ("a", "b")]
        routes = {f"{name}.test": self.balanced(f"{name}.test", services, name) for name in ("first", "last")}
        self.start(registry(probe=self.remote("good")), routes)

        def refused(route: str) -> str:
            """The models that whoever is asked refuses."""
            return "".join(model for model in ("a", "b") if request(
                self.gateway.url, route, "POST", body=f'{{"model": "{model}"}}'.encode()).status == 403)

        # Each asks the same service each time, and not the other's.
        asked = [{refused(route) for _ in range(10)} for route in routes]
        self.assertCountEqual(asked, [{"a"}, {"b"}])

    # ---- what a registration and a policy say of one ---------------------------------------------------------

    def test_a_terminal_filter_answers_itself(self) -> None:
        library = local(self.build("answer"))
        answers = policy("a.test", "probe", filter_name="answers", terminalFilter=True)
        self.start(registry(probe=library), {"a.test": [answers], "b.test": [policy("b.test", "probe")]})
        answer = self.ask("a.test")
        self.assertEqual((answer.status, answer.body), (200, b"answer"))
        self.assertEqual(self.seen("b.test"), "answer")
        # It needs no backend.
        without = http_route("c.test", ["c.test"], [{"name": "none"}])
        self.gateway.resources.write("c.test.yaml", [without, policy("c.test", "probe", filter_name="answers")])
        wait_for(lambda: self.status_of("c.test") == 200, "a rule without a backend is answered")

    def test_filters_run_in_the_order_that_the_proxy_says(self) -> None:
        tells = policy("a.test", "probe")
        # Behind the library, its header is there.
        tells["spec"]["lua"] = [{"type": "Inline", "inline": """
            function envoy_on_request(handle)
              handle:headers():replace("x-order", handle:headers():get("x-note") and "library lua" or "lua library")
            end
            function envoy_on_response(handle)
              handle:headers():replace("x-order", "seen")
            end"""}]
        self.start(registry(probe=local(self.build("first"))), {"a.test": [tells]})
        self.assertEqual(self.seen("a.test", "x-order"), "lua library")
        self.assertEqual(self.ask("a.test").headers["x-order"], "seen")
        self.gateway.write_proxy(filterOrder=[
            {"name": "envoy.filters.http.dynamic_modules", "before": "envoy.filters.http.lua"}])
        wait_for(lambda: self.seen("a.test", "x-order") == "library lua", "the new order", 15, every=0.1)

    def test_a_library_goes_with_its_policies_unless_it_is_not_to_be_closed(self) -> None:
        closes, stays = self.build("closes"), self.build("stays")
        self.start(registry(closes=local(closes), stays={"source": local(stays), "doNotClose": True}),
                   {"closes.test": [policy("closes.test", "closes")], "stays.test": [policy("stays.test", "stays")]})
        for route in ("closes.test", "stays.test"):
            self.assertEqual([self.seen(route, "x-count") for _ in range(2)], ["1", "2"])
        for route in ("closes.test", "stays.test"):
            self.gateway.write(route, [])
        wait_for(lambda: str(closes) not in self.loaded(), "the one is closed", 30, every=0.2)
        self.assertIn(str(stays), self.loaded())
        for route, name in (("closes.test", "closes"), ("stays.test", "stays")):
            self.gateway.write(route, [policy(route, name)])
        # Its state is what it was.
        for route, count in (("closes.test", "1"), ("stays.test", "3")):
            self.assertEqual(wait_for(lambda: self.seen(route, "x-count"), f"{route} has its filter again"), count)

    def test_symbols_of_a_library_are_seen_by_others_only_if_it_is_loaded_globally(self) -> None:
        hidden, shown, looks = self.build("hidden", "-DSHARES"), self.build("shown", "-DSHARES"), self.build("looks")
        self.start(registry(hidden=local(hidden), looks=local(looks)),
                   {"a.test": [policy("a.test", "hidden")], "looks.test": [policy("looks.test", "looks")]})
        self.assertEqual(self.seen("a.test"), "hidden")
        self.assertEqual(self.seen("looks.test", "x-shared"), "no")
        self.gateway.write_proxy(dynamicModules=entries(
            hidden=local(hidden), looks=local(looks), shown={"source": local(shown), "loadGlobally": True}))
        self.gateway.write("b.test", [policy("b.test", "shown")])
        wait_for(lambda: self.status_of("b.test") == 200, "b.test is served")
        self.assertEqual(self.seen("b.test"), "shown")
        self.assertEqual(self.seen("looks.test", "x-shared"), "yes")


if __name__ == "__main__":
    run_tests()
