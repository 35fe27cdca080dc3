"""The pictures of make bench-llm: SVG by hand, of the size and colours that read on white and on dark pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 260, 170
COLOURS = {"ours": "#d6336c", "llm-d": "#1c7ed6", "llm-d+lora": "#4dabf7", "llm-d-matched": "#0b4f8a", "sglang": "#f08c00",
           "round-robin": "#868e96", "random": "#adb5bd", "least-request": "#2f9e44", "power-of-two": "#8ce99a",
           "clairvoyant": "#7048e8", "bound": "#495057"}


def text(x: float, y: float, value: str, anchor: str = "middle", size: int = 11) -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-family="sans-serif" '
            f'fill="#666">{value}</text>')


def page(width: float, height: float, parts: list[str]) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def legend(policies: list[str], y: float, width: float) -> list[str]:
    parts, x = [], 20.0
    for policy in policies:
        if x + 110 > width:
            x, y = 20.0, y + 16
        parts.append(f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="12" height="4" fill="{COLOURS.get(policy, "#000")}"/>')
        parts.append(text(x + 17, y - 2, policy, "start"))
        x += 112
    return parts


def lines(runs: Any, pods: int) -> str:
    """Goodput over load, a field a scenario."""
    places = [where for where in runs.knees if where[1] == pods]
    columns = 3
    width = columns * WIDTH + 20
    height = -(-len(places) // columns) * HEIGHT + 50
    low, high = runs.loads[0], max(runs.loads[-1], runs.loads[0] + 0.01)
    parts = []
    for index, where in enumerate(places):
        left, top = (index % columns) * WIDTH + 40, (index // columns) * HEIGHT + 24
        wide, tall = WIDTH - 60, HEIGHT - 60
        parts.append(text(left + wide / 2, top - 8, f"{where[0]}, {pods} pods", size=12))
        for share in (0, 50, 100):
            y = top + tall * (1 - share / 100)
            parts.append(f'<line x1="{left}" x2="{left + wide}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(text(left - 4, y + 4, f"{share}", "end", 9))
        for load in runs.loads:
            parts.append(text(left + wide * (load - low) / (high - low), top + tall + 13, f"{load:g}", size=9))
        for policy in sorted(runs.policies, key=lambda policy: policy == "ours"):
            points = [(load, runs.mean(where, load, runs.scrapes[0], policy, "goodput")) for load in runs.loads]
            path = " ".join(f"{left + wide * (load - low) / (high - low):.1f},{top + tall * (1 - value):.1f}"
                            for load, value in points if value is not None)
            stroke = 2.5 if policy == "ours" else 1.3
            dash = ' stroke-dasharray="4 3"' if policy in ("bound", "clairvoyant") else ""
            parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS.get(policy, "#000")}" '
                         f'stroke-width="{stroke}"{dash}/>')
    return page(width, height, parts + legend(runs.policies, height - 24, width))


def bars(title: str, groups: list[tuple[str, list[tuple[str, float]]]], unit: str) -> str:
    """Groups of bars, a bar a policy."""
    policies = list(dict.fromkeys(policy for _, values in groups for policy, _ in values))
    most = max((value for _, values in groups for _, value in values), default=1) or 1
    bar, gap, tall = 14, 26, 150
    width = max(480, sum(len(values) * bar + gap for _, values in groups) + 60)
    parts = [text(width / 2, 18, title, size=12)]
    x = 44.0
    for part in (0, 0.5, 1):
        y = 34 + tall * (1 - part)
        parts.append(f'<line x1="40" x2="{width - 10}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(text(36, y + 4, f"{most * part:.0f}{unit}", "end", 9))
    for label, values in groups:
        parts.append(text(x + len(values) * bar / 2, 34 + tall + 14, label, size=10))
        for policy, value in values:
            size = tall * value / most
            parts.append(f'<rect x="{x:.0f}" y="{34 + tall - size:.1f}" width="{bar - 3}" height="{size:.1f}" '
                         f'fill="{COLOURS.get(policy, "#000")}"/>')
            x += bar
        x += gap
    height = 34 + tall + 30 + 16 * (1 + len(policies) * 112 // int(width))
    return page(width, height, parts + legend(policies, 34 + tall + 36, width))


def draw(runs: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for pods in sorted({where[1] for where in runs.knees}):
        (folder / f"llm-goodput-{pods}.svg").write_text(lines(runs, pods))
    online = [policy for policy in runs.policies if policy not in ("clairvoyant", "bound")]
    groups = [(f"{pods} pods", [(policy, rates[policy]) for policy in online if policy in rates])
              for (_, pods), rates in runs.capacities.items()]
    if groups:
        title = f"48 adapters: requests a second at a first-token p99 of {runs.first_p99:g} s"
        (folder / "llm-adapters.svg").write_text(bars(title, groups, ""))
    by_metrics = [policy for policy in ("llm-d", "llm-d+lora", "llm-d-matched", "ours") if policy in runs.policies]
    groups = []
    for where in runs.knees:
        if where[1] != 8 or 1.0 not in runs.loads:
            continue
        for scrape in runs.scrapes:
            values = [(policy, (runs.mean(where, 1.0, scrape, policy, "goodput") or 0) * 100) for policy in by_metrics]
            groups.append((f"{where[0]} {scrape / 1000:g} s", values))
    if groups:
        (folder / "llm-stale.svg").write_text(bars("Goodput at the knee by the interval of scrapes, %", groups, ""))
