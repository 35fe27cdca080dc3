#!/usr/bin/env python3
"""Golden texts: what sluice makes of small inputs, to the letter.

usage: run.py [--update]

cases/<case>/in.yaml (and options.yaml, where a case has options) → cases/<case>/xds/*.json and status.yaml, by
`sluice translate`. sessions/*.txt: what commands print, each after its line `$ sluice …`, run in this folder. README.md
and docs/*.md: the same with the sessions in them (documents.py). Without --update any difference is shown and fails; with
it the texts are written anew, to be read as a diff.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import documents

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("SLUICE_BUILD", HERE.parents[1] / "build/release"))
CASES = HERE / "cases"


def translate(case: Path, folder: Path) -> None:
    command = [BUILD / "sluice", "translate", "-f", case / "in.yaml", "--output", folder]
    if (case / "options.yaml").exists():
        command += ["--options", case / "options.yaml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    (folder / "problems.txt").write_text(result.stderr.replace(str(case), "cases/" + case.name))
    if result.returncode not in (0, 1):
        sys.exit(f"golden: {case.name}: sluice translate ended with {result.returncode}:\n{result.stderr}")


def texts(folder: Path) -> dict[str, str]:
    names = [*folder.glob("xds/*.json"), *folder.glob("status.yaml"), *folder.glob("problems.txt")]
    return {str(path.relative_to(folder)): path.read_text() for path in names}


def update(case: Path, made: Path) -> None:
    shutil.rmtree(case / "xds", ignore_errors=True)
    for name, text in texts(made).items():
        (case / name).parent.mkdir(exist_ok=True)
        (case / name).write_text(text)


def run(command: str, folder: Path) -> tuple[str, int]:
    """What the command `sluice …` prints there, and its exit status."""
    name, *arguments = shlex.split(command)
    if Path(name).name != "sluice":
        sys.exit(f"golden: `{command}` is no command of sluice")
    result = subprocess.run([BUILD / "sluice", *arguments], capture_output=True, text=True, check=False,
                            cwd=folder, stdin=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
    return result.stdout + result.stderr, result.returncode


def session(file: Path) -> str:
    """The commands of the file, with what they print now."""
    text = ""
    for line in file.read_text().splitlines():
        if not line.startswith("$ sluice "):
            continue
        printed, status = run(line.removeprefix("$ "), HERE)
        text += f"{line}\n{printed}" + (f"[exit status {status}]\n\n" if status else "\n")
    return text


def differs_text(file: Path, made: str) -> bool:
    want = file.read_text()
    sys.stdout.writelines(difflib.unified_diff(want.splitlines(True), made.splitlines(True), file.name, "made now"))
    return want != made


def differs(case: Path, made: Path) -> bool:
    want, got = texts(case), texts(made)
    for name in sorted(want.keys() | got.keys()):
        lines = difflib.unified_diff(want.get(name, "").splitlines(True), got.get(name, "").splitlines(True),
                                     f"{case.name}/{name}", "made now")
        sys.stdout.writelines(lines)
    return want != got


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    cases = sorted(path.parent for path in CASES.glob("*/in.yaml"))
    different = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            translate(case, Path(folder))
            if arguments.update:
                update(case, Path(folder))
            elif differs(case, Path(folder)):
                different += 1
    made_now = {file: session(file) for file in sorted(HERE.glob("sessions/*.txt"))}
    made_now |= {file: documents.written_anew(file, "golden", lambda commands, folder: [run(c, folder)[0] for c in commands])
                 for file in documents.with_sessions()}
    for file, made in made_now.items():
        if arguments.update:
            file.write_text(made)
        elif differs_text(file, made):
            different += 1
    tests = len(cases) + len(made_now)
    if results := os.environ.get("RESULTS"):
        Path(results, "counts").write_text(f"{tests - different} {different} 0\n")
    print(f"golden: {len(cases)} cases, {len(made_now)} texts with sessions"
          + (", written" if arguments.update else f", {different} differ"))
    return 1 if different or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
