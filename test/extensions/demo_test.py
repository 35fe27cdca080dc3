#!/usr/bin/python3
"""What `make run EXAMPLE=extensions` runs: what it says that one can try, with each of the five, and how it ends."""

from __future__ import annotations

import json
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from demo import Demo, run, take_ports  # noqa: E402
from examples import FORMS  # noqa: E402
from rig import Rig, run_tests, wait_for  # noqa: E402


class ExtensionsDemo(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())

    def start(self) -> None:
        self.demo = Demo(self.rig, "extensions", "--run-dir", self.rig.path("run"))
        self.demo.says("Ctrl-C ends everything")

    def check(self) -> None:
        """What can be tried, with each form as the path. Modules take a moment until they are there."""
        for form in FORMS:
            good, bad, plain = (line.replace("/lua ", f"/{form} ")
                                for line in self.demo.to_try("Try, in another terminal").splitlines())
            wait_for(lambda: '"x-model": "gpt-4"' in run(good), f"{form} names the model", 30, every=0.1)
            self.assertEqual(json.loads(run(bad)), {"error": "this model is forbidden"}, form)
            answer = json.loads(run(plain))
            self.assertEqual((answer["backend"], answer["headers"].get("x-model")), ("echo", None))

    def test_what_it_says_can_be_tried_and_nothing_is_left_behind_ctrl_c(self) -> None:
        self.start()
        self.check()
        self.demo.kill_sluice()
        self.check()
        self.assertEqual(self.demo.interrupt(), 0)
        if "is taken" not in self.demo.said:  # else it may be another demo's
            self.assertFalse(Path("/tmp/sluice-model.sock").exists())

    def test_where_ports_are_taken_it_takes_others_and_what_it_says_can_be_edited_can_be(self) -> None:
        take_ports(self, 8080, 3000, 3080)
        self.start()
        self.assertEqual(re.findall(r"port (\d+) is taken", self.demo.said), ["8080", "3000", "3080"])
        self.check()
        policies = [Path(line.strip()) for line in self.demo.to_try("and edit the policies").splitlines()]
        self.assertEqual({policy.parent.name for policy in policies}, set(FORMS))
        for policy in policies:
            policy.write_text(policy.read_text().replace("gpt-secret", "gpt-4"))
        good = self.demo.to_try("Try, in another terminal").splitlines()[0]
        for form in FORMS:
            if form != "ext-proc-cpp":  # whose settings are its arguments
                wait_for(lambda: "forbidden" in run(good.replace("/lua ", f"/{form} ")), f"{form} is edited", 30, every=0.1)
        self.demo.kill()


if __name__ == "__main__":
    run_tests()
