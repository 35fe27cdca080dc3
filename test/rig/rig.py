"""What end-to-end tests are made of: backends, sluice with its Envoys, resources in files, load, a client.

    with Rig() as rig:
        echo = rig.echo("blue", "green")
        port = rig.port()
        resources = rig.resources()
        resources.write("gateway.yaml", gateway(listeners=[http_listener("http", port)]))
        ...
        sluice = rig.sluice(resources)
        sluice.wait_acknowledged(sluice.commit_of(["HTTPRoute default/web"]))
        assert get(f"http://127.0.0.1:{port}/", "web.example").backend == "blue"

All that is started ends with the test, even if the test is killed: a watcher process outlives it and ends every
process that carries the rig's mark in its environment. That includes the Envoys, which outlive sluice by design.
Files are in one temporary folder, which goes too, unless a test fails with RIG_KEEP=1. Traffic is on loopback only.

The programs are those of $SLUICE_BUILD, build/release if unset.
"""

from __future__ import annotations

import csv
import ctypes
import dataclasses
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))
ENVOY = Path(os.environ.get("ENVOY", ROOT / "build/envoy/envoy"))
SLUICE, ECHO, LOAD = BUILD / "sluice", BUILD / "examples/echo", BUILD / "test/rig/load"

MARK = "SLUICE_RIG"
Object = dict[str, Any]


# ---- processes -----------------------------------------------------------------------------------


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _marked(mark: str) -> list[int]:
    """The processes that have the mark in their environment, but not this one."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                environment = Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue
            if f"{MARK}={mark}".encode() in environment.split(b"\0"):
                found.append(int(entry))
    return found


def _end_marked(mark: str) -> None:
    # More than once: one of them may have been about to start another.
    while pids := _marked(mark):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 10, every: float = 0.01) -> Any:
    """The first true value of the condition; an error that says what did not happen if none comes in time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(every)
    return value


class Rig:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-rig."))
        self._environment = {
            **os.environ, MARK: str(self.folder), "HOME": str(self.folder), "TMPDIR": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder), "XDG_STATE_HOME": str(self.folder),
        }
        self._held: list[socket.socket] = []
        self._children: list[subprocess.Popen] = []
        self._watcher, self._alive = self._start_watcher()

    def _start_watcher(self) -> tuple[int, int]:
        """A process that waits until this one is gone, however it went, and then ends what is left. Its pid, and the
        end of a pipe that is open for as long as this one lives."""
        read, write = os.pipe()
        if (pid := os.fork()) == 0:
            os.setsid()
            os.close(write)
            os.read(read, 1)  # returns when the last copy of `write` is closed; no other process inherits it
            _end_marked(str(self.folder))
            if not (self.folder / "keep").exists():
                shutil.rmtree(self.folder, ignore_errors=True)
            os._exit(0)
        os.close(read)
        return pid, write

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None and os.environ.get("RIG_KEEP"):
            (self.folder / "keep").touch()
            print(f"rig: kept {self.folder}", file=sys.stderr)
        os.close(self._alive)
        _end_marked(str(self.folder))
        for held in self._held:
            held.close()
        for child in self._children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()
        os.waitpid(self._watcher, 0)

    def start(self, *command: Any, **options: Any) -> subprocess.Popen:
        """A child that ends when this process does."""
        child = subprocess.Popen([str(word) for word in command], env=self._environment,
                                 preexec_fn=_die_with_parent, start_new_session=True, **options)
        self._children.append(child)
        return child

    def port(self) -> int:
        """A free port. It stays bound here, without listening, so that nothing but an Envoy (whose listeners have
        SO_REUSEPORT too) gets it: neither another listener nor an outgoing connection."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("0.0.0.0", 0))
        self._held.append(held)
        return held.getsockname()[1]

    def path(self, name: str) -> Path:
        return self.folder / name

    def echo(self, *names: str, h2c: bool = False) -> Echo:
        return Echo(self, names, h2c)

    def resources(self, name: str = "resources") -> Resources:
        return Resources(self.folder / name)

    def sluice(self, resources: Resources, **options: Any) -> Sluice:
        return Sluice(self, resources, **options)

    def load(self, targets: Iterable[Target], **options: Any) -> Load:
        return Load(self, list(targets), **options)

    def marked(self) -> list[int]:
        return _marked(str(self.folder))


class Echo:
    """Backends in one process. addresses: name to (host, port)."""

    def __init__(self, rig: Rig, names: Iterable[str], h2c: bool) -> None:
        names = list(names)
        listen = [word for name in names for word in ("--listen", f"127.0.0.1:0={name}")]
        self.process = rig.start(ECHO, *listen, *(["--h2c"] if h2c else []), stdout=subprocess.PIPE, text=True)
        self.addresses: dict[str, tuple[str, int]] = {}
        for line in self.process.stdout:
            name, address = line.split()
            host, _, port = address.rpartition(":")
            self.addresses[name] = (host, int(port))
            if len(self.addresses) == len(names):
                break

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Resources:
    """A folder of manifests. Each change is one rename or one unlink, never half a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def write(self, name: str, content: str | Object | Iterable[Object]) -> None:
        if isinstance(content, dict):
            content = [content]
        text = content if isinstance(content, str) else "---\n".join(to_yaml(document) for document in content)
        new = self.folder / f".{name}.new"
        new.write_text(text)
        os.replace(new, self.folder / name)

    def rename(self, old: str, new: str) -> None:
        os.rename(self.folder / old, self.folder / new)

    def delete(self, name: str) -> None:
        os.unlink(self.folder / name)


