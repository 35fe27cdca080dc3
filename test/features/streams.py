"""TLS, TCP and UDP: by server name, ended here or passed through, by weights; an edit under live connections; to the
server that the client names; requests that came over the wrong connection of HTTPS."""

from __future__ import annotations

import collections
import socket
import socketserver
import ssl
import threading
import time
import unittest

from feature import Feature, Stage
from listeners import with_spec
from rig import (GATEWAY_API, Object, an_object, backend_ref, endpoint_slice, envoy_proxy, envoy_proxy_ref, gateway,
                 http_route, https_listener, make_certificate, own_backend, own_backend_ref, path_rule, service, tls_secret,
                 wait_for)

DRAIN = 2  # seconds that the Envoy of these Gateways gives to connections that have to go


# ---- backends ------------------------------------------------------------------------------------


class LineServer(socketserver.ThreadingTCPServer):
    """Answers each line with its name and the line; over TLS if it has a certificate."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, name: str, certificate: tuple[str, str] | None = None, address: str = "127.0.0.1") -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write(f"{name} {line.decode()}".encode())

        super().__init__((address, 0), Handler)
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up during the handshake is none


class DatagramServer(socketserver.ThreadingUDPServer):
    """Answers each datagram with its name and the datagram."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, via = self.request
                via.sendto(f"{name} ".encode() + data, self.client_address)

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


# ---- objects -------------------------------------------------------------------------------------


def stream_route(kind: str, name: str, section: str, *backends: Object, parent: str = "streams",
                 **spec: object) -> Object:
    return an_object(GATEWAY_API, kind, name, spec={
        "parentRefs": [{"name": parent, "sectionName": section}], "rules": [{"backendRefs": list(backends)}], **spec})


def udp_service(name: str, port: int) -> list[Object]:
    return [service(name, 53, "UDP"), endpoint_slice(name, name, port, protocol="UDP")]


# ---- clients -------------------------------------------------------------------------------------


class Connection:
    """A connection that stays. Its server is asked for by name, if it speaks TLS."""

    def __init__(self, port: int, sni: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.certificate = b""
        if sni:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname=sni)
            self.certificate = self.socket.getpeercert(binary_form=True) or b""
        self.lines = self.socket.makefile("rb")

    def say(self, line: str) -> str:
        """The answer; empty where the connection is over."""
        try:
            self.socket.sendall(line.encode() + b"\n")
            return self.lines.readline().decode().strip()
        except (ConnectionError, ssl.SSLError):
            return ""

    def get(self, host: str) -> tuple[int, str]:
        """A request of HTTP/1.1, one a connection: its status, and which backend answered."""
        self.socket.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        head = self.lines.read().decode().split("\r\n\r\n")[0]
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        return int(head.split()[1]), fields.get("x-backend", "")

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def hello(port: int, sni: str = "") -> str:
    try:
        connection = Connection(port, sni)
    except (ConnectionError, ssl.SSLError):
        return ""
    answer = connection.say("hello")
    connection.close()
    return answer


# ---- TLS, TCP, UDP -------------------------------------------------------------------------------


