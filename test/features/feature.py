"""What a feature is tested by: objects that use it, and what requests then see.

    FEATURES = [
        Feature("redirects", host_route("redirects.example", [...]), requests=[
            Ask("/old", host="redirects.example", status=303, headers={"location": "http://redirects.example:{port}/new"})]),
    ]

All features of all files in this folder share one sluice with one Envoy and one Gateway, default/web, whose listener
`http` serves every host: so a feature has hosts of its own, named after it, and objects whose names begin with its
name. Every name of BACKENDS is an echo backend and a Service of that name, port 80; `down` is a Service whose only
endpoint refuses connections. What requests cannot say is said by a function.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import unittest
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from rig import Answer, Object, Resources, Rig, Sluice, endpoint_slice, http_route, request, service  # noqa: E402

BACKENDS = ("blue", "green", "red")
H2_BACKENDS = ("violet", "yellow")  # speak HTTP/2 too


class Stage:
    """Where the features are tested. `port` is that of the Gateway's listener `http`. A feature that changes things
    writes its own file, `<name>.yaml`, to `resources` anew."""

    resources: Resources
    sluice: Sluice

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.port = rig.port()
        self.addresses = {**rig.echo(*BACKENDS).addresses, **rig.echo(*H2_BACKENDS, h2c=True).addresses}

    def services(self) -> list[Object]:
        down = self.rig.port()  # bound, and nobody listens
        ports = {**{name: port for name, (_, port) in self.addresses.items()}, "down": down}
        return [made for name, port in ports.items() for made in self.service(name, port)]

    @staticmethod
    def service(name: str, *ports: int) -> list[Object]:
        """A Service with an endpoint on each of these ports of this host."""
        return [service(name), *(endpoint_slice(f"{name}-{port}", name, port) for port in ports)]

    def ask(self, host: str, path: str = "/", **options: object) -> Answer:
        return request(f"http://127.0.0.1:{self.port}{path}", host, **options)

    def call(self, host: str, method: str, headers: Mapping[str, str] = {},
             with_message: bool = True) -> tuple[dict[str, str], bytes]:
        """A gRPC call with an empty message, or none, to "service/method": the headers and trailers of the answer,
        and its message. An answer of Envoy's own may come before the message has been sent; Envoy resets the stream
        then, and this curl may lose the answer."""
        head = self.rig.path("grpc-headers")
        words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        words += ["--data-binary", "@-"] if with_message else ["-X", "POST"]
        result = subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "--max-time", "5", "-D", head, "-H", f"host: {host}",
             "-H", "content-type: application/grpc", "-H", "te: trailers", *words,
             f"http://127.0.0.1:{self.port}/{method}"],
            input=b"\0\0\0\0\0", capture_output=True, check=True)
        fields = (line.partition(":") for line in head.read_text().splitlines() if ":" in line)
        return {name.strip().lower(): value.strip() for name, _, value in fields}, result.stdout[5:]


@dataclasses.dataclass
class Ask:
    """A request, and what its answer has to be. None: anything."""

    path: str = "/"
    host: str = ""  # {port}: the listener's
    method: str = "GET"
    sends: Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: int = 200
    backend: str | None = None
    headers: Mapping[str, str | None] = dataclasses.field(default_factory=dict)  # None: absent; {port}: the listener's
    backend_sees: Mapping[str, str] = dataclasses.field(default_factory=dict)  # path, host, method

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        answer = stage.ask(self.host.format(port=stage.port), self.path, method=self.method, headers=self.sends)
        headers = {name: value and value.format(port=stage.port) for name, value in self.headers.items()}
        with test.subTest(request=f"{self.method} {self.host}{self.path} {dict(self.sends)}"):
            test.assertEqual(answer.status, self.status)
            if self.backend is not None:
                test.assertEqual(answer.backend, self.backend)
            test.assertEqual({name: answer.headers.get(name) for name in headers}, headers)
            if self.backend_sees:
                seen = answer.json
                test.assertEqual({name: seen[name] for name in self.backend_sees}, dict(self.backend_sees))


@dataclasses.dataclass
class Feature:
    name: str
    # The objects; more listeners of the Gateway, if it needs any.
    objects: Callable[[Stage], list[Object]]
    requests: list[Ask] = dataclasses.field(default_factory=list)
    check: Callable[[Stage, unittest.TestCase], None] | None = None
    listeners: Callable[[Stage], list[Object]] = lambda stage: []


def host_route(host: str, rules: list[Object]) -> Callable[[Stage], list[Object]]:
    """An HTTPRoute for the host, named after it."""
    return lambda stage: [http_route(host.partition(".")[0], [host], rules, section="http")]
