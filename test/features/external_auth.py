"""ExternalAuth of HTTPRoutes: services that let requests pass, by HTTP and by gRPC, and what happens without them."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
import unittest

from feature import Feature, Stage
from rig import Object, backend_ref, http_route

GOOD = {"authorization": "Bearer good"}
DENIED = "who are you?"


# ---- a service that is asked by HTTP -------------------------------------------------------------


class Judge(http.server.BaseHTTPRequestHandler):
    """Lets requests with the right token pass, as the user `ann`; remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def do_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        self.asked.append((self.command, self.path, headers, body))
        good = headers.get("authorization") == GOOD["authorization"]
        answer = b"welcome" if good else DENIED.encode()
        self.send_response(200 if good else 401)
        for name, value in ({"x-user": "ann", "x-group": "staff"} if good else
                            {"www-authenticate": "Bearer", "location": "/login"}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_OPTIONS = do_any

    def log_message(self, *_: object) -> None:
        pass


# ---- one that is asked by gRPC -------------------------------------------------------------------


def field(number: int, value: bytes | int) -> bytes:
    """Of a message of Protocol Buffers; small ones only."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def header_option(name: str, value: str) -> bytes:
    return field(1, field(1, name.encode()) + field(2, value.encode()))  # HeaderValueOption.header


def check_response(good: bool) -> bytes:
    """envoy.service.auth.v3.CheckResponse."""
    if good:
        return field(1, b"") + field(3, field(2, header_option("x-user", "bob")))
    status = field(1, 401)
    return field(1, field(1, 16)) + field(2, field(1, status) + field(3, DENIED.encode()))


class GrpcJudge:
    """As much of an HTTP/2 server as Envoy needs: each stream is a call with one message. What is in the message
    decides, as bytes: names of headers and their values are there as they are."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    @staticmethod
    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    @staticmethod
    def literal(name: str, value: str) -> bytes:
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    def talk(self, connection: socket.socket) -> None:
        stream_of = connection.makefile("rb")
        stream_of.read(24)  # the preface
        connection.sendall(self.frame(4, 0, 0))
        messages: dict[int, bytes] = {}
        while len(head := stream_of.read(9)) == 9:
            length = int.from_bytes(head[:3], "big")
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF
            payload = stream_of.read(length)
            if kind == 4 and not flags & 1:  # SETTINGS
                connection.sendall(self.frame(4, 1, 0))
            elif kind == 6 and not flags & 1:  # PING
                connection.sendall(self.frame(6, 1, 0, payload))
            elif kind == 0:  # DATA
                messages[stream] = messages.get(stream, b"") + payload
                if payload:
                    connection.sendall(self.frame(8, 0, 0, struct.pack(">I", len(payload))))
                if flags & 1:
                    self.answer(connection, stream, messages.pop(stream)[5:])

    def answer(self, connection: socket.socket, stream: int, message: bytes) -> None:
        self.asked.append(message)
        made = check_response(GOOD["authorization"].encode() in message)
        connection.sendall(
            self.frame(1, 4, stream, b"\x88" + self.literal("content-type", "application/grpc"))
            + self.frame(0, 0, stream, b"\0" + struct.pack(">I", len(made)) + made)
            + self.frame(1, 5, stream, self.literal("grpc-status", "0")))


# ---- the feature ---------------------------------------------------------------------------------


def by_http(service: str = "auth-http", **more: object) -> Object:
    http = {name: more.pop(name) for name in ("path", "allowedHeaders", "allowedResponseHeaders") if name in more}
    return {"type": "ExternalAuth", "externalAuth": {
        "protocol": "HTTP", "backendRef": {"name": service, "port": 80}, "http": http, **more}}


def by_grpc(*allowed: str) -> Object:
    return {"type": "ExternalAuth", "externalAuth": {
        "protocol": "GRPC", "backendRef": {"name": "auth-grpc", "port": 80}, "grpc": {"allowedHeaders": list(allowed)}}}


def rule(path: str, *filters: Object, backends: list[Object] | None = None, **more: object) -> Object:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "filters": list(filters), **more,
            **({"backendRefs": backends or [backend_ref("blue")]} if backends != [] else {})}