# ---- sluice and its Envoys -----------------------------------------------------------------------


@dataclasses.dataclass
class Line:
    time: int  # when it was read here, monotonic ns: never before it was written
    fields: dict[str, Any]

    @property
    def message(self) -> str:
        return self.fields.get("msg", "")


class Sluice:
    """`sluice run` on a folder of resources. What it logs is read as it comes; see `lines`."""

    def __init__(self, rig: Rig, resources: Resources | None, arguments: Iterable[str] = (),
                 name: str = "run") -> None:
        self._rig, self._resources, self._arguments = rig, resources, list(arguments)
        self.run_dir = rig.path(name)
        self.log = rig.path(f"{name}.log")
        self._news = threading.Condition()
        self.lines: list[Line] = []
        self.start()

    def source(self) -> list[Any]:
        """The options that say where its objects are."""
        return ["-f", self._resources.folder]

    def start(self) -> None:
        """Starts it; again after kill() or stop()."""
        self.started = time.monotonic_ns()
        self.first_line = len(self.lines)  # of this process
        self.process = self._rig.start(
            SLUICE, "run", *self.source(), "--envoy", ENVOY, "--run-dir", self.run_dir,
            *self._arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen) -> None:
        with process.stderr, open(self.log, "a") as log:
            for text in process.stderr:
                now = time.monotonic_ns()
                log.write(text)
                log.flush()
                try:
                    fields = json.loads(text)
                except ValueError:
                    fields = {"text": text.rstrip("\n")}
                with self._news:
                    self.lines.append(Line(now, fields if isinstance(fields, dict) else {"text": text}))
                    self._news.notify_all()

    def wait_line(self, wanted: Callable[[Line], bool], what: str, since: int = 0, seconds: float = 15) -> Line:
        """The first line from lines[since] on that is wanted."""
        end = time.monotonic() + seconds
        at = since
        with self._news:
            while True:
                while at < len(self.lines):
                    if wanted(self.lines[at]):
                        return self.lines[at]
                    at += 1
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._news.wait(0.2)):
                    raise TimeoutError(f"sluice did not say within {seconds:g} s: {what}\n{self.tail()}")
                self._news.wait(min(left, 0.5))

    def commit_of(self, objects: Iterable[str], since: int | None = None, seconds: float = 15) -> Line:
        """The line of the commit with which all these objects ("HTTPRoute default/web") have been read, counted
        from lines[since] on (from the start of this process if None)."""
        missing, since = set(objects), self.first_line if since is None else since

        def complete(line: Line) -> bool:
            if line.message == "commit":
                missing.difference_update(line.fields["changed"])
            return not missing

        return self.wait_line(complete, f"a commit of {sorted(missing)}", since, seconds)

    def wait_acknowledged(self, commit: Line, proxies: Iterable[str] = ("default/web",), seconds: float = 15) -> int:
        """Waits until these proxies serve the commit; the time at which that was known, monotonic ns."""
        number, since = commit.fields["commit"], self.lines.index(commit)
        # A commit may name the proxies that it changes anything for.
        concerned = set(proxies).intersection(commit.fields.get("proxies", proxies))
        latest = commit.time
        for proxy in sorted(concerned):
            line = self.wait_line(
                lambda x: x.message == "acknowledged" and x.fields["proxy"] == proxy and x.fields["commit"] >= number,
                f"{proxy} acknowledged commit {number}", since, seconds)
            latest = max(latest, line.time)
        return latest

    def mark(self) -> int:
        """A place in the log: hand it to commit_of before making a change."""
        with self._news:
            return len(self.lines)

    def rejections(self) -> list[Line]:
        """What Envoy has refused."""
        return [line for line in self.lines if line.message == "rejected"]

    def envoys(self) -> list[int]:
        """The pids of the Envoys, running or draining. A test ends what it finds here and nothing else."""
        found = []
        for pid in self._rig.marked():
            try:
                if os.readlink(f"/proc/{pid}/exe") == str(ENVOY.resolve()):
                    found.append(pid)
            except OSError:
                pass
        return found

    def memory(self) -> dict[str, int]:
        """Of sluice itself, in bytes: resident now, and at most so far."""
        text = Path("/proc", str(self.process.pid), "status").read_text()
        return {key: int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) * 1024
                for key, name in (("rss", "VmRSS"), ("peak", "VmHWM"))}

    def kill(self) -> None:
        """As if it had crashed: the Envoys stay. All that it said is in `lines` afterwards."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self, seconds: float = 30) -> int:
        """Asks it to end, with its Envoys; the exit status."""
        self.process.terminate()
        return self.process.wait(seconds)

    def status(self, *arguments: str) -> subprocess.CompletedProcess:
        """What `sluice status` says of it."""
        return subprocess.run([SLUICE, "status", "--run-dir", self.run_dir, *arguments],
                              capture_output=True, text=True, check=False)

    def tail(self, lines: int = 15) -> str:
        return "\n".join(json.dumps(line.fields) for line in self.lines[-lines:])


class StaticEnvoy:
    """An Envoy without sluice, for measuring its own share. The configuration is a bootstrap."""

    def __init__(self, rig: Rig, bootstrap: Object, name: str = "static", arguments: Iterable[str] = ()) -> None:
        config = rig.path(f"{name}.yaml")
        config.write_text(to_yaml(bootstrap))
        self.log = rig.path(f"{name}.envoy.log")
        self.started = time.monotonic_ns()
        self.process = rig.start(ENVOY, "-c", config, "--use-dynamic-base-id", "--log-path", self.log,
                                 "--log-level", "warning", *arguments,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def memory(self) -> int:
        text = Path("/proc", str(self.process.pid), "status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


# ---- requests ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    serial: str  # of the certificate, in hex; empty without TLS

    @property
    def backend(self) -> str:
        return self.headers.get("x-backend", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(url: str, host: str = "", method: str = "GET", headers: Mapping[str, str] = {}, body: bytes = b"",
            seconds: float = 5) -> Answer:
    """One request on a connection of its own. `host` is what is asked for, as Host and SNI, at the URL's address."""
    parts = urllib.parse.urlsplit(url)
    host = host or parts.netloc
    raw = socket.create_connection((parts.hostname, parts.port), seconds)
    serial = ""
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            raw = context.wrap_socket(raw, server_hostname=host)
            pem = ssl.DER_cert_to_PEM_cert(raw.getpeercert(binary_form=True))
            serial = certificate_serial(pem)
        lines = [f"{method} {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1", f"host: {host}",
                 "connection: close", *(f"{name}: {value}" for name, value in headers.items())]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"content-length: {len(body)}")
        raw.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        response = http.client.HTTPResponse(raw, method=method)
        response.begin()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()},
                      response.read(), serial)
    finally:
        raw.close()