class Streams:
    def objects(self, stage: Stage) -> list[Object]:
        folder = stage.rig.path("streams")
        folder.mkdir()
        self.folder = folder
        self.pem = make_certificate(folder, ["end.example"], 0x51)
        make_certificate(folder, ["one.example", "two.example"], 0x52)
        certificate = (str(folder / "52.crt"), str(folder / "52.key"))
        self.tls, self.tcp, self.udp = stage.rig.port(), stage.rig.port(), stage.rig.port()
        self.servers = {name: LineServer(name, certificate) for name in ("one", "two", "three")}
        self.servers["plain"] = LineServer("plain")
        self.datagrams = {name: DatagramServer(name) for name in ("udp-a", "udp-b")}
        proxy = envoy_proxy("streams", shutdown={"drainTimeout": f"{DRAIN}s"})
        settings = {"parametersRef": envoy_proxy_ref("streams")}
        passed = {"protocol": "TLS", "port": self.tls, "tls": {"mode": "Passthrough"}}
        self.written = [
            proxy,
            with_spec(gateway([
                {"name": "passed", **passed},
                {"name": "closed", **passed, "hostname": "closed.example"},
                {"name": "ended", "protocol": "TLS", "port": self.tls, "hostname": "end.example",
                 "tls": {"mode": "Terminate", "certificateRefs": [{"name": "streams"}]}},
                https_listener("web", self.tls, "streams", hostname="web.example"),
                {"name": "tcp", "protocol": "TCP", "port": self.tcp},
                {"name": "udp", "protocol": "UDP", "port": self.udp},
            ], "streams"), infrastructure=settings),
            tls_secret("streams", *self.pem),
            *(made for name, server in self.servers.items() for made in Stage.service(f"streams-{name}", server.port)),
            *(made for name, server in self.datagrams.items() for made in udp_service(f"streams-{name}", server.port)),
            stream_route("TLSRoute", "streams-one", "passed", backend_ref("streams-one"), hostnames=["one.example"]),
            stream_route("TLSRoute", "streams-two", "passed", backend_ref("streams-two"),
                         hostnames=["two.example", "*.two.example"]),
            stream_route("TLSRoute", "streams-end", "ended", backend_ref("streams-plain"), hostnames=["end.example"]),
            http_route("streams-web", [], [path_rule("/", backend_ref("green"))], parent="streams", section="web"),
            stream_route("TCPRoute", "streams-tcp", "tcp", backend_ref("blue", 3), backend_ref("red", 1)),
            stream_route("UDPRoute", "streams-udp", "udp", backend_ref("streams-udp-a", 1, 53)),
        ]
        return self.written

    def edit(self, stage: Stage, route: Object) -> None:
        """A version of a route that comes later, in a file of its own."""
        kind, name = route["kind"], route["metadata"]["name"]
        since = stage.sluice.mark()
        self.written = [r for r in self.written if (r["kind"], r["metadata"]["name"]) != (kind, name)] + [route]
        stage.resources.write("streams.yaml", self.written)
        commit = stage.sluice.commit_of([f"{kind} default/{name}"], since=since)
        stage.sluice.wait_acknowledged(commit, proxies=["default/streams"])

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        wait_for(lambda: hello(self.tls, "one.example"), "the Gateway serves")
        self.by_server_name(test)
        self.weighted(test)
        self.udp_echo(stage, test)
        self.edited_under_connections(stage, test)

    def by_server_name(self, test: unittest.TestCase) -> None:
        for sni, answer in (("one.example", "one hello"), ("two.example", "two hello"), ("x.two.example", "two hello"),
                            ("end.example", "plain hello"), ("closed.example", ""), ("other.example", "")):
            with test.subTest(sni=sni):
                test.assertEqual(hello(self.tls, sni), answer)
        with test.subTest("who ends TLS"):
            test.assertNotEqual(Connection(self.tls, "one.example").certificate,
                                Connection(self.tls, "end.example").certificate)
        with test.subTest("HTTPS on the same port"):
            test.assertEqual(Connection(self.tls, "web.example").get("web.example"), (200, "green"))

    def weighted(self, test: unittest.TestCase) -> None:
        counts = collections.Counter(Connection(self.tcp).get("any")[1] for _ in range(200))
        test.assertEqual(set(counts), {"blue", "red"})
        test.assertAlmostEqual(counts["blue"] / 200, 0.75, delta=0.15)

    def udp_echo(self, stage: Stage, test: unittest.TestCase) -> None:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(("127.0.0.1", self.udp))
        client.settimeout(2)
        for message in ("a", "b"):
            client.send(message.encode())
            test.assertEqual(client.recv(100).decode(), f"udp-a {message}")
        self.edit(stage, stream_route("UDPRoute", "streams-udp", "udp", backend_ref("streams-udp-b", 1, 53)))

        def ask() -> str:
            fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a session of its own
            fresh.settimeout(2)
            fresh.sendto(b"c", ("127.0.0.1", self.udp))
            try:
                return fresh.recv(100).decode()
            except TimeoutError:
                return ""

        wait_for(lambda: ask() == "udp-b c", "datagrams go to the other backend")

    def edited_under_connections(self, stage: Stage, test: unittest.TestCase) -> None:
        """An edit of one TLSRoute ends no connection of another on the same socket; its own are drained."""
        kept = {sni: Connection(self.tls, sni) for sni in ("one.example", "end.example", "two.example")}
        for connection in kept.values():
            test.assertTrue(connection.say("before"))
        self.edit(stage, stream_route("TLSRoute", "streams-two", "passed", backend_ref("streams-three"),
                                      hostnames=["two.example", "*.two.example"]))
        wait_for(lambda: hello(self.tls, "two.example") == "three hello", "the edit is served")
        self.edit(stage, stream_route("TLSRoute", "streams-all", "passed", backend_ref("streams-three"),
                                      hostnames=["*.example"]))
        wait_for(lambda: hello(self.tls, "other.example") == "three hello", "a new route is served")
        wait_for(lambda: kept["two.example"].say("still?") == "", "connections of the edited route are over",
                 seconds=DRAIN + 10, every=0.1)
        time.sleep(1)
        test.assertEqual(kept["one.example"].say("after"), "one after")
        test.assertEqual(kept["end.example"].say("after"), "plain after")


