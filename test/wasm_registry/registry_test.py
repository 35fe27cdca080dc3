#!/usr/bin/python3
"""Modules from a real registry (Debian's docker-registry, with Basic authentication), pushed there by skopeo."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "rig"))
from registry import Layout, Registry  # noqa: E402
from rig import BUILD, Rig, run_tests  # noqa: E402

MODULE = b"\0asm\x01\0\0\0"
MODULE_DIGEST = hashlib.sha256(MODULE).hexdigest()


class RegistryTest(unittest.TestCase):
    rig: Rig
    registry: Registry

    @classmethod
    def setUpClass(cls) -> None:
        cls.rig = cls.enterClassContext(Rig())
        cls.registry = Registry(cls.rig)

    def setUp(self) -> None:
        self.folder = self.rig.path(self.id())
        self.layout = Layout(self.folder / "image")

    def fetch(self, reference: str, *login: Path) -> list[str]:
        command = [BUILD / "test" / "wasm_registry" / "wasm_fetch", self.folder / "cache", reference, *login]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=30).stdout.split(maxsplit=2)

    def expect_module(self, fetched: list[str]) -> None:
        self.assertEqual(fetched[:2], ["ready", MODULE_DIGEST], fetched)
        self.assertEqual(Path(fetched[2].strip()).read_bytes(), MODULE)

    def test_an_artifact_is_fetched(self) -> None:
        self.layout.artifact(MODULE)
        self.expect_module(self.fetch(self.registry.push(self.layout, "team/artifact:v1"), self.registry.login))

    def test_an_oci_image_is_fetched_by_tag_and_by_digest(self) -> None:
        digest = self.layout.tar_image(MODULE)
        reference = self.registry.push(self.layout, "team/oci:v1")
        self.expect_module(self.fetch("oci://" + reference, self.registry.login))
        self.expect_module(self.fetch(f"{reference}@{digest}", self.registry.login))

    def test_a_docker_image_is_fetched(self) -> None:
        self.layout.tar_image(MODULE, "filter.wasm")
        reference = self.registry.push(self.layout, "team/docker:v1", "--format", "v2s2")
        self.expect_module(self.fetch(reference, self.registry.login))

    def test_nobody_gets_it_without_credentials_though_it_is_in_the_cache(self) -> None:
        self.layout.artifact(MODULE)
        reference = self.registry.push(self.layout, "team/private:v1")
        self.expect_module(self.fetch(reference, self.registry.login))
        self.assertEqual(self.fetch(reference)[:2], ["failed", "unauthorized"])

    def test_an_image_that_is_not_there_is_said(self) -> None:
        reference = f"{self.registry.host}/team/nothing:v1"
        self.assertEqual(self.fetch(reference, self.registry.login)[:2], ["failed", "not-found"])


if __name__ == "__main__":
    run_tests()
