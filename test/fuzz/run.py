#!/usr/bin/env python3
"""Fuzzes what reads hostile input, two targets at a time.

usage: test/fuzz/run.py [TARGET...]                 as a test: what is executed depends on the sources alone
       test/fuzz/run.py --minutes N [TARGET...]     to find what nobody has found yet

Needs `scripts/build.sh asan fuzz_targets`. A target starts from seeds/TARGET, from the inputs in regressions/TARGET
that once failed, and from the repository's own manifests.

As a test it does the same number of executions each time, from a fixed seed, and keeps nothing: what passes here passes
everywhere. What fails is told in full, the input too, so that a log is enough to mend it.

With --minutes there is chance in it, and it goes on from what its last runs kept in build/fuzz/corpus/TARGET; the
recorded inputs in ../shared are seeds too, where that exists. An input that fails is made as small as half a minute
allows, and left in build/fuzz/crashes/TARGET.

    scripts/build.sh asan TARGET_replay && build/asan/tests/TARGET_replay FOLDER

says where it fails. Mend it, and put the input into regressions/TARGET.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator
from xml.sax.saxutils import quoteattr

import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "test/fuzz"
BUILD = ROOT / "build/fuzz"  # what a run leaves
PROGRAMS = ROOT / "build/asan/tests"
SHARED = ROOT.parent / "shared/parity"
# Long stacks of allocations, and stacks on the heap, would take a third of the time.
ASAN = ["malloc_context_size=4", "detect_stack_use_after_return=0"]
# An input that takes too much of the processor's time fails by itself (fuzz.h): these only end what hangs, on a machine
# that may have much else to do.
HANGING_INPUT = 300
HANGING_TARGET = 3600
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# ---- seeds ---------------------------------------------------------------------------------------

def manifests(shared: bool) -> Iterator[Path]:
    """Texts of objects, good and bad ones."""
    yield from sorted(ROOT.glob("test/golden/**/*.yaml"))
    yield from sorted(ROOT.glob("examples/**/*.yaml"))
    if shared:
        yield from sorted(SHARED.glob("cases/*/in.yaml"))
        yield from sorted(SHARED.glob("rejected/*/in.yaml"))


def split(text: str) -> list[str]:
    return [part for part in re.split(r"(?m)^---\s*\n", text) if part.strip()]


def documents(shared: bool) -> Iterator[bytes]:
    for path in manifests(shared):
        for document in split(path.read_text()):
            yield document.encode()


def json_documents(shared: bool) -> Iterator[bytes]:
    for document in set(documents(shared)):
        try:
            yield json.dumps(yaml.load(document, LOADER), default=str).encode()
        except yaml.YAMLError:
            pass


def rules(_: bool) -> Iterator[bytes]:
    """Every rule of the declarations, with a value that fulfils it and one that breaks it."""
    for row in yaml.load((ROOT / "test/schema/rules.yaml").read_text(), LOADER):
        for value in (row.get("passes"), row.get("fails")):
            yield f"{row['rule']}\n---\n{json.dumps(value, default=str)}\n".encode()


def scripts(shared: bool) -> Iterator[bytes]:
    """Lua, of policies."""
    for path in manifests(shared):
        text = path.read_text()
        for document in split(text) if "\n  lua:\n" in text else []:
            try:
                lua = (yaml.load(document, LOADER).get("spec") or {}).get("lua")
            except (yaml.YAMLError, AttributeError):
                continue
            for row in lua if isinstance(lua, list) else []:
                if "inline" in row:
                    yield row["inline"].encode()


# Options of recorded cases, and the words for them in a seed's first line.
OPTIONS = {"mergeGateways: true": "mergeGateways", "backendEnabled: false": "noBackends",
           "runningOnHost: true": "onHost", "endpointRoutingDisabled: true": "noEndpointRouting",
           "envoyProxyForGatewayClass: ": "envoyProxy"}


def translations(shared: bool) -> Iterator[bytes]:
    """Whole manifests, without the Services and such that nothing in them names."""
    for path in manifests(shared):
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


def nothing(_: bool) -> Iterator[bytes]:
    """Where seeds/TARGET has all of them."""
    return iter(())


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
    executions: int  # as a test, in about a minute and a half of a quiet processor
    max_size: int  # of inputs
    seeds: Callable[[bool], Iterable[bytes]]  # with those in ../shared, or without
    dictionary: str  # a file beside this one
    declared: bool  # names in the dictionary too


TARGETS = [
    Target("translate", 6_000, 6 << 10, translations, "yaml.dict", True),
    Target("schema", 20_000, 8 << 10, documents, "yaml.dict", True),
    Target("yaml", 20_000, 4 << 10, documents, "yaml.dict", False),
    Target("cel", 30_000, 2 << 10, rules, "cel.dict", True),
    Target("lua", 20_000, 2 << 10, scripts, "lua.dict", False),
    Target("json", 100_000, 4 << 10, json_documents, "json.dict", False),
    Target("patch", 50_000, 2 << 10, nothing, "patch.dict", False),
    Target("image_manifest", 100_000, 4 << 10, nothing, "image_manifest.dict", False),
    Target("module", 20_000, 4 << 10, nothing, "module.dict", False),
    Target("registry", 100_000, 1 << 10, nothing, "registry.dict", False),
    Target("llm_body", 100_000, 4 << 10, nothing, "llm_body.dict", False),
    Target("metrics_page", 100_000, 4 << 10, nothing, "metrics_page.dict", False),
    Target("ext_proc", 100_000, 1 << 10, nothing, "ext_proc.dict", False),
]


@dataclass
class Result:
    target: Target
    executions: int
    reached: str  # what libFuzzer says of the coverage
    kept: int  # inputs
    seconds: float
    processor: float  # seconds of it
    failure: str  # in words
    report: str  # what the target said about it
    input: Path | None  # that failed


def write_dictionary(target: Target) -> Path:
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{target.name}.dict"
    text = (HERE / target.dictionary).read_text()
    if target.declared:
        text += "".join(f'"{name}"\n' for name in sorted(declared_names()))
    path.write_text(text)
    return path


def write_seeds(target: Target, shared: bool) -> list[Path]:
    """The seeds, and what once failed, in an order that no file system decides."""
    folder = BUILD / "seeds" / target.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paths = []
    for seed in target.seeds(shared):
        fitting = pieces(seed, target.max_size) if target.seeds is translations and len(seed) > target.max_size else [seed]
        for one in fitting:
            if len(one) <= target.max_size:
                path = folder / hashlib.sha1(one).hexdigest()
                path.write_bytes(one)
                paths.append(path)
    for given in (HERE / "seeds" / target.name, HERE / "regressions" / target.name):
        paths += [path for path in given.glob("**/*") if path.is_file()]
    return sorted(set(paths))


def minimise(program: Path, target: Target, crash: Path) -> Path:
    small = crash.with_name("minimal-" + crash.name)
    subprocess.run([program, "-minimize_crash=1", "-max_total_time=30", f"-exact_artifact_path={small}",
                    f"-max_len={target.max_size}", crash], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not small.exists():
        return crash
    crash.unlink()
    return small


def asan_options() -> str:
    options = list(ASAN)
    symbolizer = shutil.which("llvm-symbolizer-19") or shutil.which("llvm-symbolizer") or shutil.which("addr2line")
    if symbolizer:
        options.append(f"external_symbolizer_path={Path(symbolizer).resolve()}")
    return ":".join(options)


def execute(command: list[str | Path], log: Path) -> tuple[int, float]:
    """Runs the command; its exit status, and the processor's seconds that it took."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT,
                                   env={**os.environ, "ASAN_OPTIONS": asan_options()})
        guard = threading.Timer(HANGING_TARGET, process.send_signal, [signal.SIGKILL])
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def report_of(log: str) -> tuple[str, str]:
    """Of a target that failed, what went wrong in a line and in all words."""
    lines = log.splitlines()
    progress = [i for i, line in enumerate(lines) if re.match(r"#\d+\s|INFO:|\tNEW_FUNC", line)]
    said = lines[progress[-1] + 1 if progress else 0:]
    text = "\n".join(said)
    first = (re.search(r"(?m)^fuzz: not so: .*(?:\n.*)?", text) or re.search(r"(?m)^.*runtime error: .*$", text) or
             re.search(r"(?m)^.*SUMMARY: .*$", text))
    return first[0] if first else "", text


