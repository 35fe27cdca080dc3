"""Sessions in documents: fenced code blocks with lines `$ COMMAND` and what was printed, where `…` stands for anything.
A comment before the block says which stage of the tests runs it, and in which folder of documents/ here:

    <!-- golden: FOLDER -->    commands of sluice, without more
    <!-- observe: FOLDER -->   beside a sluice that serves the folder's conf/ with its `arguments`, if it has any

A session that no stage runs is an error, so that none can rot.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STAGES = ("golden", "observe")

COMMAND = re.compile(r"\s*\$ ")
BLOCK = re.compile(r"^(?P<indent> *)(?:<!-- (?P<stage>\w+): (?P<folder>\S+) -->\n *)?```\w*\n(?P<text>.*?)^ *```$",
                   re.DOTALL | re.MULTILINE)
# Commands that were run one after the other in a folder → what each printed.
Run = Callable[[list[str], Path], list[str]]


def with_sessions() -> list[Path]:
    files = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    return [file for file in files if any(COMMAND.match(line) for line in file.read_text().splitlines())]


def session(text: str) -> list[tuple[str, str]]:
    """The commands of a block, without their `$ `, each with what stands below it."""
    parts = re.split(r"^\$ (.*)\n", textwrap.dedent(text), flags=re.MULTILINE)
    return [(command, printed.strip("\n")) for command, printed in zip(parts[1::2], parts[2::2])]


def stands_for(shown: str, printed: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in shown.split("…")), printed, re.DOTALL) is not None


def written_anew(file: Path, stage: str, run: Run) -> str:
    """The document, with what the commands of the stage's sessions print now."""

    def block(found: re.Match[str]) -> str:
        if not COMMAND.match(found["text"]) or found["stage"] in STAGES and found["stage"] != stage:
            return found[0]
        commands = session(found["text"])
        folder = HERE / "documents" / (found["folder"] or "")
        if found["stage"] != stage or not folder.is_dir():
            sys.exit(f"{file.name}: no stage and folder are named for `{commands[0][0]}`")
        texts = []
        for (command, shown), printed in zip(commands, run([command for command, _ in commands], folder), strict=True):
            text = shown if stands_for(shown, printed.strip("\n")) else printed.strip("\n")
            texts.append(f"$ {command}\n{text}".rstrip("\n"))
        return found[0].replace(found["text"], textwrap.indent("\n\n".join(texts) + "\n", found["indent"]))

    text = file.read_text()
    for line in BLOCK.sub("", text).splitlines():
        if COMMAND.match(line):
            sys.exit(f"{file.name}: `{line.strip()}` is in no fenced block, and nothing runs it")
    return BLOCK.sub(block, text)
