#!/usr/bin/python3
"""What an extension costs, by its form: the example of examples/extensions in each of them, beside no filter.

usage: bench.py [--rounds 5] [--seconds 2] [--output FILE]

One Envoy with one worker has a route for each form. wrk posts a body of 2 KB, then of 32 KB, on 1 connection and on 32, to
one route after the other; then the next round begins, so that whatever else the machine does meets all forms. CPU is
that of all threads of Envoy and of the service, from the scheduler, by the number of requests. Each figure is the median
of the rounds.

The table goes to standard output and, as JSON, to --output; see extensions_report.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/extensions"), str(ROOT / "test/rig")]

import gateway  # noqa: E402
import extensions_report  # noqa: E402
from cases import padded  # noqa: E402
from examples import FORMS, ExtProc, objects_of  # noqa: E402
from rig import Rig, request  # noqa: E402

SETTINGS: dict[str, Any] = {"forbidden": ["gpt-secret"]}
MODEL = "gpt-4"
SIZES = {"2 KB": 2_000, "32 KB": 32_000}
CONNECTIONS = (1, 32)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured."""

    name: str
    host: str
    service: int | None = None  # the pid of the process that Envoy asks
    works: bool = True  # it sets the header


def cpu_seconds(pid: int) -> float:
    """That all threads of the process have had so far."""
    total = 0
    for task in Path("/proc", str(pid), "task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def wrk(url: str, host: str, body: Path, connections: int, seconds: int) -> dict[str, float]:
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", Path(__file__).with_name("post.lua"), url,
                          "--", host, body], check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def measure(subject: Subject, url: str, envoy: int, body: Path, connections: int, seconds: int) -> dict[str, float]:
    pids = {"envoy": envoy, **({"service": subject.service} if subject.service else {})}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    result = wrk(url, subject.host, body, connections, seconds)
    if result["wrong"]:
        raise RuntimeError(f"{subject.name}: {result['wrong']:.0f} of {result['requests']:.0f} requests failed")
    cpu = {name: (cpu_seconds(pid) - before[name]) / result["requests"] for name, pid in pids.items()}
    return {**cpu, "p50": result["p50"], "p99": result["p99"], "rate": result["requests"] / result["seconds"]}


def check(subject: Subject, url: str, body: Path) -> None:
    """That it does its job, before anybody measures how long that takes."""
    answer = request(url, subject.host, "POST", body=body.read_bytes())
    seen = answer.json["headers"].get("x-model")
    if answer.status != 200 or seen != (MODEL if subject.works else None):
        raise RuntimeError(f"{subject.name}: {answer.status}, and the backend got the model {seen}")


def run(rig: Rig, rounds: int, seconds: int) -> list[dict[str, Any]]:
    backend = rig.echo("blue").addresses["blue"]
    routes = {f"{form}.test": objects_of(rig, form, f"{form}.test", SETTINGS) for form in FORMS if form != "ext-proc-cpp"}
    subjects = [Subject("no filter", "plain.test", works=False)]
    subjects += [Subject(name, f"{form}.test") for name, form in (
        ("Lua", "lua"), ("Wasm, C++", "wasm-cpp"), ("Wasm, Rust", "wasm-rust"), ("dynamic module, C++", "dynamic-module-cpp"))]
    for name, host, address in (("ext_proc, C++, TCP", "tcp.test", "127.0.0.1:0"),
                                ("ext_proc, C++, Unix socket", "unix.test", f"unix:{rig.path('service')}")):
        service = ExtProc(rig, SETTINGS, address)
        routes[host] = FORMS["ext-proc-cpp"].objects(host, SETTINGS, service.address)
        subjects.append(Subject(name, host, service.process.pid))
    serving = gateway.start(rig, backend, {**routes, "plain.test": []}, concurrency=1)

    bodies = {}
    for size, length in SIZES.items():
        bodies[size] = rig.path(size)
        bodies[size].write_text(padded(length, model=MODEL))
        for subject in subjects:
            check(subject, serving.url, bodies[size])
            wrk(serving.url, subject.host, bodies[size], max(CONNECTIONS), 1)  # so that all have begun, and are warm

    measured: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} …", file=sys.stderr)
        for size, body in bodies.items():
            for connections in CONNECTIONS:
                for subject in random.sample(subjects, len(subjects)):
                    measured.setdefault((size, subject.name, connections), []).append(
                        measure(subject, serving.url, serving.envoy, body, connections, seconds))
    return [{"size": size, "subject": subject.name, "connections": connections,
             **figures_of(measured[size, subject.name, connections])}
            for size in bodies for connections in CONNECTIONS for subject in subjects]


def figures_of(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """The median of each figure, and the lowest and highest of Envoy's CPU."""
    return {**{key: statistics.median(each[key] for each in rounds) for key in rounds[0]},
            "envoy_range": [limit(each["envoy"] for each in rounds) for limit in (min, max)]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--output", type=Path, help="the figures as JSON")
    arguments = parser.parse_args()
    with Rig() as rig:
        figures = run(rig, arguments.rounds, arguments.seconds)
    print(extensions_report.tables(figures))
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
