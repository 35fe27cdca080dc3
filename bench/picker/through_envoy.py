#!/usr/bin/python3
"""What a pick costs where it is made, in either home: requests by HTTP through the real Envoy.

usage: through_envoy.py --output FILE [--rounds 5] [--seconds 2]

Four Envoys with one worker each have the same pool of eight servers: one picks inside, one asks `sluice picker` beside it
as `sluice run` has it asked (Envoy keeps the body of a request until it has the answer), one as the endpoint picker
protocol has it (bodies are streamed through the picker), and one has no filter. wrk posts a chat of 2 KB to one after the
other; then the next round begins, so that whatever else the machine does meets all of them. CPU is that of all threads of
Envoy and of the picker, from the scheduler, by the number of requests; scrapes are in it. Each figure is the median of the
rounds; what is added is the difference to no filter.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/picker"), str(ROOT / "test/rig"), str(ROOT / "bench")]

import module_test  # noqa: E402
import picker_test  # noqa: E402
from report import machine  # noqa: E402
from rig import BUILD, Rig, StaticEnvoy, request  # noqa: E402

PODS = BUILD / "bench/picker_pods"
GOAL = 15  # µs of CPU over no filter
NONE, INSIDE = "no filter", "inside Envoy"
CONNECTIONS = (1, 32)
PATH = "/v1/chat/completions"


def cpu_seconds(pid: int) -> float:
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path("/proc", str(pid), "task").iterdir()) / 1e9


class Subject:
    def __init__(self, rig: Rig, name: str, port: int, config: dict[str, Any], picker: int | None = None) -> None:
        self.name, self.port, self.picker = name, port, picker
        self.url = f"http://127.0.0.1:{port}{PATH}"
        self.envoy = StaticEnvoy(rig, config, re.sub(r"\W+", "-", name), ("--concurrency", "1"))
        picker_test.wait_for_listener(self.envoy, port)

    def measure(self, body: Path, connections: int, seconds: int) -> dict[str, float]:
        pids = [self.envoy.process.pid, *([self.picker] if self.picker else [])]
        before = [cpu_seconds(pid) for pid in pids]
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                              ROOT / "bench/extensions/post.lua", self.url, "--", "pool", body],
                             check=True, capture_output=True, text=True).stdout
        result = json.loads(out.splitlines()[-1])
        if result["wrong"]:
            raise RuntimeError(f"{self.name}: {result['wrong']:.0f} of {result['requests']:.0f} requests failed")
        used = [1e6 * (cpu_seconds(pid) - start) / result["requests"] for pid, start in zip(pids, before)]
        return {"envoy": used[0], "picker": sum(used[1:]), "cpu": sum(used), "p50": 1e3 * result["p50"],
                "p99": 1e3 * result["p99"],
                "rate": result["requests"] / result["seconds"]}


def measure(rounds: int, seconds: int) -> dict[tuple[int, str], list[dict[str, float]]]:
    with Rig() as rig:
        servers = rig.start(PODS, 8, stdout=subprocess.PIPE, text=True)
        pods = [SimpleNamespace(address=address) for address in servers.stdout.readline().strip().split(",")]
        addresses = [pod.address for pod in pods]
        ports = [rig.port() for _ in range(4)]
        picker = picker_test.Picker(rig, "-e", ",".join(addresses))
        pid = picker.process.pid
        pool = {"pool": "pool", "endpoints": addresses}
        subjects = [
            Subject(rig, NONE, ports[0], picker_test.bootstrap(ports[0], pods, None, [])),
            Subject(rig, INSIDE, ports[1], module_test.inside(ports[1], pods, {"pool": "pool"}, [pool])),
            Subject(rig, "beside Envoy", ports[2],
                    picker_test.beside(ports[2], picker.address, pods, "BUFFERED", "STREAMED"), pid),
            Subject(rig, "beside Envoy, streamed", ports[3], picker_test.beside(ports[3], picker.address, pods), pid)]
        body = rig.path("body")
        text = json.dumps({"model": "base", "messages": [{"role": "user", "content": ""}]})
        body.write_text(text.replace('"content": ""', f'"content": "{"hello " * 400}"')[:2046] + '"}]}')
        for subject in subjects:
            answer = request(subject.url, method="POST", body=body.read_bytes())
            if answer.status != 200:
                raise RuntimeError(f"{subject.name}: {answer.status} {answer.body!r}")
            subject.measure(body, max(CONNECTIONS), 1)  # so that all have begun, and are warm
        measured: dict[tuple[int, str], list[dict[str, float]]] = {}
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for subject in subjects:
                    measured.setdefault((connections, subject.name), []).append(
                        subject.measure(body, connections, seconds))
    return measured


def table(measured: dict[tuple[int, str], list[dict[str, float]]]) -> list[str]:
    middles = {subject: {key: statistics.median(each[key] for each in results) for key in results[0]}
               for subject, results in measured.items()}
    lines = ["| connections | the picker is | CPU a request | of it the picker's process | CPU added | goal | | p50 | p99 | "
             "p50 added | p99 added | rate |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for (connections, name), of in middles.items():
        plain = middles[connections, NONE]
        added = {key: of[key] - plain[key] for key in ("cpu", "p50", "p99")}
        shown = ("", "", "") if name == NONE else (f"{added['cpu']:.0f} µs", f"{added['p50']:.2f} ms", f"{added['p99']:.2f} ms")
        judged = name == INSIDE
        lines.append(
            f"| {connections} | {'not there' if name == NONE else name} | {of['cpu']:.0f} µs | "
            f"{format(of['picker'], '.0f') + ' µs' if of['picker'] else ''} | {shown[0]} | {f'≤ {GOAL} µs' if judged else ''} | "
            f"{('met' if added['cpu'] <= GOAL else '**missed**') if judged else ''} | {of['p50']:.2f} ms | {of['p99']:.2f} ms | "
            f"{shown[1]} | {shown[2]} | {of['rate']:.0f}/s |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    load = Path("/proc/loadavg").read_text().split()[0]
    lines = table(measure(options.rounds, options.seconds))
    text = ["# The picker beside Envoy and inside it", "", __doc__.split("\n\n", 2)[2].strip(), "", *lines, "", machine(load), ""]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(text))


if __name__ == "__main__":
    main()
