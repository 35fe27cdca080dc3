#!/usr/bin/env python3
"""The official conformance suites, against sluice: conformance.py [--suite gwapi|gie] [--profile core|full] [suite flags]

Without --suite both, each whole. In a rig of its own (kube_rig.py), or, with KUBECONFIG set, in that cluster, where
sluice is to be installed already, with the values of conformance.yaml. Reports of whole runs go to docs/conformance, and
say of which commit they are.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from kube_rig import ROOT, WORK, KubeRig, build_rig, why_not

CLASS = "sluice"
REPORTS = ROOT / "docs/conformance"
CORE = ["Gateway", "HTTPRoute", "ReferenceGrant"]
PROFILES = "GATEWAY-HTTP,GATEWAY-TLS,GATEWAY-GRPC,GATEWAY-TCP,GATEWAY-UDP"

VALUES = Path(__file__).parent / "conformance.yaml"
# By these flags a run is one of a part, whose report must not take the place of that of the whole.
PARTS = ("--run-test", "--skip-tests", "--exempt-features", "--supported-features", "--conformance-profiles")


def commit() -> str:
    said = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return said.stdout.strip() or "unknown"


def report_flags(suite: str, version: str) -> list[str]:
    return ["--organization", "sluice", "--project", "sluice", "--url", "https://github.com/sluice-gateway/sluice",
            "--contact", "https://github.com/sluice-gateway/sluice/issues", "--version", version,
            "--report-output", str(REPORTS / f"{suite}.yaml")]


def elsewhere(suite: str, profile: str, flags: list[str]) -> int:
    """In the cluster of KUBECONFIG."""
    program = WORK / f"bin/{suite}-conformance"
    if not program.exists():
        kubeconfig = os.environ["KUBECONFIG"]
        build_rig()
        os.environ["KUBECONFIG"] = kubeconfig
    chosen = ["--allow-crds-mismatch"]
    if suite == "gwapi" and profile == "core":
        chosen += ["--conformance-profiles", "GATEWAY-HTTP", "--supported-features", ",".join(CORE)]
    elif suite == "gwapi":
        listed = subprocess.run([program, "-test.run", "^TestList$"], stdout=subprocess.PIPE, text=True, check=True).stdout
        features = [name for name in re.findall(r"^feature (\S+)", listed, re.MULTILINE) if not name.startswith("Mesh")]
        chosen += ["--conformance-profiles", PROFILES, "--supported-features", ",".join(features)]
    return subprocess.run([program, "-test.v", "-test.timeout", "3h", "-test.run", "^TestConformance$",
                           f"--gateway-class={CLASS}", *chosen, *flags]).returncode


def told(suite: str, whole: bool) -> None:
    """Prints what the report says, if there is one of this run."""
    report = REPORTS / f"{suite}.yaml"
    if not whole or not report.exists():
        return
    for profile in yaml.safe_load(report.read_text()).get("profiles", []):
        for part in ("core", "extended"):
            counted = profile.get(part, {}).get("statistics")
            if counted:
                print(f"{profile['name']} {part}: {counted['Passed']} passed, {counted['Failed']} failed, {counted['Skipped']} skipped")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=["gwapi", "gie"])
    parser.add_argument("--profile", choices=["core", "full"], default="full")
    arguments, flags = parser.parse_known_args()
    suites = [arguments.suite] if arguments.suite else ["gwapi", "gie"]
    whole = arguments.profile == "full" and not any(flag.startswith(PARTS) for flag in flags)
    reports: dict[str, list[str]] = {suite: [] for suite in suites}
    if whole:
        REPORTS.mkdir(parents=True, exist_ok=True)
        version = commit()  # before a report changes what git looks at
        reports = {suite: report_flags(suite, version) for suite in suites}
    worst = 0
    if os.environ.get("KUBECONFIG"):
        for suite in suites:
            worst = max(worst, elsewhere(suite, arguments.profile, flags + reports[suite]))
            told(suite, whole)
        return worst
    reason = why_not()
    if reason:
        print(f"no conformance tests: {reason}; set KUBECONFIG for those of another cluster")
        return 1
    with KubeRig() as rig:
        rig.install("--values", VALUES)
        for suite in suites:
            worst = max(worst, rig.conformance(suite, CLASS, "--profile", arguments.profile, *flags, *reports[suite]))
            told(suite, whole)
    return worst


if __name__ == "__main__":
    sys.exit(main())