def get(url: str, host: str = "", **options: Any) -> Answer:
    return request(url, host, **options)


def wait_answer(url: str, host: str = "", wanted: Callable[[Answer], bool] = lambda answer: answer.status == 200,
                seconds: float = 15, every: float = 0.005) -> Answer:
    """Asks until the answer is as wanted. Errors on the way count as answers that are not."""
    last: Any = None

    def ask() -> Answer | None:
        nonlocal last
        try:
            last = get(url, host)
        except (OSError, http.client.HTTPException) as error:
            last = error
            return None
        return last if wanted(last) else None

    try:
        return wait_for(ask, f"the wanted answer from {url} for {host}", seconds, every)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; the last was {last}") from None


# ---- load ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Target:
    id: str
    url: str  # its host an IPv4 address
    host: str  # Host and SNI


@dataclasses.dataclass(frozen=True)
class Record:
    """One answer under load; times in monotonic ns. See load.cc."""

    start: int
    end: int
    connected: int
    target: str
    status: int
    backend: str
    serial: str
    new: bool
    error: str


class Load:
    """Requests at a steady rate, until finish()."""

    def __init__(self, rig: Rig, targets: list[Target], rate: float, seconds: float = 600, new: float = 0.2,
                 name: str = "load", **options: Any) -> None:
        self._output = rig.path(f"{name}.csv")
        words = [word for target in targets for word in ("--target", f"{target.id} {target.url} {target.host}")]
        words += [word for key, value in options.items() for word in ("--" + key.replace("_", "-"), value)]
        self.process = rig.start(LOAD, "--until-eof", "--rate", rate, "--seconds", seconds, "--new", new,
                                 "--output", self._output, *words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def finish(self) -> list[Record]:
        """Sends no more, waits for the answers that are due, and returns all of them by start."""
        self.process.stdin.close()
        self.process.wait(60)
        with open(self._output, newline="") as file:
            records = [Record(int(row["start"]), int(row["end"]), int(row["connected"]), row["target"],
                              int(row["status"]), row["backend"], row["serial"], row["new"] == "1", row["error"])
                       for row in csv.DictReader(file)]
        return sorted(records, key=lambda record: record.start)


# ---- certificates --------------------------------------------------------------------------------


def make_certificate(folder: Path, names: Iterable[str], serial: int,
                     new_key: Iterable[str] = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")) -> tuple[str, str]:
    """A self-signed certificate and its key, as PEM. `new_key` is what `openssl req -newkey` wants."""
    names = list(names)
    certificate, key = folder / f"{serial:x}.crt", folder / f"{serial:x}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *new_key, "-nodes", "-days", "7",
         "-set_serial", str(serial), "-subj", f"/CN={names[0]}",
         "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names), "-out", certificate, "-keyout", key],
        check=True, capture_output=True)
    return certificate.read_text(), key.read_text()


@dataclasses.dataclass
class Authority:
    """A CA. It signs what it is asked to."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self._openssl(self.name, "-subj", f"/CN={self.name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def _openssl(self, name: str, *words: str) -> None:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "7", "-out", self.folder / f"{name}.crt", "-keyout", self.folder / f"{name}.key",
                        *words], check=True, capture_output=True)

    @property
    def pem(self) -> str:
        return (self.folder / f"{self.name}.crt").read_text()

    def sign(self, name: str, san: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        file = f"{self.name}-{name}"
        self._openssl(file, "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}", "-CA",
                      str(self.folder / f"{self.name}.crt"), "-CAkey", str(self.folder / f"{self.name}.key"))
        return self.folder / f"{file}.crt", self.folder / f"{file}.key"


def certificate_serial(pem: str) -> str:
    out = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True, check=True)
    return out.stdout.strip().removeprefix("serial=")


# ---- resources -----------------------------------------------------------------------------------


def to_yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def an_object(api_version: str, kind: str, name: str, namespace: str | None = "default", **rest: Any) -> Object:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place}, **rest}


GATEWAY_API = "gateway.networking.k8s.io/v1"
ENVOY_GATEWAY = "gateway.envoyproxy.io"


def gateway_class(name: str = "sluice") -> Object:
    return an_object(GATEWAY_API, "GatewayClass", name, None,
                   spec={"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"})


def http_listener(name: str, port: int, **rest: Any) -> Object:
    return {"name": name, "protocol": "HTTP", "port": port, **rest}


def https_listener(name: str, port: int, secret: str, **rest: Any) -> Object:
    return {"name": name, "protocol": "HTTPS", "port": port,
            "tls": {"certificateRefs": [{"name": secret}]}, **rest}


def gateway(listeners: list[Object], name: str = "web", gateway_class_name: str = "sluice") -> Object:
    return an_object(GATEWAY_API, "Gateway", name, spec={"gatewayClassName": gateway_class_name, "listeners": listeners})


def backend_ref(service: str, weight: int = 1, port: int = 80) -> Object:
    return {"name": service, "port": port, "weight": weight}


def path_rule(prefix: str, *backends: Object) -> Object:
    return {"matches": [{"path": {"type": "PathPrefix", "value": prefix}}], "backendRefs": list(backends)}


def http_route(name: str, hosts: list[str], rules: list[Object], parent: str = "web",
               section: str | None = None) -> Object:
    reference = {"name": parent, **({"sectionName": section} if section else {})}
    return an_object(GATEWAY_API, "HTTPRoute", name, spec={"parentRefs": [reference], "hostnames": hosts, "rules": rules})


def service(name: str, port: int = 80, protocol: str = "TCP") -> Object:
    return an_object("v1", "Service", name, spec={"ports": [{"name": "http", "port": port, "protocol": protocol}]})


def endpoint_slice(name: str, service_name: str, port: int, hosts: Iterable[str] = ("127.0.0.1",),
                   protocol: str = "TCP") -> Object:
    """A slice has one port for all its hosts: backends that differ in their ports need a slice each."""
    made = an_object("discovery.k8s.io/v1", "EndpointSlice", name, addressType="IPv4",
                     ports=[{"name": "http", "port": port, "protocol": protocol}],
                     endpoints=[{"addresses": [host], "conditions": {"ready": True}} for host in hosts])
    made["metadata"]["labels"] = {"kubernetes.io/service-name": service_name}
    return made


def own_backend(name: str, **spec: Any) -> Object:
    """A Backend."""
    return an_object(f"{ENVOY_GATEWAY}/v1alpha1", "Backend", name, spec=spec)


def own_backend_ref(name: str) -> Object:
    return {"group": ENVOY_GATEWAY, "kind": "Backend", "name": name}


def envoy_proxy(name: str, **spec: Any) -> Object:
    return an_object(f"{ENVOY_GATEWAY}/v1alpha1", "EnvoyProxy", name, spec=spec)


def envoy_proxy_ref(name: str) -> Object:
    return {"group": ENVOY_GATEWAY, "kind": "EnvoyProxy", "name": name}


def ca_map(name: str, *pems: str) -> Object:
    return an_object("v1", "ConfigMap", name, data={"ca.crt": "".join(pems)})


def ca_ref(name: str) -> list[Object]:
    return [{"group": "", "kind": "ConfigMap", "name": name}]


def tls_secret(name: str, certificate: str, key: str) -> Object:
    return an_object("v1", "Secret", name, type="kubernetes.io/tls",
                   stringData={"tls.crt": certificate, "tls.key": key})


# ---- results -------------------------------------------------------------------------------------


def run_tests() -> None:
    """unittest.main(), which leaves its counts in $RESULTS for test/run.sh, added to those that are there."""
    # Sockets that a test leaves open end with it: no word about each.
    result = unittest.main(module="__main__", exit=False, warnings="ignore").result
    if results := os.environ.get("RESULTS"):
        counts = Path(results, "counts")
        before = [int(word) for word in counts.read_text().split()] if counts.exists() else [0, 0, 0]
        failed, skipped = len({str(test) for test, _ in result.failures + result.errors}), len(result.skipped)
        now = [result.testsRun - failed - skipped, failed, skipped]
        counts.write_text(" ".join(str(a + b) for a, b in zip(before, now)) + "\n")
    sys.exit(0 if result.wasSuccessful() else 1)
