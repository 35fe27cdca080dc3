"""Tests of the rig itself, with a plain Envoy in sluice's place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path

from rig import MARK, Object, Rig, StaticEnvoy, Target, get, make_certificate, run_tests, wait_answer, wait_for


def proxy_bootstrap(port: int, address: tuple[str, int], tls: tuple[str, str] | None = None) -> Object:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "echo"}}]}]},
    }
    chain: Object = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        chain["transport_socket"] = {"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [
                {"certificate_chain": {"inline_string": tls[0]}, "private_key": {"inline_string": tls[1]}}]}}}
    endpoint = {"address": {"socket_address": {"address": address[0], "port_value": address[1]}}}
    return {"static_resources": {
        "listeners": [{"name": "all", "filter_chains": [chain],
                       "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}}}],
        "clusters": [{"name": "echo", "connect_timeout": "1s", "load_assignment": {
            "cluster_name": "echo", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}}]}}


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class RigTest(unittest.TestCase):
    def test_load_records_every_answer(self) -> None:
        with Rig() as rig:
            echo = rig.echo("blue", "green")
            port, closed = rig.port(), rig.port()
            StaticEnvoy(rig, proxy_bootstrap(port, echo.addresses["blue"]))
            url = f"http://127.0.0.1:{port}/path?x=1"
            answer = wait_answer(url, "web.example")
            self.assertEqual(answer.backend, "blue")
            self.assertEqual((answer.json["host"], answer.json["path"]), ("web.example", "/path?x=1"))
            load = rig.load([Target("blue", url, "web.example"), Target("none", f"http://127.0.0.1:{closed}/", "x")],
                            rate=400, seconds=1, connections=2)
            records = load.finish() if load.process.wait(20) == 0 else []
            self.assertEqual(len(records), 400)
            blue = [record for record in records if record.target == "blue"]
            self.assertTrue(100 < len(blue) < 300)
            self.assertEqual({(record.status, record.backend, record.error) for record in blue}, {(200, "blue", "")})
            self.assertTrue(any(record.new for record in blue) and not all(record.new for record in blue))
            self.assertTrue(all(record.connected <= record.start <= record.end for record in blue if not record.new))
            self.assertEqual({record.error for record in records if record.target == "none"}, {"connect"})

    def test_serials_are_those_of_the_certificates(self) -> None:
        with Rig() as rig:
            echo, port = rig.echo("blue"), rig.port()
            tls = make_certificate(rig.folder, ["a.example"], 0xABC123)
            StaticEnvoy(rig, proxy_bootstrap(port, echo.addresses["blue"], tls))
            url = f"https://127.0.0.1:{port}/"
            self.assertEqual(wait_answer(url, "a.example").serial, "ABC123")
            load = rig.load([Target("a", url, "a.example")], rate=50, requests=20)
            load.process.wait(20)
            self.assertEqual({(record.serial, record.status) for record in load.finish()}, {("ABC123", 200)})

    def test_a_request_is_not_retried(self) -> None:
        with Rig() as rig:
            echo = rig.echo("blue")
            host, port = echo.addresses["blue"]
            load = rig.load([Target("blue", f"http://{host}:{port}/", "x")], rate=200, new=0.0, connections=2)
            wait_for(lambda: rig.path("load.csv").exists(), "the record")
            wait_answer(f"http://{host}:{port}/")
            echo.kill()
            with self.assertRaises(OSError):
                get(f"http://{host}:{port}/")
            records = load.finish()
            self.assertLessEqual({record.error for record in records}, {"", "connect", "closed", "cut"})

    def test_a_port_is_kept_free(self) -> None:
        with Rig() as rig:
            port = rig.port()
            with socket.socket() as other, self.assertRaises(OSError):
                other.bind(("0.0.0.0", port))
            with self.assertRaises(OSError):
                get(f"http://127.0.0.1:{port}/")

    def test_everything_ends_with_the_test(self) -> None:
        # A test that starts a process, which starts another in a session of its own, and is killed.
        code = ("from rig import Rig; import time; rig = Rig();"
                "rig.start('setsid', '--fork', 'sleep', '1000'); rig.start('sleep', '1000');"
                "print(rig.folder, flush=True); time.sleep(1000)")
        test = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True)
        folder = test.stdout.readline().strip()
        mark = f"{MARK}={folder}".encode()

        def started() -> list[int]:
            found = []
            for entry in Path("/proc").iterdir():
                try:
                    if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    pass
            return found

        pids = wait_for(lambda: started() if len(started()) == 2 else None, "both processes")
        os.kill(test.pid, signal.SIGKILL)
        test.wait()
        wait_for(lambda: not any(lives(pid) for pid in pids), "the processes' end")
        wait_for(lambda: not Path(folder).exists(), "the folder's end")
        test.stdout.close()


if __name__ == "__main__":
    run_tests()
