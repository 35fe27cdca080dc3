"""Ports of a host: one that two Gateways want, and ones that other processes have. Against the real Envoy."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import (  # noqa: E402
    Object, Rig, Sluice, backend_ref, endpoint_slice, gateway, gateway_class, get, http_listener, http_route, path_rule,
    run_tests, service, wait_answer, wait_for)

# The longest that may lie between two tries in these tests, and the way of the answer.
RETRY = 12.0


@contextlib.contextmanager
def taken(port: int = 0) -> Iterator[int]:
    """A port that another process has, as far as Envoy can tell: it is listened on, without SO_REUSEPORT."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        listener.listen()
        yield listener.getsockname()[1]


def take_at_once(port: int) -> contextlib.AbstractContextManager[int]:
    """The same, as soon as whoever has it lets go."""
    taking = taken(port)

    def attempt() -> bool:
        nonlocal taking
        try:
            taking.__enter__()
        except OSError:
            taking = taken(port)
            return False
        return True

    wait_for(attempt, f"port {port} is let go", 10, 0.001)
    held = contextlib.ExitStack()
    held.push(taking.__exit__)
    return held


def backends(rig: Rig, *colors: str) -> list[Object]:
    echo = rig.echo(*colors)
    return [document for color in colors
            for document in (service(color), endpoint_slice(color, color, echo.addresses[color][1]))]


def route(parent: str, backend: str) -> Object:
    return http_route(parent, ["a.test"], [path_rule("/", backend_ref(backend))], parent)


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


def conditions(sluice: Sluice, name: str, listener: str | None = None) -> dict[str, str]:
    """Of a Gateway, or of one of its listeners: "True/Reason" by type."""
    try:
        documents: list[Any] = yaml.safe_load((sluice.run_dir / "status.yaml").read_text()) or []
    except FileNotFoundError:
        return {}
    for document in documents:
        if document["kind"] != "Gateway" or document["name"] != name:
            continue
        status = document["status"]
        if listener is not None:
            status = next((one for one in status.get("listeners", []) if one["name"] == listener), {})
        return {one["type"]: f"{one['status']}/{one['reason']}" for one in status.get("conditions", [])}
    return {}


def wait_condition(sluice: Sluice, kind: str, wanted: str, name: str, listener: str | None = None,
                   seconds: float = 15) -> None:
    wait_for(lambda: conditions(sluice, name, listener).get(kind) == wanted,
             f"{name} {listener or ''}: {kind} is {wanted}, it is {conditions(sluice, name, listener)}", seconds, 0.1)


def wait_problem(sluice: Sluice, code: str, since: int, what: str = "problem") -> dict[str, Any]:
    return sluice.wait_line(lambda line: line.message == what and line.fields.get("code") == code,
                            f"{what} {code}", since).fields


