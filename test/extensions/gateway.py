"""A Gateway with a route for each host, and what policies make of it: start() is all that tests know of it."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from rig import (  # noqa: E402
    Object, Resources, Rig, Sluice, backend_ref, endpoint_slice, gateway, gateway_class, http_listener, http_route,
    path_rule, service, wait_for)


def start(rig: Rig, backend: tuple[str, int], routes: dict[str, list[Object]], concurrency: int = 0,
          arguments: Iterable[str] = (), until_there: Iterable[str] | None = None) -> Gateway:
    """`routes`: for each host, which is the name of its route, the objects whose policy targets that. Serves all of
    them when it returns. `concurrency`: workers of Envoy, 0 for one a core. Modules whose URL is that of a file are
    served by HTTP. `arguments` are sluice's. `until_there`: the routes whose modules it waits for; by default, all."""
    port, resources = rig.port(), rig.resources()
    web = gateway([http_listener("http", port)])
    web["spec"]["infrastructure"] = {"parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy",
                                                       "name": "extensions"}}
    proxy = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy",
             "metadata": {"name": "extensions", "namespace": "default"},
             "spec": {"concurrency": concurrency} if concurrency else {}}
    for route, objects in routes.items():
        for each in objects:
            if each["kind"] == "EnvoyProxy":  # there is one for all
                proxy["spec"].update(each["spec"])
            for wasm in each.get("spec", {}).get("wasm", []):
                if source := wasm["code"].get("http"):
                    source["url"] = source["url"].replace("file://", _files())
        own = [each for each in objects if each["kind"] != "EnvoyProxy"]
        resources.write(f"{route}.yaml", _documents(route, own))
    resources.write("proxy.yaml", [proxy])
    resources.write("gateway.yaml", [gateway_class(), web, service("backend"),
                                     endpoint_slice("backend", "backend", backend[1])])
    sluice = rig.sluice(resources, arguments=arguments)
    sluice.wait_acknowledged(sluice.wait_line(lambda line: line.message == "commit", "its first commit"))
    started = Gateway(f"http://127.0.0.1:{port}/", sluice, resources, proxy)
    policies = [route for route, objects in routes.items()
                if any(each["kind"] == "EnvoyExtensionPolicy" for each in objects)]
    waits_for = policies if until_there is None else list(until_there)
    wait_for(lambda: all(started.condition(policy).get("reason", "Pending") != "Pending" for policy in waits_for),
             "all modules are there", 15, every=0.1)
    time.sleep(0.5)
    return started


@dataclasses.dataclass(frozen=True)
class Gateway:
    url: str
    sluice: Sluice
    resources: Resources
    proxy: Object

    @property
    def envoy(self) -> int:
        """Its pid."""
        return self.sluice.envoys()[0]

    def write(self, route: str, objects: list[Object]) -> None:
        """Other objects for a route. Modules have URLs of their own."""
        self.resources.write(f"{route}.yaml", _documents(route, objects))

    def write_proxy(self, **spec: Any) -> None:
        """These fields of the EnvoyProxy."""
        self.proxy["spec"].update(spec)
        self.resources.write("proxy.yaml", [self.proxy])

    def condition(self, policy: str, type_: str = "Accepted") -> Object:
        """Of the policy at its first ancestor; empty where there is none of that type."""
        statuses = self.sluice.run_dir / "status.yaml"
        for document in yaml.safe_load(statuses.read_text()) or [] if statuses.exists() else []:
            if (document["kind"], document["name"]) == ("EnvoyExtensionPolicy", policy):
                conditions = document["status"]["ancestors"][0]["conditions"]
                return next((each for each in conditions if each["type"] == type_), {})
        return {}


def _documents(route: str, objects: list[Object]) -> list[Object]:
    return [http_route(route, [route], [path_rule("/", backend_ref("backend"))]), *objects]


def url_of(file: Path) -> str:
    """By HTTP."""
    return file.as_uri().replace("file://", _files())


@functools.cache
def _files() -> str:
    """Every file of this host, on loopback: the URL of the root."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory="/"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
