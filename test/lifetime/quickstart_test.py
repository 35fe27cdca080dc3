#!/usr/bin/python3
"""What `make run` runs: what it says that one can try, its ports, and how it ends."""

from __future__ import annotations

import json
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from demo import Demo, run, take_ports  # noqa: E402
from rig import Rig, run_tests, wait_for  # noqa: E402


class Quickstart(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())

    def start(self) -> None:
        self.demo = Demo(self.rig, "quickstart", "--run-dir", self.rig.path("run"))
        self.demo.says("Ctrl-C ends everything")
        wait_for(lambda: self.first_answer(), "it serves", 30)

    def first_answer(self) -> str:
        return run(self.demo.to_try("Try, in another terminal").splitlines()[0])

    def check(self) -> None:
        """What can be tried shows what the README says."""
        plain, following = self.demo.to_try("Try, in another terminal").splitlines()
        backends = {json.loads(run(plain))["backend"] for _ in range(40)}
        self.assertIn("blue", backends)
        self.assertLessEqual(backends, {"blue", "green"})
        headers, _, body = run(following).partition("\n\n")
        self.assertRegex(headers, r"^HTTP/1.1 200 OK\n")
        self.assertIn("x-served-by: sluice", headers)
        answer = json.loads(body)
        self.assertEqual((answer["backend"], answer["headers"]["x-stage"]), ("green", "next"))

    def test_what_it_says_can_be_tried_and_nothing_is_left_behind_ctrl_c(self) -> None:
        self.start()
        self.check()
        self.demo.kill_sluice()
        self.check()
        self.assertEqual(self.demo.interrupt(), 0)

    def test_where_ports_are_taken_it_takes_others(self) -> None:
        take_ports(self, 8080, 3000, 3001)
        self.start()
        self.assertEqual(re.findall(r"port (\d+) is taken", self.demo.said), ["8080", "3000", "3001"])
        self.check()
        # The manifests are where it says. A slip changes nothing, and is told; what is right is served.
        route = Path(re.search(r"edit (\S+)/\*\.yaml", self.demo.said)[1]) / "route.yaml"
        good = route.read_text()
        route.write_text(good.replace("weight: 9", "weigth: 9"))
        self.demo.says("did you mean `weight`")
        self.check()
        route.write_text(good.replace("name: blue", "name: green"))
        wait_for(lambda: {json.loads(self.first_answer())["backend"] for _ in range(20)} == {"green"}, "the edit is served")
        self.demo.interrupt()
        self.assertFalse(route.exists())

    def test_nothing_is_left_when_it_is_killed(self) -> None:
        self.start()
        self.demo.kill()


if __name__ == "__main__":
    run_tests()
