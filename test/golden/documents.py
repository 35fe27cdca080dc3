"""Sessions in documents: fenced code blocks with lines `$ sluice …` and what was printed. A comment before the block says
which stage of the tests runs it, and in which folder of documents/ here:

    <!-- golden: FOLDER -->    without more
    <!-- observe: FOLDER -->   beside a sluice that runs with the folder's conf/

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

COMMAND = re.compile(r"\s*\$ (build/)?sluice ")
BLOCK = re.compile(r"^(?P<indent> *)(?:<!-- (?P<stage>\w+): (?P<folder>\S+) -->\n *)?```\w*\n(?P<text>.*?)^ *```$",
                   re.DOTALL | re.MULTILINE)


def with_sessions() -> list[Path]:
    files = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    return [file for file in files if any(COMMAND.match(line) for line in file.read_text().splitlines())]


def written_anew(file: Path, stage: str, run: Callable[[str, Path], str]) -> str:
    """The document, with what run(command, folder) gives for the commands of the stage's sessions."""

    def block(found: re.Match[str]) -> str:
        commands = [line.strip() for line in found["text"].splitlines() if COMMAND.match(line)]
        if not commands or found["stage"] in STAGES and found["stage"] != stage:
            return found[0]
        folder = HERE / "documents" / (found["folder"] or "")
        if found["stage"] != stage or not folder.is_dir():
            sys.exit(f"{file.name}: no stage and folder are named for `{commands[0]}`")
        text = "\n\n".join(f"{command}\n{run(command, folder).rstrip()}" for command in commands) + "\n"
        return found[0].replace(found["text"], textwrap.indent(text, found["indent"]))

    text = file.read_text()
    for line in BLOCK.sub("", text).splitlines():
        if COMMAND.match(line):
            sys.exit(f"{file.name}: `{line.strip()}` is in no fenced block, and nothing runs it")
    return BLOCK.sub(block, text)
