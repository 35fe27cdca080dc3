#!/usr/bin/env python3
"""The table of bench/run.sh, as Markdown that is readable as it is.

usage: report.py FOLDER

In the folder: load, pipeline.jsonl, read.json, scale.json; see run.sh.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]

ABOUT = """\
N routes, each with its own host, Service and EndpointSlice (2 endpoints) and two path rules, on one Gateway.

- **CPU, allocations, stages, bytes** (`pipeline_bench`): one thread, in the process, from bound objects to serialised
  resources, with no server and no file. Full: a new pipeline, median of 5. One route, one endpoint: median of 101 edits
  of one object after another, each with a commit of its own. Stages run: how often a row of a table was made. Bytes:
  of the resources that changed, which is what Envoy gets, without the frames.
- **Start, memory, file change** (`bench/scale/bench.py`): `sluice run` on a file a route, the real Envoy, real
  requests on loopback, always for the last of the routes. Start: from the start of the process to the first right
  answer, median of 5 (above 1 000 routes, of 3). File change: from the rename of the file to the first answer that
  shows it, median (longest) of 10. sluice's share ends with its commit, when it has handed the resources over; the
  rest is the way to Envoy and Envoy's own. Memory is of the process, a second after the start. A plain Envoy reads
  clusters and routes of the same number from files, as JSON; sluice's Envoy starts later, but gets them in binary.
- **Reading** (`read_bench`): CPU of one thread, median of 5.

Envoy Gateway's figures were published with the goals, for such a machine. This run has not measured them; its full
translation is with xDS and snapshot, and is all done again on any change.
"""


def time(milliseconds: float) -> str:
    if milliseconds >= 10_000:
        return f"{milliseconds / 1e3:.1f} s"
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2 if milliseconds >= 1 else 3
    return f"{milliseconds:.{digits}f} ms"


def both(times: dict[str, float]) -> str:
    return f"{time(times['median'] * 1e3)} ({time(times['longest'] * 1e3)})"


def count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def memory(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def size(number: float) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB"


def verdict(text: str, measured: float, limit: float) -> str:
    return f"{text}: {'met' if measured <= limit else '**missed**'}"


def table(rows: list[list[str]]) -> str:
    """The first row is the heading. Padded, so that it can be read unrendered."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(cells: list[str]) -> str:
        padded = [cell.rjust(width) if 0 < i < len(cells) - 2 else cell.ljust(width)
                  for i, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if not 0 < i < len(widths) - 2 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def by_size(rows: list[Row]) -> str:
    sizes = [row["routes"] for row in rows]
    at = dict(zip(sizes, rows))
    lines = [["", *map(count, sizes), "goal", "Envoy Gateway (published here)"]]

    def add(name: str, cell: Callable[[Row], str], goal: str = "", peer: str = "") -> None:
        lines.append([name, *map(cell, rows), goal, peer])

    def add_cost(name: str, key: str, goal: str, peer: str) -> None:
        add(f"{name}: CPU", lambda row: time(row["cost"][key]["cpu_ms"]), goal, peer)
        add(f"{name}: allocations", lambda row: count(row["cost"][key]["allocations"]))
        add(f"{name}: stages run", lambda row: count(row["cost"][key]["runs"]))
        add(f"{name}: bytes pushed", lambda row: size(row["cost"][key]["bytes"]))

    def above_plain(row: Row) -> float:
        return (row["start"]["median"] - row["own start"]["median"]) * 1e3

    def share(row: Row) -> float:
        return row["route: sluice"]["median"] * 1e3

    resident = max(at[5000]["rss"], at[5000]["rss after"])
    add_cost("full translation", "full", verdict("5 000: ≤ 75 ms", at[5000]["cost"]["full"]["cpu_ms"], 75),
             "155 ms at 1 000, 1 500 ms at 5 000")
    add_cost("one route", "route", verdict("5 000: ≤ 5 ms", at[5000]["cost"]["route"]["cpu_ms"], 5),
             "as a full translation")
    add_cost("one endpoint", "endpoint", verdict("5 000: ≤ 0.5 ms", at[5000]["cost"]["endpoint"]["cpu_ms"], 0.5),
             "as a full translation")
    add("memory (RSS)", lambda row: memory(row["rss"]), verdict("5 000: ≤ 120 MB", resident / 1e6, 120),
        "694 MB at 5 000")
    add("… after the changes", lambda row: memory(row["rss after"]))
    add("… at most, while starting", lambda row: memory(row["peak"]))
    add("… of its Envoy", lambda row: memory(row["envoy"]))
    add("start to first answer", lambda row: both(row["start"]), peer="2.8 s at 10, 22 s at 100")
    add("… of a plain Envoy", lambda row: both(row["own start"]))
    add("… difference", lambda row: time(above_plain(row)) if above_plain(row) >= 0 else f"−{time(-above_plain(row))}",
        verdict("100: ≤ 150 ms", above_plain(at[100]), 150))
    add("changed route's file to answer", lambda row: both(row["route"]),
        verdict("100: ≤ 60 ms", at[100]["route"]["median"] * 1e3, 60), "24 s at 100, 68–107 s at 5 000")
    add("… sluice's share", lambda row: both(row["route: sluice"]), verdict("5 000: ≤ 20 ms", share(at[5000]), 20))
    add("… CPU of the commit", lambda row: time(row["cpu"] * 1e3))
    add("… of a plain Envoy", lambda row: both(row["own route"]))
    add("changed EndpointSlice's file to answer", lambda row: both(row["endpoint"]),
        verdict("100: ≤ 60 ms", at[100]["endpoint"]["median"] * 1e3, 60), "24 s at 100, 68–107 s at 5 000")
    add("… sluice's share", lambda row: both(row["endpoint: sluice"]),
        verdict("5 000: ≤ 20 ms", at[5000]["endpoint: sluice"]["median"] * 1e3, 20))
    return table(lines)


READING = {"BM_Read": "all of it: YAML to checked structs", "BM_Parse": "YAML to trees",
           "BM_Check": "trees to checked structs", "BM_Bind": "trees to structs, unchecked",
           "BM_ReadJson": "all of it, of JSON"}


def reading(benchmarks: list[Row]) -> str:
    lines = [["reading 7 000 documents", "text", "CPU", "goal", "Envoy Gateway (published here)"]]
    for name, what in READING.items():
        # Name/documents; the repetitions' median is one of the aggregates.
        runs = [b for b in benchmarks if b["name"].startswith(f"{name}/") and b["run_type"] == "iteration"]
        milliseconds = statistics.median(b["cpu_time"] for b in runs)
        length = runs[0]["bytes_per_second"] * runs[0]["cpu_time"] / 1e3
        goal = verdict("≤ 600 ms", milliseconds, 600) if name == "BM_Read" else ""
        lines.append([what, size(length), time(milliseconds), goal, "–"])
    return table(lines)


def machine(load: str) -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    total = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"], capture_output=True,
                            text=True).stdout.strip()
    return (f"{datetime.date.today()}, commit {commit or 'unknown'}. {os.cpu_count()} cores, "
            f"{cpu[1] if cpu else platform.machine()}, {int(total[1]) / 1e6:.0f} GB, Linux {platform.release()}; "
            f"load average {load} before and {os.getloadavg()[0]:.1f} after.")


