#!/usr/bin/env python3
"""How sluice grows: N routes, each with a host, a Service and an EndpointSlice of its own, in a file of its own.

usage: bench.py [--routes 10,100,1000,5000,10000] [--changes 10] [--starts 5] [--output FILE]

Real files, a real Envoy, real requests on loopback. For each N:

  start      from the start of sluice to the first right answer, for the last of the routes; and the time that a plain
             Envoy needs for that with as many clusters and routes from files
  memory     resident, of sluice and of its Envoy
  route      from the change of a file (a header that the route sets) to the first answer that shows it; sluice's
             share is the time until its commit, which it logs when it has handed the resources over; `own` is what a
             plain Envoy needs to serve a changed RouteConfiguration of the same size from a file
  endpoint   the same for a change of one EndpointSlice

Times are medians, with the longest in brackets: of --changes changes, and of --starts starts (above 1 000 routes of
at most three), by turns of the plain Envoy and of sluice. Requests follow each other on one kept connection, so a time
is good to about one answer. --output: the rows as JSON, for bench/report.py.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/rig"))
from rig import (  # noqa: E402
    ECHO, Object, Resources, Rig, Sluice, StaticEnvoy, gateway, gateway_class, http_listener, wait_for)

PROXY = "default/web"

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: route-{i}, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  hostnames: [r{i}.scale.test]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /api}}}}]
      backendRefs: [{{name: service-{i}, port: 80}}]
    - matches: [{{path: {{type: PathPrefix, value: /}}}}]
      filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier: {{set: [{{name: x-step, value: "{step}"}}]}}
      backendRefs: [{{name: service-{i}, port: 80}}]
---
apiVersion: v1
kind: Service
metadata: {{name: service-{i}, namespace: default}}
spec: {{ports: [{{name: http, port: 80, protocol: TCP}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: service-{i}, namespace: default, labels: {{kubernetes.io/service-name: service-{i}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints:
  - {{addresses: [127.0.0.1], conditions: {{ready: true}}}}
  - {{addresses: [127.0.0.2], conditions: {{ready: true}}}}
"""


