#!/usr/bin/python3
"""What a WebAssembly module finds in Envoy: variables of the environment, its root id, its name, its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rig"))

import gateway  # noqa: E402
from examples import FOLDER, FORMS, find  # noqa: E402
from rig import Object, Rig, request, run_tests  # noqa: E402


class Surroundings(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        os.environ["PROBE_COLOUR"] = "teal"  # of sluice, and so of its Envoys
        cls.rig = cls.enterClassContext(Rig())
        cls.module = cls.rig.path("probe.wasm")
        subprocess.run(["clang++-19", "--target=wasm32-wasi", "-mexec-model=reactor", "-std=c++20", "-O1", "-fno-exceptions",
                        f"-I{FOLDER / 'wasm-cpp'}", "-o", cls.module, HERE / "probe_wasm.cc"], check=True)
        backend = cls.rig.echo("blue").addresses["blue"]
        cls.gateway = gateway.start(cls.rig, backend, {
            "sees.test": cls.objects("sees.test", env={"hostKeys": ["PROBE_COLOUR", "PROBE_MISSING"]}),
            "blind.test": cls.objects("blind.test"),
            "rooted.test": cls.objects("rooted.test", rootID="our-root", name="our-name")}, concurrency=1)

    @classmethod
    def objects(cls, route: str, **wasm: object) -> list[Object]:
        made = FORMS["wasm-cpp"].objects(route, {}, cls.module.as_uri())
        extension = find(made, "EnvoyExtensionPolicy")["spec"]["wasm"][0]
        del extension["name"], extension["config"]
        extension.update(wasm)
        return made

    def told(self, route: str, *names: str) -> tuple[str | None, ...]:
        answer = request(self.gateway.url, route)
        self.assertEqual(answer.status, 200)
        return tuple(answer.json["headers"].get(f"x-{name}") for name in names)

    def test_a_module_gets_the_variables_that_its_policy_names_and_no_others(self) -> None:
        self.assertEqual(self.told("sees.test", "colour", "missing"), ("teal", None))
        self.assertEqual(self.told("blind.test", "colour", "missing"), (None, None))

    def test_a_module_knows_its_root_and_its_name(self) -> None:
        self.assertEqual(self.told("rooted.test", "root", "plugin"), ("our-root", "our-name"))
        self.assertEqual(self.told("blind.test", "root", "plugin"), ("", "envoyextensionpolicy/default/blind.test/wasm/0"))

    def test_a_module_of_several_policies_has_a_memory_for_each(self) -> None:
        def requests(route: str) -> int:
            return int(self.told(route, "sharing")[0])

        before = requests("sees.test")
        for _ in range(3):
            requests("blind.test")
        self.assertEqual(requests("sees.test"), before + 1)


if __name__ == "__main__":
    run_tests()
