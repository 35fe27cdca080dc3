#!/usr/bin/python3
"""What a pick costs, measured by an independent client: ../shared/tools/extproc-load.

usage: bench.py --client EXTPROC-LOAD [--seconds 4] [--output FILE]

The client speaks ext_proc as Envoy does for the endpoint picker protocol, in a closed loop: headers, the body in chunks
of 16 KB, the answer with the destination and the body, response headers, response chunks. It takes most of the machine, so
that times are upper bounds. CPU a request is what the client says of `sluice picker`, from the kernel's count in hundredths
of a second over four seconds; scrapes are in it. Chunks back: 0 is an answer that the picker is not shown. Cores of an idle
picker are from the scheduler.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/rig"), str(ROOT / "bench")]

from report import machine  # noqa: E402
from rig import BUILD, SLUICE, Rig, wait_for  # noqa: E402

PODS = BUILD / "bench/picker_pods"
KB = {2: 2048, 32: 32_768, 220: 220_000}
# (pods, scrape in ms, prompt in KB, streams, response chunks): the goal for CPU a request in µs, or nothing; the peer's.
# For milliseconds there are goals at one stream.
GOALS_ALONE = {"p50": 0.15, "p99": 0.6}
MOST_REFUSED = 0.1
CASES: list[tuple[int, int, int, int, int, float | None, str]] = [
    (8, 1000, 2, 1, 1, None, ""),
    (8, 1000, 2, 32, 1, 40, "317–458"),
    (64, 1000, 2, 1, 1, None, ""),
    (64, 1000, 2, 32, 1, 50, "667–770"),
    (8, 1000, 32, 1, 1, None, ""),
    (8, 1000, 32, 32, 1, 150, "1 230"),
    (8, 1000, 220, 1, 1, None, ""),
    (8, 1000, 220, 32, 1, 800, "6 600"),
    (8, 1000, 2, 1, 128, None, ""),
    (8, 1000, 2, 32, 128, 700, "2 300"),
    (8, 1000, 2, 32, 0, 60, "2 300"),  # none of the chunks is shown
    (8, 50, 2, 1, 1, None, ""),
    (8, 50, 2, 32, 1, None, "808–983"),
    (64, 50, 2, 1, 1, None, ""),
    (64, 50, 2, 32, 1, None, "behind"),
    (64, 50, 32, 32, 1, None, ""),
]
LINE = re.compile(r"n=(\d+) rps=(\d+) \| pick ms p50=([\d.]+) p90=[\d.]+ p99=([\d.]+).*err=(\d+) imm=(\d+)")


def cpu_seconds(pid: int) -> float:
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path("/proc", str(pid), "task").iterdir()) / 1e9


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    return int(re.search(rf"{what}:\s+(\d+) kB", Path("/proc", str(pid), "status").read_text())[1]) / 1024


class Picker:
    def __init__(self, rig: Rig, pods: int, interval: int, idle_interval: int | None = None) -> None:
        self.rig = rig
        servers = rig.start(PODS, pods, stdout=subprocess.PIPE, text=True)
        addresses = servers.stdout.readline().strip()
        log = rig.path(f"picker-{pods}-{interval}-{idle_interval}.log")
        self.process = rig.start(
            SLUICE, "picker", "--listen", "127.0.0.1:0", "--endpoints", addresses, "--metrics-interval", interval,
            "--metrics-idle-interval", idle_interval or max(1000, interval), stdout=subprocess.DEVNULL,
            stderr=log.open("w"))
        found = wait_for(lambda: re.search(r'"address":"([^"]+)"', log.read_text()), "the picker listens")
        self.address = found[1]
        wait_for(lambda: '"msg":"ready"' in log.read_text(), "the picker is ready")
        self.servers = servers

    def end(self) -> None:
        for process in (self.process, self.servers):
            process.kill()
            process.wait()


def run_case(client: Path, picker: Picker, kb: int, streams: int, chunks: int, seconds: float) -> dict[str, float]:
    pid = picker.process.pid
    command = [str(client), "-addr", picker.address, "-c", str(streams), "-size", str(KB[kb]), "-resp", str(chunks),
               "-warm", "1s", "-d", f"{seconds}s", "-pid", str(pid)]
    out = subprocess.run(command, capture_output=True, text=True)
    found = LINE.search(out.stdout)
    if not found:
        raise RuntimeError(f"{out.stdout}\n{out.stderr}")
    # Where the machine is slow, answers are, and the picker takes the pods for busy: it refuses some of the longest prompts.
    requests, rate, refused = int(found[1]), float(found[2]), int(found[6])
    if int(found[5]) > refused or refused > MOST_REFUSED * requests:
        raise RuntimeError(f"{out.stdout}\n{out.stderr}")
    cpu = re.search(r"srv cpu=[\d.]+ cores, (\d+) us/req", out.stdout)
    return {"cpu": float(cpu[1]), "p50": float(found[3]), "p99": float(found[4]), "rate": rate, "n": requests,
            "refused": refused, "rss": memory_mb(pid)}


def idle(picker: Picker, seconds: float) -> float:
    """Cores."""
    time.sleep(1)
    before, begin = cpu_seconds(picker.process.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(picker.process.pid) - before) / (time.monotonic() - begin)


def verdict(value: float, goal: float | None) -> str:
    return "" if goal is None else "met" if value <= goal else "**missed**"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    load = Path("/proc/loadavg").read_text().split()[0]
    lines = ["| pods | scrape | prompt | streams | chunks back | CPU a request | goal | | the peer | p50 | p99 | rate | memory |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    idles, alone, most = [], [], 0.0
    for pods, interval in dict.fromkeys(case[:2] for case in CASES):
        with Rig() as rig:
            # At the same rate all the time, as if there were always requests.
            picker = Picker(rig, pods, interval, interval)
            if interval == 50:
                idles.append((pods, "at 50 ms", idle(picker, 5)))
            for case in CASES:
                if case[:2] != (pods, interval):
                    continue
                _, _, kb, streams, chunks, goal, peer = case
                found = run_case(options.client, picker, kb, streams, chunks, options.seconds)
                most = max(most, found["rss"])
                if streams == 1 and (kb, chunks) == (2, 1):
                    alone.append((pods, interval, found))
                refused = f", and {found['refused']:.0f} refused" if found["refused"] else ""
                lines.append(
                    f"| {pods} | {interval} ms | {kb} KB | {streams} | {chunks} | {found['cpu']:.0f} µs | "
                    f"{'' if goal is None else f'≤ {goal:g} µs'} | {verdict(found['cpu'], goal)} | {peer} | "
                    f"{found['p50']:.2f} ms | {found['p99']:.2f} ms | {found['rate']:.0f}/s{refused} | {found['rss']:.0f} MB |")
                print(lines[-1], file=sys.stderr)
            picker.end()
    with Rig() as rig:
        picker = Picker(rig, 64, 50, 1000)
        time.sleep(5)
        of_files, at_rest = memory_mb(picker.process.pid, "RssFile"), memory_mb(picker.process.pid)
        idles.append((64, "at 1 s, where there are no requests (the default)", idle(picker, 5)))
        picker.end()
    text = ["# sluice picker", "", __doc__.split("\n\n", 2)[2].strip(), "", *lines, "", "| idle | cores | goal | | the peer |",
            "|---|---|---|---|---|"]
    for pods, how, cores in idles:
        goal = 0.10 if (pods, how) == (64, "at 50 ms") else None
        text.append(f"| {pods} pods {how} | {cores:.3f} | {'' if goal is None else '≤ 0.10'} | {verdict(cores, goal)} | "
                    f"{'> 0.7, and behind' if goal else ''} |")
    text += ["", "| one stream, 2 KB | p50 | goal | | p99 | goal | |", "|---|---|---|---|---|---|---|"]
    for pods, interval, found in alone:
        text.append(f"| {pods} pods at {interval} ms | " + " | ".join(
            f"{found[key]:.2f} ms | ≤ {goal:g} ms | {verdict(found[key], goal)}" for key, goal in GOALS_ALONE.items()) + " |")
    text += ["", f"Memory, the most of all rows: {most:.0f} MB (goal ≤ 30 MB: {verdict(most, 30)}; the peer 65–196 MB).",
             f"Without requests, with 64 pods: {at_rest:.0f} MB, of which {of_files:.0f} MB are pages of the program and its libraries.", "",
             machine(load), ""]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(text))


if __name__ == "__main__":
    main()
