#!/usr/bin/env python3
"""The official conformance suites, against sluice: conformance.py [--suite gwapi|gie] [--profile core|full] [suite flags]

Without --suite both, each whole. In a rig of its own (kube_rig.py), or, with KUBECONFIG set, in that cluster, where
sluice is to be installed already. Reports go to docs/conformance, and say of which commit they are.
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

GATEWAY_CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": CLASS},
    "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
}


def commit() -> str:
    said = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return said.stdout.strip() or "unknown"


def report_flags(suite: str, folder: Path) -> list[str]:
    return ["--organization", "sluice", "--project", "sluice", "--url", "https://github.com/sluice-gateway/sluice",
            "--contact", "https://github.com/sluice-gateway/sluice/issues", "--version", commit(),
            "--report-output", str(folder / f"{suite}.yaml")]


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


def told(report: Path) -> None:
    """Prints what the report says."""
    if not report.exists():
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
    # A report of a part of the suite would take the place of that of the whole.
    whole = arguments.profile == "full" and not flags
    if whole:
        REPORTS.mkdir(parents=True, exist_ok=True)
    worst = 0
    if os.environ.get("KUBECONFIG"):
        for suite in suites:
            worst = max(worst, elsewhere(suite, arguments.profile, flags + (report_flags(suite, REPORTS) if whole else [])))
            told(REPORTS / f"{suite}.yaml")
        return worst
    reason = why_not()
    if reason:
        print(f"no conformance tests: {reason}; set KUBECONFIG for those of another cluster")
        return 1
    with KubeRig() as rig:
        rig.install()
        rig.apply(GATEWAY_CLASS)
        for suite in suites:
            more = report_flags(suite, REPORTS) if whole else []
            worst = max(worst, rig.conformance(suite, CLASS, "--profile", arguments.profile, *flags, *more))
            if whole:
                told(REPORTS / f"{suite}.yaml")
    return worst


if __name__ == "__main__":
    sys.exit(main())
