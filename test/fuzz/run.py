#!/usr/bin/env python3
"""Fuzzes what reads hostile input, two targets at a time.

usage: test/fuzz/run.py [--minutes N] [TARGET...]

Needs `scripts/build.sh fuzz fuzz_targets`. A target starts from seeds/TARGET, from the inputs in regressions/TARGET
that once crashed, from the repository's own manifests, from the recorded inputs in ../shared where that exists, and
from what its last run kept in build/fuzz/corpus/TARGET. Each prints its executions. One that crashes leaves the
input, made as small as half a minute allows, in build/fuzz/crashes/TARGET:

    scripts/build.sh asan TARGET_replay && build/asan/tests/TARGET_replay FOLDER

says where. Mend it, and put the input into regressions/TARGET.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator
from xml.sax.saxutils import quoteattr

import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "test/fuzz"
BUILD = ROOT / "build/fuzz"
SHARED = ROOT.parent / "shared/parity"
# Long stacks of allocations, and stacks on the heap, would take a third of the time.
ASAN = "malloc_context_size=4:detect_stack_use_after_return=0"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# ---- seeds ---------------------------------------------------------------------------------------

def manifests() -> Iterator[Path]:
    """Texts of objects, good and bad ones."""
    yield from sorted(ROOT.glob("test/golden/**/*.yaml"))
    yield from sorted(ROOT.glob("examples/**/*.yaml"))
    yield from sorted(SHARED.glob("cases/*/in.yaml"))
    yield from sorted(SHARED.glob("rejected/*/in.yaml"))


def split(text: str) -> list[str]:
    return [part for part in re.split(r"(?m)^---\s*\n", text) if part.strip()]


def documents() -> Iterator[bytes]:
    for path in manifests():
        for document in split(path.read_text()):
            yield document.encode()


def json_documents() -> Iterator[bytes]:
    for document in set(documents()):
        try:
            yield json.dumps(yaml.load(document, LOADER), default=str).encode()
        except yaml.YAMLError:
            pass


def rules() -> Iterator[bytes]:
    """Every rule of the declarations, with a value that fulfils it and one that breaks it."""
    for row in yaml.load((ROOT / "test/schema/rules.yaml").read_text(), LOADER):
        for value in (row.get("passes"), row.get("fails")):
            yield f"{row['rule']}\n---\n{json.dumps(value, default=str)}\n".encode()


# Options of recorded cases, and the words for them in a seed's first line.
OPTIONS = {"mergeGateways: true": "mergeGateways", "backendEnabled: false": "noBackends",
           "runningOnHost: true": "onHost", "endpointRoutingDisabled: true": "noEndpointRouting",
           "envoyProxyForGatewayClass: ": "envoyProxy"}


def translations() -> Iterator[bytes]:
    """Whole manifests, without the Services and such that nothing in them names."""
    for path in manifests():
        parts = split(path.read_text())
        kept = []
        for i, part in enumerate(parts):
            kind = re.search(r"(?m)^kind: (\S+)", part)
            name = re.search(r"(?m)^  name: (\S+)", part)
            if kind and name and kind[1] in ("Service", "ServiceImport", "EndpointSlice", "Namespace"):
                stem = re.sub(r"-(?:endpointslice|[a-z0-9]{5})$", "", name[1])
                others = "".join(other for j, other in enumerate(parts) if j != i and
                                 not re.search(r"(?m)^kind: (EndpointSlice|Service|Namespace)$", other))
                if stem not in others:
                    continue
            kept.append(part)
        options = path.with_name("options.yaml")
        text = options.read_text() if options.exists() else ""
        words = [word for option, word in OPTIONS.items() if option in text]
        yield ("# " + " ".join(words) + "\n" + "---\n".join(kept)).encode()


def pieces(manifest: bytes, limit: int) -> Iterator[bytes]:
    """A manifest that is too long, in parts: each with the Gateways, as far as they take less than half of it, and with
    some of the other documents. What is too long by itself is left out."""
    options, _, rest = manifest.decode().partition("\n")
    frame, others = [], []
    for part in split(rest):
        of_all = re.search(r"(?m)^kind: (GatewayClass|Gateway|EnvoyProxy)$", part)
        fits = sum(map(len, [*frame, part])) < limit // 2
        (frame if of_all and fits else others).append(part)

    def joined(some: list[str]) -> bytes:
        return (options + "\n" + "---\n".join(frame + some)).encode()

    some: list[str] = []
    for part in others:
        if some and len(joined([*some, part])) > limit:
            yield joined(some)
            some = []
        if len(joined([part])) <= limit:
            some.append(part)
    yield joined(some)


def declared_names() -> set[str]:
    """Fields, values of enumerations, kinds and groups, as src/api declares them."""
    names: set[str] = set()
    for path in (ROOT / "src/api").rglob("*.cc"):
        if path.name.endswith("_test.cc"):
            continue
        text = path.read_text()
        names.update(re.findall(r'\b(?:field(?:<[^>]*>)?|flattened)\("([^"]+)"', text))
        for values in re.findall(r"\benumeration\(\{([^}]*)\}", text):
            names.update(re.findall(r'"([^"]+)"', values))
        if path.name == "kinds.cc":
            names.update(re.findall(r'"([A-Za-z0-9.]+)"', text))
    return names


# ---- targets -------------------------------------------------------------------------------------

@dataclass
class Target:
    name: str
    seconds: int  # of a run of all
    max_size: int  # of inputs
    seeds: Callable[[], Iterable[bytes]]
    dictionary: str  # a file beside this one
    declared: bool  # names in the dictionary too


TARGETS = [
    Target("translate", 110, 6 << 10, translations, "yaml.dict", True),
    Target("schema", 80, 8 << 10, documents, "yaml.dict", True),
    Target("yaml", 60, 4 << 10, documents, "yaml.dict", False),
    Target("cel", 70, 2 << 10, rules, "cel.dict", True),
    Target("json", 50, 4 << 10, json_documents, "json.dict", False),
]


@dataclass
class Result:
    target: Target
    executions: int
    corpus: int
    seconds: float
    crash: Path | None
    words: str  # of the crash


def write_dictionary(target: Target) -> Path:
    path = BUILD / f"{target.name}.dict"
    text = (HERE / target.dictionary).read_text()
    if target.declared:
        text += "".join(f'"{name}"\n' for name in sorted(declared_names()))
    path.write_text(text)
    return path


def write_seeds(target: Target) -> Path:
    folder = BUILD / "seeds" / target.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for seed in target.seeds():
        fitting = pieces(seed, target.max_size) if target.seeds is translations and len(seed) > target.max_size else [seed]
        for one in fitting:
            if len(one) <= target.max_size:
                (folder / hashlib.sha1(one).hexdigest()).write_bytes(one)
    return folder


def minimise(program: Path, target: Target, crash: Path) -> Path:
    small = crash.with_name("minimal-" + crash.name)
    subprocess.run([program, "-minimize_crash=1", "-max_total_time=30", f"-exact_artifact_path={small}",
                    f"-max_len={target.max_size}", crash], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not small.exists():
        return crash
    crash.unlink()
    return small


def run(target: Target, seconds: int) -> Result:
    program = BUILD / "tests" / f"{target.name}_fuzz"
    corpus = BUILD / "corpus" / target.name
    crashes = BUILD / "crashes" / target.name
    shutil.rmtree(crashes, ignore_errors=True)
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    log = BUILD / f"{target.name}.log"
    folders = [corpus, write_seeds(target)]
    folders += [folder for folder in (HERE / "seeds" / target.name, HERE / "regressions" / target.name)
                if folder.exists()]
    start = time.monotonic()
    with log.open("wb") as out:
        # What takes half a minute, where others take milliseconds, would hold up whoever reads it.
        status = subprocess.run(
            [program, f"-max_total_time={seconds}", f"-max_len={target.max_size}", "-timeout=30",
             "-print_final_stats=1", "-len_control=0", "-entropic=0", f"-dict={write_dictionary(target)}",
             f"-artifact_prefix={crashes}/", *folders],
            stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, "ASAN_OPTIONS": ASAN}).returncode
    took = time.monotonic() - start
    text = log.read_text(errors="replace")
    executions = re.search(r"stat::number_of_executed_units: (\d+)", text)
    said = re.search(r"(?m)^(fuzz: not so: .*|.*runtime error: .*|.*SUMMARY: .*)$", text)
    crash = next((path for path in crashes.iterdir() if path.is_file()), None)
    words = ""
    if status != 0 or not executions:
        words = said[1] if said else f"exit status {status}, see {log.relative_to(ROOT)}"
        if crash:
            crash = minimise(program, target, crash)
    return Result(target, int(executions[1]) if executions else 0, len(list(corpus.iterdir())), took, crash, words)


def write_results(results: list[Result], folder: Path) -> None:
    """In the form of `ctest --output-junit`, which scripts/count_tests.py counts."""
    with (folder / "ctest.xml").open("w") as out:
        out.write(f'<testsuite name="fuzz" tests="{len(results)}">\n')
        for result in results:
            name = f"{result.target.name}_fuzz"
            out.write(f'  <testcase name="{name}" status="{"fail" if result.words else "run"}"'
                      f' time="{result.seconds:.1f}">\n    <properties>\n'
                      f'      <property name="executions" value="{result.executions}"/>\n    </properties>\n')
            if result.words:
                out.write(f"    <failure message={quoteattr(result.words)}/>\n")
            out.write("  </testcase>\n")
        out.write("</testsuite>\n")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, help="of each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    names = [target.name for target in TARGETS]
    for name in arguments.targets:
        if name not in names:
            parser.error(f"{name} is not a target; the targets are {' '.join(names)}")
    chosen = [target for target in TARGETS if not arguments.targets or target.name in arguments.targets]
    for target in chosen:
        if not (BUILD / "tests" / f"{target.name}_fuzz").exists():
            parser.error(f"{target.name} is not built: scripts/build.sh fuzz fuzz_targets")

    def run_one(target: Target) -> Result:
        result = run(target, int(arguments.minutes * 60) if arguments.minutes else target.seconds)
        print(f"{target.name:<10} {result.executions:>9} executions in {result.seconds:4.0f} s, "
              f"{result.corpus} inputs kept{': ' + result.words if result.words else ''}", flush=True)
        if result.crash:
            print(f"{target.name:<10} crashes with {result.crash.relative_to(ROOT)}", flush=True)
        return result

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run_one, chosen))
    if "RESULTS" in os.environ:
        write_results(results, Path(os.environ["RESULTS"]))
    return 1 if any(result.words for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
