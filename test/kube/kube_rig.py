"""A real Kubernetes of one node with sluice installed in it, by the chart and with the binaries of this build.

    with KubeRig() as cluster:
        cluster.install()
        cluster.apply(...)
        cluster.inside("curl", "-s", f"http://{address}/")

kube_rig.py starts one and leaves it up (../shared/kube/down.sh ends it); kube_rig.py build only builds what it is made of;
kube_rig.py why-not says why there can be none here.

It is that of ../shared/kube, whose README says how it is made; it is built if it has to be, which takes eleven minutes
once. All of it ends with the `with`, even if the test is killed: it is one tree of processes below one pid. A rig that
is up already is somebody's: then this fails, unless KUBE_RIG=keep, which uses it and leaves it up.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))
from rig import run_tests  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "kube"
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))
WORK = Path(os.environ.get("WORK", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kuberig"))  # the rig's
NAMESPACE = "sluice-system"
IMAGE = re.search(r"image: (\S+/sluice:\S+)", (ROOT / "deploy/install.yaml").read_text()).group(1)

CHART = ROOT / "deploy/helm/sluice"

Object = dict[str, Any]
Commands = dict[str, list[str]]  # by name


def why_not() -> str:
    """Why there can be no rig on this machine; empty: there can be."""
    if not SHARED.is_dir():
        return "there is no ../shared/kube"
    if not Path("/sys/fs/cgroup/memory").is_dir():
        return "this machine has no cgroup v1 hierarchies, and the rig knows no others"
    if os.geteuid() != 0:
        return "the rig needs root"
    return ""


def _sources() -> str:
    """A digest of what the rig is built from: to find it up to date itself takes it minutes on a busy machine."""
    digest = hashlib.sha256((ROOT / "scripts/envoy.txt").read_bytes())
    for file in sorted(each for each in SHARED.rglob("*") if each.is_file()):
        digest.update(str(file.relative_to(SHARED)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def build_rig() -> dict[str, str]:
    """Builds the rig, if it has to be; the environment for its scripts."""
    go = subprocess.run([ROOT / "scripts/install_go.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    environment = dict(os.environ, PATH=f"{go}:{os.environ['PATH']}", ENVOY_BIN=str(ROOT / "build/envoy/envoy"))
    environment.pop("KUBECONFIG", None)
    built, sources = WORK / "built-by-sluice", _sources()
    if not built.exists() or built.read_text() != sources:
        subprocess.run([SHARED / "build.sh"], env=environment, check=True)
        built.write_text(sources)
    return environment


class KubeRig:
    def __init__(self) -> None:
        self._keeps = os.environ.get("KUBE_RIG") == "keep"
        self._environment = build_rig()
        self._helm = subprocess.run([ROOT / "scripts/helm.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def __enter__(self) -> KubeRig:
        said = self._script("up.sh", stdout=subprocess.PIPE, text=True).stdout
        print(said, end="", flush=True)
        if "already up" in said and not self._keeps:
            raise RuntimeError("the rig is up already: ../shared/kube/down.sh ends it, KUBE_RIG=keep uses it")
        return self

    def __exit__(self, *_: object) -> None:
        if not self._keeps:
            self._script("down.sh")

    # ---- commands

    def _script(self, name: str, *arguments: str | Path, **how: Any) -> subprocess.CompletedProcess:
        return subprocess.run([SHARED / name, *arguments], env=self._environment, check=how.pop("check", True), **how)

    def inside(self, *command: str | Path, check: bool = True, timeout: float = 60, text: str | None = None) -> str:
        """Runs a command on the node; what it prints."""
        return self._script("in", *command, check=check, timeout=timeout, input=text, stdout=subprocess.PIPE, text=True).stdout

    def start_inside(self, *command: str | Path, **how: Any) -> subprocess.Popen:
        return subprocess.Popen([SHARED / "in", *command], env=self._environment, **how)

    def kubectl(self, *arguments: str | Path, **how: Any) -> str:
        return self.inside("kubectl", *arguments, **how)

    def apply(self, *objects: Object | Path) -> None:
        """Objects, or files with some."""
        documents = [each.read_text() if isinstance(each, Path) else yaml.safe_dump(each) for each in objects]
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text="\n---\n".join(documents))

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        """The object, or nothing."""
        text = self.kubectl("get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else {}

    def image(self, name: str, entry: str, *files: str | Path) -> None:
        self._script("image.sh", name, entry, *files, stdout=subprocess.DEVNULL)

    def conformance(self, *arguments: str) -> int:
        return self._script("conformance.sh", *arguments, check=False).returncode

    # ---- what a cluster consists of

    def _components(self, *arguments: str | Path, **how: Any) -> str:
        return self.inside(sys.executable, Path(__file__).parent / "components.py", *arguments, **how)

    def kill_components(self, *names: str) -> Commands:
        """Programs of the cluster, as etcd; for start_components()."""
        return json.loads(self._components("kill", *names))

    def start_components(self, commands: Commands) -> None:
        self._components("start", WORK / "state/log", text=json.dumps(commands))

    def restart_components(self, *names: str) -> None:
        self.start_components(self.kill_components(*names))

    def reboot_node(self) -> None:
        """The node alone: what controls the cluster goes on, as if it were on machines of its own."""
        self.start_components(json.loads(self._components("reboot")))

    # ---- sluice

    def helm(self, *arguments: str | Path) -> str:
        return self.inside(self._helm, *arguments, timeout=200)

    def install(self, *values: str | Path) -> None:
        """As docs/install.md has it, with an image of this build; returns when sluice is ready. Values are arguments of Helm."""
        subprocess.run([ROOT / "deploy/image.sh", "--rig", IMAGE], env=self._environment, check=True, stdout=subprocess.DEVNULL)
        self.kubectl("apply", "--server-side", "-f", ROOT / "deploy/crds.yaml")
        # As `helm install`, and in a rig that was kept, too.
        self.helm("upgrade", "--install", "sluice", CHART, "--namespace", NAMESPACE, "--create-namespace", "--skip-crds",
                  "--reset-values", *values)
        self.wait_for_sluice()

    def upgrade(self, *values: str | Path) -> None:
        """The same with other values besides."""
        self.helm("upgrade", "sluice", CHART, "--namespace", NAMESPACE, "--skip-crds", "--reuse-values", *values)
        self.wait_for_sluice()

    def wait_for_sluice(self) -> None:
        self.kubectl("rollout", "status", "deployment/sluice", "-n", NAMESPACE, "--timeout=120s", timeout=150)

    def wait(self, what: str, until: Any, seconds: float = 60) -> Any:
        """Asks until the answer is true; the answer."""
        end = time.monotonic() + seconds
        while True:
            answer = until()
            if answer:
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.2)


def run_kube_tests() -> None:
    """run_tests(), where there can be a rig."""
    reason = why_not()
    if reason:
        print(f"nothing to test in Kubernetes: {reason}")
        sys.exit(0)
    run_tests()


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "up"
    reason = why_not()
    if what == "why-not":
        print(reason)
    elif reason:
        sys.exit(reason)
    elif what == "build":
        build_rig()
    else:
        os.environ["KUBE_RIG"] = "keep"
        with KubeRig() as rig:
            rig.install()
