#!/usr/bin/python3
"""The talk that this project follows: what `sluice check` says of its nine manifests as they stand on the slides, slips
included, and that they run once they are mended as it says."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / f"test/{folder}") for folder in ("rig", "extensions", "wasm_registry")]

from examples import BUILT, ExtProc  # noqa: E402
from gateway import url_of  # noqa: E402
from registry import Layout, Registry  # noqa: E402
from rig import (  # noqa: E402
    ENVOY_GATEWAY, GATEWAY_API, SLUICE, Answer, Object, Rig, an_object, backend_ref, ca_map, endpoint_slice,
    envoy_proxy_ref, gateway_class, http_listener, http_route, make_certificate, path_rule, request, run_tests, service,
    tls_secret, wait_for)

TALK = ROOT.parent / "shared/examples/talk"
SLIDES = {path.name[:2]: path for path in sorted(TALK.glob("0*.yaml"))}


# ---- what is wrong with them ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Slip:
    slide: str
    at: str  # this stands where the problem is
    code: str
    words: str  # of the message and the suggestion
    nth: int = 0

    def place(self) -> tuple[str, int, int, str]:
        text = SLIDES[self.slide].read_text()
        offset = [match.start() for match in re.finditer(re.escape(self.at), text)][self.nth]
        line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
        return SLIDES[self.slide].name, line, column, self.code


# As the README beside the manifests has them, slide by slide.
SLIPS = [
    Slip("02", "targetRef:", "support/deprecated-field", "write `targetRefs: ["),
    Slip("02", "746df05c", "value/sha256", "has 40"),
    Slip("02", "sha256: a1efca12", "schema/unknown-field",
         "belongs one level up, beside `spec.wasm[1].code.image.pullSecretRef`"),
    Slip("02", "a1efca12", "value/sha256", "has 40"),
    Slip("03", "sha256: a1efca12", "schema/unknown-field",
         "belongs one level up, beside `spec.wasm[1].code.image.pullSecretRef`"),
    Slip("03", "a1efca12", "value/sha256", "has 44"),
    Slip("04", "apiVersion", "conflict/duplicate", "03-wasm-oci.yaml:1 comes first"),
    Slip("04", "746df05c", "value/sha256", "has 44"),
    Slip("05", "targetRef:", "support/deprecated-field", "write `targetRefs: ["),
    Slip("05", "Name:", "schema/unknown-field", "did you mean `name`?"),
    Slip("05", "Port:", "schema/unknown-field", "did you mean `port`?"),
    Slip("05", "failedOpen", "schema/unknown-field", "did you mean `failOpen`?"),
    Slip("07", "processingMode", "schema/unknown-field", "belongs one level deeper, inside `extProc[0]`"),
    Slip("07", "backendSettings", "schema/unknown-field", "belongs one level deeper, inside `extProc[0]`"),
    Slip("07", "timeout", "schema/unknown-field", "inside `extProc[0].backendSettings`"),
    Slip("08", "gateway.networking.k8s.io/v1alpha3", "support/deprecated-version",
         "write `apiVersion: gateway.networking.k8s.io/v1`"),
    Slip("08", "validation:", "schema/required", "add `hostname`"),
    Slip("08", "name: grpc-ext-proc-ca", "schema/required", "add `group: \"\"`"),
    Slip("08", "name: grpc-ext-proc-ca", "schema/required", "add `kind: ConfigMap`"),
    Slip("09", "pod:", "schema/unknown-field", "belongs one level deeper, inside `envoyDeployment`"),
    Slip("09", "backendTLS:", "schema/unknown-field", "belongs two levels up, beside `spec.provider`"),
]


class Slides(unittest.TestCase):
    def test_check_finds_every_slip_in_its_place_with_what_mends_it_and_nothing_else(self) -> None:
        done = subprocess.run([SLUICE, "check", "-o", "json", "-f", TALK], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        said = [(Path(each["file"]).name, each["line"], each["column"], each["code"],
                 f"{each['message']}; {each['suggestion']}") for each in json.loads(done.stdout)]
        self.assertEqual(sorted(each[:4] for each in said), sorted(slip.place() for slip in SLIPS))
        for slip in SLIPS:
            with self.subTest(slip):
                self.assertTrue(any(each[:4] == slip.place() and slip.words in each[4] for each in said),
                                [each for each in said if each[:4] == slip.place()])


# ---- mended, they run -------------------------------------------------------------------------------

# What of each slide is written otherwise: the slips, as `check` says, and then what on the slides stands for something of
# the reader's own.
MENDED: dict[str, list[tuple[str, str]]] = {
    "02": [("  targetRef:\n    group: gateway.networking.k8s.io\n    kind: Gateway\n    name: my-gateway",
            "  targetRefs:\n  - group: gateway.networking.k8s.io\n    kind: Gateway\n    name: my-gateway"),
           ("            name: my-pull-secret\n            sha256:", "            name: my-pull-secret\n          sha256:"),
           ("746df05c8f3a0b07a46c0967cfbc5cbe5b9d48d0", "{module}"),
           ("a1efca12ea51069abb123bf9c77889fcc2a31cc5", "{image}"),
           ("https://www.example.com/wasm-filter-1.wasm", "{url}"), ("www.example.com", "{registry}")],
    "03": [("          name: my-pull-secret\n          sha256:", "          name: my-pull-secret\n        sha256:"),
           ("a1efca12ea51069abb123bf9c77889fcc2a31cc5483f", "{image}"),
           ("url: zhaohuabing/testwasm:v0.0.1",
            "url: {registry}/zhaohuabing/testwasm:v0.0.1\n        pullSecretRef: {{name: my-pull-secret}}"),
           ("my.private.registry", "{registry}")],
    "04": [("name: wasm-test", "name: wasm-test-http"), ("    name: backend", "    name: backend-http"),
           ("746df05c8f3a0b07a46c0967cfbc5cbe5b9d48d0f79f", "{module}"),
           ("https://www.example.com/wasm-filter-1.wasm", "{url}")],
    "05": [("  targetRef:\n    group: gateway.networking.k8s.io\n    kind: HTTPRoute",
            "  targetRefs:\n  - group: gateway.networking.k8s.io\n    kind: HTTPRoute"),
           ("Name:", "name:"), ("Port:", "port:"), ("failedOpen", "failOpen")],
    "06": [("/var/run/ext-proc/extproc.sock", "{socket}")],
    "07": [("  processingMode:\n    request: {}\n    response: {}\n",
            "      processingMode:\n        request: {{}}\n        response: {{}}\n"),
           ("  backendSettings:\n    healthCheck:\n      active:\n        healthyThreshold: 1\n        type: GRPC\n"
            "    circuitBreaker:\n      maxConnections: 2048\n  timeout:\n    tcp:\n      connectTimeout: 15s",
            "      backendSettings:\n        healthCheck:\n          active:\n            healthyThreshold: 1\n"
            "            type: GRPC\n        circuitBreaker:\n          maxConnections: 2048\n        timeout:\n"
            "          tcp:\n            connectTimeout: 15s")],
    "08": [("v1alpha3", "v1"), ("  validation:\n", "  validation:\n    hostname: extproc.test\n"),
           ("      - name: grpc-ext-proc-ca", "      - name: grpc-ext-proc-ca\n        group: \"\"\n        kind: ConfigMap")],
    "09": [("      pod:\n        volumes:\n          - name: socket-dir\n            hostPath:\n"
            "              path: /var/run/ext-proc\n              type: \"\"\n",
            "        pod:\n          volumes:\n          - name: socket-dir\n            hostPath:\n"
            "              path: /var/run/ext-proc\n              type: \"\"\n"),
           ("      backendTLS:\n        clientCertificateRef:\n          kind: Secret\n          name: example-client-cert",
            "  backendTLS:\n    clientCertificateRef:\n      kind: Secret\n      name: example-client-cert")],
}
FORBIDDEN = {"forbidden": ["bad"]}


class Mended(unittest.TestCase):
    """All nine at once: the policy of slide 02 on a Gateway of its own, whose class has the EnvoyProxy of slide 01; the
    others on a Gateway with the EnvoyProxy of slide 09."""

    def setUp(self) -> None:
        self.rig = rig = self.enterContext(Rig())
        backend = rig.echo("blue").addresses["blue"]
        folder = rig.folder
        make_certificate(folder, ["extproc.test"], 1)
        make_certificate(folder, ["gateway.test"], 2)
        pem = {name: (folder / name).read_text() for name in ("1.crt", "2.crt", "2.key")}
        self.service = ExtProc(rig, FORBIDDEN)
        self.on_socket = ExtProc(rig, {}, f"unix:{folder}/extproc.sock", "--certificate", folder / "1.crt", "--key",
                                 folder / "1.key", "--client-ca", folder / "2.crt")
        registry = Registry(rig)
        module = (BUILT / "wasm-cpp.wasm").read_bytes()
        layout = Layout(rig.path("image"))
        image = layout.artifact(module)
        for name in ("wasm-filter-2:v1.0.0", "zhaohuabing/testwasm:v0.0.1"):
            registry.push(layout, name)
        self.values = {"module": hashlib.sha256(module).hexdigest(), "image": image.removeprefix("sha256:"),
                       "url": url_of(BUILT / "wasm-cpp.wasm"), "registry": registry.host,
                       "socket": f"{folder}/extproc.sock"}
        self.resources = rig.resources()
        for slide, path in SLIDES.items():
            self.resources.write(path.name, self.mended(slide, self.values))
        self.ports = {"my-gateway": rig.port(), "web": rig.port()}
        login = an_object("v1", "Secret", "my-pull-secret", type="kubernetes.io/dockerconfigjson",
                          stringData={".dockerconfigjson": registry.docker_config()})
        ext_proc_port = int(self.service.address.rpartition(":")[2])
        own: list[Object] = [
            service("backend"), endpoint_slice("backend", "backend", backend[1]), login,
            service("my-ext-proc-svc", 8000), endpoint_slice("my-ext-proc-svc", "my-ext-proc-svc", ext_proc_port)]
        routes = ["backend", "backend-http", "httproute-1", "http-with-extproc-uds-tls", "plain"]
        first = gateway_class("ordered")
        first["spec"]["parametersRef"] = {"group": ENVOY_GATEWAY, "kind": "EnvoyProxy", "name": "custom-proxy-config",
                                          "namespace": "envoy-gateway-system"}
        self.resources.write("own.yaml", [
            first, gateway_class(), self.gateway("my-gateway", "envoy-gateway", "ordered"),
            self.gateway("web", "default", "sluice", {"infrastructure": {"parametersRef": envoy_proxy_ref("proxy-config")}}),
            *own, *(self.moved(each) for each in own),
            *(http_route(name, [f"{name}.test"], [path_rule("/", backend_ref("backend"))]) for name in routes),
            self.moved(http_route("all", ["all.test"], [path_rule("/", backend_ref("backend"))], parent="my-gateway")),
            ca_map("grpc-ext-proc-ca", pem["1.crt"]), tls_secret("example-client-cert", pem["2.crt"], pem["2.key"])])

    @staticmethod
    def mended(slide: str, values: dict[str, str]) -> str:
        text = SLIDES[slide].read_text()
        for before, after in MENDED.get(slide, []):
            if before not in text:
                raise ValueError(f"slide {slide} has no {before!r}")
            text = text.replace(before, after.format(**values))
        objects = list(yaml.safe_load_all(text))
        for each in objects:
            if wasm := each.get("spec", {}).get("wasm"):  # what the module of the examples wants
                each["metadata"]["annotations"] = {"sluice.dev/wasm-body-behind-held-headers": "true"}
                for module in wasm:
                    module["config"] = FORBIDDEN
        return yaml.safe_dump_all(objects)

    def gateway(self, name: str, namespace: str, class_name: str, more: Object = {}) -> Object:
        return an_object(GATEWAY_API, "Gateway", name, namespace, spec={
            "gatewayClassName": class_name, "listeners": [http_listener("http", self.ports[name])], **more})

    @staticmethod
    def moved(each: Object) -> Object:
        return {**each, "metadata": {**each["metadata"], "namespace": "envoy-gateway"}}

    def ask(self, host: str, model: str = "good", at: str = "web", **headers: str) -> Answer:
        return request(f"http://127.0.0.1:{self.ports[at]}/", host, "POST", headers, json.dumps({"model": model}).encode())

    def model_at_backend(self, answer: Answer) -> Any:
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["headers"].get("x-model")

    @staticmethod
    def filters_of(folder: Path, key: str) -> list[str]:
        """The types of the HTTP filters of a proxy, in their order."""
        listeners = json.loads((folder / "xds" / f"{key}.json").read_text())["listeners"]
        return re.findall(r'"name": "envoy\.filters\.http\.(\w+)', json.dumps(listeners))

    def test_they_say_nothing_to_check_and_run(self) -> None:
        checked = subprocess.run([SLUICE, "check", "-f", self.resources.folder], capture_output=True, text=True, timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

        sluice = self.rig.sluice(self.resources)
        commit = sluice.wait_line(lambda line: line.message == "commit", "its first commit")
        sluice.wait_acknowledged(commit, ("default/web", "envoy-gateway/my-gateway"), seconds=60)

        def all_accepted() -> bool:
            statuses = sluice.run_dir / "status.yaml"
            policies = [each for each in (yaml.safe_load(statuses.read_text()) if statuses.exists() else None) or []
                        if each["kind"] in ("EnvoyExtensionPolicy", "BackendTLSPolicy")]
            return len(policies) == 6 and all(
                condition["status"] == "True" for each in policies for ancestor in each["status"]["ancestors"]
                for condition in ancestor["conditions"] if condition["type"] == "Accepted")

        wait_for(all_accepted, "all policies are in force", 60, every=0.1)
        # The images of slide 03, the file of slide 04, and both of slide 02.
        for host, at in (("backend.test", "web"), ("backend-http.test", "web"), ("all.test", "my-gateway")):
            with self.subTest(host):
                wait_for(lambda: self.ask(host, at=at).status == 200, f"{host} is served", 30, every=0.1)
                self.assertEqual(self.model_at_backend(self.ask(host, at=at)), "good")
        # The service of slide 05 gets the bodies.
        self.assertEqual(self.model_at_backend(self.ask("httproute-1.test")), "good")
        self.assertEqual(self.ask("httproute-1.test", "bad").status, 403)
        # That of slides 06 to 09 gets the headers, over its socket, by mutual TLS, and takes away what is not the client's.
        secured = "http-with-extproc-uds-tls.test"
        self.assertIsNone(self.model_at_backend(self.ask(secured, **{"x-model": "forged"})))
        self.assertEqual(self.model_at_backend(self.ask("plain.test", **{"x-model": "mine"})), "mine")
        self.on_socket.kill()
        wait_for(lambda: self.ask(secured).status == 500, "requests are refused without the service")
        # It fails open.
        self.service.kill()
        wait_for(lambda: self.ask("httproute-1.test", "bad").status == 200, "requests pass without the service")

    def test_the_filters_are_in_the_order_of_slide_01(self) -> None:
        module = {"path": str(BUILT / "wasm-cpp.wasm"), "sha256": self.values["module"]}
        options, output = self.rig.path("options.yaml"), self.rig.path("translated")
        options.write_text(json.dumps({"wasmModules": {
            url: module for url in (self.values["url"], f"oci://{self.values['registry']}/wasm-filter-2:v1.0.0",
                                    f"{self.values['registry']}/zhaohuabing/testwasm:v0.0.1")}}))
        subprocess.run([SLUICE, "translate", "-f", self.resources.folder, "--options", options, "--output", output],
                       check=True, capture_output=True, timeout=60)
        # Rate limits are decided behind WebAssembly, and that runs behind external processing by default.
        for key, first, second in (("envoy-gateway__my-gateway", "wasm", "ext_proc"), ("default__web", "ext_proc", "wasm")):
            order = self.filters_of(output, key)
            self.assertLess(len(order) - 1 - order[::-1].index(first), order.index(second), order)


if __name__ == "__main__":
    if not TALK.exists():
        print("talk: left out, for there is no ../shared")
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    run_tests()
