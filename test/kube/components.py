"""components.py: what a cluster consists of, killed and started again. Run it inside the rig.

components.py kill NAME...   kills these programs and prints how they were started: a JSON map by name
components.py start FOLDER   reads such a map from standard input and starts them; what they say goes to files there
components.py reboot         kills the kubelet, containerd, and everything in pods, and prints as `kill` does what to start
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

NODE = ["kubelet", "containerd"]
LASTS = 2  # seconds: who runs so long has started


def read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return ""


def arguments(pid: int) -> list[str]:
    return read(pid, "cmdline").split("\0")[:-1]


def processes(wanted: Callable[[int], bool]) -> list[int]:
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in (1, os.getpid()) and wanted(pid)]


def is_program(name: str) -> Callable[[int], bool]:
    """Names of processes have 15 characters at most."""
    return lambda pid: Path((arguments(pid) or [""])[0]).name == name


def kill(wanted: Callable[[int], bool]) -> None:
    """Returns when they are gone."""
    while pids := [pid for pid in processes(wanted) if not read(pid, "stat").rpartition(")")[2].startswith(" Z")]:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def started_by(names: list[str]) -> dict[str, list[str]]:
    return {name: arguments(processes(is_program(name))[0]) for name in names}


def start(commands: dict[str, list[str]], folder: str) -> None:
    """In the reverse order. What ends at once is started again, as by any init: a kubelet that finds no containerd yet."""
    for name, command in reversed(commands.items()):
        with open(f"{folder}/{name}.again.log", "a") as log:
            for _ in range(20):
                try:
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True).wait(LASTS)
                    time.sleep(1)
                except subprocess.TimeoutExpired:
                    break


def unmount_below(folder: str) -> None:
    mounts = [line.split()[1] for line in read(os.getpid(), "mounts").splitlines()]
    for mount in reversed([each for each in mounts if each.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", mount], check=False, stderr=subprocess.DEVNULL)


def reboot() -> dict[str, list[str]]:
    """What a machine that goes down at once leaves: disks, and nothing in memory."""
    commands = started_by(NODE)
    for name in [*NODE, "containerd-shim-runc-v2"]:
        kill(is_program(name))
    kill(lambda pid: "/kubepods" in read(pid, "cgroup"))
    for folder in ("/run/containerd", "/run/netns", "/var/lib/kubelet/pods"):
        unmount_below(folder)
    for folder in ("/run/containerd", "/run/netns"):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder, exist_ok=True)
    return commands


def main() -> None:
    what, names = sys.argv[1], sys.argv[2:]
    if what == "start":
        start(json.load(sys.stdin), names[0])
        return
    commands = reboot() if what == "reboot" else started_by(names)
    if what == "kill":
        for name in names:
            kill(is_program(name))
    print(json.dumps(commands))


if __name__ == "__main__":
    main()
