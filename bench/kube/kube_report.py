#!/usr/bin/python3
"""What bench.py has measured as Markdown: bench/results/kube.md.

usage: kube_report.py FIGURES.json
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from report import count, machine, verdict  # noqa: E402

Run = dict[str, Any]

ABOUT = """\
[bench/kube](../kube/README.md) says what is measured, and how. Envoy Gateway is the real one, v1.9, in a cluster like ours, in the
same run. Its Envoys and ours are the same, with one worker, and so is the load.
"""

GOAL_AT = 1_000  # routes: what the goals are for


def seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"


def spread(times: dict[str, float]) -> str:
    """Median (longest)."""
    return f"{milliseconds(times['median'])} ({milliseconds(times['max'])})" if times["n"] else "never"


def writes(run: Run, kind: str) -> int:
    """Of which some may have been refused."""
    return sum(number for what, number in run["apply"]["status_writes"].items() if what.split()[0] == kind)


def misrouted(run: Run) -> int:
    return run["reorder"]["misrouted"] + run["switch"]["misrouted"] + run["switch"]["old_answers_after_first_new"]


def done(run: Run) -> float:
    """When the last route served and all were accepted; infinite if that did not happen."""
    apply = run["apply"]
    times = [apply["all_accepted_s"], apply["all_hosts_checked_200_by_s"] and apply["last_route_200_s"]]
    return float("inf") if None in times or apply["hosts_missing"] else max(times)


# What is measured, the cell of a run, and, of ours at GOAL_AT routes, the goal.
Row = tuple[str, Callable[[Run], str], Callable[[Run, float], str] | None]


def new_route(key: str) -> Row:
    name = "a new route serves after" if key == "prop_quiet" else "… under 10 endpoint changes a second"
    return (name, lambda run: spread(run[key]["create_ms"]),
            lambda run, alone: verdict(f"≤ a plain Envoy's {milliseconds(alone * 1e3)} + 25 ms",
                                       run[key]["create_ms"].get("median", float("inf")), alone * 1e3 + 25))


ROWS: list[Row] = [
    ("the API server has taken all routes after", lambda run: seconds(run["apply"]["apply_done_s"]), None),
    ("the last route serves after", lambda run: seconds(run["apply"]["last_route_200_s"]), None),
    ("all are Accepted after", lambda run: seconds(run["apply"]["all_accepted_s"]),
     lambda run, _: verdict("both ≤ 1.5 times the first line", done(run) / run["apply"]["apply_done_s"], 1.5)),
    ("CPU of the controller for it", lambda run: seconds(run["apply"]["cpu_s_until_quiet"]["controller"]),
     lambda run, _: verdict("≤ 0.5 s", run["apply"]["cpu_s_until_quiet"]["controller"], 0.5)),
    ("… of the API server", lambda run: seconds(run["apply"]["cpu_s_until_quiet"]["apiserver"]), None),
    ("… of Envoy", lambda run: seconds(run["apply"]["cpu_s_until_quiet"]["envoy"]), None),
    ("writes of routes' statuses", lambda run: count(writes(run, "httproutes")),
     lambda run, _: verdict("no more than routes", writes(run, "httproutes"), run["n"])),
    ("writes of the Gateway's status", lambda run: count(writes(run, "gateways")), None),
    ("memory of the controller, at most (RSS)", lambda run: f"{run['rss_end_mb']['controller_max']:.0f} MB",
     lambda run, _: verdict("≤ 80 MB", run["rss_end_mb"]["controller_max"], 80)),
    ("… of Envoy", lambda run: f"{run['rss_end_mb']['envoy_max']:.0f} MB", None),
    new_route("prop_quiet"),
    new_route("prop_churn"),
    ("CPU of the controller under that churn", lambda run: f"{run['churn_cpu_pct']['controller'] / 100:.3f} core",
     lambda run, _: verdict("≤ 0.05 core", run["churn_cpu_pct"]["controller"], 5)),
    ("… idle", lambda run: f"{run['idle_cpu_pct']['controller'] / 100:.3f} core", None),
    ("misrouted, of requests while rules are reordered and backends exchanged",
     lambda run: f"{count(misrouted(run))} of {count(run['reorder']['requests'] + run['switch']['requests'])}",
     lambda run, _: verdict("0", misrouted(run), 0)),
    ("… that failed", lambda run: count(run["reorder"]["errors"] + run["switch"]["errors"]), None),
    ("a changed endpoint is asked after", lambda run: _endpoint(run),
     lambda run, _: verdict("≤ 20 ms", statistics.median(run["endpoint_s"]) * 1e3, 20)),
]


def _endpoint(run: Run) -> str:
    if "endpoint_s" not in run:
        return ""
    times = run["endpoint_s"]
    return f"{milliseconds(statistics.median(times) * 1e3)} ({milliseconds(max(times) * 1e3)})"


def table(rows: list[list[str]]) -> str:
    """The first row is the heading. Padded, so that it can be read unrendered."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) if i in (0, len(cells) - 1) else cell.rjust(width)
                                 for i, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = ["-" * width if i in (0, len(widths) - 1) else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def render(figures: dict[str, Any]) -> str:
    ours = figures.get("sluice", {}).get("runs", [])
    theirs = figures.get("envoy-gateway", {}).get("runs", [])
    lines = [["", *(f"sluice, {count(run['n'])}" for run in ours), *(f"Envoy Gateway, {count(run['n'])}" for run in theirs), "goal"]]
    of_goals = next((run for run in ours if run["n"] == GOAL_AT), None)
    for name, cell, goal in ROWS:
        verdict_of_it = goal(of_goals, figures["envoy alone"][str(GOAL_AT)]) if goal and of_goals else ""
        lines.append([name, *(cell(run) for run in [*ours, *theirs]), verdict_of_it])
    text = f"# sluice in Kubernetes, beside Envoy Gateway\n\n{machine(str(figures['load']))} By `make bench-kube`.\n\n{ABOUT}\n{table(lines)}\n"
    large = figures.get("sluice", {}).get("large")
    if large:
        size = max(large["apply"]["controller_max_rss_mb"], large["rss_end_mb"]["controller_max"])
        text += (f"\nWith {count(large['n'])} routes, as many Services and as many EndpointSlices sluice has at most {size:.0f} MB; "
                 f"goal {verdict('≤ 200 MB', size, 200)}. The API server had taken the routes after "
                 f"{seconds(large['apply']['apply_done_s'])}, all served and were Accepted after {seconds(done(large))}, for "
                 f"{seconds(large['apply']['cpu_s_until_quiet']['controller'])} of CPU.\n")
    return text


if __name__ == "__main__":
    print(render(json.loads(Path(sys.argv[1]).read_text())), end="")
