#!/usr/bin/env python3
"""Every feature of this folder's files against the real Envoy.

usage: run.py [FEATURE...]
"""

from __future__ import annotations

import importlib
import sys
import unittest
from pathlib import Path

from feature import Feature, Stage
from rig import Rig, gateway, gateway_class, http_listener, run_tests, wait_for

HERE = Path(__file__).resolve().parent


def all_features() -> list[Feature]:
    found = []
    for file in sorted(HERE.glob("*.py")):
        if file.stem not in ("run", "feature"):
            found += importlib.import_module(file.stem).FEATURES
    return found


class FeatureTest(unittest.TestCase):
    stage: Stage

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(rig := Rig())
        cls.stage = stage = Stage(rig)
        resources = rig.resources()
        listeners = [http_listener("http", stage.port)]
        for feature in WANTED:
            listeners += feature.listeners(stage)
        resources.write("base.yaml", [gateway_class(), gateway(listeners), *stage.services()])
        for feature in WANTED:
            resources.write(f"{feature.name}.yaml", feature.objects(stage))
        stage.resources, stage.sluice = resources, rig.sluice(resources)
        sluice = stage.sluice
        commits = wait_for(lambda: [line for line in sluice.lines if line.message == "commit"], "a commit")
        for commit in commits:
            sluice.wait_acknowledged(commit, commit.fields["proxies"])
        cls.sluice = sluice

    @classmethod
    def tearDownClass(cls) -> None:
        rejections = [line.fields for line in cls.sluice.rejections()]
        assert not rejections, f"Envoy refused something: {rejections}"


def test_of(feature: Feature):
    def test(self: FeatureTest) -> None:
        for ask in feature.requests:
            ask.check(self.stage, self)
        if feature.check:
            feature.check(self.stage, self)

    return test


WANTED = [feature for feature in all_features() if not sys.argv[1:] or feature.name in sys.argv[1:]]
for one in WANTED:
    setattr(FeatureTest, f"test_{one.name.replace('-', '_')}", test_of(one))

if __name__ == "__main__":
    del sys.argv[1:]
    run_tests()