class ExternalAuth:
    HOST = "auth.example"

    def objects(self, stage: Stage) -> list[Object]:
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.grpc = GrpcJudge()
        named = by_http(path="/check/", allowedHeaders=["X-Tenant"], allowedResponseHeaders=["x-user"])
        return [
            *stage.service("auth-http", self.http.server_address[1]), *stage.service("auth-grpc", self.grpc.port),
            http_route("auth", [self.HOST], [
                rule("/http", named), rule("/all", by_http()), rule("/body", by_http(forwardBody={"maxSize": 10})),
                rule("/grpc", by_grpc()), rule("/some", by_grpc("Authorization")),
                rule("/down", by_http("down")), rule("/missing", by_http("auth-missing")),
                rule("/redirect", by_http(), {"type": "RequestRedirect", "requestRedirect": {"hostname": "a.example"}},
                     backends=[]),
                rule("/both", by_http(), by_grpc()),
                rule("/backend", backends=[backend_ref("green", 0),
                                           {**backend_ref("red"), "filters": [by_http()]}]),
                rule("/open")], section="http")]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        def ask(path: str, **options: object) -> object:
            return stage.ask(self.HOST, path, **options)

        def allowed(path: str, **headers: str) -> dict[str, str]:
            answer = ask(path, headers={**GOOD, **headers})
            test.assertEqual(answer.status, 200, path)
            return answer.json["headers"]

        def denied(path: str) -> object:
            answer = ask(path)
            test.assertEqual((answer.status, answer.body.decode(), answer.backend), (401, DENIED, ""), path)
            return answer

        with test.subTest("what the service says counts, and its answer is the client's where it says no"):
            headers = denied("/http/x?q=1").headers
            test.assertEqual((headers["www-authenticate"], headers["location"]), ("Bearer", "/login"))
            method, path, _, body = Judge.asked[-1]
            test.assertEqual((method, path, body), ("GET", "/check/http/x?q=1", b""))
        with test.subTest("only some headers of the request, and of the answer"):
            seen = allowed("/http", **{"x-tenant": "t", "x-secret": "s", "x-user": "eve"})
            test.assertEqual((seen.get("x-user"), seen.get("x-group")), ("ann", None))
            shown = Judge.asked[-1][2]
            test.assertEqual((shown.get("x-tenant"), shown.get("x-secret"), shown["host"], shown["content-length"]),
                             ("t", None, self.HOST, "0"))
        with test.subTest("all headers of the answer, but those of that message"):
            answer = ask("/all", method="POST", headers=GOOD, body=b"a body")
            test.assertEqual((answer.status, answer.json["body"]), (200, 6))
            seen = answer.json["headers"]
            test.assertEqual((seen["x-user"], seen["x-group"], answer.json["host"]), ("ann", "staff", self.HOST))
            test.assertEqual(Judge.asked[-1][3], b"", "the body is not for the service")
        with test.subTest("bodies up to a size"):
            test.assertEqual(ask("/body", method="POST", headers=GOOD, body=b"ten bytes.").json["body"], 10)
            test.assertEqual(Judge.asked[-1][3], b"ten bytes.")
            test.assertEqual(ask("/body", method="POST", headers=GOOD, body=b"eleven byte").status, 413)
        with test.subTest("by gRPC"):
            denied("/grpc")
            test.assertEqual(allowed("/grpc", **{"x-secret": "s"})["x-user"], "bob")
            test.assertIn(b"x-secret", self.grpc.asked[-1])
            test.assertEqual(allowed("/some", **{"x-secret": "s"})["x-user"], "bob")
            test.assertNotIn(b"x-secret", self.grpc.asked[-1])
        with test.subTest("nobody passes without an answer"):
            test.assertEqual(ask("/down", headers=GOOD).status, 403)
            test.assertEqual(ask("/missing", headers=GOOD).status, 500)
        with test.subTest("not even to be sent elsewhere"):
            denied("/redirect")
            test.assertEqual(ask("/redirect", headers=GOOD).status, 302)
        with test.subTest("one after the other"):
            test.assertEqual(allowed("/both")["x-user"], "bob")
            asked = len(self.grpc.asked)
            denied("/both")
            test.assertEqual(len(self.grpc.asked), asked, "the second is not asked where the first says no")
        with test.subTest("for one backend"):
            denied("/backend")
            test.assertEqual(allowed("/backend")["x-group"], "staff")
        with test.subTest("and other rules know nothing of it"):
            asked = len(Judge.asked)
            test.assertEqual(ask("/open").backend, "blue")
            test.assertEqual(len(Judge.asked), asked)


external_auth = ExternalAuth()

FEATURES = [Feature("external-auth", external_auth.objects, check=external_auth.check)]
