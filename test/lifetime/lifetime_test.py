#!/usr/bin/python3
"""How sluice and its Envoys begin and end, against the real Envoy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import (  # noqa: E402
    ENVOY, SLUICE, Line, Object, Resources, Rig, Sluice, backend_ref, endpoint_slice, envoy_proxy, envoy_proxy_ref, gateway,
    gateway_class, http_listener, http_route, path_rule, run_tests, service, wait_answer, wait_for)

MIN_DRAIN = 10  # seconds: that is the least time for which an Envoy drains


class World:
    def __init__(self, rig: Rig, settings: Object | None = None) -> None:
        self.port = rig.port()
        self.resources: Resources = rig.resources()
        web = gateway([http_listener("http", self.port)])
        web["spec"]["infrastructure"] = {"parametersRef": envoy_proxy_ref("settings")}
        self.resources.write("gateway.yaml", [gateway_class(), web])
        self.settings(settings or {})
        echo = rig.echo("blue")
        self.resources.write("services.yaml", [service("blue"), endpoint_slice("blue", "blue", echo.addresses["blue"][1])])
        self.resources.write("route.yaml", http_route("web", ["web.example"], [path_rule("/", backend_ref("blue"))]))

    def settings(self, spec: Object) -> None:
        self.resources.write("settings.yaml", envoy_proxy("settings", **spec))

    def serve(self, rig: Rig) -> Sluice:
        sluice = rig.sluice(self.resources)
        sluice.wait_line(lambda line: line.fields.get("state") == "ready", "Envoy is ready")
        self.wait_served()
        return sluice

    def wait_served(self) -> None:
        wait_answer(f"http://127.0.0.1:{self.port}/", "web.example", seconds=30)


class LifetimeTest(unittest.TestCase):
    def test_while_it_drains_it_answers_and_a_second_signal_ends_it(self) -> None:
        with Rig() as rig:
            world = World(rig)
            sluice = world.serve(rig)
            began = time.monotonic()
            sluice.process.terminate()
            sluice.wait_line(lambda line: line.message == "stopping", "it stops")
            self.assertIn("default/web", sluice.status().stdout)
            state = json.loads(sluice.status( "-o", "json").stdout)
            self.assertTrue(state["objects"])
            self.assertTrue(sluice.envoys(), "they drain")
            sluice.process.send_signal(signal.SIGINT)
            self.assertEqual(sluice.process.wait(20), 0)
            self.assertLess(time.monotonic() - began, MIN_DRAIN)
            self.assertEqual(sluice.envoys(), [])

    def test_files_that_are_out_of_sight_are_served_on(self) -> None:
        with Rig() as rig:
            world = World(rig)
            sluice = world.serve(rig)
            envoys = sluice.envoys()
            folder, away = world.resources.folder, world.resources.folder.with_name("away")

            def is_missing(line: Line) -> bool:
                return line.message == "problem" and line.fields["code"] == "syntax/no-such-file"

            folder.rename(away)
            said = sluice.wait_line(is_missing, "the folder is missing")
            self.assertIn("serves on", said.fields["suggestion"])
            world.wait_served()
            # A sluice that does not know what was there leaves alone what it finds serving.
            sluice.kill()
            (sluice.run_dir / "files.journal").unlink()
            sluice.start()
            sluice.wait_line(is_missing, "the folder is missing", sluice.first_line)
            time.sleep(2)
            world.wait_served()
            self.assertEqual(sluice.envoys(), envoys)
            # Once it can see, it does: the Envoy is taken over, or ends if nothing wants it.
            back = sluice.mark()
            away.rename(folder)
            sluice.wait_acknowledged(sluice.commit_of(["HTTPRoute default/web"], back))
            world.wait_served()
            self.assertEqual(sluice.envoys(), envoys)
            sluice.kill()
            (sluice.run_dir / "files.journal").unlink()
            folder.rename(away)
            sluice.start()
            sluice.wait_line(is_missing, "the folder is missing", sluice.first_line)
            folder.mkdir()
            sluice.wait_line(lambda line: line.fields.get("state") == "draining", "Envoy ends", sluice.first_line)
            sluice.process.terminate()
            sluice.process.terminate()
            sluice.process.wait(20)

    def test_who_takes_the_ports_of_an_envoy_after_a_restart_serves_first(self) -> None:
        shutdown: Object = {"shutdown": {"drainTimeout": "1s", "minDrainDuration": "0s"}}
        with Rig() as rig:
            world = World(rig, shutdown)
            sluice = world.serve(rig)
            sluice.kill()
            renamed = gateway([http_listener("http", world.port)], "renamed")
            renamed["spec"]["infrastructure"] = {
                "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "settings"}}
            world.resources.write("gateway.yaml", [gateway_class(), renamed])
            route = http_route("web", ["web.example"], [path_rule("/", backend_ref("blue"))])
            route["spec"]["parentRefs"] = [{"name": "renamed"}]
            world.resources.write("route.yaml", route)
            sluice.start()
            # A request that reaches the old one as it closes its socket may fail; what matters is that the new one serves.
            leaves = sluice.wait_line(lambda line: (line.fields.get("proxy"), line.fields.get("state")) ==
                                      ("default/web", "draining"), "the old one ends", sluice.first_line)
            serves = sluice.wait_line(lambda line: (line.fields.get("proxy"), line.fields.get("state")) ==
                                      ("default/renamed", "ready"), "the new one is ready", sluice.first_line)
            self.assertLess(sluice.lines.index(serves), sluice.lines.index(leaves))
            world.wait_served()

    def test_what_a_broken_file_said_survives_sluice_and_envoy(self) -> None:
        with Rig() as rig:
            world = World(rig)
            sluice = world.serve(rig)
            sluice.kill()
            world.resources.write("route.yaml", "kind: ]\n")
            envoys = sluice.envoys()
            for both in (False, True):
                if both:
                    for pid in sluice.envoys():
                        os.kill(pid, signal.SIGKILL)
                    wait_for(lambda: not sluice.envoys(), "the end of Envoy")
                sluice.start()
                sluice.wait_line(lambda line: line.message == "problem" and line.fields["code"] == "syntax/yaml",
                                 "the file is broken", sluice.first_line)
                first = sluice.wait_line(lambda line: line.message == "commit", "its first commit", sluice.first_line)
                sluice.wait_acknowledged(first)
                world.wait_served()
                if not both:
                    self.assertEqual(sluice.envoys(), envoys)
                sluice.kill()
            journal = sluice.run_dir / "files.journal"
            self.assertEqual(journal.stat().st_mode & 0o777, 0o600)

    def test_its_log_s_reader_may_go_first(self) -> None:
        with Rig() as rig:
            world = World(rig, {"shutdown": {"minDrainDuration": "0s"}})
            folder = rig.path("piped")
            process = rig.start(SLUICE, "run", "-f", world.resources.folder, "--envoy", ENVOY, "--run-dir", folder,
                                stderr=subprocess.PIPE)
            wait_for(lambda: (folder / "status.yaml").exists(), "it runs")
            process.stderr.close()
            world.resources.write("route.yaml", http_route(
                "web", ["web.example"], [path_rule("/", backend_ref("missing"))]))
            wait_answer(f"http://127.0.0.1:{world.port}/", "web.example", lambda answer: answer.status == 500, 30)
            process.terminate()
            self.assertEqual(process.wait(30), 0)
            self.assertEqual([pid for pid in rig.marked() if os.readlink(f"/proc/{pid}/exe") == str(ENVOY.resolve())], [])

    def test_an_argument_that_envoy_does_not_know_is_a_problem_until_it_is_gone(self) -> None:
        with Rig() as rig:
            world = World(rig, {"extraArgs": ["--nonsense"]})
            sluice = rig.sluice(world.resources)

            def is_problem(line: Line) -> bool:
                return line.message == "problem" and line.fields["code"] == "value/bootstrap"

            said = sluice.wait_line(is_problem, "that Envoy does not start")
            self.assertEqual(said.fields["object"], "EnvoyProxy default/settings")
            self.assertEqual(said.fields["path"], "spec.extraArgs")
            self.assertIn("settings.yaml:", said.fields["where"])
            self.assertIn("--nonsense", said.fields["problem"])
            again = sluice.mark()
            for _ in range(3):  # it is tried again and again
                line = sluice.wait_line(lambda line: line.fields.get("state") == "exited", "it is started again", again)
                again = sluice.lines.index(line) + 1
            told = [line for line in sluice.lines if "value/bootstrap" in line.fields.values()]
            self.assertEqual([line.message for line in told], ["problem"], sluice.tail(50))
            programmed = self.condition(sluice, "Programmed")
            self.assertEqual(programmed["status"], "False")
            self.assertIn("Envoy does not start with this configuration", programmed["message"])

            mended = sluice.mark()
            world.settings({})
            world.wait_served()
            sluice.wait_line(lambda line: line.message == "problem gone" and line.fields["code"] == "value/bootstrap",
                             "the problem is gone", mended)

            # A hot restart that is refused, and what is served in its place dies: still it is not what is wanted.
            broken = sluice.mark()
            world.settings({"extraArgs": ["--nonsense"]})
            sluice.wait_line(is_problem, "that Envoy does not start", broken)
            os.kill(sluice.envoys()[0], signal.SIGKILL)
            back = sluice.wait_line(lambda line: line.fields.get("state") == "exited", "it dies", broken)
            sluice.wait_line(lambda line: line.fields.get("state") == "ready", "it is back", sluice.lines.index(back))
            world.wait_served()
            self.assertEqual(sluice.status().returncode, 1)
            self.assertFalse([line for line in sluice.lines[broken:] if line.message == "problem gone"])

    def condition(self, sluice: Sluice, kind: str) -> Any:
        def look() -> Any:
            objects = json.loads(sluice.status( "-o", "json").stdout)["objects"]
            web = next(one for one in objects if one["kind"] == "Gateway")
            return next((one for one in web["status"]["conditions"] if one["type"] == kind), None)

        return wait_for(look, f"a condition {kind}")


if __name__ == "__main__":
    run_tests()