# What a plain Envoy took to serve a changed table of so many routes where the goals were set (facts.md of the design).
GOALS_MACHINE = {1000: 45, 5000: 140, 10000: 260}


def pace(rows: list[Row]) -> str:
    """How this machine compares with that of the goals: by the work that is none of ours."""
    ratios = {row["routes"]: row["own route"]["median"] * 1e3 / GOALS_MACHINE[row["routes"]]
              for row in rows if row["routes"] in GOALS_MACHINE}
    if not ratios:
        return ""
    words = ", ".join(f"{ratio:.1f} times at {count(routes)}" for routes, ratio in ratios.items())
    return f"For a changed route a plain Envoy took, of its time on the machine for which the goals were set: {words}.\n\n"


def main() -> int:
    folder = Path(sys.argv[1])
    rows = json.loads((folder / "scale.json").read_text())
    costs = [json.loads(line) for line in (folder / "pipeline.jsonl").read_text().splitlines()]
    for row, cost in zip(rows, costs, strict=True):
        assert row["routes"] == cost["routes"]
        row["cost"] = cost
    benchmarks = json.loads((folder / "read.json").read_text())["benchmarks"]
    if errors := [b["error_message"] for b in benchmarks if b.get("error_occurred")]:
        sys.exit(f"read_bench: {errors[0]}")
    print(f"# Benchmarks\n\n{machine((folder / 'load').read_text().strip())} By `make bench`.\n\n{pace(rows)}{by_size(rows)}\n\n"
          f"{reading(benchmarks)}\n\n## What is measured\n\n{ABOUT}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
