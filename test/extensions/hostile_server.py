"""A server of modules and images that lies, hangs and pours."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable
from typing import Any

from registry import OCI_MANIFEST


class Server(http.server.ThreadingHTTPServer):
    """What it answers, `paths` say: bytes, or a function of the handler."""

    daemon_threads = True

    def __init__(self, module: bytes, tls: ssl.SSLContext | None = None) -> None:
        """`module`: what it is good for."""
        super().__init__(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server_port}"
        self.stop = threading.Event()
        self.paths: dict[str, bytes | Callable[[Handler], None]] = {
            "/good": module,
            "/html": b"<!DOCTYPE html><html><body>Please log in</body></html>",
            "/cut": module[:len(module) // 2],
            "/short": lambda to: to.answer(module, length=2 * len(module)),
            "/endless": lambda to: to.pour(length=1 << 40),
            "/hang": lambda _: self.stop.wait(),
            "/loop": lambda to: to.redirect("/loop"),
            "/metadata": lambda to: to.redirect("http://169.254.169.254/latest/meta-data"),
            "/elsewhere": lambda to: to.redirect("file:///etc/passwd"),
            "/teapot": lambda to: to.answer(b"no", status=418),
            "/v2/": b"{}",
        }

        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.stop.set()
        self.shutdown()

    def handle_error(self, *_: Any) -> None:
        pass  # clients that have had enough

    def add_image(self, name: str, listed: bytes, layer: bytes | Callable[[Handler], None], layer_digest: str) -> None:
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
