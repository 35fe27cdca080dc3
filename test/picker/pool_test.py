#!/usr/bin/python3
"""InferencePools of `sluice run`: our own picker, beside Envoy and inside it, and somebody else's, in front of small model
servers, with the real Envoy."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from picker_test import CHAT, SIMULATOR, Picker, Pod, documented  # noqa: E402
from rig import SLUICE, Answer, Authority, Object, Rig, request, run_tests, wait_for  # noqa: E402

POOL: Object = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "llama"}


def gateway(port: int) -> list[Object]:
    return [
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "eg"},
         "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"}},
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "web"},
         "spec": {"gatewayClassName": "eg", "listeners": [{"name": "http", "protocol": "HTTP", "port": port}]}}]


def route(*backends: Object) -> Object:
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "chat"},
            "spec": {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": list(backends)}]}}


def pool(ports: list[int], home: str = "", config: str = "", metrics: str = "", answers: str = "", **more: Any) -> Object:
    annotations = {"sluice.dev/picker": home, "sluice.dev/picker-config": config, "sluice.dev/picker-metrics": metrics,
                   "sluice.dev/picker-answers": answers}
    return {"apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool",
            "metadata": {"name": "llama", "annotations": {key: value for key, value in annotations.items() if value}},
            "spec": {"selector": {"matchLabels": {"app": "llama"}},
                     "targetPorts": [{"number": port} for port in ports], **more}}


def machine(name: str = "one", ip: str = "127.0.0.1", **metadata: str) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "llama"}, **metadata},
            "status": {"podIP": ip}}


def config_map(name: str, config: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"config.yaml": config}}


# One request for each fairness id, and no other for long.
LIMITED = """apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: lowest-cost-picker
- type: rate-limit
  parameters: {requestsPerSecond: 0.001}
