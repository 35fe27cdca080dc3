"""A Gateway with a route for each host, and what policies make of it: start() is all that tests know of it."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from rig import (  # noqa: E402
    Object, Rig, backend_ref, endpoint_slice, gateway, gateway_class, http_listener, http_route, path_rule, service,
    wait_for)


def start(rig: Rig, backend: tuple[str, int], routes: dict[str, list[Object]], concurrency: int = 0) -> Gateway:
    """`routes`: for each host, which is the name of its route, the objects whose policy targets that. Serves all of
    them when it returns. `concurrency`: workers of Envoy, 0 for one a core. Modules whose URL is that of a file are
    served by HTTP."""
    port, resources = rig.port(), rig.resources()
    web = gateway([http_listener("http", port)])
    web["spec"]["infrastructure"] = {"parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy",
                                                       "name": "extensions"}}
    proxy = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy",
             "metadata": {"name": "extensions", "namespace": "default"},
             "spec": {"concurrency": concurrency} if concurrency else {}}
    files = _serve_files()
    for route, objects in routes.items():
        for each in objects:
            if each["kind"] == "EnvoyProxy":  # there is one for all
                proxy["spec"].update(each["spec"])
            for wasm in each.get("spec", {}).get("wasm", []):
                source = wasm["code"]["http"]
                source["url"] = source["url"].replace("file://", files)
        own = [each for each in objects if each["kind"] != "EnvoyProxy"]
        resources.write(f"{route}.yaml", [http_route(route, [route], [path_rule("/", backend_ref("backend"))]), *own])
    resources.write("gateway.yaml", [gateway_class(), web, proxy, service("backend"),
                                     endpoint_slice("backend", "backend", backend[1])])
    sluice = rig.sluice(resources)
    sluice.wait_acknowledged(sluice.wait_line(lambda line: line.message == "commit", "its first commit"))
    wait_for(lambda: not _pending(sluice.run_dir / "status.yaml"), "all modules are there", 15, every=0.1)
    time.sleep(0.5)
    return Gateway(f"http://127.0.0.1:{port}/", sluice.envoys()[0])


@dataclasses.dataclass(frozen=True)
class Gateway:
    url: str
    envoy: int  # the pid


def _serve_files() -> str:
    """Every file of this host, on loopback: the URL of the root."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory="/"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _pending(statuses: Path) -> bool:
    """Whether modules of a policy are being fetched, or nothing is known yet."""
    return not statuses.exists() or "reason: Pending\n" in statuses.read_text().partition("kind: EnvoyExtensionPolicy")[2]
