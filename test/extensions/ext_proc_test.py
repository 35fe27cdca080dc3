#!/usr/bin/python3
"""How Envoy and an ext_proc service are connected: TCP and Unix sockets, mutual TLS, health, a second service for when the
first is gone, and what becomes of requests when there is none."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

import gateway  # noqa: E402
from examples import FORMS, ExtProc, endpoint, find  # noqa: E402
from rig import (  # noqa: E402
    BUILD, ENVOY_GATEWAY, Answer, Object, Rig, make_certificate, own_backend, own_backend_ref, request, run_tests,
    wait_for)

HOSTILE = BUILD / "test/extensions/hostile-ext-proc"
PROBE = BUILD / "test/extensions/probe-ext-proc"
FORBIDDEN = {"forbidden": ["bad"]}
GOOD, BAD = json.dumps({"model": "good"}).encode(), json.dumps({"model": "bad"}).encode()
SERVER = "model-service.test"  # the name in its certificate


class Connections(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.backend = self.rig.echo("blue").addresses["blue"]

    def objects(self, route: str, service: ExtProc, *others: Object, **spec: object) -> list[Object]:
        """For the service; `spec` goes into the policy's extProc."""
        objects = FORMS["ext-proc-cpp"].objects(route, {}, service.address)
        find(objects, "EnvoyExtensionPolicy")["spec"]["extProc"][0].update(spec)
        return [*objects, *others]

    def start(self, routes: dict[str, list[Object]]) -> None:
        self.gateway = gateway.start(self.rig, self.backend, routes)

    def ask(self, route: str, body: bytes = GOOD) -> Answer:
        return request(self.gateway.url, route, "POST", body=body)

    def assert_works(self, route: str) -> None:
        answer = self.ask(route)
        self.assertEqual((answer.status, answer.json["headers"].get("x-model")), (200, "good"))
        self.assertEqual(self.ask(route, BAD).status, 403)

    # ---- what it is told, and waited for ------------------------------------------------------------------

    def test_a_service_in_the_shadow_is_told_and_neither_waited_for_nor_obeyed(self) -> None:
        service = ExtProc(self.rig, FORBIDDEN)
        process = self.rig.start(HOSTILE, "127.0.0.1:0", stdout=subprocess.PIPE, text=True)
        never = FORMS["ext-proc-cpp"].objects("never.test", {}, process.stdout.readline().split()[-1])
        find(never, "EnvoyExtensionPolicy")["spec"]["extProc"][0].update(
            shadowMode=True, messageTimeout="5s", processingMode={"request": {}})
        streamed = {"request": {"body": "Streamed"}}
        self.start({"shadow.test": self.objects("shadow.test", service, shadowMode=True, processingMode=streamed),
                    "works.test": self.objects("works.test", service), "never.test": never})
        self.assert_works("works.test")
        for body in (GOOD, BAD):
            answer = self.ask("shadow.test", body)
            self.assertEqual((answer.status, answer.json["headers"].get("x-model")), (200, None))
        begin = time.monotonic()
        self.assertEqual(request(f"{self.gateway.url}never", "never.test").status, 200)
        self.assertLess(time.monotonic() - begin, 2)

    def test_a_service_without_a_processing_mode_is_told_nothing(self) -> None:
        objects = self.objects("nothing.test", ExtProc(self.rig, FORBIDDEN))
        del find(objects, "EnvoyExtensionPolicy")["spec"]["extProc"][0]["processingMode"]
        self.start({"nothing.test": objects})
        self.assertEqual(self.ask("nothing.test", BAD).status, 200)

    def test_a_body_is_shown_as_far_as_the_buffer_holds_it(self) -> None:
        service = ExtProc(self.rig, FORBIDDEN)
        routes = {mode: f"{mode.lower()}.test" for mode in ("Buffered", "BufferedPartial")}
        self.start({route: self.objects(route, service, processingMode={"request": {"body": mode}})
                    for mode, route in routes.items()})
        for route in routes.values():
            self.assert_works(route)
        # More than the buffer: all of it or nothing, or what there is, which is no JSON to the service.
        large = json.dumps({"text": "x" * (1 << 20), "model": "bad"}).encode()
        self.assertEqual(self.ask(routes["Buffered"], large).status, 413)
        self.assertEqual(self.ask(routes["BufferedPartial"], large).status, 200)

    def probe(self, route: str, address: str, **mode: Object) -> list[Object]:
        """Told of the directions that are named; see probe_ext_proc.cc."""
        objects = FORMS["ext-proc-cpp"].objects(route, {}, address)
        find(objects, "EnvoyExtensionPolicy")["spec"]["extProc"][0]["processingMode"] = mode
        return objects

    def start_probe(self) -> str:
        """Its address."""
        process = self.rig.start(PROBE, "127.0.0.1:0", stdout=subprocess.PIPE, text=True)
        return process.stdout.readline().split()[-1]

    def test_a_service_is_told_the_attributes_that_its_policy_names_in_each_direction(self) -> None:
        address = self.start_probe()
        self.start({
            "both.test": self.probe("both.test", address, request={"attributes": ["request.path", "request.method"]},
                                    response={"attributes": ["request.path", "response.code"]}),
            "response.test": self.probe("response.test", address, response={"attributes": ["request.method"]}),
            "none.test": self.probe("none.test", address, request={}, response={})})
        told = {"both.test": ("request.path=/a request.method=POST", "request.path=/a response.code=200"),
                "response.test": (None, "request.method=POST"), "none.test": ("", "")}
        for route, expected in told.items():
            with self.subTest(route):
                answer = request(f"{self.gateway.url}a", route, "POST", body=b"{}")
                self.assertEqual((answer.json["headers"].get("x-told"), answer.headers.get("x-told")), expected)

    def test_a_body_goes_through_a_service_piece_by_piece_in_both_directions(self) -> None:
        address, duplex = self.start_probe(), {"body": "FullDuplexStreamed"}
        self.start({"request.test": self.probe("request.test", address, request=duplex),
                    "response.test": self.probe("response.test", address, response=duplex),
                    "both.test": self.probe("both.test", address, request=duplex, response=duplex),
                    "streamed.test": self.probe("streamed.test", address, request={"body": "Streamed"})})
        large = b"x" * (3 << 20)  # far more than Envoy's buffers hold
        for body in (GOOD, large, b""):
            for route, (of_request, of_response) in {"request.test": (2, 1), "response.test": (1, 2),
                                                     "both.test": (2, 2), "streamed.test": (1, 1)}.items():
                with self.subTest(route, size=len(body)):
                    answer = request(self.gateway.url, route, "POST", body=body)
                    self.assertEqual(answer.status, 200)
                    text = answer.body.decode()
                    once = text[:len(text) // of_response]
                    self.assertEqual(text, once * of_response)
                    self.assertEqual(json.loads(once)["body"], len(body) * of_request)

    def scripted(self, objects: list[Object], script: str) -> list[Object]:
        """With a script of the policy's, which is before the service in a request and behind it in a response."""
        find(objects, "EnvoyExtensionPolicy")["spec"]["lua"] = [{"type": "Inline", "inline": script}]
        return objects

    def with_metadata(self, objects: list[Object], metadata: Object) -> list[Object]:
        find(objects, "EnvoyExtensionPolicy")["spec"]["extProc"][0]["metadata"] = metadata
        return objects

    def test_a_service_is_told_the_metadata_of_the_namespaces_that_its_policy_makes_accessible(self) -> None:
        script = """
            function envoy_on_request(handle)
              handle:streamInfo():dynamicMetadata():set("left", "word", "a")
              handle:streamInfo():dynamicMetadata():set("right", "word", "b")
            end"""
        address = self.start_probe()
        told = {"one.test": (["right"], "right.word=b"), "both.test": (["left", "right"], "left.word=a right.word=b"),
                "none.test": ([], ""), "other.test": (["other"], "")}
        self.start({route: self.with_metadata(
            self.scripted(self.probe(route, address, request={}, response={}), script),
            {"accessibleNamespaces": names} if names else {}) for route, (names, _) in told.items()})
        for route, (_, words) in told.items():
            with self.subTest(route):
                answer = self.ask(route)
                self.assertEqual((answer.json["headers"].get("x-told"), answer.headers.get("x-told")), (words, words))

    def test_what_a_service_writes_into_metadata_is_there_where_its_policy_makes_it_writable(self) -> None:
        script = """
            function envoy_on_response(handle)
              for _, name in ipairs({"left", "right"}) do
                local values = handle:streamInfo():dynamicMetadata():get(name)
                handle:headers():add("x-" .. name, values and values["written"] or "no")
              end
            end"""
        address = self.start_probe()
        written = {"one.test": (["right"], ("no", "yes")), "both.test": (["left", "right"], ("yes", "yes")),
                   "none.test": ([], ("no", "no")), "other.test": (["other"], ("no", "no"))}
        self.start({f"{direction}.{route}": self.with_metadata(
            self.scripted(self.probe(f"{direction}.{route}", address, **{direction: {}}), script),
            {"writableNamespaces": names} if names else {})
            for route, (names, _) in written.items() for direction in ("request", "response")})
        for route, (_, expected) in written.items():
            for direction in ("request", "response"):
                with self.subTest(route, direction=direction):
                    headers = self.ask(f"{direction}.{route}").headers
                    self.assertEqual((headers.get("x-left"), headers.get("x-right")), expected)

    def bodies_told(self, route: str, mode: str | None = None) -> tuple[str | None, str | None]:
        """How large the bodies of the request and its response were that the service was told of, which asks for
        this mode."""
        answer = request(self.gateway.url, route, "POST", body=GOOD, headers={"x-mode": mode} if mode else {})
        self.assertEqual(answer.status, 200)
        of_response = answer.headers.get("x-body")
        if of_response is not None:
            self.assertEqual(of_response, str(len(answer.body)))
        return answer.json["headers"].get("x-body"), of_response

    def test_a_service_gets_the_parts_that_it_asks_for_where_its_policy_lets_it(self) -> None:
        address = self.start_probe()
        whole = {"body": "Buffered"}
        self.start({"may.test": self.probe("may.test", address, request={}, allowModeOverride=True),
                    "may-not.test": self.probe("may-not.test", address, request={}),
                    "may-spare.test": self.probe("may-spare.test", address, request=whole, response=whole,
                                                 allowModeOverride=True),
                    "may-not-spare.test": self.probe("may-not-spare.test", address, request=whole, response=whole)})
        size = str(len(GOOD))
        of_request, of_response = self.bodies_told("may.test", "Buffered")
        self.assertEqual(of_request, size)
        self.assertIsNotNone(of_response)
        self.assertEqual(self.bodies_told("may.test"), (None, None), "it asks for each request anew")
        self.assertEqual(self.bodies_told("may-not.test", "Buffered"), (None, None))
        self.assertEqual(self.bodies_told("may-spare.test", "None"), (None, None))
        for route, mode in (("may-spare.test", None), ("may-not-spare.test", "None")):
            of_request, of_response = self.bodies_told(route, mode)
            self.assertEqual(of_request, size)
            self.assertIsNotNone(of_response)

    def test_a_service_through_which_a_body_goes_in_both_directions_gets_what_its_policy_says(self) -> None:
        address = self.start_probe()
        self.start({"both.test": self.probe("both.test", address, request={"body": "FullDuplexStreamed"},
                                            allowModeOverride=True)})
        answer = request(self.gateway.url, "both.test", "POST", body=GOOD, headers={"x-mode": "None"})
        self.assertEqual((answer.status, answer.json["body"]), (200, 2 * len(GOOD)))

    # ---- TLS ------------------------------------------------------------------------------------------

    def tls_service(self, address: str, settings: Object = FORBIDDEN) -> ExtProc:
        """That lets in only those who have the certificate of client_tls()."""
        folder = self.rig.folder
        if not (folder / "1.crt").exists():
            make_certificate(folder, [SERVER], 1)
            make_certificate(folder, ["gateway.test"], 2)
        return ExtProc(self.rig, settings, address, "--certificate", folder / "1.crt", "--key", folder / "1.key",
                       "--client-ca", folder / "2.crt")

    def server_tls(self, route: str, authority: str = "1.crt", hostname: str = SERVER,
                   backends: tuple[str, ...] = ()) -> list[Object]:
        """For the route's Backend, or these."""
        authorities = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"ca-{route}", "namespace": "default"},
                       "data": {"ca.crt": (self.rig.folder / authority).read_text()}}
        policy = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy",
                  "metadata": {"name": route, "namespace": "default"},
                  "spec": {"targetRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": backend}
                                          for backend in backends or (route,)],
                           "validation": {"hostname": hostname, "caCertificateRefs": [
                               {"group": "", "kind": "ConfigMap", "name": f"ca-{route}"}]}}}
        return [authorities, policy]

    def client_tls(self, certificate: int = 2) -> list[Object]:
        pem, key = ((self.rig.folder / f"{certificate}.{end}").read_text() for end in ("crt", "key"))
        proxy = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy",
                 "metadata": {"name": "extensions", "namespace": "default"},
                 "spec": {"backendTLS": {"clientCertificateRef": {"kind": "Secret", "name": "gateway-client"}}}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gateway-client", "namespace": "default"},
                  "type": "kubernetes.io/tls", "stringData": {"tls.crt": pem, "tls.key": key}}
        return [proxy, secret]

    def test_a_service_is_reached_by_tcp_and_by_a_unix_socket_with_mutual_tls_and_without(self) -> None:
        unix = f"unix:{self.rig.folder}/"
        plain = {"tcp.test": ExtProc(self.rig, FORBIDDEN), "unix.test": ExtProc(self.rig, FORBIDDEN, unix + "plain")}
        tls = {"tcp-tls.test": self.tls_service("127.0.0.1:0"), "unix-tls.test": self.tls_service(unix + "tls")}
        self.start({**{route: self.objects(route, service) for route, service in plain.items()},
                    **{route: self.objects(route, service, *self.server_tls(route), *self.client_tls())
                       for route, service in tls.items()}})
        for route in (*plain, *tls):
            with self.subTest(route):
                self.assert_works(route)

    def test_a_gateway_is_let_in_again_and_again(self) -> None:
        # With whatever its TLS remembers of the connection before, as Envoy's does.
        service, folder, session = self.tls_service("127.0.0.1:0"), self.rig.folder, None
        context = ssl.create_default_context(cafile=folder / "1.crt")
        context.load_cert_chain(folder / "2.crt", folder / "2.key")
        context.set_alpn_protocols(["h2"])
        host, _, port = service.address.rpartition(":")
        for _ in range(3):
            with socket.create_connection((host, int(port)), 5) as connection:
                tls = context.wrap_socket(connection, server_hostname=SERVER, session=session)
                self.assertEqual(tls.recv(9)[3], 4, "the server's settings come first")
                session = tls.session

    def test_a_gateway_without_a_certificate_is_not_let_in(self) -> None:
        service = self.tls_service("127.0.0.1:0")
        self.start({"none.test": self.objects("none.test", service, *self.server_tls("none.test"))})
        self.assertEqual(self.ask("none.test").status, 500)

    def test_a_gateway_with_the_wrong_certificate_is_not_let_in(self) -> None:
        service = self.tls_service("127.0.0.1:0")
        self.start({"wrong.test": self.objects("wrong.test", service, *self.server_tls("wrong.test"),
                                               *self.client_tls(certificate=1))})
        self.assertEqual(self.ask("wrong.test").status, 500)

    def test_a_service_that_is_another_is_told_nothing(self) -> None:
        service = self.tls_service("127.0.0.1:0")
        self.start({
            "signer.test": self.objects("signer.test", service, *self.client_tls(),
                                        *self.server_tls("signer.test", authority="2.crt")),
            "name.test": self.objects("name.test", service, *self.client_tls(),
                                      *self.server_tls("name.test", hostname="another.test"))})
        self.assertEqual([self.ask(route).status for route in ("signer.test", "name.test")], [500, 500])

    # ---- failures ----------------------------------------------------------------------------------------

    def test_a_service_that_is_gone_stops_requests_or_lets_them_pass(self) -> None:
        service = ExtProc(self.rig, FORBIDDEN)
        self.start({"closed.test": self.objects("closed.test", service),
                    "open.test": self.objects("open.test", service, failOpen=True),
                    "plain.test": []})
        for route in ("closed.test", "open.test"):
            self.assert_works(route)
        service.kill()
        answer = self.ask("open.test", BAD)
        self.assertEqual((answer.status, answer.json["headers"].get("x-model")), (200, None))
        self.assertEqual(self.ask("closed.test").status, 500)
        self.assertEqual(self.ask("plain.test").status, 200)
        # Back again, at the same address.
        ExtProc(self.rig, FORBIDDEN, service.address)
        for route in ("closed.test", "open.test"):
            wait_for(lambda: self.ask(route, BAD).status == 403, f"the service is asked for {route}")

    # ---- a second service ------------------------------------------------------------------------------

    def with_second(self, route: str, objects: list[Object], address: str, on_reference: bool = False) -> list[Object]:
        """The objects, and a service at this address for when the first is gone: the reference says so, or the
        Backend."""
        reference = {**own_backend_ref(f"{route}-2"), **({"fallback": True} if on_reference else {})}
        find(objects, "EnvoyExtensionPolicy")["spec"]["extProc"][0]["backendRefs"].append(reference)
        second = own_backend(f"{route}-2", endpoints=[endpoint(address)], appProtocols=[f"{ENVOY_GATEWAY}/h2c"],
                             **({} if on_reference else {"fallback": True}))
        return [*objects, second]

    def wait_status(self, route: str, status: int, why: str) -> None:
        """`BAD` is 403 from the first service, 200 from the second, which names the model all the same."""
        answer = wait_for(lambda: (a := self.ask(route, BAD)).status == status and a, f"{route}: {why}", 15)
        if status == 200:
            self.assertEqual(answer.json["headers"].get("x-model"), "bad")

    def test_requests_go_to_the_second_service_while_the_first_is_gone(self) -> None:
        unix, lenient = f"unix:{self.rig.folder}/", {}
        first = {"tcp.test": ExtProc(self.rig, FORBIDDEN), "unix-tls.test": self.tls_service(unix + "first")}
        second = {"tcp.test": ExtProc(self.rig, lenient),
                  "unix-tls.test": self.tls_service(unix + "second", lenient)}
        self.start({
            "tcp.test": self.with_second("tcp.test", self.objects("tcp.test", first["tcp.test"]),
                                         second["tcp.test"].address),
            "unix-tls.test": [*self.with_second("unix-tls.test", self.objects("unix-tls.test", first["unix-tls.test"]),
                                                second["unix-tls.test"].address, on_reference=True),
                              *self.server_tls("unix-tls.test", backends=("unix-tls.test", "unix-tls.test-2")),
                              *self.client_tls()]})
        for route, service in first.items():
            with self.subTest(route):
                # It dies before there has been a request, while all that Envoy knows of it is one good answer.
                service.kill()
                self.wait_status(route, 200, "the second is asked")
                for _ in range(20):
                    self.assertEqual(self.ask(route, BAD).status, 200)
        again = {"tcp.test": ExtProc(self.rig, FORBIDDEN, first["tcp.test"].address),
                 "unix-tls.test": self.tls_service(first["unix-tls.test"].address)}
        for route, service in again.items():
            with self.subTest(route):
                self.wait_status(route, 403, "the first is asked again")
                second[route].kill()
                self.assertEqual(self.ask(route, BAD).status, 403)

    def test_a_service_that_says_it_is_not_well_is_left_for_the_second(self) -> None:
        # It would answer all the same, without a word on the model.
        process = self.rig.start(HOSTILE, "127.0.0.1:0", stdout=subprocess.PIPE, text=True)
        first, second = process.stdout.readline().split()[-1], ExtProc(self.rig, {})
        self.start({"sick.test": self.with_second("sick.test", FORMS["ext-proc-cpp"].objects("sick.test", {}, first),
                                                  second.address)})

        def asked() -> str:
            answer = request(self.gateway.url + "good", "sick.test", "POST", body=GOOD)
            return "second" if answer.json["headers"].get("x-model") else "first"

        self.assertEqual(asked(), "first")
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: asked() == "second", "the second is asked", 15)
        process.send_signal(signal.SIGUSR2)
        wait_for(lambda: asked() == "first", "the first is asked again", 15)


if __name__ == "__main__":
    run_tests()
