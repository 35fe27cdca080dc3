"""The judge of change_test.py must see what is wrong: tested with answers made up for the purpose."""

from __future__ import annotations

import unittest

from change_test import SETTLE_NS, Expected, Outage, Step, Timeline
from rig import Record, run_tests

MS = 1_000_000
BLUE, GREEN = frozenset({(200, "blue")}), frozenset({(200, "green")})


def timeline(*steps: Step) -> Timeline:
    made = Timeline.__new__(Timeline)  # without resources
    made.steps, made.outages = list(steps), []
    return made


def answer(start: float, end: float, status: int = 200, backend: str = "blue", error: str = "", serial: str = "",
           connected: float | None = None) -> Record:
    return Record(int(start * MS), int(end * MS), int((start if connected is None else connected) * MS), "web", status,
                  backend, serial, connected is None, error)


class TimelineTest(unittest.TestCase):
    def setUp(self) -> None:
        # Written at 1000 ms, acknowledged at 1020 ms.
        self.timeline = timeline(Step("start", 0, {"web": Expected(BLUE)}, 10 * MS),
                                 Step("green", 1000 * MS, {"web": Expected(GREEN)}, 1020 * MS))
        self.late = 1020 + SETTLE_NS / MS + 1

    def test_before_a_change_only_the_older_step(self) -> None:
        self.assertIsNone(self.timeline.offence(answer(500, 501)))
        self.assertIn("astray", self.timeline.offence(answer(500, 501, backend="green")))

    def test_until_it_is_acknowledged_either(self) -> None:
        for backend in ("blue", "green"):
            self.assertIsNone(self.timeline.offence(answer(1001, 1005, backend=backend)))
            self.assertIsNone(self.timeline.offence(answer(999, 1001, backend=backend)))
        self.assertIn("astray", self.timeline.offence(answer(1001, 1005, backend="red")))

    def test_afterwards_only_the_later(self) -> None:
        self.assertIn("astray", self.timeline.offence(answer(self.late, self.late + 1)))
        self.assertIsNone(self.timeline.offence(answer(self.late, self.late + 1, backend="green")))

    def test_no_request_may_fail(self) -> None:
        for error in ("connect", "closed", "cut", "timeout", "overload", "tls", "bad"):
            self.assertIn("failed", self.timeline.offence(answer(1001, 1002, 0, "", error)))
        self.assertIn("failed", self.timeline.offence(answer(1001, 1002, 503, "")))
        self.assertIn("astray", self.timeline.offence(answer(1001, 1002, 404, "")))

    def test_but_in_an_outage(self) -> None:
        self.timeline.outages.append(Outage(1200 * MS, 1300 * MS))
        self.assertIsNone(self.timeline.offence(answer(1250, 1251, 0, "", "connect")))
        self.assertIsNotNone(self.timeline.offence(answer(1301, 1302, 0, "", "connect")))

    def test_a_certificate_goes_by_when_the_connection_was_made(self) -> None:
        t = timeline(Step("start", 0, {"web": Expected(BLUE, "A1")}, 10 * MS),
                     Step("certificate", 1000 * MS, {"web": Expected(BLUE, "A2")}, 1020 * MS))
        self.assertIsNone(t.offence(answer(1001, 1005, serial="A1")))
        self.assertIsNone(t.offence(answer(1001, 1005, serial="A2")))
        self.assertIsNone(t.offence(answer(2000, 2001, serial="A1", connected=500)))
        self.assertIn("certificate", t.offence(answer(2000, 2001, serial="A1")))
        self.assertIn("certificate", t.offence(answer(500, 501, serial="A2")))

    def test_a_listener_drains_what_it_had(self) -> None:
        gone = Expected(frozenset(), errors=frozenset({"connect"}), drained=BLUE)
        t = timeline(Step("start", 0, {"web": Expected(BLUE)}, 10 * MS), Step("gone", 1000 * MS, {"web": gone}, 1020 * MS))
        self.assertIsNone(t.offence(answer(2000, 2001, connected=500)))
        self.assertIsNone(t.offence(answer(2000, 2001, 0, "", "closed", connected=500)))
        self.assertIsNone(t.offence(answer(2000, 2001, 0, "", "connect")))
        self.assertIsNotNone(t.offence(answer(2000, 2001)))
        self.assertIsNotNone(t.offence(answer(2000, 2001, 0, "", "closed")))


if __name__ == "__main__":
    run_tests()
