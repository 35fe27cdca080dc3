#!/usr/bin/python3
"""The example extensions in the real Envoy: the table of cases.py against all five of them."""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
import unittest
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

import gateway  # noqa: E402
from cases import CASES, FORBIDDEN, SETTINGS, Case  # noqa: E402
from examples import FORMS, objects_of  # noqa: E402
from rig import Answer, Rig, request, run_tests  # noqa: E402

REFUSALS = {400: {"error": "the body names no model"}, 403: {"error": "this model is forbidden"}}


def ask(url: str, route: str, case: Case) -> Answer:
    body = case.body.encode() if isinstance(case.body, str) else case.body
    return request(url, route, "GET" if body is None else "POST", dict(case.headers), body or b"")


def model_seen(answer: Answer) -> str | None:
    """What the backend got in x-model."""
    return answer.json["headers"].get("x-model")


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rig = cls.enterClassContext(Rig())
        backend = cls.rig.echo("blue").addresses["blue"]
        routes = {cls.route(form, settings): objects_of(cls.rig, form, cls.route(form, settings), values)
                  for form in FORMS for settings, values in SETTINGS.items()}
        cls.gateway = gateway.start(cls.rig, backend, {**routes, "plain.test": []})

    @staticmethod
    def route(form: str, settings: str = "lenient") -> str:
        return f"{settings}.{form}.test"

    def test_each_does_what_the_table_says(self) -> None:
        for case in CASES:
            for form in FORMS:
                with self.subTest(case.name, form=form):
                    answer = ask(self.gateway.url, self.route(form, case.settings), case)
                    if isinstance(case.becomes, int):
                        self.assertEqual(answer.status, case.becomes)
                        if case.becomes in REFUSALS:
                            self.assertEqual(answer.json, REFUSALS[case.becomes])
                            self.assertEqual(answer.headers["content-type"], "application/json")
                    else:
                        self.assertEqual(answer.status, 200)
                        self.assertEqual(model_seen(answer), case.becomes)
                        self.assertEqual(answer.json["body"], len(case.body or b""))

    def test_a_route_without_a_policy_has_no_extension(self) -> None:
        answer = request(self.gateway.url, "plain.test", "POST", {"x-model": "mine"},
                         json.dumps({"model": FORBIDDEN}).encode())
        self.assertEqual((answer.status, model_seen(answer)), (200, "mine"))

    def test_a_body_that_comes_in_pieces_is_read_as_a_whole(self) -> None:
        address = urllib.parse.urlsplit(self.gateway.url)
        pieces = ['{"mo', 'del": "gp', 't-4", "a": "', "x" * 5000, '"}']
        for form in FORMS:
            with self.subTest(form=form), socket.create_connection((address.hostname, address.port), 5) as client:
                client.sendall(f"POST / HTTP/1.1\r\nhost: {self.route(form)}\r\nconnection: close\r\n"
                               "transfer-encoding: chunked\r\n\r\n".encode())
                for piece in pieces:
                    client.sendall(f"{len(piece):x}\r\n{piece}\r\n".encode())
                    time.sleep(0.02)
                client.sendall(b"0\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(65536), b""))
                self.assertIn(b'"x-model": "gpt-4"', answer)

    def test_a_body_may_be_followed_by_trailers(self) -> None:
        for form in FORMS:
            for model, expected in (("gpt-4", b'"x-model": "gpt-4"'), (FORBIDDEN, b"this model is forbidden")):
                with self.subTest(form=form, model=model):
                    body = json.dumps({"model": model}).encode()
                    self.assertIn(expected, post_with_trailers(self.gateway.url, self.route(form), body))


def post_with_trailers(url: str, host: str, body: bytes) -> bytes:
    """The body of the answer to a request by HTTP/2 with one trailer."""
    data, headers, settings = 0, 1, 4
    end_stream, end_headers, acknowledge = 1, 4, 1

    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def field(name: str, value: str) -> bytes:  # without an index and Huffman's code (RFC 7541, section 6.2.2)
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    address = urllib.parse.urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 5) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0))
        client.sendall(frame(headers, end_headers, 1, field(":method", "POST") + field(":scheme", "http") +
                             field(":path", "/") + field(":authority", host)))
        client.sendall(frame(data, 0, 1, body))
        client.sendall(frame(headers, end_headers | end_stream, 1, field("x-sum", "1")))
        stream = client.makefile("rb")
        answer = b""
        while True:
            head = stream.read(9)
            if len(head) < 9:
                raise ConnectionError(f"closed after {answer!r}")
            payload = stream.read(int.from_bytes(head[:3], "big"))
            kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == settings and not flags & acknowledge:
                client.sendall(frame(settings, acknowledge, 0))
            if kind == data:
                answer += payload
            if number == 1 and flags & end_stream:
                return answer


if __name__ == "__main__":
    run_tests()
