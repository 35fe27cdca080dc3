#!/usr/bin/python3
"""Servers of modules and registries that lie: what the policy is told, what its requests see, and that nobody else
notices."""

from __future__ import annotations

import hashlib
import json
import ssl
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("rig", "wasm_registry")]

import gateway  # noqa: E402
from examples import BUILT, FORMS, find  # noqa: E402
from hostile_server import Server  # noqa: E402
from registry import OCI_MANIFEST, OCI_TAR, WASM_LAYER, tar_gz  # noqa: E402
from rig import Object, Rig, make_certificate, request, run_tests, wait_for  # noqa: E402

MODULE = (BUILT / "wasm-cpp.wasm").read_bytes()
OTHER_DIGEST = "0" * 64
BOMB_SIZE = 1 << 26


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(layer: bytes, size: int | None = None, of: bytes | None = None, kind: str = WASM_LAYER) -> bytes:
    """Of an artifact with this layer; `size` and `of` are what it says of it instead."""
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                       "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
                       "layers": [{"mediaType": kind, "digest": digest(of or layer),
                                   "size": len(layer) if size is None else size}]}).encode()


class HostileServers(unittest.TestCase):
    # What of the server is asked for, and what the policy is told.
    FILES = {
        "html": "HTML",
        "bomb": "bomb|times its size|unpack",
        "short": "ends|closed|incomplete|less than|broke off",
        "endless": "larger|more than|limit|MiB",
        "loop": "redirects",
        "metadata": "169\\.254\\.169\\.254|link-local|refused",
        "elsewhere": "redirects",
        "teapot": "418",
    }
    IMAGES = {
        "another-layer": "SHA-256|digest",
        "larger-layer": "sent more",
        "no-manifest": "JSON|manifest|HTML",
        "missing-layer": "404|not there|no ",
        "cut-layer": "broke off",
        "bomb": "times its size",
        "loop": "redirects",
        "metadata": "169\\.254\\.169\\.254",
    }

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.backend = self.rig.echo("blue").addresses["blue"]
        self.server = Server(MODULE)
        self.server.paths["/bomb"] = tar_gz("plugin.wasm", bytes(BOMB_SIZE))
        self.addCleanup(self.server.end)

    def objects(self, route: str, path: str, **more: Any) -> list[Object]:
        objects = FORMS["wasm-cpp"].objects(route, {}, f"http://{self.server.host}/{path}")
        wasm = find(objects, "EnvoyExtensionPolicy")["spec"]["wasm"][0]
        wasm["code"]["http"].update(more)
        return objects

    def image(self, route: str, name: str) -> list[Object]:
        objects = FORMS["wasm-cpp"].objects(route, {})
        find(objects, "EnvoyExtensionPolicy")["spec"]["wasm"][0]["code"] = {
            "type": "Image", "image": {"url": f"{self.server.host}/{name}:v1"}}
        return objects

    def start(self, routes: dict[str, list[Object]]) -> None:
        self.gateway = gateway.start(
            self.rig, self.backend, {**routes, "good.test": self.objects("good.test", "good"), "plain.test": []},
            until_there=["good.test"])

    def status(self, route: str) -> int:
        return request(self.gateway.url, route, "POST", body=b'{"model": "m"}').status

    def assert_told(self, routes: dict[str, str]) -> None:
        """Each route answers 503, and its policy says why; the others go on."""
        for route, words in routes.items():
            with self.subTest(route):
                condition = wait_for(lambda: (c := self.gateway.condition(route)).get("reason") == "Invalid" and c,
                                     f"{route} is told", 30, every=0.1)
                self.assertEqual(condition["status"], "False")
                self.assertRegex(condition["message"], words)
                self.assertEqual(self.status(route), 503)
                self.assertEqual([self.status("good.test"), self.status("plain.test")], [200, 200])

    def test_a_module_server_that_lies_is_named_and_answered_for_with_503(self) -> None:
        routes = {f"{path}.test": self.objects(f"{path}.test", path) for path in self.FILES}
        routes["digest.test"] = self.objects("digest.test", "good?digest", sha256=OTHER_DIGEST)
        self.server.paths["/good?digest"] = MODULE
        self.start(routes)
        self.assert_told({**{f"{path}.test": words for path, words in self.FILES.items()},
                          "digest.test": OTHER_DIGEST})

    def test_a_registry_that_lies_is_named_and_answered_for_with_503(self) -> None:
        other = MODULE + b"\0"
        self.server.add_image("another-layer", manifest(MODULE), MODULE[:-1] + b"?", digest(MODULE))
        self.server.add_image("larger-layer", manifest(other, size=len(MODULE)), other, digest(other))
        self.server.add_image("no-manifest", b"<!DOCTYPE html><html></html>", MODULE, digest(MODULE))
        self.server.add_image("missing-layer", manifest(MODULE), MODULE, digest(b"another"))
        self.server.add_image("cut-layer", manifest(MODULE), lambda to: to.answer(MODULE[:99], length=len(MODULE)),
                              digest(MODULE))
        bomb = tar_gz("plugin.wasm", bytes(BOMB_SIZE))
        self.server.add_image("bomb", manifest(bomb, kind=OCI_TAR), bomb, digest(bomb))
        self.server.paths["/v2/loop/manifests/v1"] = lambda to: to.redirect("/v2/loop/manifests/v1")
        self.server.add_image("metadata", manifest(MODULE), lambda to: to.redirect("http://169.254.169.254/layer"),
                              digest(MODULE))
        self.start({f"{name}.test": self.image(f"{name}.test", name) for name in self.IMAGES})
        self.assert_told({f"{name}.test": words for name, words in self.IMAGES.items()})

    def test_a_server_or_registry_that_hangs_holds_up_nobody(self) -> None:
        self.server.paths["/v2/hang/manifests/v1"] = self.server.paths["/hang"]
        routes = {f"{i}.hang.test": self.objects(f"{i}.hang.test", "hang") for i in range(3)}
        routes["image.hang.test"] = self.image("image.hang.test", "hang")
        self.start(routes)
        for route in routes:
            self.assertEqual(self.gateway.condition(route)["reason"], "Pending")
            self.assertEqual(self.status(route), 503)
        self.assertEqual([self.status("good.test"), self.status("plain.test")], [200, 200])

    def test_a_server_that_is_trusted_by_nobody_is_refused_until_the_policy_trusts_it(self) -> None:
        make_certificate(self.rig.folder, ["localhost"], 1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.rig.folder / "1.crt", self.rig.folder / "1.key")
        server = Server(MODULE, context)
        self.addCleanup(server.end)
        url = f"https://localhost:{server.server_port}/good"
        authority = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "default"},
                     "data": {"ca.crt": (self.rig.folder / "1.crt").read_text()}}
        trusts = {"caCertificateRef": {"group": "", "kind": "ConfigMap", "name": "ca"}}
        self.start({"private.test": self.objects("private.test", "", url=url)})
        self.assert_told({"private.test": "is not trusted"})
        self.gateway.write("private.test", [*self.objects("private.test", "", url=url, tls=trusts), authority])
        wait_for(lambda: self.status("private.test") == 200, "the module is there", 15, every=0.1)

    def test_a_server_that_is_mended_mends_the_route(self) -> None:
        self.start({"html.test": self.objects("html.test", "html")})
        self.assert_told({"html.test": "HTML"})
        self.server.paths["/html"] = MODULE
        wait_for(lambda: self.status("html.test") == 200, "the module is there", 15, every=0.1)
        wait_for(lambda: self.gateway.condition("html.test")["status"] == "True", "its status says so")

    def test_a_module_that_is_cut_is_refused_alone(self) -> None:
        self.start({"cut.test": self.objects("cut.test", "cut")})
        wait_for(lambda: self.gateway.condition("cut.test").get("reason") in ("Invalid", "RejectedByProxy"),
                 "cut.test is told", 30, every=0.1)
        self.assertIn(self.status("cut.test"), (500, 503))
        self.assertEqual([self.status("good.test"), self.status("plain.test")], [200, 200])


if __name__ == "__main__":
    run_tests()
