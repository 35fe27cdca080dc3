#!/usr/bin/env python3
"""The Debian packages, unpacked, and what their units rely on: Envoys that somebody else starts for sluice, and that outlive it.

usage: package_test.py [test…]
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/rig"))

from rig import (  # noqa: E402
    MARK, SLUICE, Resources, Rig, backend_ref, endpoint_slice, envoy_proxy, envoy_proxy_ref, gateway, gateway_class, get,
    http_listener, http_route, path_rule, run_tests, service, wait_answer, wait_for,
)

DEB = ROOT / "build/deb"
UNITS = ROOT / "deploy/systemd"


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)


def served(rig: Rig, port: int) -> Resources:
    """A Gateway at the port whose one route leads to the backend "blue"."""
    echo = rig.echo("blue")
    resources = rig.resources()
    quick = envoy_proxy("quick", shutdown={"minDrainDuration": "0s"})
    of_it = gateway([http_listener("http", port)])
    of_it["spec"]["infrastructure"] = {"parametersRef": envoy_proxy_ref("quick")}
    host, number = echo.addresses["blue"]
    resources.write("gateway.yaml", [gateway_class(), quick, of_it])
    resources.write("backend.yaml", [service("blue"), endpoint_slice("blue", "blue", number, [host])])
    resources.write("route.yaml", http_route("web", ["web.example"], [path_rule("/", backend_ref("blue"))]))
    return resources


def program_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        built = run(ROOT / "deploy/deb/build.sh", cwd=ROOT, env={**os.environ, "DEB_COMPRESSION": "gzip"})
        if built.returncode != 0:
            raise AssertionError(built.stdout + built.stderr)
        cls.folder = Path(tempfile.mkdtemp(prefix="sluice-deb."))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for name in ("sluice", "sluice-envoy"):
            [file] = DEB.glob(f"{name}_*.deb")
            unpacked = run("dpkg", "-x", file, cls.folder)
            if unpacked.returncode != 0:
                raise AssertionError(unpacked.stderr)

    def field(self, package: str, name: str) -> str:
        [file] = DEB.glob(f"{package}_*.deb")
        return run("dpkg-deb", "-f", file, name).stdout.strip()

    def test_programs_run_from_where_they_are(self) -> None:
        self.assertEqual(run(self.folder / "usr/bin/sluice", "version").stdout, run(SLUICE, "version").stdout)
        self.assertIn("version:", run(self.folder / "usr/lib/sluice/envoy", "--version").stdout)

    def test_sluice_finds_its_envoy(self) -> None:
        with Rig() as rig:
            resources = served(rig, rig.port())
            command = [self.folder / "usr/bin/sluice", "run", "-f", resources.folder, "--run-dir", rig.path("run")]
            rig.start(*command, stderr=subprocess.DEVNULL)
            own = str((self.folder / "usr/lib/sluice/envoy").resolve())
            wait_for(lambda: own in map(program_of, rig.marked()), "its own Envoy runs", 20)

    def test_units_start_programs_and_read_files_that_are_there(self) -> None:
        for unit in UNITS.iterdir():
            text = unit.read_text()
            self.assertEqual((self.folder / "lib/systemd/system" / unit.name).read_text(), text)
            for program in re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE):
                self.assertTrue(os.access(self.folder / program.lstrip("/"), os.X_OK), program)
        for path in ("etc/sluice/conf.d", "etc/sluice/options.yaml", "etc/default/sluice", "usr/share/doc/sluice/install.md"):
            self.assertTrue((self.folder / path).exists(), path)

    def test_unit_gives_options_that_there_are(self) -> None:
        [command] = re.findall(r"^ExecStart=/usr/bin/sluice (.*) \$SLUICE_ARGS$", (UNITS / "sluice.service").read_text(), re.MULTILINE)
        [more] = re.findall(r'^SLUICE_ARGS="(.*)"$', (self.folder / "etc/default/sluice").read_text(), re.MULTILINE)
        words = [each.replace("/etc/sluice", str(self.folder / "etc/sluice")) for each in f"{command} {more}".split()]
        words[words.index("--run-dir") + 1] = "/proc/none"  # nobody can make it, so it ends there
        done = run(SLUICE, *words, timeout=30)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot start", done.stderr)

    def test_what_administrators_change_is_kept(self) -> None:
        [file] = DEB.glob("sluice_*.deb")
        self.assertEqual(run("dpkg-deb", "--ctrl-tarfile", file).returncode, 0)
        conffiles = run("dpkg-deb", "-I", file, "conffiles").stdout.split()
        files = [f"/{each.relative_to(self.folder)}" for each in (self.folder / "etc").rglob("*") if each.is_file()]
        self.assertEqual(sorted(conffiles), sorted(files))

    def test_depends_on_what_it_needs(self) -> None:
        needs = self.field("sluice", "Depends")
        for package in ("libc6", "libgrpc", "libprotobuf", "sluice-envoy (>=", "adduser"):
            self.assertIn(package, needs)
        self.assertIn("libc6", self.field("sluice-envoy", "Depends"))

    def test_scripts_are_for_any_shell(self) -> None:
        for script in ("postinst", "prerm", "postrm"):
            done = run("dash", "-n", ROOT / "deploy/deb" / script)
            self.assertEqual(done.returncode, 0, done.stderr)


class Units(unittest.TestCase):
    def test_systemd_understands_them(self) -> None:
        if not shutil.which("systemd-analyze"):
            print("units are not verified: there is no systemd-analyze", file=sys.stderr)
            return
        with tempfile.TemporaryDirectory() as folder:
            # It looks for the programs, which are not installed here.
            for unit in UNITS.iterdir():
                text = unit.read_text().replace("/usr/bin/sluice", str(SLUICE))
                (Path(folder) / unit.name).write_text(text)
            paths = [Path(folder) / each for each in ("sluice.service", "sluice-envoy.socket")]
            done = run("systemd-analyze", "verify", "--man=no", *paths)
        self.assertEqual([line for line in done.stderr.splitlines() if "sluice" in line], [])


class Launcher(unittest.TestCase):
    def test_starts_envoys_that_outlive_sluice(self) -> None:
        if not shutil.which("systemd-socket-activate"):
            print("the launcher is not tried: there is no systemd-socket-activate", file=sys.stderr)
            return
        with Rig() as rig:
            port, door = rig.port(), rig.path("launcher.sock")
            resources = served(rig, port)
            # It starts each with a clean environment, but for what it is told.
            activate = ["systemd-socket-activate", "-l", door, "--accept", "--inetd", "-E", f"{MARK}={rig.folder}"]
            launcher = rig.start(*activate, SLUICE, "envoy", "keep", stderr=subprocess.DEVNULL)
            wait_for(door.exists, "the launcher listens")
            sluice = rig.sluice(resources, arguments=["--envoy-launcher", door, "--leave-envoys"])
            url = f"http://127.0.0.1:{port}/"
            wait_answer(url, "web.example", seconds=30)
            [envoy] = sluice.envoys()
            self.assertIn(launcher.pid, ancestors(envoy), "it belongs to the launcher")

            sluice.process.terminate()
            self.assertEqual(sluice.process.wait(20), 0)
            self.assertEqual(get(url, "web.example").backend, "blue")
            sluice.start()
            adopted = sluice.wait_line(
                lambda line: line.fields.get("message") == "adopted", "the Envoy is adopted", sluice.first_line
            )
            self.assertEqual(adopted.fields["pid"], envoy)
            self.assertEqual(sluice.envoys(), [envoy])

            sluice.process.send_signal(signal.SIGINT)
            self.assertEqual(sluice.process.wait(90), 0)
            self.assertEqual(sluice.envoys(), [], "SIGINT drains and ends it")


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        found.append(pid)
    return found


if __name__ == "__main__":
    run_tests()
