#!/usr/bin/env python3
"""LLM servers in a real Kubernetes: examples/llm/kubernetes as its README has it, with sluice's own picker inside Envoy and with
a picker that is a Deployment.

    llm_test.py [test…]        in a rig of its own; KUBE_RIG=keep: in one that is up
"""

from __future__ import annotations

import json
import unittest

import yaml

from examples import address_of, allow_backends, condition, image_in
from kube_rig import BUILD, NAMESPACE, ROOT, KubeRig, run_kube_tests

EXAMPLE = ROOT / "examples/llm/kubernetes"
SIMULATOR = BUILD / "examples/vllm-sim/sluice-vllm-sim"
ADAPTERS = ["sql", "legal", "poems", "code", "math", "chess"]
STATS_PORT = 19001  # of Envoys in pods, for Prometheus

rig: KubeRig


def setUpModule() -> None:
    global rig
    rig = unittest.enterModuleContext(KubeRig())
    rig.install()


class Answer:
    def __init__(self, said: str) -> None:
        head, _, self.body = said.partition("\n\n")
        lines = head.splitlines() or ["HTTP/1.1 0"]
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.pod = self.headers.get("x-pod", "").rpartition(":")[0]


class LlmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        rig.image(image_in(EXAMPLE / "servers.yaml", "vllm-sim"), "sluice-vllm-sim", SIMULATOR)
        rig.apply(EXAMPLE / "servers.yaml", EXAMPLE / "gateway.yaml")
        cls.rolled_out("vllm")
        cls.address = address_of(rig, "llm")

    @classmethod
    def tearDownClass(cls) -> None:
        for file in ("gateway", "picker", "sidecar", "servers"):
            objects = [each for each in yaml.safe_load_all((EXAMPLE / f"{file}.yaml").read_text()) if each["kind"] != "GatewayClass"]
            rig.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", text=yaml.safe_dump_all(objects))

    def setUp(self) -> None:
        self.apply_pool()
        self.scale("vllm", 3)
        rig.wait("the pool answers", lambda: self.chat("sql").status == 200, 60)

    # ---- what is asked

    def apply_pool(self) -> None:
        """With sluice's own picker."""
        rig.kubectl("delete", "inferencepool", "models", "-n", "default", "--ignore-not-found")
        rig.apply(EXAMPLE / "pool.yaml")

    @staticmethod
    def rolled_out(deployment: str) -> None:
        rig.kubectl("rollout", "status", f"deployment/{deployment}", "-n", "default", "--timeout=60s", timeout=90)

    def scale(self, deployment: str, replicas: int) -> None:
        rig.kubectl("scale", f"deployment/{deployment}", "-n", "default", f"--replicas={replicas}")
        self.rolled_out(deployment)

    def chat(self, model: str, *headers: str) -> Answer:
        body = json.dumps({"model": model, "max_tokens": 4, "ignore_eos": True, "messages": [{"role": "user", "content": "hi"}]})
        said = rig.inside("curl", "-s", "-i", "-m", "10", "-H", "content-type: application/json",
                          *(word for each in headers for word in ("-H", each)), "-d", body,
                          f"http://{self.address}/v1/chat/completions", check=False)
        return Answer(said)

    @staticmethod
    def pods() -> dict[str, str]:
        """The addresses of the ready servers, with their names."""
        pods = json.loads(rig.kubectl("get", "pods", "-n", "default", "-l", "app=vllm", "-o", "json"))["items"]
        return {each["status"]["podIP"]: each["metadata"]["name"] for each in pods
                if "deletionTimestamp" not in each["metadata"]
                and condition(each["status"].get("conditions", []), "Ready").get("status") == "True"}

    @staticmethod
    def page(address: str) -> str:
        return rig.inside("curl", "-s", "-m", "5", f"http://{address}")

    def loads(self) -> dict[str, int]:
        """How often each pod has loaded an adapter."""
        loads = {}
        for pod in self.pods():
            lines = self.page(f"{pod}:8000/metrics").splitlines()
            counts = [line.split()[-1] for line in lines if line.startswith("sluice_vllm_sim_adapter_loads_total")]
            loads[pod] = sum(int(float(count)) for count in counts)
        return loads

    def served_by(self, requests: int = 2) -> set[str]:
        """The pods that answer requests for all adapters."""
        answers = [self.chat(adapter) for adapter in ADAPTERS for _ in range(requests)]
        self.assertEqual([each.status for each in answers], [200] * len(answers))
        return {each.pod for each in answers}

    def answers_come(self) -> bool:
        return all(self.chat(adapter).status == 200 for adapter in ADAPTERS)

    @staticmethod
    def envoy_counts() -> dict[str, float]:
        """What Envoy has counted of its listeners and of filters that came by themselves."""
        pods = json.loads(rig.kubectl("get", "pods", "-A", "-l", "gateway.envoyproxy.io/owning-gateway-name=llm", "-o", "json"))["items"]
        counts: dict[str, float] = {}
        for pod in pods:
            for line in LlmTest.page(f"{pod['status']['podIP']}:{STATS_PORT}/stats/prometheus").splitlines():
                name = line.partition("{")[0].partition(" ")[0]
                if name.startswith(("envoy_listener_manager_listener", "envoy_extension_config_discovery")):
                    counts[name] = counts.get(name, 0) + float(line.split()[-1])
        return counts

    def pool_conditions(self) -> dict[str, tuple[str, str]]:
        """Of the pool's status for the Gateway: status and reason of each condition."""
        parents = rig.get("inferencepool", "models").get("status", {}).get("parents", [])
        ours = next((each for each in parents if each["parentRef"]["name"] == "llm"), {})
        return {each["type"]: (each["status"], each["reason"]) for each in ours.get("conditions", [])}

    def wait_for_conditions(self, **wanted: tuple[str, str]) -> None:
        rig.wait(f"the pool's conditions are {wanted}",
                 lambda: {key: self.pool_conditions().get(key) for key in wanted} == wanted, 30)

    # ---- sluice's own picker, inside Envoy

    def test_requests_for_an_adapter_go_to_the_pod_that_has_it(self) -> None:
        first = self.chat("poems")
        self.assertEqual(json.loads(first.body)["model"], "poems")
        before = self.loads()
        answers = [self.chat("poems") for _ in range(10)]
        self.assertEqual({each.pod for each in answers}, {first.pod})
        self.assertEqual(self.loads(), before)

    def test_a_pod_that_comes_is_taken_up_and_one_that_is_killed_left_out_without_a_change_of_the_listener(self) -> None:
        self.scale("vllm", 1)
        rig.wait("one pod is left", lambda: len(self.pods()) == 1, 60)
        killed, name = next(iter(self.pods().items()))
        rig.wait("it alone answers", lambda: self.served_by(1) == {killed}, 30)
        before = self.envoy_counts()
        self.scale("vllm", 2)
        # One has no room for all adapters, and the other has none yet.
        rig.wait("both answer", lambda: self.served_by(1) == set(self.pods()), 60)
        rig.kubectl("delete", "pod", name, "-n", "default", "--grace-period=0", "--force")
        # A request that comes before anybody knows goes to the next pod.
        rig.wait("the killed pod gets nothing any more", lambda: killed not in self.served_by(), 30)
        after = self.envoy_counts()
        listeners = [name for name in before if name.startswith("envoy_listener_manager")]
        self.assertEqual({name: after[name] for name in listeners}, {name: before[name] for name in listeners})
        updates = [name for name in after if name.endswith("config_reload")]
        self.assertTrue(any(after[name] > before.get(name, 0) for name in updates), after)

    def test_a_change_of_how_it_decides_is_in_force_without_a_change_of_the_listener(self) -> None:
        before = self.envoy_counts()
        config = {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig", "plugins": [
            {"type": "lowest-cost-picker"}, {"type": "rate-limit", "parameters": {"requestsPerSecond": 0.001}}]}
        rig.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "decide", "namespace": "default"},
                   "data": {"config.yaml": yaml.safe_dump(config)}})
        self.addCleanup(rig.kubectl, "delete", "configmap", "decide", "-n", "default", "--ignore-not-found")
        rig.kubectl("annotate", "inferencepool", "models", "-n", "default", "sluice.dev/picker-config=decide")
        rig.wait("the limit refuses", lambda: self.chat("sql").status == 429, 30)
        listeners = [name for name in before if name.startswith("envoy_listener_manager")]
        after = self.envoy_counts()
        self.assertEqual({name: after[name] for name in listeners}, {name: before[name] for name in listeners})

    def test_the_pool_is_accepted_and_its_references_resolve(self) -> None:
        self.wait_for_conditions(Accepted=("True", "Accepted"), ResolvedRefs=("True", "ResolvedRefs"))

    # ---- a picker that is a Deployment

    def with_picker(self, failure_mode: str) -> None:
        objects = list(yaml.safe_load_all((EXAMPLE / "picker.yaml").read_text()))
        for each in objects:
            if each["kind"] == "InferencePool":
                each["spec"]["endpointPickerRef"]["failureMode"] = failure_mode
        rig.apply(*objects)
        self.addCleanup(rig.kubectl, "delete", "deployment", "picker", "-n", "default", "--ignore-not-found")
        self.scale("picker", 1)
        self.wait_for_conditions(ResolvedRefs=("True", "ResolvedRefs"))
        rig.wait("requests are answered", lambda: self.chat("sql").status == 200, 30)

    def picked(self, namespace: str = "default", selector: str = "app=picker") -> int:
        """What the picker in these pods has decided, by its own count."""
        pods = json.loads(rig.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json"))["items"]
        pages = [self.page(f"{pod['status']['podIP']}:9003/metrics") for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        lines = [line for page in pages for line in page.splitlines()]
        return sum(int(float(line.split()[-1])) for line in lines
                   if line.startswith("sluice_picker_requests_total") and 'outcome="picked"' in line)

    def test_a_picker_that_a_pool_names_decides(self) -> None:
        self.with_picker("FailClose")
        rig.wait("it is asked", lambda: self.chat("math").status == 200 and self.picked() > 0, 30)
        before = self.picked()
        answers = [self.chat("math") for _ in range(10)]
        self.assertEqual(self.picked() - before, 10)
        self.assertEqual({each.pod for each in answers}, {answers[0].pod})

    def test_without_the_picker_requests_go_to_any_pod_where_it_fails_open(self) -> None:
        self.with_picker("FailOpen")
        self.scale("picker", 0)
        rig.wait("requests are answered", self.answers_come, 30)

    def test_without_the_picker_requests_are_refused_where_it_fails_closed(self) -> None:
        self.with_picker("FailClose")
        self.scale("picker", 0)
        rig.wait("requests are refused", lambda: self.chat("sql").status == 503, 30)

    # ---- a picker in Envoy's pods

    def test_a_picker_in_the_pods_of_envoy_decides(self) -> None:
        allow_backends(rig)
        rig.apply(EXAMPLE / "sidecar.yaml")
        self.addCleanup(rig.apply, EXAMPLE / "gateway.yaml")
        selector = "gateway.envoyproxy.io/owning-gateway-name=llm"
        rig.wait("Envoy's pod has the picker", lambda: "picker" in rig.kubectl(
            "get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "jsonpath={.items[*].spec.initContainers[*].name}"), 60)
        rig.kubectl("rollout", "status", "deployment", "-n", NAMESPACE, "-l", selector, "--timeout=90s", timeout=120)
        self.address = address_of(rig, "llm")
        rig.wait("it is asked", lambda: self.chat("chess").status == 200 and self.picked(NAMESPACE, selector) > 0, 60)
        before = self.picked(NAMESPACE, selector)
        answers = [self.chat("chess") for _ in range(10)]
        self.assertEqual(self.picked(NAMESPACE, selector) - before, 10)
        self.assertEqual({each.pod for each in answers}, {answers[0].pod})

    def test_a_picker_that_is_not_there_is_told_in_the_status_of_the_pool(self) -> None:
        rig.kubectl("patch", "inferencepool", "models", "-n", "default", "--type=merge", "-p", json.dumps(
            {"spec": {"endpointPickerRef": {"name": "nobody", "port": {"number": 9002}, "failureMode": "FailClose"}}}))
        self.wait_for_conditions(Accepted=("True", "Accepted"), ResolvedRefs=("False", "InvalidExtensionRef"))


if __name__ == "__main__":
    run_kube_tests()
