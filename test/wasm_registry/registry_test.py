#!/usr/bin/python3
"""Modules from a real registry (Debian's docker-registry, with Basic authentication), pushed there by skopeo."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "rig"))
from rig import BUILD, Rig, run_tests, wait_for  # noqa: E402

MODULE = b"\0asm\x01\0\0\0"
MODULE_DIGEST = hashlib.sha256(MODULE).hexdigest()
# Of tenant:s3cret, by bcrypt.
HTPASSWD = "tenant:$2y$05$58vfIzgTlMObHXa9lxNLA.OsUbUBSzUvto4U6qua3yQOOPGglznki\n"

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_TAR = "application/vnd.oci.image.layer.v1.tar+gzip"
WASM_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm"


def tar_gz(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(file.getvalue())


class Layout:
    """An image as a folder in OCI's layout, as builders leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def image(self, layer_type: str, layer: bytes, config_type: str) -> str:
        """With this only layer; returns the digest of its manifest."""
        config = {"architecture": "wasm", "os": "wasip1", "rootfs": {"type": "layers", "diff_ids": [
            "sha256:" + hashlib.sha256(gzip.decompress(layer) if layer_type == OCI_TAR else layer).hexdigest()]}}
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                    "config": self.blob(config_type, json.dumps(config).encode()),
                    "layers": [self.blob(layer_type, layer)]}
        entry = self.blob(OCI_MANIFEST, json.dumps(manifest).encode())
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        return entry["digest"]


class Registry:
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        rig.path("htpasswd").write_text(HTPASSWD)
        rig.path("registry.yml").write_text(json.dumps({
            "version": "0.1", "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(rig.path("registry"))}},
            "http": {"addr": "127.0.0.1:0"},
            "auth": {"htpasswd": {"realm": "test", "path": str(rig.path("htpasswd"))}}}))
        with rig.path("registry.log").open("w") as log:
            rig.start("docker-registry", "serve", rig.path("registry.yml"), stdout=log, stderr=log)
        self.host = wait_for(self._listens, "the registry listens")
        # As `docker login` and `skopeo login` leave it, and as a pull secret has it.
        self.login = rig.path("login.json")
        self._run("skopeo", "login", "--tls-verify=false", "--authfile", str(self.login), "--username", "tenant",
                  "--password", "s3cret", self.host)

    def _listens(self) -> str | None:
        line = re.search(r"listening on (127\.0\.0\.1:\d+)", self.rig.path("registry.log").read_text())
        return line and line[1]

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"HOME": str(self.rig.folder),
                                                                           "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                                                                           "TMPDIR": str(self.rig.folder)})

    def push(self, layout: Layout, name: str, *options: str) -> str:
        reference = f"{self.host}/{name}"
        self._run("skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-authfile", str(self.login),
                  *options, f"oci:{layout.folder}", f"docker://{reference}")
        return reference


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
        self.layout.image(WASM_LAYER, MODULE, "application/vnd.module.wasm.config.v1+json")
        self.expect_module(self.fetch(self.registry.push(self.layout, "team/artifact:v1"), self.registry.login))

    def test_an_oci_image_is_fetched_by_tag_and_by_digest(self) -> None:
        digest = self.layout.image(OCI_TAR, tar_gz("plugin.wasm", MODULE), "application/vnd.oci.image.config.v1+json")
        reference = self.registry.push(self.layout, "team/oci:v1")
        self.expect_module(self.fetch("oci://" + reference, self.registry.login))
        self.expect_module(self.fetch(f"{reference}@{digest}", self.registry.login))

    def test_a_docker_image_is_fetched(self) -> None:
        self.layout.image(OCI_TAR, tar_gz("filter.wasm", MODULE), "application/vnd.oci.image.config.v1+json")
        reference = self.registry.push(self.layout, "team/docker:v1", "--format", "v2s2")
        self.expect_module(self.fetch(reference, self.registry.login))

    def test_nobody_gets_it_without_credentials_though_it_is_in_the_cache(self) -> None:
        self.layout.image(WASM_LAYER, MODULE, "application/vnd.module.wasm.config.v1+json")
        reference = self.registry.push(self.layout, "team/private:v1")
        self.expect_module(self.fetch(reference, self.registry.login))
        self.assertEqual(self.fetch(reference)[:2], ["failed", "unauthorized"])

    def test_an_image_that_is_not_there_is_said(self) -> None:
        reference = f"{self.registry.host}/team/nothing:v1"
        self.assertEqual(self.fetch(reference, self.registry.login)[:2], ["failed", "not-found"])


if __name__ == "__main__":
    run_tests()
