#!/usr/bin/python3
"""The picker inside the real Envoy: libsluice_picker.so does what `sluice picker` does beside it."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

import picker_test  # noqa: E402
from picker_test import FILTERS, Pod, socket_address, wait_for_listener  # noqa: E402
from rig import BUILD, ENVOY, Object, StaticEnvoy, request, run_tests, to_yaml, wait_for  # noqa: E402

MODULE = BUILD / "libsluice_picker.so"
POOL = "llama"


def text(value: Object) -> Object:
    return {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(value)}


def module() -> Object:
    return {"module": {"local": {"filename": str(MODULE)}}, "do_not_close": True}


def inside(port: int, pods: list[Any], settings: Object, pools: list[Object] | None = None) -> Object:
    """An Envoy with the module in it; with `pools`, as a bootstrap extension too."""
    picking = {"name": "picker", "typed_config": {
        "@type": f"{FILTERS}.http.dynamic_modules.v3.DynamicModuleFilter", "dynamic_module_config": module(),
        "filter_name": "picker", "filter_config": text(settings)}}
    config = picker_test.bootstrap(port, pods, picking, [])
    config["admin"] = {"address": socket_address("127.0.0.1:0")}
    if pools is not None:
        config["bootstrap_extensions"] = [{"name": "envoy.bootstrap.dynamic_modules", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.bootstrap.dynamic_modules.v3.DynamicModuleBootstrapExtension",
            "dynamic_module_config": module(), "extension_name": "picker", "extension_config": text({"pools": pools})}}]
    return config


class Inside(picker_test.InEitherHome, picker_test.Home):
    """All that the picker does in either home, and what is special in this one."""

    modes = ("",)

    def start(self, pods: int = 3, *arguments: Any, response_mode: str = "", extra: Object | None = None) -> None:
        """`arguments` are those of `sluice picker`."""
        self.make_pods(pods)
        pool: Object = {"pool": POOL, "endpointsFile": str(self.endpoints), "metricsInterval": "20ms",
                        "metricsIdleInterval": "20ms", **(extra or {})}
        rest = [str(argument) for argument in arguments]
        while rest:
            match rest:
                case ["--metrics-interval", value, *rest]:
                    pool["metricsInterval"] = f"{value}ms"
                case ["--metrics-idle-interval", value, *rest]:
                    pool["metricsIdleInterval"] = f"{value}ms"
                case ["--objective", value, *rest]:
                    name, _, priority = value.partition("=")
                    pool.setdefault("objectives", {})[name] = int(priority)
                case ["--max-body", value, *rest]:
                    pool["maxBodyBytes"] = int(value) << 20
                case ["--refuse-unknown", *rest]:
                    pool["refuseUnknown"] = True
                case _:
                    raise ValueError(rest)
        self.start_envoy({"pool": POOL, "readResponses": response_mode != "NONE"}, [pool])

    def start_with(self, addresses: list[str]) -> None:
        self.pods = [SimpleNamespace(address=address) for address in addresses]
        self.start_envoy({"pool": POOL}, [{"pool": POOL, "endpoints": addresses, "metricsInterval": "20ms",
                                           "metricsIdleInterval": "20ms"}])

    def start_envoy(self, settings: Object, pools: list[Object] | None, members: list[Any] | None = None) -> None:
        self.port, admin = self.rig.port(), self.rig.path("admin")
        self.url = f"http://127.0.0.1:{self.port}"
        self.envoy = StaticEnvoy(self.rig, inside(self.port, members or self.pods, settings, pools),
                                 arguments=("--admin-address-path", admin))
        wait_for_listener(self.envoy, self.port)
        self.admin = admin.read_text()

    def use_mode(self, _: str) -> None:
        if not self.pods:
            self.start(1)

    def metric(self, name: str) -> float:
        page = request(f"http://{self.admin}/sluice_picker/metrics").body.decode()
        own = re.sub(rf'pool="{POOL}",?', "", page).replace("{}", "")
        return next(float(line.rsplit(" ", 1)[1]) for line in own.splitlines() if line.startswith(name + " "))

    def test_it_serves_without_the_bootstrap_extension(self) -> None:
        self.make_pods(2)
        self.pods[0].waiting = 20
        self.start_envoy({"pool": POOL, "endpoints": [pod.address for pod in self.pods], "metricsInterval": "20ms"}, None)
        wait_for(lambda: all(pod.scrapes > 1 for pod in self.pods), "the servers are asked")
        self.assertEqual(Counter(self.ask().json["pod"] for _ in range(5)), {self.pods[1].address: 5})

    def test_envoy_listens_when_all_servers_have_been_asked(self) -> None:
        self.start(2)
        self.pods[0].waiting = 20
        self.assertTrue(all(pod.scrapes for pod in self.pods))

    def test_the_servers_get_the_header(self) -> None:
        self.start(2)
        answer = self.ask()
        seen = next(pod for pod in self.pods if pod.seen).seen[-1]["headers"]
        addresses = seen["x-gateway-destination-endpoint"].split(",")
        self.assertEqual(addresses[0], answer.json["pod"])
        self.assertEqual(sorted(addresses), sorted(pod.address for pod in self.pods))

    def test_once_a_server_is_gone_no_request_fails_for_it(self) -> None:
        self.start(2, "--metrics-interval", 60_000, "--metrics-idle-interval", 60_000)
        self.pods[0].kill()

        def served() -> bool:
            answer = self.ask()
            if answer.status != 200:
                print(f"while {self.pods[0].address} dies: {answer.status} {answer.headers['x-details']}", flush=True)
            return answer.status == 200

        # Those that are under way in this moment may be lost, one a worker: a server may have read them.
        wait_for(lambda: all(served() for _ in range(5)), "the other server answers")
        answers = [self.ask() for _ in range(20)]
        self.assertEqual([(answer.status, answer.body, answer.headers) for answer in answers if answer.status != 200], [])
        self.assertEqual({answer.json["pod"] for answer in answers}, {self.pods[1].address})
        self.settled()

    def test_the_second_choice_serves_where_envoy_does_not_have_the_first(self) -> None:
        self.make_pods(2)
        self.start_envoy({"pool": POOL, "endpoints": [pod.address for pod in self.pods], "metricsInterval": "20ms"}, [],
                         members=self.pods[1:])
        self.pods[1].waiting = 10  # the first is the first choice
        self.told()
        self.assertEqual({self.ask().json["pod"] for _ in range(6)}, {self.pods[1].address})
        wait_for(lambda: self.metric("sluice_picker_served_elsewhere_total") > 0, "the picker is told who has served")
        self.settled()

    def test_requests_wait_for_a_server_and_go_on(self) -> None:
        self.start(1)
        self.pods[0].waiting = 20
        self.told()

        def free() -> None:
            time.sleep(0.5)
            self.pods[0].waiting = 0

        thread = threading.Thread(target=free)
        thread.start()
        begin = time.monotonic()
        self.assertEqual(self.ask().status, 200)
        thread.join()
        self.assertGreater(time.monotonic() - begin, 0.3)
        self.assertEqual(self.metric("sluice_picker_queued_total"), 1)
        self.settled()

    def test_who_asks_too_much_is_answered_with_429(self) -> None:
        # llm-d's default without flow control: what may be shed is, at once.
        config = {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig", "plugins": [{"type": "queue-scorer"}]}
        self.start(1, "--objective", "batch=-1", extra={"config": config})
        self.pods[0].waiting = 50
        self.told()
        self.assertEqual(self.ask(x_gateway_inference_objective="batch").status, 429)
        self.assertEqual(self.ask().status, 200)

    def test_envoy_ends_while_requests_wait_and_streams_run(self) -> None:
        self.start(1)
        self.pods[0].pause, self.pods[0].events = 0.1, 100
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", picker_test.CHAT, json.dumps({"model": "base", "stream": True, "messages": []}))
        connection.getresponse().readline()
        self.envoy.process.terminate()
        self.assertEqual(self.envoy.process.wait(15), 0)
        connection.close()

    def test_a_bad_configuration_is_refused_with_its_place(self) -> None:
        for settings, message in (({"pool": POOL, "endpiont": []}, "config:1:19: endpiont: unknown field `endpiont`; did you mean"),
                                  ({"pool": "none"}, "there is no pool `none`"),
                                  ({"pool": POOL, "endpoints": ["host:1"]}, "`host:1` is no IP address with a port")):
            with self.subTest(message):
                file = self.rig.path("bad.yaml")
                file.write_text(to_yaml(inside(self.rig.port(), [Pod()], settings, None)))
                out = subprocess.run([ENVOY, "--mode", "validate", "-c", file], capture_output=True, text=True)
                self.assertNotEqual(out.returncode, 0)
                self.assertIn(message, out.stderr)

    def test_the_module_needs_libc_alone(self) -> None:
        out = subprocess.run(["readelf", "-d", MODULE], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", out))
        self.assertLessEqual(needed, {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"})
        symbols = subprocess.run(["nm", "-D", "--defined-only", MODULE], capture_output=True, text=True, check=True).stdout
        exported = [line.split()[-1] for line in symbols.splitlines()]
        self.assertEqual([name for name in exported if not name.startswith("envoy_dynamic_module_on_")], [])
        symbols = subprocess.run(["nm", "-D", "--undefined-only", MODULE], capture_output=True, text=True, check=True).stdout
        wanted = [line.split()[-1] for line in symbols.splitlines() if line.split()[-2] == "U"]
        self.assertEqual([name for name in wanted if "@GLIBC_" not in name
                          and not name.startswith("envoy_dynamic_module_callback_")], [])
        # Of Ubuntu 22.04, which is what Envoy's image is made of.
        versions = {tuple(map(int, number.split("."))) for number in re.findall(r"@GLIBC_([\d.]+)", symbols)}
        self.assertLessEqual(max(versions), (2, 35))


if __name__ == "__main__":
    run_tests()
