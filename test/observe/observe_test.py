#!/usr/bin/python3
"""What sluice tells of itself, against the real Envoy: metrics that move, health and readiness that follow what
happens, the page's data, `sluice status`, access logs; and that no secret is in any of it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _folder in ("golden", "rig"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / _folder))
import documents  # noqa: E402
from rig import (  # noqa: E402
    GATEWAY_API, SLUICE, Object, Rig, Sluice, an_object, backend_ref, endpoint_slice, gateway, gateway_class, get,
    http_listener, http_route, https_listener, make_certificate, path_rule, run_tests, service, tls_secret, wait_answer,
    wait_for)

BAD = "%REQ(NOPE?A?B)%"  # a header's value that the Gateway API takes and Envoy does not

# Envoy Gateway's default fields, with what a request of ours makes of them; None: whatever it is.
ACCESS_LOG: dict[str, Any] = {
    ":authority": "web.example", "bytes_received": 0, "bytes_sent": None, "connection_termination_details": None,
    "downstream_local_address": re.compile(r"127\.0\.0\.1:\d+"), "downstream_remote_address": re.compile(r"127\.0\.0\.1:\d+"),
    "duration": None, "method": "GET", "protocol": "HTTP/1.1", "requested_server_name": None, "response_code": 200,
    "response_code_details": "via_upstream", "response_flags": "-", "route_name": None,
    "start_time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "upstream_cluster": "service/default/blue:80",
    "upstream_host": re.compile(r"127\.0\.0\.1:\d+"), "upstream_local_address": re.compile(r"127\.0\.0\.1:\d+"),
    "upstream_transport_failure_reason": None, "user-agent": "rig", "x-envoy-origin-path": "/path?q=1",
    "x-envoy-upstream-service-time": None, "x-forwarded-for": re.compile(r"[0-9.]+"), "x-request-id": re.compile(r"[0-9a-f-]{36}"),
}


class Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


def ask(sluice: Sluice, path: str, headers: dict[str, str] = {}) -> tuple[int, str]:
    """Of the admin socket."""
    connection = Unix(sluice.run_dir / "admin.sock")
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metrics(sluice: Sluice) -> dict[str, float]:
    """By name with labels."""
    status, text = ask(sluice, "/metrics")
    assert status == 200, text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def access_line(sluice: Sluice, wanted: Callable[[Any], Any]) -> Any:
    """The first wanted line of the access logs, or None."""
    for log in sluice.run_dir.glob("*.out.log"):
        for text in log.read_text().splitlines():
            if text.startswith("{") and wanted(line := json.loads(text)):
                return line
    return None


def route(backend: str = "blue", header: str | None = None, name: str = "web") -> Object:
    rule = path_rule("/", backend_ref(backend))
    if header:
        rule["filters"] = [{"type": "RequestHeaderModifier",
                            "requestHeaderModifier": {"set": [{"name": "x-test", "value": header}]}}]
    return http_route(name, [f"{name}.example"], [rule])


class World:
    def __init__(self, rig: Rig, *arguments: str) -> None:
        self.echo = rig.echo("blue")
        self.port = rig.port()
        self.resources = rig.resources()
        self.resources.write("gateway.yaml", [gateway_class(), gateway([http_listener("http", self.port)])])
        self.resources.write("services.yaml", [service("blue"), endpoint_slice("blue", "blue", self.echo.addresses["blue"][1])])
        self.resources.write("route.yaml", route())
        self.sluice = rig.sluice(self.resources, arguments=arguments)
        wait_answer(self.url, "web.example", seconds=30)
        wait_for(lambda: ask(self.sluice, "/readyz")[0] == 200, "sluice is ready", 20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def state(self) -> Any:
        code, text = ask(self.sluice, "/api/state")
        assert code == 200, text
        return json.loads(text)


class ObserveTest(unittest.TestCase):
    def test_the_two_doors(self) -> None:
        with Rig() as rig:
            world = World(rig)
            mode = stat.S_IMODE((world.sluice.run_dir / "admin.sock").stat().st_mode)
            self.assertEqual(mode, 0o600)
            address = (world.sluice.run_dir / "admin.address").read_text().strip()
            said = next(line for line in world.sluice.lines if line.message == "admin")
            self.assertEqual(said.fields["address"], address)
            self.assertTrue(address.startswith("127.0.0.1:"))
            self.assertEqual(get(f"http://{address}/healthz").body, b"ok\n")
            self.assertEqual(get(f"http://{address}/healthz", "evil.example").status, 403)
            page = get(f"http://{address}/")
            self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
            self.assertIn(b"<title>sluice</title>", page.body)

    def test_metrics_and_health_alone(self) -> None:
        with Rig() as rig:
            world = World(rig, "--metrics", "127.0.0.1:0")
            said = next(line for line in world.sluice.lines if line.message == "metrics")
            door = f"http://{said.fields['address']}"
            self.assertEqual(get(f"{door}/healthz").body, b"ok\n")
            self.assertEqual(get(f"{door}/readyz").body, b"ready\n")
            self.assertIn(b"sluice_ready 1\n", get(f"{door}/metrics").body)
            for page in ("", "api/state", "api/status"):
                self.assertEqual(get(f"{door}/{page}").status, 404, page)

    def test_none_and_a_port_that_is_taken(self) -> None:
        with Rig() as rig:
            world = World(rig, "--admin", "none")
            self.assertFalse((world.sluice.run_dir / "admin.address").exists())
            taken = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(taken.close)
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            other = rig.sluice(world.resources, arguments=["--admin", address], name="other")
            self.assertEqual(other.process.wait(10), 1)
            line = other.wait_line(lambda line: line.message == "cannot start", "it cannot start")
            self.assertEqual(line.fields["problem"], f"cannot listen on `{address}`: Address already in use")

    def test_metrics_move_with_a_change(self) -> None:
        with Rig() as rig:
            world = World(rig)
            before = metrics(world.sluice)
            self.assertEqual(before['sluice_objects{kind="HTTPRoute"}'], 1)
            self.assertEqual(before["sluice_ready"], 1)
            self.assertEqual(before['sluice_proxy_state{proxy="default/web",state="ready"}'], 1)
            self.assertEqual(before['sluice_nodes_connected{proxy="default/web"}'], 1)
            self.assertGreater(before["process_resident_memory_bytes"], 1e6)

            mark = world.sluice.mark()
            world.resources.write("route.yaml", route(header="new"))
            world.sluice.wait_acknowledged(world.sluice.commit_of(["HTTPRoute default/web"], mark))
            after = metrics(world.sluice)
            grown = {name: after[name] - before.get(name, 0) for name in after}
            self.assertEqual(grown["sluice_source_batches_total"], 1)
            self.assertEqual(grown["sluice_source_objects_changed_total"], 1)
            self.assertGreaterEqual(grown["sluice_commits_total"], 1)
            self.assertEqual(grown['sluice_stage_rows_changed_total{stage="route tables"}'], 1)
            self.assertEqual(grown['sluice_xds_responses_total{type="RouteConfiguration"}'], 1)
            self.assertGreater(grown['sluice_xds_bytes_total{type="RouteConfiguration"}'], 100)
            self.assertEqual(grown['sluice_xds_responses_total{type="Cluster"}'], 0)
            self.assertEqual(grown["sluice_change_to_acknowledgement_seconds_count"], 1)
            # The source waits for 10 ms of quiet.
            self.assertGreater(grown["sluice_change_to_acknowledgement_seconds_sum"], 0.01)
            self.assertLess(grown["sluice_change_to_acknowledgement_seconds_sum"], 5)
            self.assertEqual(after['sluice_node_commits_behind{node="default/web/0",proxy="default/web"}'], 0)

    def test_a_rejection_shows_with_its_object(self) -> None:
        with Rig() as rig:
            world = World(rig)
            good = world.sluice.status()
            self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
            world.resources.write("route.yaml", route(header=BAD))
            name = 'sluice_object_rejections_total{kind="HTTPRoute",name="web",namespace="default"}'
            wait_for(lambda: metrics(world.sluice).get(name) == 1, "the rejection is counted", 20)
            wait_for(lambda: metrics(world.sluice)["sluice_objects_held_back"] == 1, "it is held back", 20)
            wait_for(lambda: metrics(world.sluice).get('sluice_problems{code="value/rejected",severity="error"}') == 1,
                     "the problem is there", 20)
            # One mistake does not make the whole not ready.
            self.assertEqual(ask(world.sluice, "/readyz")[0], 200)
            problem = world.state()["problems"][0]
            self.assertEqual(problem["code"], "value/rejected")
            self.assertEqual(Path(problem["file"]).name, "route.yaml")
            self.assertGreater(problem["line"], 0)
            bad = world.sluice.status()
            self.assertEqual(bad.returncode, 1, bad.stdout + bad.stderr)
            self.assertRegex(bad.stdout, r"(?m)^HTTPRoute +default/web +\w+ +\w+ +- ")
            self.assertIn("[value/rejected]", bad.stdout)

            world.resources.write("route.yaml", route())
            wait_for(lambda: metrics(world.sluice)["sluice_objects_held_back"] == 0, "nothing is held back", 20)
            self.assertEqual(world.sluice.status().returncode, 0)

    def test_readiness_follows_envoy(self) -> None:
        with Rig() as rig:
            world = World(rig)
            self.assertEqual(ask(world.sluice, "/readyz"), (200, "ready\n"))
            before = metrics(world.sluice)
            failures = 'sluice_proxy_failures_total{proxy="default/web"}'
            # It starts again at once: what /readyz says in between is polled for.
            for envoy in world.sluice.envoys():
                os.kill(envoy, signal.SIGKILL)
            code, text = wait_for(lambda: (lambda it: it if it[0] != 200 else None)(ask(world.sluice, "/readyz")),
                                  "it is not ready", 10, every=0.001)
            self.assertEqual(code, 503)
            self.assertRegex(text, r"^not ready\nproxy default/web (is (starting|exited|backing off)|has not)")
            wait_for(lambda: ask(world.sluice, "/readyz")[0] == 200, "it is ready again", 20)
            self.assertEqual(ask(world.sluice, "/healthz"), (200, "ok\n"))
            after = metrics(world.sluice)
            self.assertEqual(after[failures] - before[failures], 1)
            verbose = json.loads(ask(world.sluice, "/readyz?verbose")[1])
            self.assertEqual((verbose["ready"], verbose["missing"]), (True, []))
            self.assertEqual(verbose["proxies"][0]["pid"], world.sluice.envoys()[0])

    def test_an_envoy_that_hangs_is_behind(self) -> None:
        with Rig() as rig:
            world = World(rig)
            commits = 'sluice_node_commits_behind{node="default/web/0",proxy="default/web"}'
            seconds = 'sluice_node_seconds_behind{node="default/web/0",proxy="default/web"}'
            (envoy,) = world.sluice.envoys()
            os.kill(envoy, signal.SIGSTOP)
            try:
                for header in ("one", "two"):
                    mark = world.sluice.mark()
                    world.resources.write("route.yaml", route(header=header))
                    world.sluice.commit_of(["HTTPRoute default/web"], mark)
                wait_for(lambda: metrics(world.sluice)[commits] == 2, "two commits behind", 10)
                wait_for(lambda: metrics(world.sluice)[seconds] > 0.3, "time passes", 10)
                proxy = world.state()["proxies"][0]
                self.assertEqual(proxy["nodes"][0]["commits_behind"], 2)
                wait_for(lambda: ask(world.sluice, "/readyz")[0] == 503, "it does not serve what it should", 30)
                self.assertIn("proxy default/web has not acknowledged what it was sent", ask(world.sluice, "/readyz")[1])
            finally:
                os.kill(envoy, signal.SIGCONT)
            wait_for(lambda: metrics(world.sluice)[commits] == 0, "it has caught up", 20)
            self.assertEqual(metrics(world.sluice)[seconds], 0)
            self.assertEqual(ask(world.sluice, "/readyz")[0], 200)

    def test_the_state_of_the_page(self) -> None:
        with Rig() as rig:
            world = World(rig)
            world.resources.write("second.yaml", route("cart", name="second"))
            wait_for(lambda: len(world.state()["routes"]) == 2, "the second route", 10)
            # Envoys are asked when somebody looks.
            clusters = wait_for(lambda: world.state()["clusters"].get("default/web"), "the health of endpoints", 15)
            address = "127.0.0.1:%d" % world.echo.addresses["blue"][1]
            self.assertEqual(clusters["service/default/blue:80"], [{"address": address}])
            state = world.state()
            (web,) = (row for row in state["routes"] if row["name"] == "default/web")
            self.assertEqual(web["hosts"], ["web.example"])
            self.assertEqual(web["rules"], [{"backends": [{"cluster": "service/default/blue:80", "weight": 1}],
                                             "matches": ["/*"]}])
            (gateway_row,) = state["gateways"]
            self.assertEqual(gateway_row["listeners"][0]["routes"], 2)
            self.assertEqual({c["type"]: c["status"] for c in gateway_row["conditions"]},
                             {"Accepted": True, "Programmed": True})
            (problem,) = state["problems"]
            self.assertEqual((problem["code"], Path(problem["file"]).name), ("reference/not-found", "second.yaml"))

    def test_status(self) -> None:
        with Rig() as rig:
            world = World(rig)
            good = world.sluice.status()
            self.assertEqual(good.returncode, 0, good.stderr)
            self.assertEqual(good.stdout.splitlines()[0].split(),
                             ["KIND", "NAME", "ACCEPTED", "RESOLVEDREFS", "PROGRAMMED", "REASON", "MESSAGE"])
            self.assertRegex(good.stdout, r"(?m)^Gateway +default/web +True +True +True +Accepted$")
            self.assertRegex(good.stdout, r"(?m)^HTTPRoute +default/web +True +True +- +Accepted$")
            world.resources.write("second.yaml", route("cart", name="second"))
            bad = wait_for(lambda: (lambda it: it if it.returncode == 1 else None)(world.sluice.status()), "a problem", 10)
            self.assertRegex(bad.stdout, r"(?m)^HTTPRoute +default/second +True +False +- +BackendNotFound +Gateway web: ")
            self.assertIn("second.yaml:", bad.stdout)
            self.assertIn("error: there is no Service default/cart [reference/not-found]", bad.stdout)
            self.assertEqual(world.sluice.status("HTTPRoute", "default/web").returncode, 0)
            objects = json.loads(world.sluice.status("-o", "json").stdout)["objects"]
            self.assertEqual({row["kind"] for row in objects}, {"GatewayClass", "Gateway", "HTTPRoute"})
            # Nobody answers: said in words, and at once.
            world.sluice.kill()
            none = world.sluice.status()
            self.assertEqual((none.returncode, none.stdout), (2, ""))
            self.assertTrue(none.stderr.startswith(f"error: no sluice answers in {world.sluice.run_dir}\n"))

    def test_sessions_in_documents(self) -> None:
        """What documents show of a running sluice, to the letter."""
        self.maxDiff = None
        for file in documents.with_sessions():
            self.assertEqual(documents.written_anew(file, "observe", self._session), file.read_text(), file.name)

    @staticmethod
    def _session(commands: list[str], folder: Path) -> list[str]:
        """Runs them in a shell beside a sluice of the folder. It is found where it is by default; the ports that its files
        name are others here."""
        with Rig() as rig:
            backends = rig.echo("blue", "green").addresses
            ports = {"8080": rig.port(), "3000": backends["blue"][1], "3001": backends["green"][1]}

            def here(text: str) -> str:
                return re.sub(r"\b(8080|3000|3001)\b", lambda port: str(ports[port[0]]), text)

            resources = rig.resources()
            for file in sorted(folder.glob("conf/*.yaml")):
                resources.write(file.name, here(file.read_text()))
            arguments = folder / "arguments"
            sluice = rig.sluice(resources, name="sluice",
                                arguments=arguments.read_text().split() if arguments.exists() else [])
            admin = sluice.run_dir / "admin.sock"
            # Where it never gets ready, the next start is far enough away to be looked at.
            wait_for(lambda: admin.exists() and re.match(r"ready|[^\0]*next start in \d{4}", ask(sluice, "/readyz")[1]),
                     "it is ready, or fails", 20)
            environment = {**os.environ, "XDG_RUNTIME_DIR": str(rig.folder), "NO_COLOR": "1",
                           "PATH": f"{SLUICE.parent}:{os.environ['PATH']}"}
            printed = []
            for command in commands:
                mark = sluice.mark()
                command = command.replace("examples/quickstart", str(resources.folder)).replace("/run/sluice", str(sluice.run_dir))
                result = subprocess.run(here(command), shell=True, env=environment, capture_output=True, text=True, check=False)
                printed.append((result.stdout + result.stderr).replace(str(resources.folder), "conf"))
                if command.startswith("sed "):
                    sluice.wait_acknowledged(sluice.commit_of(["HTTPRoute default/backend"], mark), ["default/eg"])
            return printed

    def test_access_log(self) -> None:
        with Rig() as rig:
            world = World(rig)
            get(world.url + "path?q=1", "web.example", headers={"user-agent": "rig"})

            fields = wait_for(lambda: access_line(world.sluice, lambda line: line["user-agent"] == "rig"),
                              "the access log", 30)
            self.assertEqual(set(fields), set(ACCESS_LOG))
            for name, wanted in ACCESS_LOG.items():
                if isinstance(wanted, re.Pattern):
                    self.assertRegex(fields[name], wanted, name)
                elif wanted is not None:
                    self.assertEqual(fields[name], wanted, name)

    def test_access_log_of_connections(self) -> None:
        with Rig() as rig:
            echo, port, resources = rig.echo("blue"), rig.port(), rig.resources()
            resources.write("all.yaml", [
                gateway_class(), gateway([{"name": "tcp", "protocol": "TCP", "port": port}]),
                service("blue"), endpoint_slice("blue", "blue", echo.addresses["blue"][1]),
                an_object(GATEWAY_API, "TCPRoute", "web", spec={
                    "parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [backend_ref("blue")]}]})])
            sluice = rig.sluice(resources)
            wait_answer(f"http://127.0.0.1:{port}/", seconds=30)
            fields = wait_for(lambda: access_line(sluice, lambda line: line["upstream_cluster"]), "the access log", 30)
            self.assertEqual(set(fields), set(ACCESS_LOG))
            self.assertEqual((fields["upstream_cluster"], fields["method"], fields["response_code"]),
                             ("service/default/blue:80", None, 0))
            self.assertGreater(fields["bytes_sent"], 0)
            self.assertRegex(fields["downstream_local_address"], rf"127\.0\.0\.1:{port}")

    def test_no_secret_is_in_any_output(self) -> None:
        with Rig() as rig:
            certificate, key = make_certificate(rig.folder, ["web.example"], 0x5EC)
            port, echo, resources = rig.port(), rig.echo("blue"), rig.resources()
            canary = "CANARY-in-a-secret"
            encoded = base64.b64encode(canary.encode()).decode()
            body = "".join(key.splitlines()[1:-1])
            never = [canary, encoded, body[:40], body[40:80], base64.b64encode(key.encode()).decode()[40:100]]
            resources.write("gateway.yaml", [gateway_class(), gateway(
                [https_listener("https", port, "good"),
                 *(https_listener(name, port, name, hostname=f"{name}.example") for name in ("broken", "text", "other"))])])
            resources.write("secrets.yaml", [
                tls_secret("good", certificate, key), tls_secret("broken", canary, canary),
                tls_secret("other", certificate, canary + "\n" + key.replace("A", "B", 1)),
                {**tls_secret("text", "", ""), "data": {"tls.crt": encoded, "tls.key": encoded}}])
            # What no schema takes: values that are no strings, base64 or UTF-8, and keys twice.
            resources.write("odd.yaml", f"apiVersion: v1\nkind: Secret\nmetadata: {{name: odd}}\n"
                                        f"data: {{a: '{canary}!', b: {{c: '{canary}'}}, d: ['{canary}']}}\n"
                                        f"stringData: {{k: ['{canary}']}}\ntype: 9\n")
            resources.write("twice.yaml", f"apiVersion: v1\nkind: Secret\nmetadata: {{name: twice}}\n"
                                          f"stringData:\n  a: {canary}\n  a: {canary}\n")
            resources.write("tab.yaml", f"apiVersion: v1\nkind: Secret\nmetadata: {{name: tab}}\n"
                                        f"stringData:\n  a: {canary}\n\tb: {canary}\n")
            resources.write("services.yaml", [service("blue"), endpoint_slice("blue", "blue", echo.addresses["blue"][1])])
            resources.write("route.yaml", route())
            sluice = rig.sluice(resources, arguments=["--log-level", "debug"])
            wait_answer(f"https://127.0.0.1:{port}/", "web.example", seconds=30)

            outputs = {path: ask(sluice, path)[1]
                       for path in ("/api/state", "/api/status", "/metrics", "/readyz?verbose", "/healthz")}
            for arguments in (["check", "-f", resources.folder], ["check", "-f", resources.folder, "--output", "json"],
                              ["translate", "-f", resources.folder],
                              ["status", "--run-dir", sluice.run_dir], ["status", "--run-dir", sluice.run_dir, "-o", "json"],
                              ["status", "--run-dir", sluice.run_dir, "-o", "wide"]):
                result = subprocess.run([SLUICE, *arguments], capture_output=True, text=True, check=False)
                outputs[" ".join(map(str, arguments))] = result.stdout + result.stderr
            sluice.stop()
            outputs["the log"] = sluice.log.read_text()
            for path in sluice.run_dir.iterdir():
                if path.is_file():
                    outputs[path.name] = path.read_text(errors="replace")
            self.assertIn("status.yaml", outputs)
            for name, text in outputs.items():
                self.assertTrue(text or name.endswith((".log", "lock", ".exit")), name)
                for secret in never:
                    self.assertNotIn(secret, text, f"in {name}")
            # It is there where it is asked for.
            shown = subprocess.run([SLUICE, "translate", "--show-secrets", "-f", resources.folder],
                                   capture_output=True, text=True, check=False).stdout
            self.assertIn(never[-1], shown)
            self.assertIn("[redacted]", outputs[f"translate -f {resources.folder}"])


if __name__ == "__main__":
    run_tests()