def run(target: Target, minutes: float | None) -> Result:
    program = PROGRAMS / f"{target.name}_fuzz"
    corpus = BUILD / "corpus" / target.name
    crashes = BUILD / "crashes" / target.name
    shutil.rmtree(crashes, ignore_errors=True)
    crashes.mkdir(parents=True)
    log = BUILD / f"{target.name}.log"
    seeds = BUILD / f"{target.name}.seeds"
    seeds.write_text(",".join(map(str, write_seeds(target, shared=minutes is not None))))
    command: list[str | Path] = [
        program, f"-seed_inputs=@{seeds}", f"-max_len={target.max_size}", f"-timeout={HANGING_INPUT}",
        "-print_final_stats=1", "-len_control=0", "-entropic=0", f"-dict={write_dictionary(target)}",
        f"-artifact_prefix={crashes}/"]
    if minutes is None:
        # What is compared may be addresses, which are others each time.
        command += ["-seed=1", f"-runs={target.executions}", "-shuffle=0", "-reload=0", "-use_cmp=0"]
    else:
        corpus.mkdir(parents=True, exist_ok=True)
        command += [f"-max_total_time={int(minutes * 60)}", corpus]
    start = time.monotonic()
    status, processor = execute(command, log)
    took = time.monotonic() - start
    text = log.read_text(errors="replace")
    executions = re.search(r"stat::number_of_executed_units: (\d+)", text)
    states = re.findall(r"(?m)^#\d+\s.*?(cov: \d+ ft: \d+) corp: (\d+)", text)
    reached, kept = states[-1] if states else ("", "0")
    failure = report = ""
    crash = None
    if status != 0 or not executions:
        failure, report = report_of(text)
        failure = failure or f"exit status {status}, see {log.relative_to(ROOT)}"
        crash = next((path for path in sorted(crashes.iterdir()) if not path.name.startswith("slow-unit")), None)
        if crash and minutes is not None:
            crash = minimise(program, target, crash)
    return Result(target, int(executions[1]) if executions else 0, reached, int(kept), took, processor, failure, report,
                  crash)