class PortsTest(unittest.TestCase):
    def test_two_gateways_at_one_port(self) -> None:
        with Rig() as rig:
            port, other = rig.port(), rig.port()
            resources = rig.resources()
            resources.write("class.yaml", [gateway_class(), *backends(rig, "blue", "green")])
            resources.write("first.yaml", [gateway([http_listener("http", port)], "first"), route("first", "blue")])
            resources.write("second.yaml", [
                gateway([http_listener("http", port), http_listener("other", other)], "second"),
                route("second", "green")])
            sluice = rig.sluice(resources)
            for at, backend in ((port, "blue"), (other, "green")):
                wait_answer(url(at), "a.test", lambda answer: answer.backend == backend)
            # Each connection is a draw where two processes have a port.
            self.assertEqual({get(url(port), "a.test").backend for _ in range(40)}, {"blue"})
            wait_condition(sluice, "Accepted", "False/PortUnavailable", "second", "http")
            wait_condition(sluice, "Programmed", "True/Programmed", "second", "other")
            problem = wait_problem(sluice, "conflict/listener", 0)
            self.assertIn("second.yaml", problem["where"])
            self.assertIn("first.yaml", str(problem))

            # When the winner goes, the port is the other's.
            resources.delete("first.yaml")
            wait_answer(url(port), "a.test", lambda answer: answer.backend == "green", 30)
            wait_condition(sluice, "Programmed", "True/Programmed", "second", "http")

    def test_a_port_that_is_taken(self) -> None:
        with Rig() as rig, contextlib.ExitStack() as holder:
            port, free = holder.enter_context(taken()), rig.port()
            resources = rig.resources()
            resources.write("all.yaml", [
                gateway_class(), *backends(rig, "blue"), route("web", "blue"),
                gateway([http_listener("busy", port), http_listener("free", free)])])
            sluice = rig.sluice(resources)
            wait_answer(url(free), "a.test")
            problem = wait_problem(sluice, "conflict/port", 0)
            self.assertIn(f":{port} is in use", problem["problem"])
            self.assertIn("all.yaml", problem["where"])
            wait_condition(sluice, "Programmed", "False/PortUnavailable", "web", "busy")
            wait_condition(sluice, "Programmed", "True/Programmed", "web", "free")
            wait_condition(sluice, "Programmed", "True/Programmed", "web")
            self.assertFalse((sluice.run_dir / "refusals.json").exists(), "that is no fault of the Gateway")
            mark = sluice.mark()
            sluice.wait_line(lambda line: line.message == "rejected", "it is tried again", mark)

            holder.close()
            wait_answer(url(port), "a.test", seconds=RETRY)
            wait_condition(sluice, "Programmed", "True/Programmed", "web", "busy")
            wait_problem(sluice, "conflict/port", mark, "problem gone")

            # sluice and Envoy die, and when they come back the port is taken: it was good before.
            sluice.kill()
            for pid in sluice.envoys():
                os.kill(pid, signal.SIGKILL)
            holder.enter_context(take_at_once(port))
            sluice.start()
            wait_answer(url(free), "a.test")
            wait_condition(sluice, "Programmed", "False/PortUnavailable", "web", "busy")
            holder.close()
            wait_answer(url(port), "a.test", seconds=RETRY)
            wait_condition(sluice, "Programmed", "True/Programmed", "web", "busy")
            self.assertFalse((sluice.run_dir / "refusals.json").exists())

    def test_a_port_that_is_free_at_last_is_served_at_once(self) -> None:
        with Rig() as rig, contextlib.ExitStack() as holder:
            port = holder.enter_context(taken())
            resources = rig.resources()
            resources.write("all.yaml", [
                gateway_class(), *backends(rig, "blue"), route("web", "blue"), gateway([http_listener("busy", port)])])
            sluice = rig.sluice(resources)
            # Tries come later and later: after the fifth the next one is six seconds away at least.
            mark = 0
            for _ in range(5):
                line = sluice.wait_line(lambda line: line.message == "rejected", "it is tried again", mark)
                mark = sluice.lines.index(line) + 1
            time.sleep(1)
            holder.close()
            wait_answer(url(port), "a.test", seconds=4)

    def test_a_port_that_is_taken_from_an_envoy_that_died(self) -> None:
        with Rig() as rig:
            with taken() as port:
                pass
            free = rig.port()
            resources = rig.resources()
            resources.write("all.yaml", [
                gateway_class(), *backends(rig, "blue"), route("web", "blue"),
                gateway([http_listener("busy", port), http_listener("free", free)])])
            sluice = rig.sluice(resources)
            for at in (port, free):
                wait_answer(url(at), "a.test")
            wait_condition(sluice, "Programmed", "True/Programmed", "web", "busy")
            mark = sluice.mark()
            os.kill(sluice.envoys()[0], signal.SIGKILL)
            with take_at_once(port):
                wait_answer(url(free), "a.test")
                wait_problem(sluice, "conflict/port", mark)
                wait_condition(sluice, "Programmed", "False/PortUnavailable", "web", "busy")
            wait_answer(url(port), "a.test", seconds=RETRY)
            wait_condition(sluice, "Programmed", "True/Programmed", "web", "busy")


if __name__ == "__main__":
    run_tests()