# ---- to the server that the client names ---------------------------------------------------------


def own_address() -> str | None:
    """An address of this machine that is not for itself alone, if it has one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


class AnyServer:
    """A server name may have a port, which spares the test one that only root may have."""

    def objects(self, stage: Stage) -> list[Object]:
        folder = stage.rig.path("any-server")
        folder.mkdir()
        make_certificate(folder, ["any.example"], 0x54)
        self.server = LineServer("any", (str(folder / "54.crt"), str(folder / "54.key")), "0.0.0.0")
        self.port = stage.rig.port()
        route = stream_route("TLSRoute", "any-server", "tls", own_backend_ref("any-server"), parent="any-server")
        return [own_backend("any-server", type="DynamicResolver"),
                gateway([{"name": "tls", "protocol": "TLS", "port": self.port, "tls": {"mode": "Passthrough"}}],
                        "any-server"),
                {**route, "apiVersion": "gateway.networking.k8s.io/v1alpha2"}]  # takes every server name

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        there = self.server.port
        address = own_address()
        if address is not None:
            wait_for(lambda: hello(self.port, f"{address}:{there}") == "any hello", "the Gateway serves")
        for name in ("localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "127.1", "2130706433", "0"):
            with test.subTest(name=name):
                test.assertEqual(hello(self.port, f"{name}:{there}"), "")


# ---- requests over the wrong connection ----------------------------------------------------------


class Misdirected:
    def objects(self, stage: Stage) -> list[Object]:
        folder = stage.rig.path("misdirected")
        folder.mkdir()
        self.port = stage.rig.port()
        secret = tls_secret("misdirected", *make_certificate(folder, ["*.example"], 0x53))

        def listener(name: str, **rest: str) -> Object:
            return https_listener(name, self.port, "misdirected", **rest)

        def route(name: str, section: str, backend: str) -> Object:
            return http_route(f"misdirected-{name}", [], [path_rule("/", backend_ref(backend))], "misdirected", section)

        return [secret, gateway([listener("any"), listener("second", hostname="second.example"),
                                 listener("wild", hostname="*.wild.example"),
                                 listener("narrow", hostname="narrow.wild.example")], "misdirected"),
                http_route("misdirected-any", ["any.example"], [path_rule("/", backend_ref("blue"))], "misdirected",
                           "any"),
                route("second", "second", "green"), route("wild", "wild", "red"), route("narrow", "narrow", "blue")]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        def ready() -> bool:
            try:
                return Connection(self.port, "any.example").get("any.example")[0] == 200
            except OSError:
                return False

        wait_for(ready, "the Gateway serves")
        for sni, host, status in (
                ("any.example", "any.example", 200), ("any.example", "second.example", 421),
                ("any.example", "unknown.example", 404), ("unknown.example", "any.example", 200),
                ("second.example", "second.example", 200), ("second.example", "any.example", 421),
                ("second.example", "unknown.example", 421),
                ("a.wild.example", "a.wild.example", 200), ("a.wild.example", "b.wild.example", 200),
                ("a.wild.example", "narrow.wild.example", 421), ("a.wild.example", "second.example", 421),
                ("narrow.wild.example", "narrow.wild.example", 200), ("narrow.wild.example", "a.wild.example", 421)):
            with test.subTest(sni=sni, host=host):
                test.assertEqual(Connection(self.port, sni).get(host)[0], status)


streams, any_server, misdirected = Streams(), AnyServer(), Misdirected()
FEATURES = [
    Feature("streams", streams.objects, check=streams.check),
    Feature("any-server", any_server.objects, check=any_server.check),
    Feature("misdirected", misdirected.objects, check=misdirected.check),
]