def tell(result: Result) -> None:
    name = result.target.name
    print(f"{name:<14} {result.executions:>9} executions in {result.seconds:4.0f} s, {result.processor:4.0f} s of a "
          f"processor; {result.reached}, {result.kept} inputs kept", flush=True)
    if not result.failure:
        return
    lines = result.report.splitlines()
    print(f"{name:<14} FAILS: {result.failure}\n", *lines[:100], *(["..."] if len(lines) > 100 else []), sep="\n")
    if result.input:
        data = result.input.read_bytes()
        print(f"\nThe input, {len(data)} bytes, is in {result.input.relative_to(ROOT)}; or anywhere:\n\n"
              f"base64 -d >input <<END && build/asan/tests/{name}_fuzz input")
        print(*textwrap.wrap(base64.b64encode(data).decode(), 120), "END", "", sep="\n", flush=True)


def write_results(results: list[Result], folder: Path) -> None:
    """In the form of `ctest --output-junit`, which scripts/count_tests.py counts."""
    with (folder / "ctest.xml").open("w") as out:
        out.write(f'<testsuite name="fuzz" tests="{len(results)}">\n')
        for result in results:
            name = f"{result.target.name}_fuzz"
            out.write(f'  <testcase name="{name}" status="{"fail" if result.failure else "run"}"'
                      f' time="{result.seconds:.1f}">\n    <properties>\n'
                      f'      <property name="executions" value="{result.executions}"/>\n    </properties>\n')
            if result.failure:
                out.write(f"    <failure message={quoteattr(result.failure)}/>\n")
            out.write("  </testcase>\n")
        out.write("</testsuite>\n")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, help="of each target, with chance in it")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    names = [target.name for target in TARGETS]
    for name in arguments.targets:
        if name not in names:
            parser.error(f"{name} is not a target; the targets are {' '.join(names)}")
    chosen = [target for target in TARGETS if not arguments.targets or target.name in arguments.targets]
    for target in chosen:
        if not (PROGRAMS / f"{target.name}_fuzz").exists():
            parser.error(f"{target.name} is not built: scripts/build.sh asan fuzz_targets")

    def run_one(target: Target) -> Result:
        result = run(target, arguments.minutes)
        with telling:
            tell(result)
        return result

    telling = threading.Lock()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run_one, chosen))
    if "RESULTS" in os.environ:
        write_results(results, Path(os.environ["RESULTS"]))
    return 1 if any(result.failure for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
