#!/usr/bin/python3
"""What `make run EXAMPLE=llm` runs, with less traffic: what it prints, what it draws, and what it says that one can try."""

from __future__ import annotations

import re
import sys
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from demo import Demo, run  # noqa: E402
from rig import Rig, run_tests  # noqa: E402


class LlmDemo(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.svg = self.rig.path("demo.svg")
        self.demo = Demo(self.rig, "llm", "--seconds", 5, "--svg", self.svg)

    def to_try(self, title: str) -> str:
        return run(self.demo.to_try(title))

    def test_it_shows_the_gain_and_what_it_says_can_be_tried(self) -> None:
        self.demo.says("Ctrl-C ends", 120)
        answered = re.findall(r"(\d+) of (\d+) requests answered", self.demo.said)
        self.assertEqual(len(answered), 2, self.demo.said)
        self.assertEqual(answered[0], answered[1])
        self.assertEqual(*answered[0])
        self.assertGreater(int(answered[0][0]), 60)
        round_robin, picker = map(int, re.search(r"adapters loaded +(\d+) +(\d+)", self.demo.said).groups())
        self.assertGreater(round_robin, picker)
        self.assertEqual(xml.parse(self.svg).getroot().tag, "{http://www.w3.org/2000/svg}svg")

        chat = self.to_try("A chat with an adapter.")
        self.assertRegex(chat, r"^HTTP/1.1 200 OK\n(.*\n)*x-pod: 127.0.0.1:\d+\n(.*\n)*\n.*\"model\":\"sql\"")

        shed = self.to_try("A request that is shed.")
        self.assertEqual(re.findall(r"HTTP/1.1 (\d+)", shed), ["429", "200"], shed)
        self.assertRegex(shed, r"\nretry-after: \d+\n")

        killed, *served = self.to_try("A pod that is killed").split("\n")[:-1]
        self.assertEqual([line.split()[0] for line in served], ["200"] * 8)
        self.assertNotEqual(served[0].split()[1], killed)
        self.demo.says(f"{killed}, has ended")

        self.demo.kill_sluice()
        self.assertIn("200 OK", self.to_try("A chat with an adapter."))

        folder = Path(re.search(r"in (\S+)/sluice.log", self.demo.said)[1])
        self.demo.interrupt()
        self.assertFalse(folder.exists())

    def test_nothing_is_left_when_it_is_killed(self) -> None:
        self.demo.says("requests in 5 s")
        self.demo.kill()


if __name__ == "__main__":
    run_tests()
