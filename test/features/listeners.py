"""Listeners: ListenerSets that come and go, certificates of clients, kinds of keys, addresses, default Gateways."""

from __future__ import annotations

import http.client
import socket
import ssl
import unittest
from pathlib import Path

from feature import Feature, Stage
from rig import (GATEWAY_API, Authority, Object, an_object, backend_ref, ca_map, ca_ref, gateway, http_listener,
                 http_route, https_listener, make_certificate, path_rule, request, tls_secret, wait_answer, wait_for)


def with_spec(made: Object, **spec: object) -> Object:
    return {**made, "spec": {**made["spec"], **spec}}


def listener_set(name: str, parent: str, listeners: list[Object]) -> Object:
    return an_object(GATEWAY_API, "ListenerSet", name, spec={"parentRef": {"name": parent}, "listeners": listeners})


def refuses(port: int, address: str = "127.0.0.1") -> bool:
    try:
        request(f"http://{address}:{port}/")
    except ConnectionRefusedError:
        return True
    except (ConnectionError, http.client.HTTPException):
        pass  # the socket went while it was asked
    return False


# ---- ListenerSets --------------------------------------------------------------------------------


class Sets:
    """A Gateway of its own: what is tested is that it does not notice."""

    def objects(self, stage: Stage) -> list[Object]:
        self.own, self.added = stage.rig.port(), stage.rig.port()
        attached = an_object(GATEWAY_API, "HTTPRoute", "sets-added", spec={
            "parentRefs": [{"kind": "ListenerSet", "name": "sets"}], "rules": [path_rule("/", backend_ref("green"))]})
        return [with_spec(gateway([http_listener("http", self.own)], "sets"),
                          allowedListeners={"namespaces": {"from": "Same"}}),
                http_route("sets-own", [], [path_rule("/", backend_ref("blue"))], parent="sets"), attached]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        wait_answer(f"http://127.0.0.1:{self.own}/")
        kept = http.client.HTTPConnection("127.0.0.1", self.own, timeout=5)

        def ask() -> str:
            kept.request("GET", "/")
            answer = kept.getresponse()
            answer.read()
            return answer.getheader("x-backend", "")

        test.assertEqual(ask(), "blue")
        socket = kept.sock
        for _ in range(3):
            stage.resources.write("sets-set.yaml", listener_set("sets", "sets", [http_listener("more", self.added)]))
            test.assertEqual(wait_answer(f"http://127.0.0.1:{self.added}/").backend, "green")
            test.assertEqual(ask(), "blue")
            stage.resources.delete("sets-set.yaml")
            wait_for(lambda: refuses(self.added), "the added listener to go", seconds=20)
            test.assertEqual(ask(), "blue")
        test.assertIs(kept.sock, socket, "the connection to the Gateway's own listener has lived through all of it")
        kept.close()


# ---- certificates of clients ---------------------------------------------------------------------


