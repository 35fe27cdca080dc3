"""EnvoyProxy's telemetry: access logs, traces and metrics, and who gets them. Gateways of its own, for an EnvoyProxy is
for all of a proxy."""

from __future__ import annotations

import http.server
import json
import socket
import struct
import threading
import unittest

from feature import Feature, Stage
from rig import (Object, backend_ref, envoy_proxy, envoy_proxy_ref, gateway, http_listener, http_route, own_backend,
                 own_backend_ref, request, wait_for)


class Zipkin(http.server.BaseHTTPRequestHandler):
    """Keeps the spans that it gets, in `spans` of its server."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = b""
        while size := int(self.rfile.readline(), 16):  # Envoy sends it in chunks
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.server.spans += json.loads(body)
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Collector:
    """As much of a gRPC server as takes what it is told and says that it is fine. What it was told is in `told`, as the
    bytes of messages: OpenTelemetry's and Envoy's have their texts as they are."""

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8

    def __init__(self) -> None:
        self.told = b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.server.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    @staticmethod
    def _literal(name: bytes, value: bytes) -> bytes:
        return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            if stream.read(len(self.PREFACE)) != self.PREFACE:
                return
            connection.sendall(self._frame(self.SETTINGS, 0, 0))
            while head := stream.read(9):
                length = int.from_bytes(head[:3], "big")
                kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
                payload = stream.read(length)
                if kind == self.SETTINGS and not flags & 1:
                    connection.sendall(self._frame(self.SETTINGS, 1, 0))
                elif kind == self.PING and not flags & 1:
                    connection.sendall(self._frame(self.PING, 1, 0, payload))
                elif kind == self.DATA:
                    self.told += payload
                    for of in (0, number):
                        if length:
                            connection.sendall(self._frame(self.WINDOW_UPDATE, 0, of, struct.pack(">I", length)))
                if kind in (self.DATA, self.HEADERS) and flags & 1:
                    # :status is 200; an empty message; grpc-status is 0.
                    head_block = b"\x88" + self._literal(b"content-type", b"application/grpc")
                    connection.sendall(self._frame(self.HEADERS, 4, number, head_block)
                                       + self._frame(self.DATA, 0, number, b"\0\0\0\0\0")
                                       + self._frame(self.HEADERS, 5, number, self._literal(b"grpc-status", b"0")))


zipkin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Zipkin)
zipkin.spans = []
collectors = {name: Collector() for name in ("logs", "als", "traces", "metrics")}
ports: dict[str, int] = {}


def place(name: str, port: int, *protocols: str) -> Object:
    return own_backend(f"telemetry-{name}", endpoints=[{"ip": {"address": "127.0.0.1", "port": port}}],
                       **({"appProtocols": list(protocols)} if protocols else {}))


def collector(name: str) -> Object:
    return {"backendRefs": [own_backend_ref(f"telemetry-{name}")]}


def a_gateway(stage: Stage, name: str, telemetry: Object) -> list[Object]:
    ports[name] = stage.rig.port()
    made = gateway([http_listener("http", ports[name])], name)
    made["spec"]["infrastructure"] = {"parametersRef": envoy_proxy_ref(name)}
    route = http_route(name, [f"{name}.example"], [
        {"name": "all", "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
         "backendRefs": [backend_ref("blue")]}], parent=name)
    return [made, envoy_proxy(name, telemetry=telemetry), route]


def log_file(stage: Stage, name: str) -> str:
    return str(stage.rig.path(f"telemetry-{name}.log"))


def text(stage: Stage, name: str, words: str, **rest: object) -> Object:
    """A setting that has these words in a file."""
    return {"format": {"type": "Text", "text": words + "\n"},
            "sinks": [{"type": "File", "file": {"path": log_file(stage, name)}}], **rest}


def files_objects(stage: Stage) -> list[Object]:
    threading.Thread(target=zipkin.serve_forever, daemon=True).start()
    served = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%"
    return [place("zipkin", zipkin.server_port), place("metrics", collectors["metrics"].port)] + a_gateway(
        stage, "telemetry-files", {
            "accessLog": {"settings": [
                text(stage, "served", served),
                text(stage, "errors", served, matches=["response.code >= 400"]),
                text(stage, "attempts", "%REQ(:PATH)% %UPSTREAM_HOST%", type="Upstream"),
                {"format": {"type": "JSON", "json": {"path": "%PATH(NQ)%", "code": "%RESPONSE_CODE%"}},
                 "sinks": [{"type": "File", "file": {"path": log_file(stage, "json")}}], "type": "Route"}]},
            "tracing": {
                "provider": {"type": "Zipkin", **collector("zipkin"), "zipkin": {"enable128BitTraceId": True}},
                "samplingRate": 100, "customTags": {"who": {"type": "RequestHeader", "requestHeader": {
                    "name": "x-who", "defaultValue": "nobody"}}},
                "tags": {"path": "%REQ(:PATH)%"}, "spanName": {"client": "in %REQ(:PATH)%", "server": "out"}},
            "metrics": {"sinks": [{"type": "OpenTelemetry", "openTelemetry": {
                **collector("metrics"), "resourceAttributes": {"site": "attic"}}}],
                "clusterStatName": "%ROUTE_NAMESPACE%-%ROUTE_NAME%-%ROUTE_RULE_NAME%",
                "enableVirtualHostStats": True, "enableRequestResponseSizesStats": True}})


def ask(name: str, path: str, **options: object) -> None:
    request(f"http://127.0.0.1:{ports[name]}{path}", f"{name}.example", **options)


def lines_of(stage: Stage, name: str) -> list[str]:
    """Envoy writes what it logs every ten seconds at the latest."""
    file = stage.rig.path(f"telemetry-{name}.log")
    return file.read_text().splitlines() if file.exists() else []


def check_files(stage: Stage, test: unittest.TestCase) -> None:
    ask("telemetry-files", "/logged?q=1", headers={"x-who": "me"})
    request(f"http://127.0.0.1:{ports['telemetry-files']}/nowhere", "unknown.example")

    def logged(name: str, line: str) -> None:
        wait_for(lambda: line in lines_of(stage, name), f"`{line}` in the log {name}", seconds=15, every=0.1)

    logged("served", "GET /logged?q=1 200")
    logged("served", "GET /nowhere 404")
    logged("errors", "GET /nowhere 404")
    test.assertNotIn("GET /logged?q=1 200", lines_of(stage, "errors"))
    blue = ":".join(str(part) for part in stage.addresses["blue"])
    logged("attempts", f"/logged?q=1 {blue}")
    wait_for(lambda: {"path": "/logged", "code": 200} in [json.loads(line) for line in lines_of(stage, "json")],
             "the object in the log", seconds=15, every=0.1)

    def span() -> Object | None:
        return next((span for span in zipkin.spans if span["name"] == "in /logged?q=1"), None)

    found = wait_for(span, "the span of the request", seconds=15, every=0.1)
    test.assertEqual((found["tags"]["who"], found["tags"]["path"], len(found["traceId"])), ("me", "/logged?q=1", 32))

    # Envoy sends its metrics every five seconds.
    for words in (b"attic", b"default-telemetry-files-all", b"telemetry-files_example", b"upstream_rq_body_size"):
        wait_for(lambda: words in collectors["metrics"].told, f"{words} among the metrics", seconds=20, every=0.1)


def collectors_objects(stage: Stage) -> list[Object]:
    return [place(name, collectors[name].port) for name in ("logs", "als", "traces")] + a_gateway(
        stage, "telemetry-collectors", {
            "accessLog": {"settings": [
                {"format": {"text": "body of %REQ(:PATH)%", "json": {"color": "%REQ(X-COLOR)%"}},
                 "sinks": [{"type": "OpenTelemetry", "openTelemetry": {
                     **collector("logs"), "resourceAttributes": {"site": "cellar"}}}]},
                {"sinks": [{"type": "ALS", "als": {
                    **collector("als"), "type": "HTTP", "logName": "told", "http": {"requestHeaders": ["x-color"]}}}]}]},
            "requestID": {"tracing": "Disable"},
            "tracing": {"provider": {"type": "OpenTelemetry", **collector("traces"), "serviceName": "front-door",
                                     "openTelemetry": {"resourceAttributes": {"site": "roof"},
                                                       "sampler": {"type": "ParentBasedAlwaysOn"}}}}})


def check_collectors(stage: Stage, test: unittest.TestCase) -> None:
    ask("telemetry-collectors", "/told", headers={"x-color": "mauve"})
    for name, all_words in {"logs": (b"cellar", b"body of /told", b"mauve"), "als": (b"told", b"/told", b"mauve"),
                            "traces": (b"roof", b"front-door")}.items():
        for words in all_words:
            wait_for(lambda: words in collectors[name].told, f"{words} at {name}", seconds=15, every=0.1)


FEATURES = [
    Feature("telemetry-files", files_objects, check=check_files),
    Feature("telemetry-collectors", collectors_objects, check=check_collectors),
]
