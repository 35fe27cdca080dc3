#!/usr/bin/python3
"""Servers of modules and registries that lie: what the policy is told, what its requests see, and that nobody else
notices."""

from __future__ import annotations

import hashlib
import http.server
import json
import sys
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("rig", "wasm_registry")]

import gateway  # noqa: E402
from examples import BUILT, FORMS, find  # noqa: E402
from registry import OCI_MANIFEST, WASM_LAYER, tar_gz  # noqa: E402
from rig import Object, Rig, request, run_tests, wait_for  # noqa: E402

MODULE = (BUILT / "wasm-cpp.wasm").read_bytes()
OTHER_DIGEST = "0" * 64
BOMB_SIZE = 1 << 26


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(layer: bytes, size: int | None = None, of: bytes | None = None) -> bytes:
    """Of an artifact with this layer; `size` and `of` are what it says of it instead."""
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                       "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
                       "layers": [{"mediaType": WASM_LAYER, "digest": digest(of or layer),
                                   "size": len(layer) if size is None else size}]}).encode()


class Server(http.server.ThreadingHTTPServer):
    """What it answers, `paths` say: bytes, or a function of the handler."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server_port}"
        self.stop = threading.Event()
        self.paths: dict[str, bytes | Callable[[Handler], None]] = {
            "/good": MODULE,
            "/html": b"<!DOCTYPE html><html><body>Please log in</body></html>",
            "/cut": MODULE[:len(MODULE) // 2],
            "/bomb": tar_gz("plugin.wasm", bytes(BOMB_SIZE)),
            "/short": lambda to: to.answer(MODULE, length=2 * len(MODULE)),
            "/endless": lambda to: to.pour(length=1 << 40),
            "/hang": lambda _: self.stop.wait(),
            "/loop": lambda to: to.redirect("/loop"),
            "/metadata": lambda to: to.redirect("http://169.254.169.254/latest/meta-data"),
            "/elsewhere": lambda to: to.redirect("file:///etc/passwd"),
            "/teapot": lambda to: to.answer(b"no", status=418),
            "/v2/": b"{}",
        }

    def handle_error(self, *_: Any) -> None:
        pass  # clients that have had enough

    def add_image(self, name: str, listed: bytes, layer: bytes, layer_digest: str) -> None:
        self.paths[f"/v2/{name}/manifests/v1"] = lambda to: to.answer(listed, kind=OCI_MANIFEST)
        self.paths[f"/v2/{name}/blobs/{layer_digest}"] = layer


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def answer(self, body: bytes, status: int = 200, length: int | None = None, kind: str = "application/wasm") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def pour(self, length: int) -> None:
        """Until the client has enough."""
        self.answer(b"", length=length)
        while not self.server.stop.is_set():
            self.wfile.write(bytes(1 << 20))

    def redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("location", location)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        it = self.server.paths.get(self.path)
        if callable(it):
            it(self)
        else:
            self.answer(it or b"", 404 if it is None else 200)

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass


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
    }

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.backend = self.rig.echo("blue").addresses["blue"]
        self.server = Server()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.stop.set)
        self.addCleanup(self.server.shutdown)

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
        self.start({f"{name}.test": self.image(f"{name}.test", name) for name in self.IMAGES})
        self.assert_told({f"{name}.test": words for name, words in self.IMAGES.items()})

    def test_a_server_that_hangs_holds_up_nobody(self) -> None:
        self.start({f"{i}.hang.test": self.objects(f"{i}.hang.test", "hang") for i in range(3)})
        for i in range(3):
            self.assertEqual(self.gateway.condition(f"{i}.hang.test")["reason"], "Pending")
            self.assertEqual(self.status(f"{i}.hang.test"), 503)
        self.assertEqual([self.status("good.test"), self.status("plain.test")], [200, 200])

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