class Clients:
    def objects(self, stage: Stage) -> list[Object]:
        self.strict, self.lax, self.open = stage.rig.port(), stage.rig.port(), stage.rig.port()
        folder = stage.rig.path("clients")
        folder.mkdir()
        server = make_certificate(folder, ["clients.example"], 0xC1)
        authority = Authority(folder, "authority")
        self.known = authority.sign("known", "DNS:known")
        self.stranger = Authority(folder, "stranger").sign("unknown", "DNS:unknown")
        validation = {"caCertificateRefs": ca_ref("clients-authority")}
        lax = {"port": self.lax, "tls": {"validation": {**validation, "mode": "AllowInsecureFallback"}}}
        frontend = {"default": {"validation": validation}, "perPort": [lax, {"port": self.open, "tls": {}}]}
        listeners = [https_listener(name, port, "clients-server")
                     for name, port in (("strict", self.strict), ("lax", self.lax), ("open", self.open))]
        return [ca_map("clients-authority", authority.pem), tls_secret("clients-server", *server),
                with_spec(gateway(listeners, "clients"), tls={"frontend": frontend}),
                http_route("clients", [], [path_rule("/", backend_ref("blue"))], parent="clients")]

    @staticmethod
    def status(port: int, certificate: tuple[Path, Path] | None) -> int | None:
        """None: the connection ends without an answer."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return None
        finally:
            connection.close()

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        wait_answer(f"https://127.0.0.1:{self.open}/", "clients.example")
        wanted = {"strict": (self.strict, {"known": 200, "stranger": None, "none": None}),
                  "lax": (self.lax, {"known": 200, "stranger": 200, "none": 200}),
                  "open": (self.open, {"known": 200, "stranger": 200, "none": 200})}
        shown = {"known": self.known, "stranger": self.stranger, "none": None}
        for name, (port, answers) in wanted.items():
            for who, status in answers.items():
                with test.subTest(listener=name, certificate=who):
                    test.assertEqual(self.status(port, shown[who]), status)


# ---- kinds of keys -------------------------------------------------------------------------------


class Keys:
    """One listener with a certificate of each kind of key: those that Envoy refuses are left out, the others served."""

    TAKEN = {"rsa": ["rsa:2048"], "p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
             "p521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "ed25519": ["ed25519"]}
    REFUSED = {"short": ["rsa:1024"], "p224": ["ec", "-pkeyopt", "ec_paramgen_curve:secp224r1"],
               "bitcoin": ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
               "pss": ["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], "ed448": ["ed448"]}

    def objects(self, stage: Stage) -> list[Object]:
        self.port = stage.rig.port()
        folder = stage.rig.path("keys")
        folder.mkdir()
        # The refused ones come first and last.
        first = {name: self.REFUSED[name] for name in ("short", "p224")}
        kinds = {**first, **self.TAKEN, **self.REFUSED}
        self.pems = {name: make_certificate(folder, [f"{name}.keys.example"], 0xD0 + i, kind)
                     for i, (name, kind) in enumerate(kinds.items())}
        listener = https_listener("keys", self.port, "keys-short")
        listener["tls"]["certificateRefs"] = [{"name": f"keys-{name}"} for name in kinds]
        return [*(tls_secret(f"keys-{name}", *pems) for name, pems in self.pems.items()), gateway([listener], "keys"),
                http_route("keys", [], [path_rule("/", backend_ref("blue"))], parent="keys")]

    def shown(self, name: str) -> str:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain, \
                context.wrap_socket(plain, server_hostname=f"{name}.keys.example") as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        wait_answer(f"https://127.0.0.1:{self.port}/", "p256.keys.example")
        for name in self.TAKEN:
            with test.subTest(key=name):
                test.assertEqual(self.shown(name), self.pems[name][0])
        told = {line.fields["path"]: line.fields["problem"] for line in stage.sluice.lines
                if line.message == "problem" and line.fields["code"] == "reference/certificate"}
        for name in self.REFUSED:
            with test.subTest(key=name):
                path = f"spec.listeners[0].tls.certificateRefs[{list(self.pems).index(name)}]"
                test.assertIn(f"Secret default/keys-{name} has a certificate with a", told.get(path, ""))
        test.assertEqual([line.fields for line in stage.sluice.rejections() if "keys" in line.fields["resource"]], [])


# ---- addresses -----------------------------------------------------------------------------------


class Addresses:
    BOUND = ("127.0.0.2", "127.0.0.3")

    def objects(self, stage: Stage) -> list[Object]:
        self.port = stage.rig.port()
        # Of 192.0.2.0/24, which is for documents.
        addresses = [{"type": "IPAddress", "value": value} for value in (*self.BOUND, "192.0.2.1")]
        return [with_spec(gateway([http_listener("http", self.port)], "addresses"), addresses=addresses),
                http_route("addresses", [], [path_rule("/", backend_ref("blue"))], parent="addresses")]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        for address in self.BOUND:
            test.assertEqual(wait_answer(f"http://{address}:{self.port}/").backend, "blue")
        test.assertTrue(refuses(self.port), "and nothing else")


# ---- default Gateways ----------------------------------------------------------------------------


class Defaults:
    """Two Gateways, of which one is a default one at first, then both, then the other, then none: a route that asks for
    default ones is never changed, and is where these are."""

    def objects(self, stage: Stage) -> list[Object]:
        self.ports = {"defaults-a": stage.rig.port(), "defaults-b": stage.rig.port()}
        return self.with_scopes("defaults-a")

    def with_scopes(self, *scoped: str) -> list[Object]:
        gateways = [with_spec(gateway([http_listener("http", port)], name),
                              defaultScope="All" if name in scoped else "None") for name, port in self.ports.items()]
        named = [http_route(f"{name}-own", ["named.example"], [path_rule("/", backend_ref("green"))], parent=name)
                 for name in self.ports]
        asks = an_object(GATEWAY_API, "HTTPRoute", "defaults", spec={
            "useDefaultGateways": "All", "hostnames": ["defaults.example"],
            "rules": [path_rule("/", backend_ref("blue"))]})
        return [*gateways, *named, asks]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        for scoped in (("defaults-a",), ("defaults-a", "defaults-b"), ("defaults-b",), ()):
            stage.resources.write("defaults.yaml", self.with_scopes(*scoped))
            for name, port in self.ports.items():
                url, want = f"http://127.0.0.1:{port}/", 200 if name in scoped else 404
                with test.subTest(default=scoped, gateway=name):
                    wait_answer(url, "named.example")
                    wait_for(lambda url=url, want=want: request(url, "defaults.example").status == want,
                             f"{want} of {name} while the default Gateways are {scoped}")
                    test.assertEqual(request(url, "named.example").backend, "green")


sets, clients, keys, addresses, defaults = Sets(), Clients(), Keys(), Addresses(), Defaults()

FEATURES = [Feature("sets", sets.objects, check=sets.check),
            Feature("clients", clients.objects, check=clients.check),
            Feature("keys", keys.objects, check=keys.check),
            Feature("addresses", addresses.objects, check=addresses.check),
            Feature("defaults", defaults.objects, check=defaults.check)]
