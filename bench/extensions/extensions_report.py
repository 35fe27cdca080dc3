#!/usr/bin/python3
"""The results of bench.py as Markdown: bench/results/extensions.md, and the part of docs/extensions.md that quotes it.

usage: extensions_report.py FIGURES.json LOAD-BEFORE
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from report import machine, verdict  # noqa: E402

RESULTS = ROOT / "bench/results/extensions.md"
GUIDE = ROOT / "docs/extensions.md"
# What is between these lines of the guide is a copy of the tables in the results.
BEGIN, END = "<!-- of bench/results/extensions.md -->\n", "<!-- end -->\n"
GOAL = 20  # µs of CPU in the ext_proc service, a request of 2 KB

ABOUT = """\
The example of [examples/extensions](../../examples/extensions) in each form: read the field `model` of a JSON body and set
a request header. One Envoy with one worker and a route for each form; `wrk` posts the body again and again, on 1 connection
and on 32, to one route after the other, in another order each round; each figure is the median of the rounds, and the range
is from the lowest to the highest of them. CPU is that of all threads of the process a request. The load, Envoy, the service and the backend share this machine's cores, so that times are upper bounds; compare
within the table.
"""

Figures = list[dict[str, Any]]
# Heading, and the cell. CPU and times are in µs.
COLUMNS = [
    ("Envoy's CPU (range)", lambda row: f"{_micros(row['envoy'])} ({'–'.join(f'{1e6 * end:.0f}' for end in row['envoy_range'])})"),
    ("the service's CPU", lambda row: _micros(row["service"]) if "service" in row else "–"),
    ("p50", lambda row: _micros(row["p50"])),
    ("p99", lambda row: _micros(row["p99"])),
]


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs".replace(",", " ")


def tables(figures: Figures) -> str:
    """One a body size: a row a form, its columns on 1 connection and then on 32."""
    sizes = list(dict.fromkeys(row["size"] for row in figures))
    return "\n".join(_table(size, [row for row in figures if row["size"] == size]) for size in sizes)


def _table(size: str, figures: Figures) -> str:
    connections = sorted({row["connections"] for row in figures})
    head = [f"a body of {size}"] + [f"{name}, {count} conn." for count in connections for name, _ in COLUMNS]
    rows = []
    for subject in dict.fromkeys(row["subject"] for row in figures):
        of_subject = {row["connections"]: row for row in figures if row["subject"] == subject}
        rows.append([subject, *(cell(of_subject[count]) for count in connections for _, cell in COLUMNS)])
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = "|" + "|".join("-" * (width + 2) if i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths)) + "|"

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                 for i, (cell, width) in enumerate(zip(cells, widths))) + " |"

    return "\n".join([line(head), rule, *map(line, rows)]) + "\n"


def goal(figures: Figures) -> str:
    def worst(connections: int) -> float:
        return max(row["service"] for row in figures
                   if "service" in row and row["size"] == "2 KB" and row["connections"] == connections) * 1e6

    return verdict(f"Goal for the CPU of an ext_proc service a request of 2 KB, on 32 connections: ≤ {GOAL} µs",
                   worst(32), GOAL) + (f" ({worst(32):.1f} µs). On 1 connection, where it sleeps and wakes for each message, "
                                       f"it is {worst(1):.1f} µs.")


def quoted(guide: str) -> str:
    """What the guide has between its two lines."""
    return re.search(re.escape(BEGIN) + "(.*?)" + re.escape(END), guide, re.DOTALL)[1]


def main() -> int:
    figures = json.loads(Path(sys.argv[1]).read_text())
    text = tables(figures)
    RESULTS.write_text(f"# Benchmarks of extensions\n\n{machine(sys.argv[2])} By `make bench-extensions`.\n\n{ABOUT}\n"
                       f"{text}\n{goal(figures)}\n")
    guide = GUIDE.read_text()
    GUIDE.write_text(guide.replace(BEGIN + quoted(guide) + END, BEGIN + text + END))
    return 0


if __name__ == "__main__":
    sys.exit(main())
