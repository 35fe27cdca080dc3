#!/usr/bin/env python3
"""Does a request go where `sluice explain` says? Asks the real Envoy, some thousand times.

usage: explain_test.py [--seed N] [--only GLOB] [--requests N] [-v]

Every case of ../shared/parity, of test/golden and of cases/ with an HTTP listener is translated. One Envoy serves the
listeners of all of them, changed as little as possible: ports and certificates are the test's, clusters send to an echo server, each
route is named after its place (route table, host, position), and the access log says which route was taken. Requests
are made from the routes themselves: their hosts, paths, headers, methods and query parameters, each as it is and a
little beside it, and noise, with headers among it that Envoy refuses, removes or sets itself. `sluice explain --batch`
says of each where it goes; both have to agree on the route, the status, the Location, the backend's object, and the path and host that the backend sees.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import fnmatch
import http.client
import json
import os
import random
import re
import re._parser as regex_parser
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "rig"), str(HERE.parent / "parity")]
from rig import SLUICE, Echo, Rig, StaticEnvoy, make_certificate, wait_for  # noqa: E402
from recorded_options import write_options  # noqa: E402
from static_bootstrap import RUNTIME, static_bootstrap  # noqa: E402

PARITY = HERE.parents[2] / "shared/parity/cases"
GOLDEN = HERE.parent / "golden/cases"
OWN = HERE / "cases"
SCOPE = yaml.safe_load((HERE.parent / "parity/scope.yaml").read_text())
MANAGER = "envoy.filters.network.http_connection_manager"

# By which a connection is known, from here and in the log.
PORTS = "%DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT%"

Object = dict[str, Any]


# ---- what is served ------------------------------------------------------------------------------


@dataclasses.dataclass
class Chain:
    server_names: list[str]
    tls: bool
    routes: Object  # a RouteConfiguration


@dataclasses.dataclass
class Listener:
    case: Path
    proxy: str
    port: int  # in the case
    test_port: int
    chains: list[Chain]


def options_of(case: Path, output: Path) -> list[str | Path]:
    return ["--options", write_options(case, output)] if (case / "options.yaml").exists() else []


def translate(case: Path, output: Path) -> None:
    subprocess.run([SLUICE, "translate", "-f", case / "in.yaml", *options_of(case, output), "--output", output],
                   capture_output=True, timeout=60, check=False)


def find(node: Any, key: str) -> list[Any]:
    """All values of this key, at any depth."""
    if isinstance(node, list):
        return [value for item in node for value in find(item, key)]
    if not isinstance(node, dict):
        return []
    own = [node[key]] if key in node else []
    return own + [value for item in node.values() for value in find(item, key)]


def renamed(node: Any, prefix: str) -> Any:
    """The same with clusters of names of their own."""
    if isinstance(node, list):
        return [renamed(item, prefix) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == "cluster" and isinstance(value, str):
            out[key] = prefix + value
        elif key == "clusters" and isinstance(value, list):
            out[key] = [{**renamed(item, prefix), "name": prefix + item["name"]} for item in value]
        else:
            out[key] = renamed(value, prefix)
    return out


class Fleet:
    """The listeners of all cases in one bootstrap."""

    def __init__(self, rig: Rig, echo: Echo, log: Path) -> None:
        self._rig, self._echo, self._log = rig, echo, log
        self._certificate, self._key = make_certificate(rig.folder, ["explain.example"], 7)
        self.listeners: list[Listener] = []
        self.owners: dict[str, str] = {}  # of clusters: "Service default/web"
        self._static: dict[str, list[Object]] = {"listeners": [], "clusters": []}

    def add(self, case: Path, xds: Path) -> None:
        resources = static_bootstrap(json.loads(xds.read_text()))["staticResources"]
        prefix = f"{case.name}/{xds.stem}/"
        for listener in resources["listeners"]:
            self._add_listener(case, xds.stem.replace("__", "/", 1), prefix, listener)
        for cluster in resources["clusters"]:
            self._add_cluster(prefix, cluster)

    def _add_listener(self, case: Path, proxy: str, prefix: str, listener: Object) -> None:
        address = listener["address"]["socketAddress"]
        kept = Listener(case, proxy, address["portValue"], self._rig.port(), [])
        listener.pop("accessLog", None)
        listener["name"] = prefix + listener["name"]
        listener["address"] = {"socketAddress": {"address": "127.0.0.1", "portValue": kept.test_port}}
        chains = listener.get("filterChains", []) + [c for c in [listener.get("defaultFilterChain")] if c]
        for chain in chains:
            names = chain.get("filterChainMatch", {}).get("serverNames", [])
            tls = "transportSocket" in chain or bool(names)
            if "transportSocket" in chain:
                self._put_certificate(chain)
            managers = [f["typedConfig"] for f in chain["filters"] if f["name"] == MANAGER]
            if not managers:
                chain["filters"] = renamed(chain["filters"], prefix)
                self._log_to(chain["filters"][-1]["typedConfig"])
                kept.chains.append(Chain(names, tls, {}))
                continue
            manager = managers[0]
            self._log_to(manager)
            manager["routeConfig"] = renamed(manager["routeConfig"], prefix)
            for host in manager["routeConfig"].get("virtualHosts", []):
                for position, route in enumerate(host.get("routes", [])):
                    route["name"] = f"{manager['routeConfig']['name']}|{host['domains'][0]}|{position}"
            kept.chains.append(Chain(names, tls, copy.deepcopy(manager["routeConfig"])))
        if not kept.chains:  # of datagrams
            return
        self._static["listeners"].append(listener)
        self.listeners.append(kept)

    def _put_certificate(self, chain: Object) -> None:
        context = chain["transportSocket"]["typedConfig"]
        context.pop("requireClientCertificate", None)
        common = context["commonTlsContext"]
        context["commonTlsContext"] = {
            **{key: value for key, value in common.items() if key in ("alpnProtocols",)},
            "tlsCertificates": [{"certificateChain": {"inlineString": self._certificate},
                                 "privateKey": {"inlineString": self._key}}]}

    def _log_to(self, config: Object) -> None:
        fields = {"id": "%REQ(X-EXPLAIN-ID)%", "ports": PORTS, "route": "%ROUTE_NAME%", "cluster": "%UPSTREAM_CLUSTER_RAW%",
                  "status": "%RESPONSE_CODE%", "details": "%RESPONSE_CODE_DETAILS%"}
        config["accessLog"] = [{"name": "log", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(self._log), "logFormat": {"jsonFormat": fields}}}]

    def _add_cluster(self, prefix: str, cluster: Object) -> None:
        name = prefix + cluster["name"]
        owner = find(cluster.get("metadata", {}), "name"), find(cluster.get("metadata", {}), "namespace")
        kind = find(cluster.get("metadata", {}), "kind")
        if kind and owner[0]:
            self.owners[name] = f"{kind[0]} {owner[1][0] + '/' if owner[1] else ''}{owner[0][0]}"
        endpoints = find(cluster.get("loadAssignment", {}), "endpoint")
        host, port = self._echo.addresses["echo"]
        there = {"endpoint": {"address": {"socketAddress": {"address": host, "portValue": port}}}}
        self._static["clusters"].append({
            "name": name, "type": "STATIC", "connectTimeout": "5s",
            "loadAssignment": {"clusterName": name, "endpoints": [{"lbEndpoints": [there] if endpoints else []}]}})

    def bootstrap(self, admin: Path) -> Object:
        return {"node": {"id": "test", "cluster": "test"}, "admin": {"address": {"pipe": {"path": str(admin)}}},
                "layeredRuntime": RUNTIME, "staticResources": self._static}


# ---- requests ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Request:
    listener: Listener
    tls: bool
    sni: str
    host: str
    method: str
    path: str
    headers: list[tuple[str, str]]

    def as_json(self) -> Object:
        scheme = "https" if self.tls else "http"
        return {"method": self.method, "url": f"{scheme}://test.invalid:{self.listener.port}{self.path}", "sni": self.sni,
                "headers": [["Host", self.host], ["connection", "close"], *map(list, self.headers)]}


def sample(pattern: str, dice: random.Random) -> str:
    """A text that a regular expression matches; "x" where that is too hard."""

    def make(items: Any) -> str:
        out = ""
        for kind, argument in items:
            name = str(kind)
            if name == "LITERAL":
                out += chr(argument)
            elif name in ("NOT_LITERAL", "ANY"):
                out += "q"
            elif name == "IN":
                first = next((item for item in argument if str(item[0]) != "NEGATE"), None)
                negated = str(argument[0][0]) == "NEGATE"
                if negated or first is None:
                    out += "q"
                elif str(first[0]) == "RANGE":
                    out += chr(dice.randint(*first[1]))
                elif str(first[0]) == "CATEGORY":
                    out += "7" if "DIGIT" in str(first[1]) else "w"
                else:
                    out += chr(first[1])
            elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                low, high, inner = argument
                out += "".join(make(inner) for _ in range(dice.randint(low, min(high, low + 2))))
            elif name == "SUBPATTERN":
                out += make(argument[-1])
            elif name == "BRANCH":
                out += make(dice.choice(argument[1]))
        return out

    try:
        return make(regex_parser.parse(pattern)) or "x"
    except (re.error, ValueError, OverflowError):
        return "x"


class Maker:
    """Requests for one listener, from its routes."""

    METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
    # What Envoy makes something of itself, before it looks at routes.
    SPECIAL: list[list[tuple[str, str]]] = [
        [("x-envoy-retry-on", "5xx")], [("x-envoy-upstream-rq-timeout-ms", "5000")], [("x-envoy-custom", "1")],
        [("x-request-id", "mine")], [("x-forwarded-for", "10.0.0.9")], [("x-forwarded-proto", "https")],
        [("te", "trailers")], [("te", "gzip")], [("te", "gzip, trailers")], [("te", "trailers;q=1")],
        [("keep-alive", "5")], [("x-noise", "1"), ("connection", "X-Noise")], [("connection", "keep-alive")],
        [("connection", "x-forwarded-for")], [("connection", ":path")], [("connection", "host")],
        [("connection", ", ".join(f"x-{i}" for i in range(8)))], [("connection", ", ".join(f"x-{i}" for i in range(9)))],
        [("connection", "upgrade"), ("upgrade", "foo")], [("connection", "Upgrade"), ("upgrade", "WebSocket")],
        [("connection", "upgrade"), ("upgrade", "h2c")], [("upgrade", "foo")], [("connection", "upgrade")],
        [("transfer-encoding", "chunked")], [("transfer-encoding", "foo")], [("transfer-encoding", "gzip, chunked")],
        [("content-length", "x")], [("content-length", "0"), ("transfer-encoding", "chunked")],
        [("x noise", "1")], [("x-noise ", "1")], [("x(noise", "1")], [("x-noise", "a\x01")], [("x-noise", "a\tb")]]
    GRPC = ["application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc;x=y"]
    RARE_HOSTS = ["h.example/x", "a b", "a^b", "a?b", "a@b", "[::1]", "a%41", "h.example:x"]

    RARE_METHODS = ["PURGE", "PROPFIND", "MSEARCH", "FOO", "QUERY", "M-SEARCH", "get"]

    def __init__(self, listener: Listener, dice: random.Random) -> None:
        self._listener, self._dice = listener, dice

    def make(self) -> Request:
        dice = self._dice
        chain = dice.choice(self._listener.chains)
        hosts = chain.routes.get("virtualHosts", [])
        routes = [(host, route) for host in hosts for route in host.get("routes", [])]
        if not routes or dice.random() < 0.05:
            host, path, method, headers = self._host("*"), dice.choice(["/", "/a", "/x?y=z", "/%2e%2e/a"]), "GET", []
        else:
            virtual_host, route = dice.choice(routes)
            host = self._host(virtual_host["domains"][0])
            path, method, headers = self._match(route["match"])
        headers = headers + self._special()
        if dice.random() < 0.02:
            host = dice.choice(self.RARE_HOSTS)
        return Request(self._listener, chain.tls, self._sni(chain, host) if chain.tls else "", host, method, path, headers)

    def _special(self) -> list[tuple[str, str]]:
        dice = self._dice
        headers = dice.choice(self.SPECIAL) if dice.random() < 0.25 else []
        if dice.random() < 0.06:
            headers = [*headers, ("content-type", dice.choice(self.GRPC))]
        return headers

    def _often(self, likely: Any, *others: Any) -> Any:
        return likely if self._dice.random() < 0.7 else self._dice.choice(others)

    def _host(self, domain: str) -> str:
        dice = self._dice
        if domain == "*":
            return dice.choice(["any.example.net", "a.b", "localhost", "10.0.0.1", "www.example.com:8080"])
        if domain.startswith("*."):
            rest = domain[2:]
            return self._often("a." + rest, "a.b." + rest, rest, "A." + rest.upper(), f"c.{rest}:8080", "x" + rest)
        return self._often(domain, domain.upper(), domain + ":8443", "sub." + domain, domain.partition(".")[2] or "x",
                           "x" + domain, domain + ".")

    def _sni(self, chain: Chain, host: str) -> str:
        name = self._dice.choice(chain.server_names) if chain.server_names else "plain.example"
        name = name.replace("*", "a", 1)
        return self._often(name, "other.example", "b." + name, name.partition(".")[2] or "x", name.replace("a", "A"))

    def _path(self, match: Object) -> str:
        dice = self._dice
        if "safeRegex" in match:
            path = sample(match["safeRegex"]["regex"], dice)
            path = path if path.startswith("/") else "/" + path
        else:
            path = match.get("path") or match.get("pathSeparatedPrefix") or match.get("prefix") or "/"
        path = path.split("?")[0].replace(" ", "") or "/"
        bare = path.rstrip("/")
        beside = self._often(
            dice.choice([path, bare + "/x", bare + "/"]), bare + "x", path[:-1] or "/", path.upper(), "/x" + path, "//" + path,
            bare + "//y", bare + "/./z", bare + "/q/../r", bare + "/%2e%2E/s", bare + "/t%2Fu", bare + "/\\v", "/%41" + path,
            bare + "/%7e%zz", bare + "/a b".replace(" ", "%20"), bare + "/..", "/", bare + ";x=1", bare + "/..;/s",
            bare + "/.;x=1/s", bare + "/v/..;x", bare + "/%2e%2e;/s", "/..;" + path, bare + "/%00", bare + "/{}|^\"")
        return beside if beside.startswith("/") else "/" + beside

    def _value(self, match: Object) -> str:
        string = match.get("stringMatch", {})
        if "safeRegex" in string:
            value = sample(string["safeRegex"]["regex"], self._dice)
        else:
            value = string.get("exact") or string.get("prefix") or string.get("suffix") or string.get("contains") or "v"
        value = re.sub(r"[^\x21-\x7e]", "_", value)
        return self._often(value, value + "x", "other", value.upper())

    def _match(self, match: Object) -> tuple[str, str, list[tuple[str, str]]]:
        dice = self._dice
        method, headers = dice.choice(self.METHODS), []
        for header in match.get("headers", []):
            if header["name"] == ":method":
                method = self._often(header["stringMatch"]["exact"], *self.METHODS)
            elif not header["name"].startswith(":") and dice.random() < 0.85:
                name = dice.choice([header["name"], header["name"].upper()])
                headers.append((name, self._value(header)))
                if dice.random() < 0.1:
                    headers.append((name, "second"))
        if dice.random() < 0.05:
            method = dice.choice(self.RARE_METHODS)
        query = [f"{p['name']}={self._value(p)}" for p in match.get("queryParameters", []) if dice.random() < 0.85]
        cookies = [f"{c['name']}={self._value(c)}" for c in match.get("cookies", []) if dice.random() < 0.85]
        if cookies:
            headers.append(("cookie", "; ".join(cookies)))
        if dice.random() < 0.2:
            query.append(dice.choice(["q", "a=b", "q=1=2", "", "%61=b"]))
        if query and dice.random() < 0.1:
            query.append(query[0] + "again")
        if dice.random() < 0.2:
            headers.append(dice.choice([("x-noise", "1"), ("x_noise", "1"), ("accept", "*/*"), ("x-noise", "")]))
        if method == "OPTIONS" and dice.random() < 0.5:
            headers += [("origin", dice.choice(["https://a.example", "http://foo.com", "https://www.foo.com"])),
                        ("access-control-request-method", "GET")]
        dice.shuffle(query)
        return self._path(match) + ("?" + "&".join(query).replace("#", "").replace(" ", "") if query else ""), method, headers


# ---- asking Envoy ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Answer:
    status: int  # 0: the connection was closed
    location: str = ""
    host: str = ""  # as the backend saw it
    path: str = ""
    grpc: bool = False  # it is Envoy's own, to a gRPC client
    ports: str = ""  # of the connection, as the log has them


class Client:
    def __init__(self) -> None:
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def ask(self, request: Request, number: int) -> Answer:
        try:
            raw = socket.create_connection(("127.0.0.1", request.listener.test_port), 5)
        except OSError as error:
            raise RuntimeError(f"Envoy does not listen: {error}") from error
        ports = f"{raw.getsockname()[1]} {request.listener.test_port}"
        try:
            if request.tls:
                raw = self._tls.wrap_socket(raw, server_hostname=request.sni or None)
            lines = [f"{request.method} {request.path} HTTP/1.1", f"host: {request.host}", f"x-explain-id: {number}",
                     "connection: close", *(f"{name}: {value}" for name, value in request.headers)]
            names = {name.lower() for name, _ in request.headers}
            if request.method in ("POST", "PUT", "PATCH") and not names & {"content-length", "transfer-encoding"}:
                lines.append("content-length: 0")
            end = b"0\r\n\r\n" if ("transfer-encoding", "chunked") in request.headers else b""
            raw.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + end)
            response = http.client.HTTPResponse(raw, method=request.method)
            response.begin()
            body = response.read()
            answer = Answer(response.status, response.getheader("location") or "", ports=ports,
                            grpc=response.getheader("grpc-status") is not None)
            if response.getheader("x-backend") and request.method != "HEAD":
                if body:  # there is none where the backend does not upgrade
                    seen = json.loads(body)
                    answer.host, answer.path = seen["host"], seen["path"]
            return answer
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            return Answer(0, ports=ports)
        finally:
            raw.close()


# ---- comparing -------------------------------------------------------------------------------------


def object_name(node: Object) -> str:
    return f"{node['kind']} {node['namespace'] + '/' if node['namespace'] else ''}{node['name']}"


def last(steps: list[Object], kind: str, otherwise: str) -> str:
    return next((step["value"] for step in reversed(steps) if step["kind"] == kind), otherwise)


def differences(request: Request, said: Object, answer: Answer, log: Object | None, owners: dict[str, str]) -> list[str]:
    """In what Envoy did otherwise than explain said."""
    wrong = []

    def compare(what: str, expected: Any, got: Any) -> None:
        if expected != got:
            wrong.append(f"{what}: explain says {expected!r}, Envoy {got!r}")

    if said["outcome"] in ("refused", "closed"):
        compare("connection", 0, answer.status)
        return wrong
    if said["rule"] and not said["rule"]["positions"]:  # a connection that Envoy does not look into
        # Connections of a share without a backend are closed.
        objects = {object_name(to["object"]) if to["object"] else "" for to in said["destinations"]}
        if (owner := owners.get((log or {}).get("cluster") or "", "")) not in objects:
            compare("backend", sorted(objects), owner)
        return wrong
    if answer.status == 0 or log is None:
        return [f"explain says {said['outcome']}, Envoy closed the connection"]
    rule = said["rule"]
    if rule:
        routes = [f"{said['routeTable']}|{said['virtualHost']}|{position}" for position in rule["positions"]]
        if log.get("route") not in routes:
            compare("route", routes, log.get("route"))
    else:
        # 421 has a route of its own, and of these Envoy looks for a route, though it does not matter.
        misdirected = said["status"] == 421 or (answer.grpc and log.get("details") == "direct_response")
        if not misdirected and log.get("details") not in ("query_missing_content_type", "path_normalization_failed"):
            compare("route", None, log.get("route"))
    answers = [(to["status"], to["location"]) for to in said["destinations"] if not to["object"]]
    if (answer.status, answer.location) in answers:
        return wrong
    # The services of extensions are not there, nor those that let requests pass or pick for them, and explain says of them
    # only that they may answer.
    steps = said["steps"] + [step for to in said["destinations"] for step in to["steps"]]
    for kind, filter_name in (("extensions", "ext_proc"), ("auth", "ext_authz"), ("picker", "ext_proc")):
        if any(step["kind"] == kind for step in steps) and (log.get("details") or "").startswith(filter_name):
            return wrong
    if said["outcome"] != "forwarded":
        compare("status", said["status"], answer.status)
        compare("Location", said["location"], answer.location)
        return wrong
    possible = {object_name(to["object"]) for to in said["destinations"] if to["object"]}
    if (answer.status == 503 or answer.grpc) and any(not to["endpoints"] for to in said["destinations"]):
        return wrong
    compare("status", 200, answer.status)
    owner = owners.get(log.get("cluster") or "", "")
    if owner == object_name(rule["object"]):  # a cluster of several backends, for sessions
        owner = sorted(possible)[0]
    if owner not in possible:
        compare("backend", sorted(possible), owner)
    # What the backend saw is lost where it does not upgrade, and where gRPC-Web is made of its answer.
    lost = log.get("details") == "websocket_handshake_unsuccessful" or ("content-type", "application/grpc-web") in request.headers
    if request.method != "HEAD" and answer.status == 200 and (answer.host or not lost):
        taken = [to for to in said["destinations"] if to["object"] and object_name(to["object"]) == owner]
        ways = {(last(said["steps"] + to["steps"], "rewrite-host", request.host),
                 last(said["steps"] + to["steps"], "rewrite-path", said["path"] + query_of(request.path)))
                for to in taken}
        # The name of an endpoint is not the test's echo server's.
        ways = {(answer.host if host == "" else host, path) for host, path in ways}
        if (answer.host, answer.path) not in ways:
            wrong.append(f"backend sees {answer.host!r} {answer.path!r}, explain says {sorted(ways)}")
    return wrong


def query_of(path: str) -> str:
    return path[path.index("?"):] if "?" in path else ""


def explain(case: Path, output: Path, requests: list[Request]) -> list[Object]:
    lines = "".join(json.dumps(request.as_json()) + "\n" for request in requests)
    result = subprocess.run([SLUICE, "explain", "--batch", *options_of(case, output), "-f", case / "in.yaml"],
                            input=lines, capture_output=True, text=True, timeout=120, check=True)
    said = []
    for request, line in zip(requests, result.stdout.splitlines(), strict=True):
        answer = json.loads(line)
        ways = [way for way in answer if way["proxy"] == request.listener.proxy] if isinstance(answer, list) else []
        if len(ways) != 1:
            raise AssertionError(f"{case.name}: {request.as_json()}: {line[:300]}")
        said.append(ways[0])
    return said


# ---- all of it -------------------------------------------------------------------------------------


# Envoy 1.40 dies of a credential that is a static secret. test/features injects one by SDS.
DIES_OF = ["httproute-with-credential-injection", "route-filters"]
# The picker reads a file that `sluice run` writes. test/picker has it.
NEEDS_RUN = ["picker-inside-envoy"]


def cases_for(only: str) -> list[Path]:
    unusable = [*SCOPE["refused_by_envoy"], *DIES_OF, *NEEDS_RUN]
    found = [case for folder in (PARITY, GOLDEN, OWN) if folder.exists() for case in sorted(folder.iterdir())
             if (case / "in.yaml").exists()]
    return [case for case in found if fnmatch.fnmatch(case.name, only)
            and not any(fnmatch.fnmatch(case.name, pattern) for pattern in unusable)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="*", help="the cases whose names match")
    parser.add_argument("--requests", type=int, default=8, help="a listener")
    parser.add_argument("-v", "--verbose", action="store_true", help="every difference")
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)

    with Rig() as rig:
        log = rig.path("access.log")
        fleet = Fleet(rig, rig.echo("echo"), log)
        cases = cases_for(arguments.only)
        outputs = {case: rig.path(f"xds-{number}") for number, case in enumerate(cases)}
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda case: translate(case, outputs[case]), cases))
        for case in cases:
            for xds in sorted(outputs[case].glob("xds/*.json")):
                fleet.add(case, xds)
        admin = rig.path("admin.sock")
        envoy = StaticEnvoy(rig, fleet.bootstrap(admin),
                            arguments=["--concurrency", "1", "--file-flush-interval-msec", "50"])

        def ready() -> bool:
            if envoy.process.poll() is not None:
                raise RuntimeError("Envoy refuses the listeners:\n" + envoy.log.read_text()[-2000:])
            with socket.socket(socket.AF_UNIX) as connection:
                try:
                    connection.connect(str(admin))
                    connection.sendall(b"GET /ready HTTP/1.1\r\nhost: admin\r\n\r\n")
                    return b" 200 " in connection.recv(64)
                except OSError:  # not there yet, or no more
                    return False

        wait_for(ready, "Envoy is ready", 60)

        requests = [Maker(listener, dice).make() for listener in fleet.listeners for _ in range(arguments.requests)]
        client = Client()
        answers = [client.ask(request, number) for number, request in enumerate(requests)]
        by_case: dict[Path, list[int]] = {}
        for number, request in enumerate(requests):
            by_case.setdefault(request.listener.case, []).append(number)
        said: dict[int, Object] = {}
        for case, numbers in by_case.items():
            said.update(zip(numbers, explain(case, outputs[case], [requests[number] for number in numbers])))

        expected = sum(1 for answer in answers if answer.status != 0)
        lines: dict[str, Object] = {}

        def logged() -> bool:
            for line in map(json.loads, log.read_text().splitlines()):
                lines[line["id"] or line["ports"]] = line
            return len(lines) >= expected

        try:
            wait_for(logged, "Envoy has logged every request", 5)
        except TimeoutError:
            pass  # a request that Envoy could not even parse is not logged under its number
        wrong = 0
        counts: dict[str, int] = {}
        for number, request in enumerate(requests):
            outcome = said[number]["outcome"] + (f" {said[number]['status']}" if said[number]["status"] else "")
            counts[outcome] = counts.get(outcome, 0) + 1
            line = lines.get(str(number)) or lines.get(answers[number].ports) or ({} if answers[number].status in (400, 501) else None)
            if found := differences(request, said[number], answers[number], line, fleet.owners):
                wrong += 1
                if wrong <= 20 or arguments.verbose:
                    print(f"FAIL {request.listener.case.name}: {json.dumps(request.as_json())}")
                    for difference in found:
                        print(f"  {difference} ({(line or {}).get('details')})")

    print(f"explain: {len(requests)} requests to {len(fleet.listeners)} listeners of {len(by_case)} cases, {wrong} differ "
          f"(seed {arguments.seed}): {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}")
    if results := os.environ.get("RESULTS"):
        Path(results, "counts").write_text(f"{len(requests) - wrong} {wrong} 0\n")
    return 1 if wrong or not requests else 0


if __name__ == "__main__":
    sys.exit(main())