class Client:
    """Asks one route again and again, on a kept connection."""

    def __init__(self, port: int, host: str) -> None:
        self._port, self._host = port, host
        self._connection: http.client.HTTPConnection | None = None

    def ask(self) -> tuple[int, str, str]:
        """Status, x-step and x-backend; status 0 if there is no answer."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            self._connection.request("GET", "/", headers={"Host": self._host})
            response = self._connection.getresponse()
            response.read()
            return response.status, response.getheader("x-step", ""), response.getheader("x-backend", "")
        except (OSError, http.client.HTTPException):
            self._connection = None
            time.sleep(0.001)  # the processes that are starting need the CPU
            return 0, "", ""

    def wait(self, wanted: Callable[[tuple[int, str, str]], bool], seconds: float = 120) -> int:
        """When the first wanted answer had arrived, monotonic ns."""
        wait_for(lambda: wanted(self.ask()), f"the wanted answer for {self._host}", seconds, every=0)
        return time.monotonic_ns()


class Times:
    def __init__(self) -> None:
        self._seconds: list[float] = []

    def add(self, begin: int, end: int) -> None:
        self._seconds.append((end - begin) / 1e9)

    def seconds(self) -> dict[str, float]:
        return {"median": statistics.median(self._seconds), "longest": max(self._seconds)} if self._seconds else {}

    def __str__(self) -> str:
        if not self._seconds:
            return "–"
        return f"{milliseconds(statistics.median(self._seconds))} ({milliseconds(max(self._seconds))})"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


# ---- sluice ----------------------------------------------------------------------------------------


def memory_of(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure_sluice(routes: int, changes: int, row: dict[str, Any]) -> None:
    """One start, and then so many changes of each sort; none for a start alone."""
    with Rig() as rig:
        echo = rig.echo("blue")
        fields = {"port": echo.addresses["blue"][1], "step": "0"}
        # On the same port of another address, because an EndpointSlice has one port.
        green = rig.start(ECHO, "--listen", f"127.0.0.2:{fields['port']}=green", stdout=subprocess.PIPE)
        green.stdout.readline()
        port, resources = rig.port(), rig.resources()
        resources.write("gateway.yaml", [gateway_class(), gateway([http_listener("http", port)])])
        for i in range(routes):
            (resources.folder / f"route-{i}.yaml").write_text(ROUTE.format(i=i, **fields))
        last = routes - 1
        client = Client(port, f"r{last}.scale.test")
        sluice = rig.sluice(resources)
        # An answer is not waited for in vain: if sluice dies, this says what it said.
        first = sluice.wait_line(lambda line: line.message == "commit", "its first commit", seconds=120)
        row.setdefault("start", Times()).add(sluice.started, client.wait(lambda answer: answer[0] == 200))
        if changes == 0:
            return
        sluice.wait_acknowledged(first, [PROXY], seconds=60)
        time.sleep(1)
        row["rss"], row["peak"] = sluice.memory()["rss"], sluice.memory()["peak"]
        row["envoy"] = sum(memory_of(pid) for pid in sluice.envoys())
        text = ROUTE.format(i=last, **fields)
        measure_changes(row, "route", sluice, resources, client, last, [
            (text.replace('value: "0"', f'value: "{step}"'), lambda answer, step=step: answer[1] == str(step))
            for step in range(1, changes + 1)])
        row["cpu"] = statistics.median(line.fields["cpu_us"] for line in sluice.lines[sluice.lines.index(first) + 1:]
                                       if line.message == "commit") / 1e6
        # From one of the two backends to the other and back.
        only = {name: text.replace(f"  - {{addresses: [{gone}], conditions: {{ready: true}}}}\n", "")
                for name, gone in (("green", "127.0.0.1"), ("blue", "127.0.0.2"))}
        mark = sluice.mark()
        resources.write(f"route-{last}.yaml", only["blue"])
        sluice.wait_acknowledged(sluice.commit_of([f"HTTPRoute default/route-{last}"], mark), [PROXY])
        client.wait(lambda answer: answer[1:] == ("0", "blue"))
        measure_changes(row, "endpoint", sluice, resources, client, last, [
            (only[name], lambda answer, name=name: answer[2] == name)
            for name in (["green", "blue"] * changes)[:changes]])
        row["rss after"] = sluice.memory()["rss"]
        # Neither is stopped: the Envoy would wait for the client's connection. Leaving ends both.


def measure_changes(row: dict[str, Any], name: str, sluice: Sluice, resources: Resources, client: Client, route: int,
                    changes: list[tuple[str, Callable[[tuple[int, str, str]], bool]]]) -> None:
    """changes: what the route's file says next, and which answer shows it."""
    whole, share = Times(), Times()
    for text, shows in changes:
        mark = sluice.mark()
        new = resources.folder / ".new"
        new.write_text(text)
        begin = time.monotonic_ns()
        os.replace(new, resources.folder / f"route-{route}.yaml")
        whole.add(begin, client.wait(shows))
        commit = sluice.wait_line(lambda line: line.message == "commit", "a commit", mark)
        share.add(begin, commit.time)
        sluice.wait_acknowledged(commit, [PROXY])
        time.sleep(0.1)
    row[name], row[f"{name}: sluice"] = whole, share


# ---- Envoy alone -----------------------------------------------------------------------------------


def envoy_type(name: str) -> str:
    return f"type.googleapis.com/envoy.{name}"


def discovery(resources: list[Object], version: int = 1) -> str:
    return json.dumps({"version_info": str(version), "resources": resources})


