"""A real registry of images: Debian's docker-registry on loopback, and images as folders that skopeo pushes there.

    registry = Registry(rig)                    # with Basic authentication; Registry(rig, tokens=True) with a token service
    registry = Registry(rig, tls=(certificate, key))  # by HTTPS
    layout = Layout(rig.path("image"))
    layout.artifact(module)
    reference = registry.push(layout, "team/filter:v1")

It knows one user, tenant with the password s3cret, whose login is in the file `registry.login`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import io
import json
import re
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/rig"))
from rig import Rig, make_certificate, wait_for  # noqa: E402

USER, PASSWORD = "tenant", "s3cret"
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

    def artifact(self, module: bytes) -> str:
        """As `oras push` makes them: the layer is the module itself."""
        return self.image(WASM_LAYER, module, "application/vnd.module.wasm.config.v1+json")

    def tar_image(self, module: bytes, name: str = "plugin.wasm") -> str:
        """As builders of images make them."""
        return self.image(OCI_TAR, tar_gz(name, module), "application/vnd.oci.image.config.v1+json")


def _login_of(headers: Any) -> str:
    """NAME:PASSWORD of Basic authentication."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    return base64.b64decode(value).decode() if kind == "Basic" else ""


class TokenService:
    """Gives tokens for what it is asked for to whoever knows the password (distribution.github.io/distribution/spec/auth)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        make_certificate(folder, ["tokens.test"], 1)
        self.certificate = folder / "1.crt"
        service, self.asked = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                allowed = _login_of(self.headers) == f"{USER}:{PASSWORD}"
                service.asked.append((allowed, query.get("scope", [""])[0]))
                body = json.dumps({"token": service.token(query)} if allowed else {}).encode()
                self.send_response(200 if allowed else 401)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.realm = f"http://127.0.0.1:{self._server.server_port}/token"

    def token(self, query: dict[str, list[str]]) -> str:
        def encoded(part: bytes) -> str:
            return base64.urlsafe_b64encode(part).decode().rstrip("=")

        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        der = base64.b64encode(subprocess.run(["openssl", "x509", "-in", self.certificate, "-outform", "der"],
                                              check=True, capture_output=True).stdout).decode()
        head = {"typ": "JWT", "alg": "ES256", "x5c": [der]}
        claims = {"iss": "tokens.test", "sub": USER, "aud": query["service"][0], "exp": now + 300, "nbf": now - 10,
                  "iat": now, "jti": str(uuid.uuid4()), "access": access}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._folder / "1.key"],
                                   input=signed.encode(), check=True, capture_output=True).stdout
        return f"{signed}.{encoded(_raw_signature(signature))}"


def _raw_signature(der: bytes) -> bytes:
    """The two numbers of an ECDSA signature, 32 bytes each, of the short form of DER."""
    first = 4 + der[3]
    return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (der[4:first], der[first + 2:]))


class Registry:
    def __init__(self, rig: Rig, tokens: bool = False, tls: tuple[Path, Path] | None = None) -> None:
        self.rig = rig
        self.tokens = TokenService(rig.path("tokens")) if tokens else None
        rig.path("htpasswd").write_text(HTPASSWD)
        auth: dict[str, Any] = {"htpasswd": {"realm": "test", "path": str(rig.path("htpasswd"))}}
        if self.tokens:
            auth = {"token": {"realm": self.tokens.realm, "service": "registry.test", "issuer": "tokens.test",
                              "rootcertbundle": str(self.tokens.certificate)}}
        rig.path("registry.yml").write_text(json.dumps({
            "version": "0.1", "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(rig.path("registry"))}},
            "http": {"addr": "127.0.0.1:0",
                     **({"tls": {"certificate": str(tls[0]), "key": str(tls[1])}} if tls else {})},
            "auth": auth}))
        with rig.path("registry.log").open("w") as log:
            rig.start("docker-registry", "serve", rig.path("registry.yml"), stdout=log, stderr=log)
        self.host = wait_for(self._listens, "the registry listens")
        # As `docker login` and `skopeo login` leave it, and as a pull secret has it.
        self.login = rig.path("login.json")
        self._run("skopeo", "login", "--tls-verify=false", "--authfile", str(self.login), "--username", USER,
                  "--password", PASSWORD, self.host)

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

    def docker_config(self, password: str = PASSWORD) -> str:
        """As a pull secret has it."""
        login = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return json.dumps({"auths": {self.host: {"auth": login}}})
