#!/usr/bin/env python3
"""How far sluice behaves as Envoy Gateway does: the cases of ../shared/parity through `sluice check` and `translate`.

usage: run.py [--update] [--only GLOB] [--keep FOLDER] [-v]

Fails when
  - `check` finds a schema/ problem in an object of a case: the upstream schemas accept them all;
  - the real Envoy refuses the xDS of a case, but for those in scope.yaml that nobody could accept;
  - fewer than 95 % of the cases in scope match (scope.yaml says which those are, and why others are not), or more than
    3 % of them match only because of differences.yaml;
  - fewer cases match than counts.json says. --update writes down that more do.

A case that matches only because of differences.yaml is counted apart: it does not count as a match above.
Where ../shared is absent there is nothing to compare with: one line, and success unless CI=true.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rig"))
from rig import ENVOY, SLUICE, make_certificate  # noqa: E402
from recorded_options import write_options  # noqa: E402
from static_bootstrap import Validator  # noqa: E402

PARITY = HERE.parents[2] / "shared/parity"
MUST_MATCH = 0.95
MAY_BE_EXCUSED = 0.03
PARALLEL = 2

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=Loader)


# ---- scope -----------------------------------------------------------------------------------------


def kinds_in(case: Path) -> set[str]:
    return set(re.findall(r"^kind: *(\S+)", (case / "in.yaml").read_text(), re.MULTILINE))


def why_not_in_scope(case: Path, scope: dict[str, Any]) -> str | None:
    """None: it is in scope. Empty: it is not even a candidate."""
    if not any(fnmatch.fnmatch(case.name, pattern) for pattern in scope["cases"]):
        return ""
    if others := sorted(kinds_in(case) - set(scope["kinds"])):
        return "kind " + ", ".join(others)
    return scope["excluded"].get(case.name)


# ---- one case --------------------------------------------------------------------------------------


def codes_in(node: Any) -> list[str]:
    """All problem codes in what `check --output json` prints."""
    if isinstance(node, list):
        return [code for item in node for code in codes_in(item)]
    if not isinstance(node, dict):
        return []
    own = [node["code"]] if isinstance(node.get("code"), str) else []
    return own + [code for value in node.values() for code in codes_in(value)]


def check(case: Path) -> list[str]:
    """What is wrong with how `sluice check` takes the case."""
    result = subprocess.run([SLUICE, "check", "--output", "json", "-f", case / "in.yaml"], capture_output=True,
                            text=True, timeout=60)
    if result.returncode < 0:
        return [f"check died of signal {-result.returncode}"]
    try:
        # One document, or one a line.
        try:
            problems = json.loads(result.stdout or "[]")
        except ValueError:
            problems = [json.loads(line) for line in result.stdout.splitlines() if line.strip()]
    except ValueError:
        return [f"check prints no JSON: {(result.stdout + result.stderr)[:200]!r}"]
    found = [code for code in codes_in(problems) if code.startswith(("schema/", "syntax/"))]
    return [f"check: {code}" for code in sorted(set(found))]


def plugin() -> bytes:
    """The least WebAssembly module that Envoy takes for a plugin: memory, an allocator, the version of the ABI."""
    def section(number: int, content: bytes) -> bytes:
        return bytes([number, len(content)]) + content

    def export(name: bytes, kind: int, index: int) -> bytes:
        return bytes([len(name)]) + name + bytes([kind, index])

    def function(body: bytes) -> bytes:
        return bytes([len(body) + 2, 0]) + body + b"\x0b"

    types = b"\x02" + b"\x60\0\0" + b"\x60\x01\x7f\x01\x7f"  # () and (i32) -> i32
    exports = (b"\x03" + export(b"memory", 2, 0) + export(b"proxy_abi_version_0_2_1", 0, 0)
               + export(b"proxy_on_memory_allocate", 0, 1))
    code = b"\x02" + function(b"") + function(b"\x41\x00")
    return (b"\0asm\1\0\0\0" + section(1, types) + section(3, b"\x02\0\1") + section(5, b"\x01\0\x01")
            + section(7, exports) + section(10, code))


def options_of(case: Path, output: Path) -> Path:
    """The case's, with the WebAssembly modules that Envoy Gateway's tests pretend to have fetched."""
    output.mkdir(parents=True, exist_ok=True)
    module = output / "plugin.wasm"
    module.write_bytes(plugin())
    known = load_yaml(HERE / "modules.yaml")
    return write_options(case, output,
                         wasmModules={url: {"sha256": sha256, "path": str(module)} for url, sha256 in known.items()})


def translate(case: Path, output: Path) -> list[str]:
    result = subprocess.run([SLUICE, "translate", "-f", case / "in.yaml", "--options", options_of(case, output),
                             "--output", output], capture_output=True, text=True, timeout=60)
    if result.returncode < 0 or not (output / "status.yaml").exists():
        last = (result.stderr.strip().splitlines() or [""])[-1]
        return [f"translate: exit status {result.returncode}, {last[:200]}"]
    return []


def validate(case: Path, output: Path, validator: Validator, refused: list[str]) -> list[str]:
    problems = []
    for xds in sorted((output / "xds").glob("*.json")):
        problem = validator.problem(json.loads(xds.read_text()), output / f"{xds.stem}.bootstrap.json")
        if problem and not any(fnmatch.fnmatch(case.name, pattern) for pattern in refused):
            problems.append(f"Envoy refuses {xds.stem}: {problem[:400]}")
    return problems


# ---- all of them -----------------------------------------------------------------------------------


def compare(output: Path, only: str, with_differences: bool, verbose: bool) -> set[str]:
    """The cases that match."""
    result = output / f"result-{with_differences}.json"
    command = [sys.executable, PARITY / "compare.py", "--only", only, "--json", result]
    if with_differences:
        command += ["--differences", HERE / "differences.yaml"]
    if verbose:
        command.append("-v")
    done = subprocess.run([*command, PARITY / "cases", output], capture_output=True, text=True)
    if not result.exists():
        sys.exit(f"parity: compare.py failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if with_differences:
        print(done.stdout, end="")
    return {case for case, parts in json.loads(result.read_text()).items() if not any(parts.values())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the counts down, where they rose")
    parser.add_argument("--only", default="*", help="the cases whose names match; counts are then not judged")
    parser.add_argument("--keep", type=Path, help="leave what sluice makes of the cases in this folder")
    parser.add_argument("-v", "--verbose", action="store_true", help="every difference, and the cases out of scope")
    arguments = parser.parse_args()

    if not PARITY.exists():
        print("parity: left out, for there is no ../shared")
        return 1 if os.environ.get("CI") == "true" else 0

    scope = load_yaml(HERE / "scope.yaml")
    every_case = sorted(path for path in (PARITY / "cases").iterdir() if path.is_dir())
    cases = [case for case in every_case if fnmatch.fnmatch(case.name, arguments.only)]
    for name in sorted(set(scope["excluded"]) - {case.name for case in every_case}):
        sys.exit(f"parity: scope.yaml excludes {name}, which does not exist")
    if not cases:
        sys.exit(f"parity: no case is called {arguments.only}")
    reasons = {case.name: why_not_in_scope(case, scope) for case in cases}
    in_scope = {name for name, reason in reasons.items() if reason is None}

    with tempfile.TemporaryDirectory(prefix="sluice-parity.") as temporary:
        output = arguments.keep or Path(temporary)
        validator = Validator(ENVOY, *make_certificate(Path(temporary), ["parity.example"], 1))

        def run(case: Path) -> list[str]:
            folder = output / case.name
            folder.mkdir(parents=True, exist_ok=True)
            return (check(case) + translate(case, folder)
                    + validate(case, folder, validator, list(scope["refused_by_envoy"])))

        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            problems = dict(zip((case.name for case in cases), pool.map(run, cases)))
        matching = compare(output, arguments.only, False, False)
        excused = compare(output, arguments.only, True, arguments.verbose) - matching

    failures = []
    for name, found in problems.items():
        for problem in found:
            print(f"FAIL {name}: {problem}")
    failed = sum(1 for found in problems.values() if found)

    print()
    chosen = "" if arguments.only == "*" else f" and {arguments.only}"
    print(f"out of scope, of {', '.join(scope['cases'])}{chosen}:")
    for name, reason in sorted(reasons.items()):
        if reason:
            print(f"  {name}: {reason}")
    print(f"in scope and different: {', '.join(sorted(in_scope - matching - excused)) or 'none'}")

    counts = {"match": len(matching), "in_scope": len(in_scope), "in_scope_match": len(in_scope & matching)}
    share = counts["in_scope_match"] / counts["in_scope"] if in_scope else 1.0
    print(f"parity: {counts['match']} of {len(cases)} cases match, {len(excused)} more but for intended differences; "
          f"in scope {counts['in_scope_match']} of {counts['in_scope']} ({share:.1%}), "
          f"{len(in_scope & excused)} more; {failed} cases refused or failed")

    if arguments.only == "*":
        if share < MUST_MATCH:
            failures.append(f"{share:.1%} of the cases in scope match, {MUST_MATCH:.0%} must")
        excused_share = len(in_scope & excused) / len(in_scope)
        if excused_share > MAY_BE_EXCUSED:
            failures.append(f"{excused_share:.1%} of the cases in scope are excused, {MAY_BE_EXCUSED:.0%} may be")
        kept_file = HERE / "counts.json"
        kept = json.loads(kept_file.read_text()) if kept_file.exists() else {}
        for key in ("match", "in_scope_match"):
            if counts[key] < kept.get(key, 0):
                failures.append(f"{key} fell from {kept[key]} to {counts[key]}")
        if arguments.update and not failures and counts != kept:
            kept_file.write_text(json.dumps(counts, indent=2) + "\n")
    for failure in failures:
        print(f"FAIL {failure}")
    if results := os.environ.get("RESULTS"):
        # A test each case, and one for the counts.
        (Path(results) / "counts").write_text(
            f"{len(cases) - failed + (not failures)} {failed + bool(failures)} 0\n")
    return 1 if failures or failed else 0


if __name__ == "__main__":
    sys.exit(main())
