#!/usr/bin/env python3
"""A service for external processing at a Unix socket, with TLS and certificates of both sides, in pods: the manifests of
examples/extensions/kubernetes, with the service beside Envoy in its pod, and once on each node.

    ext_proc_test.py [test…]        in a rig of its own; KUBE_RIG=keep: in one that is up. Backends stay switched on
"""

from __future__ import annotations

import json
import unittest

from examples import address_of, allow_backends, image_in
from kube_rig import BUILD, NAMESPACE, ROOT, KubeRig, Object, run_kube_tests

EXAMPLE = ROOT / "examples/extensions/kubernetes"
QUICKSTART = ROOT / "examples/kubernetes/quickstart.yaml"
SERVICE = BUILD / "examples/extensions/ext-proc-model"

rig: KubeRig


def setUpModule() -> None:
    global rig
    rig = unittest.enterModuleContext(KubeRig())
    rig.install()


class ExtProcTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        allow_backends(rig)
        rig.image(image_in(EXAMPLE / "sidecar.yaml", "ext-proc-model"), "ext-proc-model", SERVICE)
        rig.inside(EXAMPLE / "certificates.sh")
        rig.apply(QUICKSTART)
        rig.kubectl("rollout", "status", "deployment/backend", "-n", "default", "--timeout=60s", timeout=90)

    def tearDown(self) -> None:
        for file in ("gateway", "host-path", "sidecar"):
            rig.kubectl("delete", "--ignore-not-found", "-f", EXAMPLE / f"{file}.yaml")
        rig.wait("Envoy's pods are gone", lambda: not self.pods(), 90)

    @staticmethod
    def pods() -> list[Object]:
        """Those of Envoy."""
        return json.loads(rig.kubectl("get", "pods", "-n", NAMESPACE, "-l", "gateway.envoyproxy.io/owning-gateway-name=models",
                                      "-o", "json"))["items"]

    def start(self, where: str) -> None:
        rig.apply(EXAMPLE / f"{where}.yaml", EXAMPLE / "gateway.yaml")
        self.address = address_of(rig, "models")
        rig.wait("requests are answered", lambda: self.ask("good")[0] == 200, 90)

    def ask(self, model: str) -> tuple[int, str | None]:
        """The status, and the header that the backend got."""
        said = rig.inside("curl", "-s", "-m", "5", "-w", "\n%{http_code}", "-H", "x-model: forged", "-d", json.dumps({"model": model}),
                          f"http://{self.address}/", check=False)
        body, _, status = said.rpartition("\n")
        if status != "200":
            return int(status or 0), None
        return 200, (json.loads(body)["headers"].get("X-Model") or [None])[0]

    def names_and_forbids(self) -> None:
        self.assertEqual(self.ask("gpt-4"), (200, "gpt-4"))
        self.assertEqual(self.ask("gpt-secret"), (403, None))

    def test_a_service_beside_envoy_in_its_pod_is_asked(self) -> None:
        self.start("sidecar")
        self.assertIn("model-service", [each["name"] for each in self.pods()[0]["spec"]["initContainers"]])
        self.names_and_forbids()

    def test_a_service_once_on_each_node_is_asked(self) -> None:
        self.start("host-path")
        self.names_and_forbids()

    def test_a_service_on_the_node_that_starts_again_is_asked_again(self) -> None:
        self.start("host-path")
        rig.kubectl("rollout", "restart", "daemonset/model-service", "-n", NAMESPACE)
        rig.kubectl("rollout", "status", "daemonset/model-service", "-n", NAMESPACE, "--timeout=60s", timeout=90)
        rig.wait("it is asked", lambda: self.ask("gpt-4") == (200, "gpt-4"), 30)

    def test_a_service_that_does_not_know_envoys_certificate_is_not_asked(self) -> None:
        stranger = ("cd $(mktemp -d) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj /CN=x "
                    "-out tls.crt -keyout tls.key 2>/dev/null && kubectl create secret tls model-client -n default --cert=tls.crt "
                    "--key=tls.key --dry-run=client -o yaml | kubectl apply -f -")
        self.addCleanup(rig.inside, EXAMPLE / "certificates.sh")
        rig.inside("bash", "-c", stranger)
        rig.apply(EXAMPLE / "sidecar.yaml", EXAMPLE / "gateway.yaml")
        self.address = address_of(rig, "models")
        rig.wait("requests are refused", lambda: self.ask("gpt-4")[0] == 500, 30)


if __name__ == "__main__":
    run_kube_tests()
