"""XBackends, and XBackendTrafficPolicies: hosts outside with TLS, retry budgets, sessions of backends."""

from __future__ import annotations

import http.server
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from backend_tls import TlsBackend
from feature import Ask, Feature, Stage
from rig import Authority, Object, an_object, backend_ref, ca_map, ca_ref, http_route

EXPERIMENTS = "gateway.networking.x-k8s.io"


def x_backend(name: str, port: int, **spec: object) -> Object:
    return an_object(f"{EXPERIMENTS}/v1alpha1", "XBackend", name, spec={
        "type": "ExternalHostname", "externalHostname": {"hostname": "localhost"}, "port": {"port": port}, **spec})


def to_x_backend(name: str) -> Object:
    return {"group": EXPERIMENTS, "kind": "XBackend", "name": name}


def policy(name: str, service: str, **spec: object) -> Object:
    return an_object(f"{EXPERIMENTS}/v1alpha1", "XBackendTrafficPolicy", name, spec={
        "targetRefs": [{"group": "", "kind": "Service", "name": service}], **spec})


def rule(path: str, *backends: Object, **more: object) -> Object:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": list(backends), **more}


# ---- hosts outside -------------------------------------------------------------------------------


class Outside:
    def objects(self, stage: Stage) -> list[Object]:
        folder = stage.rig.path("outside")
        folder.mkdir()
        authority = Authority(folder, "authority")
        self.server = TlsBackend("outside", authority.sign("server", "DNS:outside.internal"))
        trusts = {"hostname": "outside.internal", "caCertificateRefs": ca_ref("outside-authority")}
        return [
            ca_map("outside-authority", authority.pem),
            x_backend("outside-plain", stage.addresses["green"][1]),
            x_backend("outside-h2", stage.addresses["violet"][1], protocol="H2C"),
            x_backend("outside-tls", self.server.port, tls={"mode": "ServerOnly", "validation": trusts}),
            # The authorities of the machine know nobody of that name.
            x_backend("outside-stranger", self.server.port, tls={"mode": "ServerOnly"}),
            http_route("outside", ["outside.example"], [
                rule("/plain", to_x_backend("outside-plain")), rule("/h2", to_x_backend("outside-h2")),
                rule("/tls", to_x_backend("outside-tls")), rule("/stranger", to_x_backend("outside-stranger")),
                rule("/none", to_x_backend("outside-none"))], section="http")]


outside = Outside()


# ---- sessions ------------------------------------------------------------------------------------


def check_sessions(stage: Stage, test: unittest.TestCase) -> None:
    for path in ("/a", "/b"):
        answer = stage.ask("kept.example", path)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        test.assertTrue(cookie.startswith("kept-"), cookie)
        same = {stage.ask("kept.example", path, headers={"cookie": cookie}).backend for _ in range(12)}
        test.assertEqual(same, {answer.backend})
    names = {stage.ask("kept.example", path).headers["set-cookie"].partition("=")[0] for path in ("/a", "/b")}
    test.assertEqual(len(names), 2, "rules share no session")
    test.assertIn("mine=", stage.ask("kept.example", "/own").headers["set-cookie"])
    test.assertEqual({stage.ask("kept.example").backend for _ in range(40)}, {"blue", "green"})


def session_objects(stage: Stage) -> list[Object]:
    ports = [stage.addresses[name][1] for name in ("blue", "green")]
    both = backend_ref("kept-both")
    return [*stage.service("kept-both", *ports), policy("kept", "kept-both", sessionPersistence={"sessionName": "kept"}),
            http_route("kept", ["kept.example"], [
                rule("/a", both), rule("/b", both), rule("/own", both, sessionPersistence={"sessionName": "mine"}),
                rule("/", both)], section="http")]


# ---- budgets -------------------------------------------------------------------------------------


class Failing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts: dict[str, int] = {}
    lock = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            self.counts[self.path] = self.counts.get(self.path, 0) + 1
        time.sleep(0.2)
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class FailingServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class Budget:
    AT_ONCE = 40

    def objects(self, stage: Stage) -> list[Object]:
        self.server = FailingServer(("127.0.0.1", 0), Failing)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        port = self.server.server_address[1]
        retry = {"retry": {"codes": [503], "attempts": 1, "backoff": "10ms"}}
        return [*stage.service("budget-none", port), *stage.service("budget-small", port),
                policy("budget", "budget-small", retryConstraint={
                    "budget": {"percent": 10, "interval": "10s"}, "minRetryRate": {"count": 2, "interval": "1s"}}),
                http_route("budget", ["budget.example"], [
                    rule("/none", backend_ref("budget-none"), **retry),
                    rule("/small", backend_ref("budget-small"), **retry)], section="http")]

    def check(self, stage: Stage, test: unittest.TestCase) -> None:
        with ThreadPoolExecutor(self.AT_ONCE) as pool:
            for path in ("/none", "/small"):
                answers = list(pool.map(lambda path: stage.ask("budget.example", path).status, [path] * self.AT_ONCE))
                test.assertEqual(set(answers), {503})
        test.assertEqual(Failing.counts["/none"], 2 * self.AT_ONCE, "without a budget each is repeated")
        test.assertLess(Failing.counts["/small"], self.AT_ONCE + self.AT_ONCE // 2)
        test.assertGreater(Failing.counts["/small"], self.AT_ONCE)


budget = Budget()

FEATURES = [
    Feature("outside", outside.objects, requests=[
        Ask("/plain", "outside.example", backend="green"),
        Ask("/h2", "outside.example", backend="violet"),
        Ask("/tls", "outside.example", backend="outside", headers={"x-sni": "outside.internal"}),
        Ask("/stranger", "outside.example", status=503),
        Ask("/none", "outside.example", status=500)]),
    Feature("kept", session_objects, check=check_sessions),
    Feature("budget", budget.objects, check=budget.check)]
