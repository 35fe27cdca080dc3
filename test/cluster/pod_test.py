#!/usr/bin/python3
"""An Envoy as it is in a pod: with the bootstrap and the files that infra makes, over mutual TLS, and with certificates
of `sluice certgen`. Only paths, addresses and ports are those of this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rig"))
from rig import (  # noqa: E402
    BUILD, ENVOY, SLUICE, Rig, Sluice, backend_ref, endpoint_slice, gateway, gateway_class, http_listener, http_route,
    path_rule, run_tests, service, wait_for)

POD = "envoy-default-web-7d9f-abcde"


class PodTest(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.certificates = self.rig.path("certificates")
        self.certgen()
        self.port = self.rig.port()
        self.resources = self.rig.resources()
        backend = self.rig.echo("blue").addresses["blue"][1]
        self.resources.write("all.yaml", [
            gateway_class(), gateway([http_listener("http", self.port)]), service("web"),
            endpoint_slice("web", "web", backend), self.route("a")])
        self.sluice = Sluice(self.rig, self.resources, ["--xds", "127.0.0.1:0", "--xds-certificates",
                                                        self.certificates / "sluice"])
        self.xds_port = self.shown()["port"]

    @staticmethod
    def route(name: str) -> dict:
        return http_route(name, [f"{name}.example"], [path_rule("/", backend_ref("web"))])

    def certgen(self, *arguments: str) -> str:
        return subprocess.run([SLUICE, "certgen", "--out", self.certificates, *arguments], check=True, text=True,
                              capture_output=True).stdout

    def shown(self, since: int = 0) -> dict:
        return self.sluice.wait_line(lambda line: line.message == "certificate", "a certificate is shown", since).fields

    def pod(self, certificates: Path, node: str = POD) -> None:
        """Envoy, with these certificates mounted."""
        folder = self.rig.path(node)
        subprocess.run([BUILD / "test/cluster/pod-files", folder], check=True)
        shutil.copytree(certificates, folder / "certs")
        ports = {str(port): str(self.rig.port()) for port in (19000, 19001, 19003)}
        places = {"/sds/": f"{folder}/sds/", "/certs/": f"{folder}/certs/",
                  "sluice.sluice-system.svc.cluster.local.": "127.0.0.1", '"port_value":18000':
                  f'"port_value":{self.xds_port}', "$(ENVOY_POD_NAME)": node, "$(ENVOY_SERVICE_ZONE)": "here",
                  **{f'"port_value":{port}': f'"port_value":{other}' for port, other in ports.items()}}
        for file in [folder / "bootstrap.json", *(folder / "sds").iterdir()]:
            text = file.read_text()
            for here, there in places.items():
                text = text.replace(here, there)
            file.write_text(text)
        with open(folder / "log", "w") as log:
            self.rig.start(ENVOY, "-c", folder / "bootstrap.json", "--service-cluster", "default/web", "--service-node",
                           node, "--disable-hot-restart", "--concurrency", "1", stderr=log)

    def of_pod(self, message: str, node: str = POD) -> int:
        return sum(line.message == message and line.fields.get("node") == node for line in self.sluice.lines)

    def wait_of_pod(self, message: str, count: int = 1, node: str = POD) -> None:
        wait_for(lambda: self.of_pod(message, node) >= count, f"the pod's Envoy has {message}", 20)

    def test_an_envoy_in_a_pod_is_served(self) -> None:
        self.pod(self.certificates / "envoy")
        self.wait_of_pod("acknowledged")
        self.assertEqual(self.of_pod("connected"), 1)

    def test_a_strangers_envoy_is_not_served(self) -> None:
        mine, self.certificates = self.certificates, self.rig.path("stranger")
        self.certgen()
        stranger = self.certificates / "envoy"
        shutil.copy(mine / "envoy/ca.crt", stranger / "ca.crt")
        self.pod(stranger)
        self.sluice.wait_line(lambda line: line.message == "refused", "it is refused")
        self.assertEqual(self.of_pod("connected"), 0)

    def test_new_certificates_end_no_stream_and_are_taken_by_new_ones(self) -> None:
        self.pod(self.certificates / "envoy")
        self.wait_of_pod("acknowledged")
        before = self.sluice.mark()
        self.certgen("--overwrite")
        self.shown(before)
        acknowledged = self.of_pod("acknowledged")
        self.resources.write("more.yaml", self.route("b"))
        self.wait_of_pod("acknowledged", acknowledged + 1)
        self.assertEqual(self.of_pod("disconnected"), 0)
        self.pod(self.certificates / "envoy", "another")
        self.wait_of_pod("acknowledged", node="another")

    def test_what_the_folder_lacks_is_told_and_the_old_certificate_stays(self) -> None:
        (self.certificates / "sluice/tls.key").write_text("nothing")
        wait_for(lambda: "value/xds-certificate" in self.sluice.status().stdout, "the problem is told", 20)
        self.pod(self.certificates / "envoy")
        self.wait_of_pod("acknowledged")


if __name__ == "__main__":
    run_tests()