def route_table(routes: int, step: int) -> Object:
    """With the same matches, header and clusters as the routes above."""
    def host(i: int) -> Object:
        action = {"cluster": f"service-{i}"}
        return {"name": f"r{i}", "domains": [f"r{i}.scale.test"], "routes": [
            {"match": {"path_separated_prefix": "/api"}, "route": action},
            {"match": {"prefix": "/"}, "route": action, "response_headers_to_add": [
                {"header": {"key": "x-step", "value": str(step if i == routes - 1 else 0)},
                 "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}]}
    return {"@type": envoy_type("config.route.v3.RouteConfiguration"), "name": "web",
            "virtual_hosts": [host(i) for i in range(routes)]}


def cluster(i: int, address: tuple[str, int]) -> Object:
    endpoint = {"address": {"socket_address": {"address": address[0], "port_value": address[1]}}}
    return {"@type": envoy_type("config.cluster.v3.Cluster"), "name": f"service-{i}", "connect_timeout": "10s",
            "type": "STATIC",
            "load_assignment": {"cluster_name": f"service-{i}",
                                "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}}


def measure_envoy(routes: int, changes: int, row: dict[str, Any]) -> None:
    with Rig() as rig:
        echo, port = rig.echo("blue"), rig.port()
        clusters, table = rig.path("clusters.json"), rig.path("routes.json")
        clusters.write_text(discovery([cluster(i, echo.addresses["blue"]) for i in range(routes)]))
        table.write_text(discovery([route_table(routes, 0)]))

        def from_file(path: Path) -> Object:
            return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}

        manager = {
            "@type": envoy_type("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "web", "rds": {"route_config_name": "web", "config_source": from_file(table)},
            "http_filters": [{"name": "router", "typed_config": {
                "@type": envoy_type("extensions.filters.http.router.v3.Router")}}]}
        client = Client(port, f"r{routes - 1}.scale.test")
        envoy = StaticEnvoy(rig, {
            "node": {"id": "bench", "cluster": "bench"},
            "dynamic_resources": {"cds_config": from_file(clusters)},
            "static_resources": {"listeners": [{
                "name": "web", "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}]}})
        row.setdefault("own start", Times()).add(envoy.started, client.wait(lambda answer: answer[0] == 200))
        if changes == 0:
            return
        times = Times()
        for step in range(1, changes + 1):
            new = rig.path("routes.json.new")
            new.write_text(discovery([route_table(routes, step)], step + 1))
            begin = time.monotonic_ns()
            os.replace(new, table)
            times.add(begin, client.wait(lambda answer, step=step: answer[1] == str(step)))
            time.sleep(0.1)
        row["own route"] = times


# ---- the table -------------------------------------------------------------------------------------

COLUMNS: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
    ("routes", lambda row: str(row["routes"])),
    ("start", lambda row: str(row["start"])),
    ("Envoy's own", lambda row: str(row["own start"])),
    ("sluice memory, at most", lambda row: f"{megabytes(row['rss'])}, {megabytes(row['peak'])}"),
    ("after the changes", lambda row: megabytes(row["rss after"])),
    ("its Envoy", lambda row: megabytes(row["envoy"])),
    ("route change", lambda row: str(row["route"])),
    ("sluice's share", lambda row: str(row["route: sluice"])),
    ("CPU of it", lambda row: milliseconds(row["cpu"])),
    ("Envoy's own", lambda row: str(row["own route"])),
    ("endpoint change", lambda row: str(row["endpoint"])),
    ("sluice's share", lambda row: str(row["endpoint: sluice"])),
]


def render(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(name for name, _ in COLUMNS) + " |", "|" + "---:|" * len(COLUMNS)]
    lines += ["| " + " | ".join(cell(row) for _, cell in COLUMNS) + " |" for row in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", default="10,100,1000,5000,10000")
    parser.add_argument("--changes", type=int, default=10, help="of each sort, at each size; at least one")
    parser.add_argument("--starts", type=int, default=5, help="at each size; at most three above 1 000 routes")
    parser.add_argument("--output", type=Path, help="the rows as JSON")
    arguments = parser.parse_args()
    rows = []
    for routes in (int(number) for number in arguments.routes.split(",")):
        row: dict[str, Any] = {"routes": routes}
        for start in range(arguments.starts if routes <= 1000 else min(arguments.starts, 3)):
            print(f"{routes} routes, start {start + 1} …", file=sys.stderr)
            measure_envoy(routes, arguments.changes if start == 0 else 0, row)
            measure_sluice(routes, arguments.changes if start == 0 else 0, row)
        rows.append(row)
    print(render(rows))
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, default=Times.seconds, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
