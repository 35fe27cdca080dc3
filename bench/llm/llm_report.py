#!/usr/bin/env python3
"""The runs of bench_llm as Markdown that is readable as it is, and as pictures.

usage: llm_report.py RUNS.jsonl [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/llm"))

import pictures  # noqa: E402

Run = dict[str, Any]
Key = tuple[str, int, float, int, str]  # scenario, pods, load, scrape in ms, policy

# Ours with another objective for first tokens than its default.
VARIANTS = {"ours-1s": "1 s", "ours-4s": "4 s"}
ORDER = ["random", "round-robin", "least-request", "power-of-two", "llm-d", "llm-d+lora", "llm-d-matched", "sglang", "ours", *VARIANTS,
         "clairvoyant", "bound"]
OFFLINE = {"clairvoyant", "bound"}
# Those that do not look at metrics: the same at each interval of scrapes.
BLIND = {"random", "round-robin", "least-request", "power-of-two", "sglang", "clairvoyant", "bound"}
GAIN, STALE_LOSS = 1.85, 1.0
KNEE_LOADS = (1.0, 1.25, 1.5)

ABOUT = """\
Requests of a trace, or of a mix, go to pods that a policy picks; pods are a model of vLLM with Llama-3.1-8B on an A100 each
([costs.h](../../src/llmsim/costs.h) has the figures and their sources), in virtual time. Goodput is the share of requests
that got their first token within two seconds and three times what their prompt takes alone, and then a token in 200 ms on
average; who was refused got neither. A load is a multiple of the knee: the highest rate at which one server with all pods'
power and one cache, the *bound*, still gives 90 % goodput. Figures are means over {seeds} seeds; the tables' seeds are
{seed_list}, and of the traces their second halves; nothing was tuned on either. [The bench's page](../llm/README.md) says
what policies and scenarios are.
"""


class Runs:
    def __init__(self, path: str) -> None:
        self.by_key: dict[Key, list[Run]] = defaultdict(list)
        self.knees: dict[tuple[str, int], float] = {}
        self.capacities: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        self.first_p99 = 0.0
        with open(path) as file:
            for text in file:
                row = json.loads(text)
                where = (row["scenario"], row["pods"])
                if row["kind"] == "knee":
                    self.knees[where] = row["rate"]
                elif row["kind"] == "capacity":
                    self.capacities[where][row["policy"]] = row["rate"]
                    self.first_p99 = row["first_p99"]
                else:
                    self.by_key[(*where, row["load"], row["scrape_ms"], row["policy"])].append(row)
        self.seeds = sorted({run["seed"] for runs in self.by_key.values() for run in runs})
        self.policies = sorted({key[4] for key in self.by_key} - set(VARIANTS), key=ORDER.index)
        self.loads = sorted({key[2] for key in self.by_key})
        self.scrapes = sorted({key[3] for key in self.by_key})

    def of(self, where: tuple[str, int], load: float, scrape: int, policy: str) -> list[Run]:
        runs = self.by_key.get((*where, load, scrape, policy))
        if not runs and policy in BLIND:
            runs = self.by_key.get((*where, load, self.scrapes[0], policy))
        return runs or []

    def mean(self, where: tuple[str, int], load: float, scrape: int, policy: str, figure: str) -> float | None:
        runs = self.of(where, load, scrape, policy)
        return statistics.fmean(run[figure] for run in runs) if runs else None


def table(rows: list[list[str]], right: bool = False) -> str:
    """The first row is the heading; padded, and the columns after the first one to the right if wanted."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.rjust(width) if right and i > 0 else cell.ljust(width)
                                 for i, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = ["-" * (width - 1) + ":" if right and i > 0 else "-" * width for i, width in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])]) + "\n"


def name(where: tuple[str, int]) -> str:
    return f"{where[0]}, {where[1]} pods"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f}"


def milliseconds(scrape: int) -> str:
    return f"{scrape} ms" if scrape < 1000 else f"{scrape // 1000} s"


def compared(runs: Runs) -> list[tuple[tuple[str, int], float, int]]:
    """The places where the goals want ours above the others: at the knee and beyond, also with stale metrics."""
    return [(where, load, scrape) for where in runs.knees for load in runs.loads if load >= KNEE_LOADS[0]
            for scrape in runs.scrapes if runs.by_key.get((*where, load, scrape, "ours"))]


def goals(runs: Runs) -> str:
    rows = [["goal", "", "measured", ""]]
    for where, capacities in runs.capacities.items():
        if "ours" in capacities and "round-robin" in capacities:
            gain = capacities["ours"] / capacities["round-robin"]
            rows.append([f"{name(where)}: throughput at a first-token p99 of {runs.first_p99:g} s, of round robin's",
                         f"≥ {GAIN} ×", f"{gain:.2f} × ({capacities['ours']:.1f} of {capacities['round-robin']:.1f} a second)",
                         "met" if gain >= GAIN else "**missed**"])
    places = compared(runs)
    losses = []
    for where, load, scrape in places:
        ours = runs.mean(where, load, scrape, "ours", "goodput")
        others = {policy: value for policy in runs.policies if policy not in OFFLINE | {"ours"}
                  and (value := runs.mean(where, load, scrape, policy, "goodput")) is not None}
        if ours is None or not others:
            continue
        best = max(others, key=lambda policy: others[policy])
        if others[best] > ours:
            losses.append([name(where), f"{load:g}", milliseconds(scrape), percent(ours), best, percent(others[best])])
    if places:
        rows.append(["goodput above every other online policy, at the knee and beyond", "everywhere",
                     f"in {len(places) - len(losses)} of {len(places)} places", "**missed**" if losses else "met"])
    for where in runs.knees:
        for load in (1.0, 1.25):
            fresh = runs.mean(where, load, 50, "ours", "goodput")
            stale = runs.mean(where, load, 1000, "ours", "goodput")
            if fresh is None or stale is None or 1000 not in runs.scrapes:
                continue
            lost = (fresh - stale) * 100
            peer = runs.mean(where, load, 50, "llm-d", "goodput"), runs.mean(where, load, 1000, "llm-d", "goodput")
            beside = f"; llm-d {(peer[0] - peer[1]) * 100:.1f}" if None not in peer else ""
            rows.append([f"{name(where)}, load {load:g}: points lost by scraping each second, not each 50 ms",
                         f"≤ {STALE_LOSS:g}", f"{lost:.1f}{beside}", "met" if lost <= STALE_LOSS else "**missed**"])
    text = table(rows) if len(rows) > 1 else ""
    if losses:
        text += "\nWhere another policy is above ours:\n\n"
        text += table([["scenario", "load", "scrape", "ours", "above it", "its goodput"], *losses])
    return text


