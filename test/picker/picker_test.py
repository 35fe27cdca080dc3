#!/usr/bin/python3
"""`sluice picker` beside the real Envoy: an Envoy with ext_proc and an override_host cluster, and small model servers."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import unittest
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

import exchange  # noqa: E402
from rig import BUILD, SLUICE, Answer, Object, Rig, StaticEnvoy, request, run_tests, wait_for  # noqa: E402

SIMULATOR = BUILD / "examples/vllm-sim/sluice-vllm-sim"
CHAT = "/v1/chat/completions"


# ---- model servers ---------------------------------------------------------------------------------


def documented(name: str) -> str:
    """The manifest of docs/llm.md behind this mark."""
    text = (Path(__file__).resolve().parents[2] / "docs/llm.md").read_text()
    return text.split(f"<!-- test: {name} -->\n```yaml\n")[1].split("```")[0]


class Pod:
    """A model server: /metrics, /v1/models and completions. What it says of itself is in its members."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1", metrics_path: str = "/metrics",
                 certificate: tuple[Path, Path] | None = None) -> None:
        self.waiting = self.running = 0
        self.adapters: list[str] = []
        self.pause = 0.0  # before each event of a stream, and before other answers
        self.events = 3
        self.status = 200
        self.seen: list[Object] = []  # bodies, with headers
        self.scrapes = 0
        pod = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def _answer(self, status: int, kind: str, text: str) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self) -> None:
                if self.path == metrics_path:
                    pod.scrapes += 1
                    self._answer(200, "text/plain", pod.page())
                else:
                    names = [{"id": "base"}, *({"id": name, "parent": "base"} for name in pod.adapters)]
                    self._answer(200, "application/json", json.dumps({"data": names}))

            def do_POST(self) -> None:
                if "content-length" in self.headers:
                    raw = self.rfile.read(int(self.headers["content-length"]))
                else:
                    raw = b""
                    while size := int(self.rfile.readline(), 16):
                        raw += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                body = json.loads(raw)
                pod.seen.append({"body": body, "headers": {k.lower(): v for k, v in self.headers.items()}})
                usage = {"prompt_tokens": 7, "completion_tokens": pod.events}
                if pod.status != 200:
                    self._answer(pod.status, "application/json", "{}")
                    return
                if not body.get("stream"):
                    time.sleep(pod.pause)
                    self._answer(200, "application/json", json.dumps({"pod": pod.address, "usage": usage}))
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for i in range(pod.events):
                    time.sleep(pod.pause)
                    self._event({"choices": [{"delta": {"content": str(i)}}], "pod": pod.address})
                self._event({"choices": [], "usage": usage})
                self._chunk("data: [DONE]\n\n")
                self.wfile.write(b"0\r\n\r\n")

            def _event(self, event: Object) -> None:
                self._chunk(f"data: {json.dumps(event)}\n\n")

            def _chunk(self, text: str) -> None:
                self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())
                self.wfile.flush()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a client went away
                    traceback.print_exc()

            def process_request(self, connection: Any, address: Any) -> None:
                pod.connections.append(connection)
                super().process_request(connection, address)

        self.connections: list[socket.socket] = []
        self.server = Server((host, port), Handler)
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*certificate)
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.address = f"{host}:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def page(self) -> str:
        lines = [f'vllm:num_requests_waiting{{engine="0"}} {self.waiting}',
                 f'vllm:num_requests_running{{engine="0"}} {self.running}', 'vllm:kv_cache_usage_perc{engine="0"} 0.1',
                 'vllm:cache_config_info{block_size="16",num_gpu_blocks="27000"} 1']
        if self.adapters:
            lines.append(f'vllm:lora_requests_info{{max_lora="4",running_lora_adapters="{",".join(self.adapters)}",'
                         'waiting_lora_adapters=""} 1.7e9')
        return "\n".join(["# HELP", *lines, ""])

    def kill(self) -> None:
        """As a process that dies: nothing listens, and all connections break."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# ---- the picker and Envoy -----------------------------------------------------------------------------


class Picker:
    def __init__(self, rig: Rig, *arguments: Any, listen: str = "127.0.0.1:0", name: str = "picker") -> None:
        self.log = rig.path(f"{name}.log")
        self.process = rig.start(SLUICE, "picker", "--listen", listen, *arguments, stdout=subprocess.DEVNULL,
                                 stderr=self.log.open("w"))
        found = wait_for(lambda: re.search(r'"address":"([^"]+)","admin":"([^"]*)"', self.log.read_text())
                         or self.process.poll() is not None, "the picker listens")
        if found is True:
            raise RuntimeError(self.log.read_text())
        self.address, self.admin = found[1], found[2]
        wait_for(lambda: '"msg":"ready"' in self.log.read_text(), "the picker is ready")

    def metrics(self) -> dict[str, float]:
        text = request(f"http://{self.admin}/metrics").body.decode()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}

    def metric(self, name: str) -> float:
        return self.metrics()[name]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


FILTERS = "type.googleapis.com/envoy.extensions.filters"


def socket_address(address: str) -> Object:
    if address.startswith("unix:"):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    host, _, number = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(number)}}


def members(*addresses: str) -> Object:
    return {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(each)}} for each in addresses]}]}


def bootstrap(port: int, pods: list[Any], picking: Object | None, clusters: list[Object]) -> Object:
    """An Envoy with a filter that picks, which goes where it says; without one, it goes to one after the other."""
    served = {"@type": f"{FILTERS}.http.header_mutation.v3.HeaderMutation", "mutations": {"response_mutations": [
        {"append": {"header": {"key": "x-served-by", "value": "%UPSTREAM_REMOTE_ADDRESS%"}}},
        {"append": {"header": {"key": "x-details", "value": "%RESPONSE_CODE_DETAILS% %UPSTREAM_HOST% attempts:"
                               "%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON%"}}}]}}
    override = {"@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost",
                "override_host_sources": [{"metadata": {"key": "envoy.lb", "path": [{"key": "x-gateway-destination-endpoint"}]}}],
                "fallback_policy": {"policies": [{"typed_extension_config": {
                    "name": "round_robin", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin"}}}]}}
    manager = {"@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "http",
               "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
                   "match": {"prefix": "/"}, "route": {
                       "cluster": "pool", "timeout": "30s",
                       "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 3}}}]}]},
               "http_filters": [{"name": "served", "typed_config": served}, *([picking] if picking else []),
                                {"name": "router", "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"}}]}
    return {
        "static_resources": {
            "listeners": [{"name": "http", "address": socket_address(f"127.0.0.1:{port}"), "filter_chains": [{"filters": [
                {"name": "http", "typed_config": manager}]}]}],
            "clusters": [
                {"name": "pool", "connect_timeout": "1s", "type": "STATIC",
                 "load_assignment": {"cluster_name": "pool", **members(*(pod.address for pod in pods))},
                 "load_balancing_policy": {"policies": [{"typed_extension_config": {
                     "name": "override_host", "typed_config": override}}]}}, *clusters]}}


def beside(port: int, picker: str, pods: list[Any], mode: str = "FULL_DUPLEX_STREAMED",
           response_mode: str | None = None, fail_open: bool = False) -> Object:
    """An Envoy that asks the picker about each request."""
    if response_mode is None:
        response_mode = mode
    processing = {"request_header_mode": "SEND", "request_body_mode": mode, "response_header_mode": "SEND",
                  "response_body_mode": response_mode}
    if mode == "FULL_DUPLEX_STREAMED":
        processing["request_trailer_mode"] = "SEND"
    if response_mode == "FULL_DUPLEX_STREAMED":
        processing["response_trailer_mode"] = "SEND"
    ext_proc = {"@type": f"{FILTERS}.http.ext_proc.v3.ExternalProcessor", "processing_mode": processing,
                "grpc_service": {"envoy_grpc": {"cluster_name": "picker"}}, "message_timeout": "5s",
                "failure_mode_allow": fail_open,
                "metadata_options": {"forwarding_namespaces": {"untyped": ["envoy.lb", "envoy.lb.subset_hint"]},
                                     "receiving_namespaces": {"untyped": ["envoy.lb"]}}}
    http2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}}
    # So that Envoy knows of a picker that is gone before it has sent it a body.
    health = {"timeout": "1s", "interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 1,
              "healthy_threshold": 1, "grpc_health_check": {"service_name": "envoy.service.ext_proc.v3.ExternalProcessor"}}
    cluster = {"name": "picker", "connect_timeout": "1s", "type": "STATIC", "typed_extension_protocol_options": http2,
               **({"health_checks": [health], "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
                  if fail_open else {}),
               "load_assignment": {"cluster_name": "picker", **members(picker)}}
    return bootstrap(port, pods, {"name": "ext_proc", "typed_config": ext_proc}, [cluster])


def wait_for_listener(envoy: StaticEnvoy, port: int) -> None:
    def there() -> bool:
        if envoy.process.poll() is not None:
            raise RuntimeError(envoy.log.read_text()[-2000:])
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    wait_for(there, "Envoy is ready")


class Home(unittest.TestCase):
    """An Envoy with model servers, and a picker somewhere."""

    pods: list[Any]
    url: str
    port: int

    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.pods = []

    def make_pods(self, count: int) -> None:
        self.pods = [Pod() for _ in range(count)]
        for pod in self.pods:
            self.addCleanup(pod.server.server_close)
        self.endpoints = self.rig.path("pool.txt")
        self.endpoints.write_text("\n".join(pod.address for pod in self.pods))

    def ask(self, body: Object | bytes | None = None, path: str = CHAT, **headers: str) -> Answer:
        if body is None:
            body = {"model": "base", "messages": [{"role": "user", "content": "hello"}]}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return request(self.url + path, method="POST", body=raw,
                       headers={"content-type": "application/json",
                                **{name.replace("_", "-"): value for name, value in headers.items()}})

    def told(self) -> None:
        """The picker knows what the servers say now: two pages were begun and read since."""
        before = [pod.scrapes for pod in self.pods]
        wait_for(lambda: all(pod.scrapes > count + 2 for pod, count in zip(self.pods, before)), "the servers are asked")

    def settled(self) -> None:
        wait_for(lambda: self.metric("sluice_picker_open") == 0, "no reservation is left")


class Beside(Home):
    """The real Envoy with a picker beside it."""

    modes = ("FULL_DUPLEX_STREAMED", "BUFFERED")

    def start(self, pods: int = 3, *arguments: Any, **options: Any) -> None:
        self.make_pods(pods)
        often = () if "--metrics-interval" in arguments else ("--metrics-interval", 20, "--metrics-idle-interval", 20)
        self.arguments = ("--endpoints-file", self.endpoints, *often, *arguments)
        self.picker = Picker(self.rig, *self.arguments)
        self.start_envoy(**options)

    def start_with(self, addresses: list[str]) -> None:
        self.pods = [SimpleNamespace(address=address) for address in addresses]
        self.picker = Picker(self.rig, "-e", ",".join(addresses), "--metrics-interval", 20, "--metrics-idle-interval", 20)
        self.start_envoy()

    def start_envoy(self, **options: Any) -> None:
        self.port = self.rig.port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.envoy = StaticEnvoy(self.rig, beside(self.port, self.picker.address, self.pods, **options),
                                 f"envoy-{self.port}")
        wait_for_listener(self.envoy, self.port)

    def use_mode(self, mode: str) -> None:
        """Of request bodies; starts what is not there yet."""
        if not self.pods:
            self.start(1, mode=mode)
        elif getattr(self, "mode", mode) != mode:
            self.envoy.kill()
            self.start_envoy(mode=mode)
        self.mode = mode

    def metric(self, name: str) -> float:
        return self.picker.metric(name)


class InEitherHome:
    """What the picker does wherever it is: tests of a Home."""

    # ---- decisions -------------------------------------------------------------------------------------

    def test_requests_go_where_the_queue_is_short(self) -> None:
        self.start(3)
        self.pods[0].waiting = self.pods[2].waiting = 20
        time.sleep(0.2)
        served = Counter(self.ask().json["pod"] for _ in range(10))
        self.assertEqual(served, {self.pods[1].address: 10})
        self.settled()

    def test_requests_between_two_scrapes_do_not_herd(self) -> None:
        self.start(3, "--metrics-interval", 60_000, "--metrics-idle-interval", 60_000)
        for pod in self.pods:
            pod.pause = 1
        answers: list[Answer] = []
        bodies = [{"model": "base", "prompt": f"{i} " * 50} for i in range(9)]
        threads = [threading.Thread(target=lambda body=body: answers.append(self.ask(body, "/v1/completions")))
                   for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(Counter(answer.json["pod"] for answer in answers).values()), [3, 3, 3])
        self.settled()

    def test_a_request_without_a_body_goes_somewhere(self) -> None:
        self.start(2)
        answer = request(self.url + "/v1/models")
        self.assertEqual((answer.status, answer.json["data"][0]["id"]), (200, "base"))

    def test_usage_is_read_from_answers(self) -> None:
        self.start(1)
        self.ask()
        self.ask({"model": "base", "stream": True, "messages": []})
        self.settled()
        self.assertEqual(self.metric('sluice_picker_tokens_total{kind="prompt"}'), 14)
        self.assertEqual(self.metric('sluice_picker_responses_total{end="finished"}'), 2)

    def test_requests_of_an_adapter_stay_where_it_is_loaded(self) -> None:
        # With servers that behave as vLLM does, at twenty times its speed.
        simulator = self.rig.start(SIMULATOR, "--pods", 3, "--port", 0, "--adapters", "a,b,c", "--slots", 1, "--speed", 20,
                                   stdout=subprocess.PIPE, text=True)
        addresses = re.findall(r"127\.0\.0\.1:\d+", simulator.stdout.readline())
        self.assertEqual(len(addresses), 3)
        self.start_with(addresses)
        served: dict[str, set[str]] = {}
        for _ in range(6):
            for adapter in ("a", "b", "c"):
                answer = self.ask({"model": adapter, "max_tokens": 4, "messages": [{"role": "user", "content": "hello"}]})
                self.assertEqual(answer.status, 200)
                served.setdefault(adapter, set()).add(answer.headers["x-served-by"])
        self.assertEqual([len(pods) for pods in served.values()], [1, 1, 1], served)
        self.assertEqual(len(set.union(*served.values())), 3, served)
        self.settled()
        self.assertGreater(self.metric('sluice_picker_tokens_total{kind="completion"}'), 18)

    # ---- bodies ----------------------------------------------------------------------------------------

    def test_bodies_arrive_as_they_were_sent(self) -> None:
        for mode in self.modes:
            for size in (10, 60_000, 500_000):
                with self.subTest(mode=mode, size=size):
                    self.use_mode(mode)
                    body = {"model": "base", "messages": [{"role": "user", "content": "x" * size}]}
                    answer = self.ask(body)
                    self.assertEqual(answer.status, 200)
                    self.assertEqual(self.pods[0].seen[-1]["body"], body)

    def test_the_model_is_rewritten(self) -> None:
        for mode in self.modes:
            with self.subTest(mode):
                self.use_mode(mode)
                body = {"messages": [{"role": "user", "content": "hello"}], "model": "base", "n": 1}
                self.assertEqual(self.ask(body, x_gateway_model_name_rewrite="a \"longer\" name").status, 200)
                self.assertEqual(self.pods[0].seen[-1]["body"], {**body, "model": 'a "longer" name'})

    def test_bad_bodies_are_refused(self) -> None:
        self.start(1, "--max-body", 1, "--refuse-unknown")
        cases = [(b'{"model":', 400, "it ends after 9 bytes, too early"), (b"[1]", 400, "no object"),
                 (b'{"prompt":"x"}', 400, "names no model"), (b"[" * 1000, 400, "no object"),
                 (b'{"a":' * 1000, 400, "more than 256"), (b'{"model":"' + b"x" * 1_100_000, 413, "more than 1048576")]
        for body, status, message in cases:
            with self.subTest(body=body[:20]):
                answer = self.ask(body)
                self.assertEqual(answer.status, status)
                self.assertIn(message, answer.json["error"]["message"])
        self.assertEqual(self.pods[0].seen, [])

    def test_streams_pass_event_by_event(self) -> None:
        self.start(1)
        self.pods[0].pause = 0.5
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        begin = time.monotonic()
        connection.request("POST", CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        response = connection.getresponse()
        response.readline()
        first = time.monotonic() - begin
        rest = response.read()
        connection.close()
        self.assertLess(first, time.monotonic() - begin - self.pods[0].pause)
        self.assertTrue(rest.endswith(b"data: [DONE]\n\n"))

    def test_a_response_that_does_not_come_by_is_finished_with_its_headers(self) -> None:
        self.start(1, response_mode="NONE")
        self.assertEqual(self.ask({"model": "base", "stream": True, "messages": []}).status, 200)
        self.settled()
        self.assertEqual(self.metric('sluice_picker_responses_total{end="finished"}'), 1)

    # ---- refusals --------------------------------------------------------------------------------------

    def test_without_a_server_the_answer_is_503(self) -> None:
        self.start(1)
        self.endpoints.write_text("# none\n")
        wait_for(lambda: self.ask().status == 503, "there is no server any more")
        self.assertEqual(self.ask().json["error"]["type"], "service_unavailable")
        self.endpoints.write_text(self.pods[0].address)
        wait_for(lambda: self.ask().status == 200, "there is a server again")

    def test_what_may_be_shed_is_answered_with_429(self) -> None:
        self.start(1, "--objective", "batch=-1")
        self.pods[0].waiting, self.pods[0].running = 5000, 256
        self.told()
        answer = self.ask({"model": "base", "prompt": "x" * 20_000}, x_gateway_inference_objective="batch")
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.json["error"]["type"], "overloaded")
        self.assertEqual(self.pods[0].seen, [])

    # ---- what dies -------------------------------------------------------------------------------------

    def test_a_server_that_dies_leaves_and_comes_back(self) -> None:
        self.start(2)
        dead, alive = self.pods
        up = f'sluice_picker_endpoint_up{{endpoint="{dead.address}"}}'
        dead.kill()
        wait_for(lambda: self.metric(up) == 0, "it is lost")
        self.assertEqual(Counter(self.ask().json["pod"] for _ in range(6)), {alive.address: 6})
        again = Pod(dead.port)
        self.addCleanup(again.server.server_close)
        wait_for(lambda: self.metric(up) == 1, "it is back")
        alive.waiting = 20
        time.sleep(0.2)
        self.assertEqual(self.ask().json["pod"], again.address)

    def test_a_server_that_dies_in_the_middle_of_a_stream_leaves_no_reservation(self) -> None:
        self.start(2)
        for pod in self.pods:
            pod.pause, pod.events = 0.1, 100
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        response = connection.getresponse()
        response.readline()
        self.assertEqual(self.metric("sluice_picker_open"), 1)
        next(pod for pod in self.pods if pod.seen).kill()
        with self.assertRaises((http.client.IncompleteRead, OSError)):
            response.read()
        connection.close()
        self.settled()
        self.assertEqual(self.metric('sluice_picker_responses_total{end="dropped"}'), 1)

    def test_a_client_that_goes_away_leaves_no_reservation(self) -> None:
        self.start(1)
        self.pods[0].pause, self.pods[0].events = 0.1, 100
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        connection.getresponse().readline()
        connection.close()
        self.settled()


class Picking(InEitherHome, Beside):
    def test_a_picker_that_restarts_under_load_is_used_again(self) -> None:
        self.start(3, fail_open=True)
        results: list[tuple[float, int]] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                begin = time.monotonic()
                try:
                    results.append((begin, self.ask().status))
                except (OSError, http.client.HTTPException):
                    results.append((begin, 0))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.5)
            address = self.picker.address
            killed = time.monotonic()
            self.picker.kill()
            time.sleep(1.5)
            gone = time.monotonic()
            self.picker = Picker(self.rig, *self.arguments, listen=address, name="again")
            wait_for(lambda: self.metric('sluice_picker_requests_total{outcome="picked"}') > 50,
                     "the new picker is asked", 15)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        # Envoy fails open until it has sent a part of the body: requests fail until it knows that the picker is gone.
        known = killed + 1
        self.assertEqual([status for begin, status in results if status != 200 and not killed - 1 < begin < known], [])
        self.assertGreater(len([status for begin, status in results if known < begin < gone]), 10)
        self.settled()

    def test_it_ends_with_sigterm_when_requests_have_been_answered(self) -> None:
        self.start(1)
        self.pods[0].pause = 0.5
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(self.ask()))
        thread.start()
        wait_for(lambda: self.pods[0].seen, "the request is there")
        self.picker.process.send_signal(signal.SIGTERM)
        thread.join()
        self.assertEqual(answers[0].status, 200)
        self.envoy.kill()
        self.assertEqual(self.picker.process.wait(15), 0)

    def test_rates_are_limited_by_a_configuration_file(self) -> None:
        config = self.rig.path("config.yaml")
        config.write_text(documented("limits"))
        self.start(1, "--config", config)
        # Of the fairness id `free`, five in ten seconds; the sixth comes two seconds later. Of others there is no such limit.
        chat = {"model": "chat", "messages": []}
        answers = [self.ask(chat, x_gateway_inference_fairness_id="free") for _ in range(6)]
        self.assertEqual([answer.status for answer in answers], [200] * 5 + [429])
        self.assertEqual(answers[5].json["error"]["type"], "rate_limit_exceeded")
        self.assertIn(int(answers[5].headers["retry-after"]), (1, 2))
        self.assertEqual(self.ask(chat).status, 200)
        self.assertEqual(self.ask({**chat, "model": "base"}, x_gateway_inference_fairness_id="free").status, 200)

    def test_long_prompts_are_prefilled_by_another_server(self) -> None:
        config = self.rig.path("config.yaml")
        config.write_text(documented("disaggregated"))
        self.make_pods(2)
        prefills, decodes = self.pods
        self.endpoints.write_text(f"{prefills.address} role=prefill\n{decodes.address} role=decode\n")
        self.picker = Picker(self.rig, "--endpoints-file", self.endpoints, "--config", config)
        self.start_envoy()
        for text, prefiller in (("hello " * 1000, prefills.address), ("hello", None)):
            answer = self.ask({"model": "base", "messages": [{"role": "user", "content": text}]},
                              x_prefiller_host_port="192.0.2.1:1")
            self.assertEqual(answer.json["pod"], decodes.address)
            self.assertEqual(decodes.seen[-1]["headers"].get("x-prefiller-host-port"), prefiller)

    # ---- how it is reached ------------------------------------------------------------------------------

    def test_a_unix_socket_will_do(self) -> None:
        self.pods = [Pod()]
        self.addCleanup(self.pods[0].server.server_close)
        self.picker = Picker(self.rig, "-e", self.pods[0].address, listen=f"unix:{self.rig.path('picker.sock')}")
        self.start_envoy()
        self.assertEqual(self.ask().status, 200)


# ---- recorded exchanges -----------------------------------------------------------------------------

# Name → the body mode, and what is asked.
EXCHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("FULL_DUPLEX_STREAMED", {}),
    "stream": ("FULL_DUPLEX_STREAMED", {"body": {"model": "base", "stream": True, "messages": []}}),
    "rewrite": ("FULL_DUPLEX_STREAMED", {"x_gateway_model_name_rewrite": "other"}),
    "buffered": ("BUFFERED", {"x_gateway_model_name_rewrite": "other"}),
    "malformed": ("FULL_DUPLEX_STREAMED", {"body": b'{"model":'}),
}


class Recorded(Beside):
    """What Envoy said once is answered as it was then."""

    def test_recorded_exchanges(self) -> None:
        for name in EXCHANGES:
            with self.subTest(name):
                picker = Picker(self.rig, "-e", exchange.endpoint_of(name), name=name)
                now, then = exchange.replay(name, picker.address)
                self.assertEqual(now, then)

    def record(self) -> None:
        for name, (mode, asked) in EXCHANGES.items():
            pod = Pod()
            self.pods = [pod]
            picker = Picker(self.rig, "-e", pod.address, name=name)
            recorder = exchange.Recorder(picker.address)
            self.picker, picker.address = picker, recorder.address
            self.start_envoy(mode=mode)
            self.ask(**asked)
            time.sleep(0.3)
            recorder.save(name, pod.address)


def record() -> None:
    recorded = Recorded("record")
    recorded.setUp()
    try:
        recorded.record()
    finally:
        recorded.doCleanups()


if __name__ == "__main__":
    record() if sys.argv[1:] == ["--record"] else run_tests()
