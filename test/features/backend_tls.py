"""TLS to backends: whom to trust, client certificates, new CA certificates under load; fallbacks; DynamicResolver."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
import unittest
from pathlib import Path

from feature import Ask, Feature, Stage
from rig import (ENVOY_GATEWAY, GATEWAY_API, Authority, Object, Target, an_object, backend_ref, ca_map, ca_ref,
                 endpoint_slice, gateway, http_listener, http_route, own_backend, own_backend_ref, path_rule, request,
                 service, tls_secret, wait_answer)


# ---- backends ------------------------------------------------------------------------------------


class TlsBackend:
    """A backend that ends TLS, one connection a request. It says under which name it was asked for (x-sni) and who
    asked (x-client)."""

    def __init__(self, name: str, certificate: tuple[Path, Path], client_ca: str = "") -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.use(certificate)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(cadata=client_ca)
        self.context.sni_callback = lambda sock, asked, _: setattr(sock, "asked", asked or "")

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer = self.request.getpeercert() or {}
                self.send_response(200)
                self.send_header("x-backend", name)
                self.send_header("x-sni", getattr(self.request, "asked", ""))
                self.send_header("x-client", "".join(value for ((_, value),) in peer.get("subject", ())))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        context = self.context

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def finish_request(self, request, address) -> None:  # on the request's own thread: a handshake may wait
                try:
                    request.settimeout(5)
                    with context.wrap_socket(request, server_side=True) as wrapped:
                        super().finish_request(wrapped, address)
                except OSError:
                    pass  # a client that does not trust us

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def use(self, certificate: tuple[Path, Path]) -> None:
        self.context.load_cert_chain(*certificate)


# ---- objects -------------------------------------------------------------------------------------


def policy(name: str, of_service: str, **validation: object) -> Object:
    return an_object(GATEWAY_API, "BackendTLSPolicy", name, spec={
        "targetRefs": [{"group": "", "kind": "Service", "name": of_service}], "validation": validation})


def ip(port: int) -> list[Object]:
    return [{"ip": {"address": "127.0.0.1", "port": port}}]


def route(name: str, *backends: Object, parent: str = "web") -> Object:
    return http_route(name, [f"{name}.example"], [path_rule("/", *backends)], parent=parent)


# ---- whom to trust -------------------------------------------------------------------------------


def trust_objects(stage: Stage) -> list[Object]:
    good, other = (Authority(stage.rig.folder, name) for name in ("trust-good", "trust-other"))
    port = TlsBackend("secure", good.sign("secure", "DNS:secure.internal,URI:spiffe://example.org/secure")).port
    made: list[Object] = [ca_map("trust-good", good.pem), ca_map("trust-other", other.pem)]
    cases = {
        "trust": {"hostname": "secure.internal", "caCertificateRefs": ca_ref("trust-good")},
        "trust-wrong-ca": {"hostname": "secure.internal", "caCertificateRefs": ca_ref("trust-other")},
        "trust-wrong-name": {"hostname": "elsewhere.internal", "caCertificateRefs": ca_ref("trust-good")},
        "trust-system": {"hostname": "secure.internal", "wellKnownCACertificates": "System"},
        "trust-uri": {"hostname": "any.internal", "caCertificateRefs": ca_ref("trust-good"),
                      "subjectAltNames": [{"type": "URI", "uri": "spiffe://example.org/secure"}]},
        "trust-no-ca": {"hostname": "secure.internal", "caCertificateRefs": ca_ref("trust-nowhere")},
    }
    for name, validation in cases.items():
        made += [service(name), endpoint_slice(name, name, port), policy(name, name, **validation),
                 route(name, backend_ref(name))]
    # A Backend speaks for itself: the name that is asked for is the request's, and has to be in the certificate.
    made += [own_backend("trust-own", endpoints=ip(port),
                         tls={"sni": "secure.internal", "caCertificateRefs": ca_ref("trust-good")}),
             route("trust-own", own_backend_ref("trust-own")),
             own_backend("trust-host", endpoints=ip(port), tls={"caCertificateRefs": ca_ref("trust-good")}),
             http_route("trust-host", ["secure.internal", "trust-host.example"],
                        [path_rule("/", own_backend_ref("trust-host"))]),
             own_backend("trust-anybody", endpoints=ip(port), tls={"insecureSkipVerify": True}),
             route("trust-anybody", own_backend_ref("trust-anybody"))]
    return made


trust = Feature("trust", trust_objects, requests=[
    Ask(host="trust.example", backend="secure", headers={"x-sni": "secure.internal"}),
    Ask(host="trust-wrong-ca.example", status=503),
    Ask(host="trust-wrong-name.example", status=503),
    Ask(host="trust-system.example", status=503),
    Ask(host="trust-uri.example", backend="secure", headers={"x-sni": "any.internal"}),
    Ask(host="trust-no-ca.example", status=500),
    Ask(host="trust-own.example", backend="secure", headers={"x-sni": "secure.internal"}),
    Ask(host="secure.internal", backend="secure", headers={"x-sni": "secure.internal"}),
    Ask(host="trust-host.example", status=503),
    Ask(host="trust-anybody.example", backend="secure"),
])


# ---- client certificates -------------------------------------------------------------------------


class ClientCertificate:
    """A backend that wants to know who asks, behind a Gateway that has a certificate and one that has none."""

    port = 0

    @classmethod
    def objects(cls, stage: Stage) -> list[Object]:
        authority = Authority(stage.rig.folder, "mtls-ca")
        backend = TlsBackend("private", authority.sign("private", "DNS:private.internal"), client_ca=authority.pem)
        secrets = []
        for name in ("mtls-gateway", "mtls-own"):
            certificate, key = authority.sign(name, f"DNS:{name}")
            secrets.append(tls_secret(name, certificate.read_text(), key.read_text()))
        cls.port = stage.rig.port()
        with_certificate = gateway([http_listener("http", cls.port)], name="mtls")
        with_certificate["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": "mtls-gateway"}}}
        both = http_route("mtls", ["mtls.example"], [path_rule("/", backend_ref("mtls"))])
        both["spec"]["parentRefs"].append({"name": "mtls"})
        return [
            *secrets, ca_map("mtls-ca", authority.pem), with_certificate, both,
            service("mtls"), endpoint_slice("mtls", "mtls", backend.port),
            policy("mtls", "mtls", hostname="private.internal", caCertificateRefs=ca_ref("mtls-ca")),
            own_backend("mtls-own", endpoints=ip(backend.port),
                        tls={"sni": "private.internal", "caCertificateRefs": ca_ref("mtls-ca"),
                             "clientCertificateRef": {"name": "mtls-own"}}),
            route("mtls-own", own_backend_ref("mtls-own"))]

    @classmethod
    def check(cls, stage: Stage, test: unittest.TestCase) -> None:
        answer = wait_answer(f"http://127.0.0.1:{cls.port}/", "mtls.example")
        test.assertEqual((answer.backend, answer.headers["x-client"]), ("private", "mtls-gateway"))


client_certificate = Feature("mtls", ClientCertificate.objects, check=ClientCertificate.check, requests=[
    Ask(host="mtls.example", status=503),  # this Gateway has no certificate
    Ask(host="mtls-own.example", backend="private", headers={"x-client": "mtls-own"}),
])


# ---- new CA certificates -------------------------------------------------------------------------


class Rotation:
    @classmethod
    def objects(cls, stage: Stage) -> list[Object]:
        cls.old, cls.new = (Authority(stage.rig.folder, name) for name in ("rotation-old", "rotation-new"))
        cls.backend = TlsBackend("rotating", cls.old.sign("rotating", "DNS:rotating.internal"))
        return cls.objects_with(cls.old.pem)

    @classmethod
    def objects_with(cls, *pems: str) -> list[Object]:
        return [ca_map("rotation", *pems), service("rotation"),
                endpoint_slice("rotation", "rotation", cls.backend.port),
                policy("rotation", "rotation", hostname="rotating.internal", caCertificateRefs=ca_ref("rotation")),
                route("rotation", backend_ref("rotation"))]

    @classmethod
    def check(cls, stage: Stage, test: unittest.TestCase) -> None:
        def trust(*pems: str) -> None:
            since = stage.sluice.mark()
            stage.resources.write("rotation.yaml", cls.objects_with(*pems))
            stage.sluice.wait_acknowledged(stage.sluice.commit_of(["ConfigMap default/rotation"], since))
            time.sleep(0.3)

        load = stage.rig.load([Target("r", f"http://127.0.0.1:{stage.port}/", "rotation.example")], rate=40)
        time.sleep(0.5)
        trust(cls.old.pem, cls.new.pem)
        cls.backend.use(cls.new.sign("rotating", "DNS:rotating.internal"))
        time.sleep(0.5)
        trust(cls.new.pem)
        time.sleep(0.5)
        records = load.finish()
        test.assertGreater(len(records), 40)
        test.assertEqual([r for r in records if r.status != 200 or r.backend != "rotating"], [])
        # It is the bundle that counts: with the old one alone the new certificate is not trusted.
        trust(cls.old.pem)
        test.assertEqual(stage.ask("rotation.example").status, 503)


rotation = Feature("rotation", Rotation.objects, check=Rotation.check)


# ---- fallbacks -----------------------------------------------------------------------------------


def fallback_objects(stage: Stage, up: bool = True) -> list[Object]:
    endpoints = [endpoint_slice("fallback", "fallback", stage.addresses["blue"][1])] if up else []
    return [service("fallback"), *endpoints,
            own_backend("fallback-spare", endpoints=ip(stage.addresses["green"][1]), fallback=True),
            route("fallback", backend_ref("fallback"), own_backend_ref("fallback-spare"))]


def check_fallback(stage: Stage, test: unittest.TestCase) -> None:
    test.assertEqual({stage.ask("fallback.example").backend for _ in range(20)}, {"blue"})
    url = f"http://127.0.0.1:{stage.port}/"
    stage.resources.write("fallback.yaml", fallback_objects(stage, up=False))
    wait_answer(url, "fallback.example", lambda answer: answer.backend == "green")
    test.assertEqual({stage.ask("fallback.example").backend for _ in range(20)}, {"green"})
    stage.resources.write("fallback.yaml", fallback_objects(stage))
    wait_answer(url, "fallback.example", lambda answer: answer.backend == "blue")


fallback = Feature("fallback", fallback_objects, check=check_fallback)


# ---- where the request says ----------------------------------------------------------------------


class Anywhere:
    """A route for every host, to a Gateway of its own: the others have hosts."""

    port = 0

    @classmethod
    def objects(cls, stage: Stage) -> list[Object]:
        cls.port = stage.rig.port()
        by_header = {**path_rule("/by-header", own_backend_ref("anywhere")), "filters": [
            {"type": "ExtensionRef",
             "extensionRef": {"group": ENVOY_GATEWAY, "kind": "HTTPRouteFilter", "name": "anywhere"}}]}
        made = http_route("anywhere", [], [path_rule("/", own_backend_ref("anywhere")), by_header], parent="anywhere")
        del made["spec"]["hostnames"]
        return [own_backend("anywhere", type="DynamicResolver"), made,
                an_object(f"{ENVOY_GATEWAY}/v1alpha1", "HTTPRouteFilter", "anywhere", spec={
                    "urlRewrite": {"hostname": {"type": "Header", "header": "x-host"}}}),
                gateway([http_listener("http", cls.port)], name="anywhere")]

    @classmethod
    def check(cls, stage: Stage, test: unittest.TestCase) -> None:
        url, blue = f"http://127.0.0.1:{cls.port}/", stage.addresses["blue"][1]
        wait_answer(url, f"localhost:{blue}", lambda answer: answer.status == 403)
        for host in ("localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.1", "2130706433",
                     "0x7f000001", "0", "[::1]", "[::ffff:127.0.0.1]"):
            with test.subTest(host=host):
                test.assertEqual(request(url, f"{host}:{blue}").status, 403)
        # Nor by a header; nor where that is absent, or is there twice: the first is the host.
        for host, headers in (("a.invalid", {"x-host": f"localhost:{blue}"}), (f"localhost:{blue}", {}),
                              ("a.invalid", {"x-host": f"127.0.0.1:{blue}", "X-Host": "b.invalid"})):
            with test.subTest(host=host, headers=headers):
                test.assertEqual(request(url + "by-header", host, headers=headers).status, 403)
        # A name that nobody knows is looked up, and not found: no guard stands in its way.
        test.assertIn(request(url, "nobody.invalid", seconds=20).status, (503, 504))


anywhere = Feature("anywhere", Anywhere.objects, check=Anywhere.check)

FEATURES = [trust, client_certificate, rotation, fallback, anywhere]