def objectives(runs: Runs) -> str:
    places = [(where, load) for where in runs.knees for load in runs.loads
              if all(runs.by_key.get((*where, load, runs.scrapes[0], variant)) for variant in VARIANTS)]
    rows = [["goodput, %", "load", "2 s", *VARIANTS.values(), "the best other one"]]
    for where, load in places:
        values = [runs.mean(where, load, runs.scrapes[0], policy, "goodput") for policy in ("ours", *VARIANTS)]
        others = [value for policy in runs.policies if policy not in OFFLINE | {"ours"}
                  and (value := runs.mean(where, load, runs.scrapes[0], policy, "goodput")) is not None]
        rows.append([name(where), f"{load:g}", *map(percent, values), percent(max(others, default=None))])
    return table(rows, right=True) if places else ""


def goodput(runs: Runs, where: tuple[str, int]) -> str:
    columns = [(load, runs.scrapes[0]) for load in runs.loads]
    columns += [(load, scrape) for load in runs.loads for scrape in runs.scrapes[1:]
                if any(runs.by_key.get((*where, load, scrape, policy)) for policy in runs.policies)]
    head = ["goodput, %"] + [f"{load:g}" if scrape == runs.scrapes[0] else f"{load:g}, {milliseconds(scrape)}"
                             for load, scrape in columns]
    rows = [head]
    for policy in runs.policies:
        cells = [percent(runs.mean(where, load, scrape, policy, "goodput")) for load, scrape in columns]
        if any(cell != "–" for cell in cells):
            rows.append([policy, *cells])
    return table(rows, right=True)


def details(runs: Runs, where: tuple[str, int], load: float) -> str:
    head = ["", "first p50", "first p99", "token p50", "token p99", "prefix hits", "loads", "preempted", "Jain",
            "first late", "tokens late", "refused: short", "medium", "long", "priority −1", "0"]
    rows = [head]
    for policy in runs.policies:
        of = runs.of(where, load, runs.scrapes[0], policy)
        if not of:
            continue

        def mean(figure: str) -> float:
            return statistics.fmean(run[figure] for run in of)  # noqa: B023

        def part(figure: str, index: int) -> str:
            return percent(statistics.fmean(run[figure][index] for run in of))  # noqa: B023

        rows.append([policy, f"{mean('first_p50'):.2f} s", f"{mean('first_p99'):.2f} s", f"{mean('token_p50'):.0f} ms",
                     f"{mean('token_p99'):.0f} ms", f"{percent(mean('prefix_hits'))} %", f"{mean('adapter_loads'):.1f}",
                     f"{mean('preemptions'):.1f}", f"{mean('fairness'):.3f}", percent(mean('first_late')), percent(mean('tokens_late')),
                     *(part("refused_by_length", i) for i in range(3)), *(part("refused_by_priority", i) for i in range(2))])
    return table(rows, right=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    runs = Runs(arguments.runs)
    seeds = runs.seeds
    print("# Picking pods for LLM requests\n")
    print("By `make bench-llm`. Time is virtual: the same on each machine.\n")
    print(ABOUT.format(seeds=len(seeds), seed_list=f"{seeds[0]} to {seeds[-1]}" if seeds else "none"))
    summary = goals(runs)
    if summary:
        print(f"## Goals\n\n{summary}")
    print("## Goodput by load\n\nScrapes each 50 ms where a column says nothing else.\n")
    for where, knee in runs.knees.items():
        shares = [runs.mean(where, 1.0, runs.scrapes[0], policy, "goodput") for policy in ("ours", "bound")]
        share = f"; ours has {shares[0] / shares[1] * 100:.0f} % of the bound's goodput there" if None not in shares else ""
        print(f"### {name(where)}\n\nThe knee is at {knee:.2f} requests a second{share}.\n\n{goodput(runs, where)}")
    if another := objectives(runs):
        print("## If ours had another objective\n\nWhat counts as in time is the same: two seconds and three prefills. Ours "
              "serves first who is in time by its own objective, of which these are the seconds beside three prefills.\n\n"
              f"{another}")
    for load in (load for load in (1.0, 1.5) if load in runs.loads):
        print(f"## More, at load {load:g}\n\nTimes are of answered requests, loads and preemptions a hundred requests; "
              "late: percent of all, that got the first token late, or only the others; "
              "refused: percent of those with prompts below 1 Ki, below 8 Ki and longer, and of each priority.\n")
        for where in runs.knees:
            print(f"### {name(where)}, load {load:g}\n\n{details(runs, where, load)}")
    if arguments.pictures:
        pictures.draw(runs, arguments.pictures)


if __name__ == "__main__":
    main()
