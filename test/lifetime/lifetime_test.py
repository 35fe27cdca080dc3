#!/usr/bin/python3
"""How sluice and its Envoys begin and end, against the real Envoy."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import (  # noqa: E402
    ENVOY, SLUICE, Line, Object, Resources, Rig, Sluice, Target, backend_ref, endpoint_slice, envoy_proxy,
    envoy_proxy_ref, gateway, gateway_class, http_listener, http_route, path_rule, run_tests, service, wait_answer, wait_for)

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

    def test_envoys_are_found_whatever_has_become_of_the_run_folder(self) -> None:
        # With only the state files gone; and as systemd leaves it with a RuntimeDirectory. Then nobody can tell the old one
        # to drain any more: it goes on with the connections that it has until its time is up.
        for lost, new in (("*.state", 0.2), ("*", 1.0)):
            with self.subTest(lost=lost), Rig() as rig:
                world = World(rig, {"shutdown": {"drainTimeout": "1s", "minDrainDuration": "0s"}})
                sluice = world.serve(rig)
                (old,) = sluice.envoys()
                load = rig.load([Target("web", f"http://127.0.0.1:{world.port}/", "web.example")], rate=100, new=new)
                sluice.kill()
                for path in sluice.run_dir.glob(lost):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                sluice.start()
                sluice.wait_line(lambda line: line.fields.get("message") == "adopted", "it is found", sluice.first_line)
                took = sluice.wait_line(lambda line: "took over" in line.fields.get("message", ""),
                                        "another one takes over", sluice.first_line, 30)
                self.assertEqual(took.fields["proxy"], "default/web")
                wait_for(lambda: old not in sluice.envoys(), "the old one ends", 30)
                self.assertEqual(len(sluice.envoys()), 1)
                records = load.finish()
                self.assertGreater(len(records), 50)
                self.assertEqual({(record.status, record.error) for record in records}, {(200, "")})
                self.assertEqual(sluice.stop(), 0)
                self.assertEqual(sluice.envoys(), [])

    def test_what_the_command_line_says_counts_before_the_envoy_proxy(self) -> None:
        with Rig() as rig:
            world = World(rig, {"concurrency": 2, "logging": {"level": {"default": "error"}}})
            sluice = rig.sluice(world.resources, arguments=[
                word for argument in ("--concurrency", "1", "-l", "info") for word in ("--envoy-arg", argument)])
            world.wait_served()

            def options() -> list[str]:
                (pid,) = sluice.envoys()
                return Path("/proc", str(pid), "cmdline").read_text().split("\0")

            words = options()
            self.assertEqual((words[words.index("--concurrency") + 1], words[words.index("--log-level") + 1]),
                             ("1", "info"))
            paths = {sluice.wait_line(lambda line, path=path: line.fields.get("code") == "conflict/argument"
                                      and line.fields["path"] == path, f"a warning of {path}").fields["level"]
                     for path in ("spec.concurrency", "spec.logging.level.default")}
            self.assertEqual(paths, {"warning"})
            # It comes up again, and again beside the old one, where that one was up.
            sluice.wait_line(lambda line: line.fields.get("state") == "ready", "a ready Envoy")
            world.settings({"concurrency": 4, "bootstrap": {"type": "Merge", "value": "stats_flush_interval: 7s"}})
            sluice.wait_line(lambda line: "took over" in line.fields.get("message", ""), "a hot restart", 0, 30)
            self.assertFalse([line for line in sluice.lines if line.fields.get("code") == "value/bootstrap"])

    def test_an_argument_of_the_command_line_that_envoy_does_not_know(self) -> None:
        with Rig() as rig:
            world = World(rig)
            sluice = rig.sluice(world.resources, arguments=["--envoy-arg", "--nonsense"])
            said = sluice.wait_line(lambda line: line.fields.get("code") == "value/envoy-arg", "that Envoy does not start")
            self.assertNotIn("object", said.fields)
            self.assertTrue(said.fields["problem"].endswith("\n--nonsense -- Couldn't find match for argument"), said.fields)

    def test_a_bootstrap_that_does_not_apply_is_told_by_all_commands_alike(self) -> None:
        with Rig() as rig:
            world = World(rig, {"bootstrap": {"type": "Merge", "value": "node: {cluster: foo}\nnope: 1\n"}})
            wanted = ("value/bootstrap", "EnvoyProxy default/settings", "spec.bootstrap.value")
            said = []
            for command in ("check", "translate"):
                result = subprocess.run([SLUICE, command, "-f", world.resources.folder, *(
                    ["--output", "json"] if command == "check" else ["--output", "-"])], capture_output=True, text=True)
                self.assertEqual(result.returncode, 1, result.stderr)
                said.append(result.stdout if command == "check" else result.stderr)
            (problem,) = json.loads(said[0])
            which = "{kind} {namespace}/{name}".format(**problem["object"])
            self.assertEqual((problem["code"], which, problem["path"]), wanted)
            self.assertIn(problem["message"], said[1])
            sluice = rig.sluice(world.resources)
            line = sluice.wait_line(lambda line: line.fields.get("code") == "value/bootstrap", "the problem")
            self.assertEqual((line.fields["code"], line.fields["object"], line.fields["path"]), wanted)
            self.assertEqual(line.fields["problem"], problem["message"])
            mended = sluice.mark()
            world.settings({})
            world.wait_served()
            sluice.wait_line(lambda line: line.message == "problem gone", "it is mended", mended)
            self.assertEqual(len([each for each in sluice.lines if each.fields.get("code") == "value/bootstrap"
                                  and each.message == "problem"]), 1)

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
