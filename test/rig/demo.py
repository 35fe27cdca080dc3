"""What `make run` runs, as a newcomer does: the run.sh of an example, what it says, and what it says that one can try."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import unittest
from typing import Any

from rig import BUILD, ROOT, SLUICE, Rig, wait_for


class Demo:
    """examples/NAME/run.sh with these arguments, from its start on. `said`: what it has said so far."""

    def __init__(self, rig: Rig, name: str, *arguments: Any) -> None:
        self.rig, self.said = rig, ""
        # What a shell runs in the background ignores Ctrl-C, and so would all that it starts.
        self.process = rig.start("env", "--default-signal=INT", f"SLUICE_BUILD={BUILD}",
                                 ROOT / "examples" / name / "run.sh", *arguments,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.said += line

    def says(self, text: str, seconds: float = 20) -> None:
        """Waits until it has said so."""
        try:
            wait_for(lambda: text in self.said, f"the demo says `{text}`", seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it said\n{self.said}") from None

    def to_try(self, title: str) -> str:
        """The lines that it has printed below this title, to be run as they are."""
        return ("\n" + self.said).split(f"\n{title}")[1].split("\n\n")[1]

    def sluices(self) -> list[int]:
        """The pids of its sluices."""
        found = []
        for pid in self.rig.marked():
            try:
                if os.readlink(f"/proc/{pid}/exe") == str(SLUICE.resolve()):
                    found.append(pid)
            except OSError:
                pass
        return found

    def kill_sluice(self) -> None:
        """And waits until there is another, to which it has left its Envoy."""
        [killed] = self.sluices()
        os.kill(killed, signal.SIGKILL)
        self.says("sluice was killed")
        wait_for(lambda: self.sluices() not in ([], [killed]), "sluice is back")

    def interrupt(self, seconds: float = 60) -> int:
        """Ctrl-C: the exit status, when nothing is left of it."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(seconds)
        wait_for(lambda: self.rig.marked() == [], "all have ended")
        return status

    def kill(self) -> None:
        """Without a word to it. Returns when nothing is left of it."""
        self.process.kill()
        wait_for(lambda: self.rig.marked() == [], "all have ended", 60)


def run(lines: str) -> str:
    """What these lines of a shell print."""
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=60)
    return done.stdout.replace("\r", "")


def take_ports(test: unittest.TestCase, *ports: int) -> None:
    """Until the test's end somebody listens at each of them, if not we."""
    for port in ports:
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        test.addCleanup(taken.close)
        try:
            taken.bind(("", port))
            taken.listen()
        except OSError:
            pass