"""
SCORES = """apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
"""


def backend(name: str, address: str) -> Object:
    host, _, port = address.rpartition(":")
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend", "metadata": {"name": name},
            "spec": {"endpoints": [{"ip": {"address": host, "port": int(port)}}]}}


class Pools(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.resources = self.rig.resources()
        self.pods: list[Pod] = []

    def add_pods(self, count: int) -> list[int]:
        for _ in range(count):
            pod = Pod()
            self.addCleanup(pod.server.server_close)
            self.pods.append(pod)
        return [pod.port for pod in self.pods]

    def serve(self, *objects: Object) -> None:
        port = self.rig.port()
        self.url, self.port = f"http://127.0.0.1:{port}", port
        self.resources.write("gateway.yaml", gateway(port))
        self.resources.write("pool.yaml", list(objects))
        self.sluice = self.rig.sluice(self.resources, arguments=self.arguments())
        commit = self.sluice.commit_of(["HTTPRoute default/chat"])
        self.sluice.wait_acknowledged(commit)
        wait_for(lambda: self.answers(), "the pool answers")

    def arguments(self) -> list[str | Path]:
        """Of sluice."""
        return []

    def answers(self) -> bool:
        try:
            return self.ask().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def change(self, *objects: Object) -> None:
        mark = self.sluice.mark()
        self.resources.write("pool.yaml", list(objects))
        self.sluice.wait_acknowledged(self.sluice.wait_line(lambda line: line.message == "commit", "a commit", mark))

    def ask(self, body: Object | None = None, **headers: str) -> Answer:
        raw = json.dumps(body or {"model": "base", "messages": [{"role": "user", "content": "hello"}]}).encode()
        return request(self.url + CHAT, method="POST", body=raw,
                       headers={"content-type": "application/json",
                                **{name.replace("_", "-"): value for name, value in headers.items()}})

    def page(self) -> str:
        """What sluice has at /metrics."""
        address = (self.sluice.run_dir / "admin.address").read_text().strip()
        return request(f"http://{address}/metrics").body.decode()

    def status(self) -> str:
        """Of the last half second; empty at first."""
        file = self.sluice.run_dir / "status.yaml"
        return file.read_text() if file.exists() else ""

    def load(self, seconds: float, at: Any) -> list[tuple[float, int]]:
        """Four clients for so long; `at` is called after a third of the time. When each request began, and its status."""
        results: list[tuple[float, int]] = []
        end = time.monotonic() + seconds

        def client() -> None:
            while time.monotonic() < end:
                begin = time.monotonic()
                try:
                    results.append((begin, self.ask().status))
                except (OSError, http.client.HTTPException):
                    results.append((begin, 0))

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(seconds / 3)
        at()
        for thread in threads:
            thread.join()
        return results


# ---- our own picker, wherever it is -------------------------------------------------------------------


class Own:
    home = ""

    def pool(self, ports: list[int], config: str = "", **more: str) -> Object:
        return pool(ports, self.home, config, **more)

    def add_two_machines(self, **options: Any) -> tuple[list[int], list[Pod]]:
        """Two servers, each with another one beside it that has its metrics; the ports of both kinds, and those others."""
        ports = self.add_pods(1)
        self.pods.append(Pod(ports[0], "127.0.0.2"))
        metrics = [Pod(**options)]
        metrics.append(Pod(metrics[0].port, "127.0.0.2", **options))
        for pod in (self.pods[1], *metrics):
            self.addCleanup(pod.server.server_close)
        return [ports[0], metrics[0].port], metrics

    def they_are_heard(self, metrics: list[Pod]) -> None:
        for busy, free in ((0, 1), (1, 0)):
            metrics[busy].waiting, metrics[free].waiting = 50, 0
            # While only the one that is busy now has been asked again, both are: that is answered with 429.
            wait_for(lambda free=free: Counter(self.ask().json.get("pod") for _ in range(5)) == {self.pods[free].address: 5},
                     "requests go where nobody waits")
        self.assertEqual([pod.scrapes for pod in self.pods], [0, 0])
        self.assertEqual(self.sluice.rejections(), [])

    def test_metrics_are_read_at_another_path_and_port(self) -> None:
        (port, other), metrics = self.add_two_machines(metrics_path="/prometheus/metrics")
        self.serve(self.pool([port], metrics=f":{other}/prometheus/metrics"), machine(), machine("two", "127.0.0.2"),
                   route(POOL))
        self.they_are_heard(metrics)

    def test_metrics_are_read_by_https_from_servers_whose_certificates_are_verified(self) -> None:
        authority = self.authority("trusted")
        certificate = authority.sign("server", "IP:127.0.0.1,IP:127.0.0.2")
        (port, other), metrics = self.add_two_machines(certificate=certificate)
        config = config_map("decide", documented("metrics-source").replace("8002", str(other)).replace(
            "/etc/model-servers/ca.crt", str(authority.folder / "servers.crt")))
        objects = (machine(), machine("two", "127.0.0.2"), route(POOL))
        self.serve(self.pool([port], "decide"), config, *objects)
        self.they_are_heard(metrics)
        stranger = self.authority("stranger")
        config["data"]["config.yaml"] = config["data"]["config.yaml"].replace(str(authority.folder), str(stranger.folder))
        self.change(self.pool([port], "decide"), config, *objects)
        wait_for(lambda: "its certificate is not trusted" in self.said(), "it says why it hears nothing")
        self.assertEqual(self.ask().status, 200, "no server says anything, so any will do")

    def said(self) -> str:
        """What the picker has said, to sluice's log or to Envoy's."""
        return "".join(log.read_text() for log in (self.sluice.log, *self.sluice.run_dir.glob("*.err.log")))

    def authority(self, name: str) -> Authority:
        folder = self.rig.path(name)
        folder.mkdir()
        return Authority(folder, "servers")

    def stream(self) -> http.client.HTTPResponse:
        """An answer in 15 events, a tenth of a second after one another, of which the first is there."""
        for pod in self.pods:
            pod.pause, pod.events = 0.1, 15
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("POST", CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        response = connection.getresponse()
        self.assertIn("content", response.readline().decode())
        return response

    def ends_whole(self, response: http.client.HTTPResponse) -> None:
        rest = response.read().decode()
        self.assertEqual((rest.count('"content"'), "[DONE]" in rest), (14, True))

    def test_a_session_stays_where_it_was_served(self) -> None:
        ports = self.add_pods(3)
        session = "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins:\n- type: session-affinity-scorer\n"
        self.serve(self.pool(ports, "decide"), config_map("decide", session), machine(), route(POOL))
        first = self.ask()
        token = first.headers["x-session-token"]
        self.assertEqual({self.ask(x_session_token=token).json["pod"] for _ in range(10)}, {first.json["pod"]})

    def test_requests_go_where_the_queue_is_short(self) -> None:
        ports = self.add_pods(3)
        self.serve(self.pool(ports), machine(), route(POOL))
        self.assertEqual([line for line in self.sluice.lines if line.message == "picker started"][0].fields["pool"],
                         "default/llama")
        self.pods[0].waiting = self.pods[2].waiting = 20

        def all_to_the_second() -> bool:
            return Counter(self.ask().json["pod"] for _ in range(5)) == {self.pods[1].address: 5}

        wait_for(all_to_the_second, "requests go where nobody waits")
        self.assertEqual(self.sluice.rejections(), [])

    def test_a_pod_that_comes_gets_requests_and_one_that_goes_gets_none(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports[:1]), machine(), route(POOL))
        self.change(self.pool(ports), machine(), route(POOL))
        self.pods[0].waiting = 20
        wait_for(lambda: self.ask().json["pod"] == self.pods[1].address, "the new one gets requests")
        self.pods[0].waiting = 0
        self.change(self.pool(ports[:1]), machine(), route(POOL))
        wait_for(lambda: self.ask().json["pod"] == self.pods[0].address, "the old one gets them again")

    def test_a_pod_that_is_being_deleted_gets_no_more_requests_and_ends_its_answers(self) -> None:
        ports = self.add_pods(1)
        self.pods.append(Pod(ports[0], "127.0.0.2"))
        self.addCleanup(self.pods[1].server.server_close)
        self.serve(self.pool(ports), machine(), machine("two", "127.0.0.2"), route(POOL))
        self.pods[0].waiting = 4  # not so many that requests would wait with the picker
        wait_for(lambda: Counter(self.ask().json["pod"] for _ in range(5)) == {self.pods[1].address: 5},
                 "requests go to the other one, while they may")
        self.pods[1].pause, self.pods[1].events = 0.1, 15
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        response = connection.getresponse()
        first = response.readline().decode()
        self.assertIn(self.pods[1].address, first)
        self.change(self.pool(ports), machine(),
                    machine("two", "127.0.0.2", deletionTimestamp="2026-01-01T00:00:30Z"), route(POOL))
        wait_for(lambda: self.ask().json["pod"] == self.pods[0].address, "the one that stays gets requests")
        self.assertEqual({self.ask().json["pod"] for _ in range(10)}, {self.pods[0].address})

        def left_alone() -> bool:
            scrapes = self.pods[1].scrapes
            time.sleep(0.3)
            return self.pods[1].scrapes == scrapes

        wait_for(left_alone, "the picker does not ask it any more")
        rest = response.read().decode()
        self.assertEqual((rest.count('"content"'), "[DONE]" in rest), (14, True))

    def test_a_config_says_how_it_decides_and_a_change_of_it_loses_no_request(self) -> None:
        ports = self.add_pods(2)
        objects = [machine(), route(POOL)]
        self.serve(self.pool(ports, "decide"), *objects, config_map("decide", LIMITED))

        def statuses(who: str) -> list[int]:
            return [self.ask(x_gateway_inference_fairness_id=who).status for _ in range(3)]

        self.assertEqual(statuses("anna"), [200, 429, 429])
        # A mistake is told with its place, and what was good before it goes on.
        mark = self.sluice.mark()
        self.change(self.pool(ports, "decide"), *objects, config_map("decide", LIMITED.replace("rate-limit", "rate-limt")))
        told = self.sluice.wait_line(lambda line: line.fields.get("code") == "reference/plugin", "the problem", mark)
        self.assertEqual(told.fields["path"], "data[config.yaml].plugins[1].type")
        self.assertEqual(statuses("ben"), [200, 429, 429])
        self.change(self.pool(ports), *objects)
        wait_for(lambda: statuses("ben") == [200] * 3, "nobody limits it")

        def change_often() -> None:
            for config in (SCORES, SCORES + "- type: running-requests-size-scorer\n", SCORES):
                self.change(self.pool(ports, "decide"), *objects, config_map("decide", config))
                time.sleep(0.2)
            self.change(self.pool(ports), *objects)

        results = self.load(3, change_often)
        print(f"a config that changes: {len(results)} requests")
        self.assertEqual(Counter(status for _, status in results), {200: len(results)})

    def test_models_are_rewritten_and_objectives_have_priorities(self) -> None:
        ports = self.add_pods(1)
        rewrite = {"apiVersion": "llm-d.ai/v1alpha2", "kind": "InferenceModelRewrite", "metadata": {"name": "canary"},
                   "spec": {"poolRef": {"name": "llama"}, "rules": [{
                       "matches": [{"model": {"value": "chat"}}],
                       "targets": [{"modelRewrite": "old", "weight": 3}, {"modelRewrite": "new", "weight": 1}]}]}}
        batch = {"apiVersion": "llm-d.ai/v1alpha2", "kind": "InferenceObjective", "metadata": {"name": "batch"},
                 "spec": {"poolRef": {"name": "llama"}, "priority": -1}}
        self.serve(self.pool(ports), machine(), route(POOL), rewrite, batch)
        # Until Envoy has a connection to the picker, it does without.
        wait_for(lambda: self.ask().status == 200 and "x-gateway-destination-endpoint" in self.pods[0].seen[-1]["headers"],
                 "the picker picks")
        self.pods[0].seen.clear()
        for _ in range(8):
            self.assertEqual(self.ask({"model": "chat", "messages": []}).status, 200)
        self.assertEqual(Counter(seen["body"]["model"] for seen in self.pods[0].seen), {"old": 6, "new": 2})
        self.assertEqual(self.ask({"model": "base", "messages": []}).status, 200)
        self.assertEqual(self.pods[0].seen[-1]["body"]["model"], "base")
        # Somebody whom it is worth to keep waiting is refused where it would wait for too long.
        self.pods[0].waiting, self.pods[0].running = 5000, 256
        long = {"model": "base", "prompt": "x" * 20_000}
        wait_for(lambda: self.ask(long, x_gateway_inference_objective="batch").status == 429, "it is refused")

    def test_without_a_pod_the_answer_is_503(self) -> None:
        ports = self.add_pods(1)
        self.serve(self.pool(ports), machine(), route(POOL))
        self.change(self.pool(ports), route(POOL))
        wait_for(lambda: self.ask().status == 503, "nobody is there")

    def test_nothing_fails_when_sluice_is_killed(self) -> None:
        ports = self.add_pods(3)
        self.serve(self.pool(ports), machine(), route(POOL))
        for pod in self.pods:
            pod.pause, pod.events = 0.1, 30
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        response = connection.getresponse()
        response.readline()
        killed = [0.0]

        def kill() -> None:
            killed[0] = time.monotonic()
            self.sluice.kill()

        results = self.load(4.5, kill)
        late = sum(begin > killed[0] for begin, _ in results)
        print(f"our own picker: {len(results)} requests, {late} of them without it")
        self.assertEqual(Counter(status for _, status in results), {200: len(results)})
        self.assertGreater(late, 20)
        # And an answer that was under way has come to its end.
        rest = response.read().decode()
        self.assertEqual((rest.count('"content"'), "[DONE]" in rest), (29, True))
        self.sluice.start()
        self.sluice.wait_line(lambda line: line.message == "picker started", "the picker is there again",
                              self.sluice.first_line)
        self.assertEqual(self.ask().status, 200)

    def test_large_prompts_pass(self) -> None:
        ports = self.add_pods(1)
        self.serve(self.pool(ports), machine(), route(POOL))
        self.pods[0].seen.clear()
        self.assertEqual(self.ask({"model": "base", "prompt": "x" * 400_000}).status, 200)
        self.assertEqual(len(self.pods[0].seen[0]["body"]["prompt"]), 400_000)
        # Envoy answers and closes while the client still sends: whether it gets to read the answer is chance.
        with contextlib.suppress(ConnectionError):
            self.assertEqual(self.ask({"model": "base", "prompt": "x" * (17 << 20)}).status, 413)
        self.assertEqual(len(self.pods[0].seen), 1)

    def test_a_share_goes_to_a_service_that_nobody_picks_for(self) -> None:
        ports = self.add_pods(2)
        plain = backend("plain", self.pods[1].address)
        self.serve(self.pool(ports[:1]), machine(), plain,
                   route({**POOL, "weight": 3}, {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "plain"}))
        served = Counter(self.ask().json["pod"] for _ in range(60))
        self.assertGreater(served[self.pods[0].address], served[self.pods[1].address])
        self.assertGreater(served[self.pods[1].address], 3)

    def test_simulated_pods_serve(self) -> None:
        simulator = self.rig.start(SIMULATOR, "--pods", 3, "--port", 0, "--speed", 20, "--model", "base",
                                   stdout=subprocess.PIPE, text=True)
        ports = [int(address.rpartition(":")[2]) for address in json.loads(simulator.stdout.readline())["pods"]]
        self.serve(self.pool(ports), machine(), route(POOL))
        answers = [self.ask({"model": "base", "max_tokens": 4, "messages": [{"role": "user", "content": f"count to {i}"}]})
                   for i in range(10)]
        self.assertEqual([answer.status for answer in answers], [200] * 10)


class Beside(Own, Pools):
    def series(self, name: str) -> float:
        """Of this pool, with these labels: 'open', 'responses_total{end="finished"}'."""
        name, _, labels = name.partition("{")
        whole = f'sluice_picker_{name}{{pool="default/llama"' + (f",{labels}" if labels else "}") + " "
        return float(next(line for line in self.page().splitlines() if line.startswith(whole)).rpartition(" ")[2])

    def test_of_answers_that_are_not_needed_it_sees_the_headers(self) -> None:
        ports = self.add_pods(2)
        objects = (config_map("decide", SCORES), machine(), route(POOL))
        self.serve(self.pool(ports), *objects)
        streaming = self.stream()
        self.assertEqual(self.series("open"), 1, "the default needs answers to their end")
        self.ends_whole(streaming)
        wait_for(lambda: self.series("open") == 0, "it has ended")
        tokens = self.series('tokens_total{kind="completion"}')
        self.assertEqual(tokens, 18)  # of the request that tried whether the pool is there, too
        self.change(self.pool(ports, "decide"), *objects)
        streaming = self.stream()
        wait_for(lambda: self.series("open") == 0, "it counts as ended with its headers")
        self.ends_whole(streaming)
        self.assertEqual(self.series('tokens_total{kind="completion"}'), tokens)
        self.assertEqual(self.series('responses_total{end="dropped"}'), 0)
        self.assertEqual(self.sluice.rejections(), [])

    def test_of_answers_that_mean_nothing_to_it_it_sees_nothing(self) -> None:
        ports = self.add_pods(2)
        prefix = SCORES.replace("queue-scorer", "prefix-cache-scorer")
        self.serve(self.pool(ports, "decide"), config_map("decide", prefix), machine(), route(POOL))
        prompt = {"model": "base", "messages": [{"role": "user", "content": "a long beginning " * 100}]}
        where = {self.ask(prompt).json["pod"] for _ in range(10)}
        self.assertEqual(len(where), 1, "it still decides")
        self.ends_whole(self.stream())
        self.assertEqual(self.series("open"), 0)
        self.assertEqual(self.series('responses_total{end="finished"}'), 12)
        self.assertEqual(self.series('responses_total{end="dropped"}'), 0)
        self.assertEqual(self.sluice.rejections(), [])

    def test_an_annotation_switches_answers_off(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports, answers="headers"), machine(), route(POOL))
        streaming = self.stream()
        wait_for(lambda: self.series("open") == 0, "it counts as ended with its headers")
        self.ends_whole(streaming)
        self.assertEqual(self.series('tokens_total{kind="completion"}'), 0)

    def test_the_config_in_the_documents_is_good(self) -> None:
        file = self.rig.path("documented.yaml")
        file.write_text(documented("pool-config") + "---\n" + json.dumps(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gpu-1", "labels": {"app": "vllm"}},
             "status": {"podIP": "10.0.0.1"}}))
        checked = subprocess.run([SLUICE, "check", "-f", file], capture_output=True, text=True, check=False)
        self.assertEqual(checked.stdout, "no problems in 3 objects\n")
        file.write_text(file.read_text().replace("- type: rate-limit", "- type: rate-limt"))
        checked = subprocess.run([SLUICE, "check", "-f", file], capture_output=True, text=True, check=False)
        line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "rate-limt" in text)
        self.assertIn(f"{file}:{line}:13: error: there is no plugin of type `rate-limt` [reference/plugin]", checked.stdout)

    def test_its_metrics_are_on_the_page_of_sluice(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports), machine(), route(POOL))
        self.assertEqual(self.ask().status, 200)
        page = self.page()
        picked = re.search(r'^sluice_picker_requests_total{pool="default/llama",outcome="picked"} (\d+)$', page, re.M)
        self.assertGreaterEqual(int(picked[1]), 2)
        self.assertEqual(page.count("# TYPE sluice_picker_endpoint_up "), 1)
        self.assertEqual(page.count("\nsluice_picker_endpoint_up{"), 2)


class Inside(Own, Pools):
    home = "inside-envoy"

    def test_an_annotation_switches_answers_off(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports, answers="headers"), machine(), route(POOL))
        self.ends_whole(self.stream())
        self.assertEqual(self.ask().status, 200)
        read = re.search(r'^sluice_picker_tokens_total\{proxy="[^"]*",pool="default/llama",kind="completion"\} (\d+)$',
                         self.page(), re.M)
        self.assertEqual(read[1], "0")

    def test_it_goes_on_deciding_when_sluice_is_killed(self) -> None:
        ports = self.add_pods(3)
        self.serve(self.pool(ports), machine(), route(POOL))
        self.assertEqual(self.sluice.rejections(), [])
        self.sluice.kill()
        for free in self.pods:
            for pod in self.pods:
                pod.waiting = 0 if pod is free else 20
            wait_for(lambda free=free: Counter(self.ask().json["pod"] for _ in range(5)) == {free.address: 5},
                     "requests go where nobody waits")

    def picked(self) -> int | None:
        """As sluice shows it; none where it does not."""
        found = re.search(r'^sluice_picker_requests_total{proxy="default/web",pool="default/llama",outcome="picked"} (\d+)$',
                          self.page(), re.M)
        return int(found[1]) if found else None

    def envoy(self) -> int:
        """The process of the Envoy that was ready last. It may have answered before sluice has seen that it is."""

        def ready() -> list[int]:
            return [line.fields["pid"] for line in self.sluice.lines
                    if line.message == "proxy" and line.fields["state"] == "ready"]

        wait_for(ready, "an Envoy is ready")
        return ready()[-1]

    def test_its_metrics_are_on_the_page_of_sluice(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports), machine(), route(POOL))
        before = self.picked()
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.picked(), before + 1)
        page = self.page()
        self.assertEqual(page.count("# TYPE sluice_picker_endpoint_up "), 1)
        self.assertEqual(page.count('\nsluice_picker_endpoint_up{proxy="default/web",pool="default/llama",'), 2)

    def test_an_envoy_that_does_not_answer_holds_up_no_metrics(self) -> None:
        ports = self.add_pods(1)
        self.serve(self.pool(ports), machine(), route(POOL))
        envoy = self.envoy()
        os.kill(envoy, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            page = self.page()
            took = time.monotonic() - begin
        finally:
            os.kill(envoy, signal.SIGCONT)
        self.assertLess(took, 1.5)
        self.assertIn("sluice_commits_total", page)
        self.assertNotIn("sluice_picker_", page)
        wait_for(lambda: self.picked() is not None, "it answers again")
        os.kill(envoy, signal.SIGKILL)
        wait_for(lambda: self.envoy() != envoy and self.answers(), "another Envoy serves")
        wait_for(lambda: (self.picked() or 0) > 0, "that one is asked")
        folder = self.sluice.run_dir / "pickers"
        self.assertIn(str(self.envoy()), {file.suffix[1:] for file in folder.iterdir()})

    def test_no_listener_changes_with_its_pods_and_rules(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports[:1]), machine(), route(POOL))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        for count in (2, 1, 2):
            batch = {"apiVersion": "llm-d.ai/v1alpha2", "kind": "InferenceObjective", "metadata": {"name": "batch"},
                     "spec": {"poolRef": {"name": "llama"}, "priority": -count}}
            self.change(self.pool(ports[:count]), machine(), route(POOL), batch)
            # On the connection of before: a listener that is replaced drains its own.
            connection.request("POST", CHAT, json.dumps({"model": "base", "messages": []}))
            response = connection.getresponse()
            response.read()
            self.assertEqual((response.status, response.getheader("connection")), (200, None))

    def test_it_moves_while_requests_run(self) -> None:
        ports = self.add_pods(3)
        self.serve(pool(ports), machine(), route(POOL))

        def move() -> None:
            for home in ("inside-envoy", "beside-envoy", "inside-envoy"):
                self.change(pool(ports, home), machine(), route(POOL))

        results = self.load(4.5, move)
        print(f"a picker that moves: {len(results)} requests")
        self.assertEqual(Counter(status for _, status in results), {200: len(results)})
        self.assertEqual(self.sluice.rejections(), [])
        self.pods[0].waiting = self.pods[2].waiting = 20
        wait_for(lambda: Counter(self.ask().json["pod"] for _ in range(5)) == {self.pods[1].address: 5},
                 "requests go where nobody waits")


# ---- a picker of its own ---------------------------------------------------------------------------------


class Elsewhere(Own, Pools):
    """For Envoys that are not where sluice is, as in a cluster: they fetch the module, and are told over xDS what a pool is."""

    # It is one of `sluice run` on a host.
    test_requests_go_where_the_queue_is_short = None
    # Its Backend is of this machine.
    test_a_share_goes_to_a_service_that_nobody_picks_for = None
    # It waits for sluice to say that it has started a picker.
    test_nothing_fails_when_sluice_is_killed = None
    test_it_goes_on_deciding_when_sluice_is_killed = Inside.test_it_goes_on_deciding_when_sluice_is_killed
    test_no_listener_changes_with_its_pods_and_rules = Inside.test_no_listener_changes_with_its_pods_and_rules

    def arguments(self) -> list[str | Path]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        options = self.rig.path("options.yaml")
        options.write_text("runningOnHost: false\n")
        self.resources.write("namespace.yaml", [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}])
        return ["--options", options, "--modules", address]

    def test_envoy_has_the_module_from_sluice(self) -> None:
        ports = self.add_pods(1)
        self.serve(self.pool(ports), machine(), route(POOL))
        maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in self.sluice.envoys())
        self.assertIn("envoy_dynamic_module_", maps)
        self.assertNotIn("libsluice_picker.so", maps)

    def test_nothing_is_sent_anew_when_sluice_starts_again(self) -> None:
        ports = self.add_pods(2)
        self.serve(self.pool(ports), machine(), route(POOL))
        before = self.envoy_stats()
        self.sluice.kill()
        self.sluice.start()
        self.sluice.wait_acknowledged(self.sluice.commit_of(["HTTPRoute default/chat"], self.sluice.first_line))
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.envoy_stats(), before)

    def envoy_stats(self) -> dict[str, int]:
        """How often Envoy took a listener, or a filter that came by itself."""
        (admin,) = self.sluice.run_dir.glob("*.admin")
        page = subprocess.run(["curl", "-s", "--unix-socket", admin, "http://localhost/stats"], capture_output=True, text=True,
                              check=True).stdout
        counts = dict(line.split(": ") for line in page.splitlines() if line.count(": ") == 1)
        return {name: int(value) for name, value in counts.items()
                if name.endswith(".config_reload") or name in ("listener_manager.listener_added", "listener_manager.listener_modified")}


class Theirs(Pools):
    def serve_with_picker(self, failure_mode: str) -> tuple[Picker, tuple[Any, ...]]:
        ports = self.add_pods(3)
        arguments = ("-e", ",".join(pod.address for pod in self.pods), "--admin", "127.0.0.1:0")
        picker = Picker(self.rig, *arguments)
        ref = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "epp", "failureMode": failure_mode}
        self.serve(pool(ports, endpointPickerRef=ref), machine(), backend("epp", picker.address), route(POOL))
        return picker, arguments

    def test_it_is_asked_and_what_it_says_is_done(self) -> None:
        picker, _ = self.serve_with_picker("FailClose")
        self.pods[0].waiting = self.pods[2].waiting = 20
        wait_for(lambda: Counter(self.ask().json["pod"] for _ in range(5)) == {self.pods[1].address: 5},
                 "requests go where nobody waits")
        self.assertGreater(picker.metric('sluice_picker_requests_total{outcome="picked"}'), 5)
        self.assertEqual(picker.metric("sluice_picker_served_elsewhere_total"), 0)
        wait_for(lambda: "kind: InferencePool" in self.status(), "the pool has a status")

    def test_sluice_picker_reads_the_same_files(self) -> None:
        ports = self.add_pods(2)
        self.resources.write("pool.yaml", [pool(ports[:1]), machine()])
        picker = Picker(self.rig, "-f", self.resources.folder, "--admin", "127.0.0.1:0")
        ref = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "epp", "failureMode": "FailClose"}
        batch = {"apiVersion": "llm-d.ai/v1alpha2", "kind": "InferenceObjective", "metadata": {"name": "batch"},
                 "spec": {"poolRef": {"name": "llama"}, "priority": -1}}
        self.serve(pool(ports, endpointPickerRef=ref), machine(), backend("epp", picker.address), route(POOL), batch)
        self.pods[0].waiting = 20
        wait_for(lambda: Counter(self.ask().json["pod"] for _ in range(5)) == {self.pods[1].address: 5},
                 "the pod that came gets requests")
        wait_for(lambda: any("support/other-picker" in str(line.fields) for line in self.sluice.lines),
                 "sluice says that the objective is not its business")
        # While the files say nothing of use, what was there goes on.
        self.resources.delete("pool.yaml")
        wait_for(lambda: "there is no InferencePool" in picker.log.read_text(), "the picker says so")
        self.assertEqual(picker.metric(f'sluice_picker_endpoint_up{{endpoint="{self.pods[1].address}"}}'), 1)

    def test_fail_open_sends_requests_to_any_pod(self) -> None:
        picker, _ = self.serve_with_picker("FailOpen")
        killed = [0.0]

        def kill() -> None:
            killed[0] = time.monotonic()
            picker.kill()

        results = self.load(4.5, kill)
        # Envoy fails open until it has sent a part of the body; who is in the middle of it fails. After the first
        # connection that fails it sends nothing there.
        known = killed[0] + 0.25
        late = [status for begin, status in results if begin > known]
        lost = [status for begin, status in results if status != 200]
        print(f"fail open: {len(results)} requests, {len(late)} of them without a picker, {len(lost)} lost")
        self.assertEqual([status for begin, status in results if status != 200 and not killed[0] - 1 < begin < known], [])
        self.assertGreater(len(late), 20)
        self.assertEqual(set(late), {200})
        self.assertLess(len(lost), 20, "of four clients")

    def test_when_it_fails_open_clients_do_not_say_what_pickers_say(self) -> None:
        picker, _ = self.serve_with_picker("FailOpen")
        picker.kill()
        wait_for(lambda: self.answers(), "requests go on without it")
        names = ("x-prefiller-host-port", "x-gateway-destination-endpoint")
        for pod in self.pods:
            pod.seen.clear()
        self.assertEqual(self.ask(**{name: "192.0.2.1:80" for name in names}).status, 200)
        (seen,) = [request["headers"] for pod in self.pods for request in pod.seen]
        self.assertEqual([name for name in names if seen.get(name) == "192.0.2.1:80"], [])

    def test_fail_close_answers_503(self) -> None:
        picker, arguments = self.serve_with_picker("FailClose")
        killed = [0.0]

        def kill() -> None:
            killed[0] = time.monotonic()
            picker.kill()

        results = self.load(4.5, kill)
        late = Counter(status for begin, status in results if begin > killed[0] + 1)
        print(f"fail close: {len(results)} requests, {sum(late.values())} of them without a picker: {dict(late)}")
        self.assertEqual(set(late), {503})
        self.assertEqual({status for begin, status in results if begin < killed[0] - 1}, {200})
        Picker(self.rig, *arguments, listen=picker.address, name="again")
        wait_for(lambda: self.answers(), "it is asked again")


# ---- without a pool ------------------------------------------------------------------------------------


class OriginalDestination(unittest.TestCase):
    """The way without InferencePools: a cluster that goes where a header says, made by an EnvoyPatchPolicy."""

    def test_the_documented_way_works(self) -> None:
        rig = self.enterContext(Rig())
        pods = [Pod(), Pod()]
        for pod in pods:
            self.addCleanup(pod.server.server_close)
        config = rig.path("config.yaml")
        config.write_text(documented("one-endpoint"))
        picker = Picker(rig, "-e", ",".join(pod.address for pod in pods), "--config", config, "--admin", "127.0.0.1:0")
        port = rig.port()
        text = documented("original-dst").replace("port: 8080", f"port: {port}")
        host, _, number = picker.address.rpartition(":")
        text = text.replace("address: 127.0.0.1", f"address: {host}").replace("port: 9002", f"port: {number}")
        resources = rig.resources()
        resources.write("all.yaml", text)
        sluice = rig.sluice(resources)
        sluice.wait_acknowledged(sluice.commit_of(["HTTPRoute default/chat"]), ["default/llm"])
        pods[0].waiting = 20

        def served() -> str:
            try:
                answer = request(f"http://127.0.0.1:{port}{CHAT}", method="POST",
                                 body=json.dumps({"model": "base", "messages": []}).encode(),
                                 headers={"content-type": "application/json"})
            except (OSError, http.client.HTTPException):
                return ""
            return answer.json["pod"] if answer.status == 200 else ""

        wait_for(lambda: [served() for _ in range(3)] == [pods[1].address] * 3, "the header says where")
        self.assertEqual(sluice.rejections(), [])


if __name__ == "__main__":
    run_tests()
