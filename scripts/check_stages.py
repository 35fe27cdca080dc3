#!/usr/bin/env python3
"""The table of stages in CONTRIBUTING.md has those of `test/run.sh --list`, in their order.

usage: check_stages.py
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main():
    stages = subprocess.run([ROOT / "test/run.sh", "--list"], capture_output=True, text=True, check=True).stdout.split()
    table = re.search(r"^\| stage \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    told = re.findall(r"^\| `(\w+)` \|", table[1], re.MULTILINE)
    if told != stages:
        sys.exit(f"CONTRIBUTING.md tells of the stages\n  {' '.join(told)}\nand there are\n  {' '.join(stages)}")


if __name__ == "__main__":
    main()
