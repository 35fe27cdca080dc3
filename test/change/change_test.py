#!/usr/bin/env python3
"""Under change: sluice and a real Envoy under steady load, while everything the user can edit is edited.

usage: change_test.py [--changes 200] [--merges 2] [--rate 400] [--seed 1]

A World is what the resources say; it knows what each target of the load must answer. Every change makes a new step.
Until a step is acknowledged by Envoy a request may be answered as of the step before or as of the new one, afterwards
only as of the new one; no request fails, and none goes astray. In order:

  changes        rules reordered, backendRefs exchanged, weights, routes and a listener added and removed, a
                 certificate replaced, endpoints churned
  sluice killed  kill -9 and start again, at rest and in the middle of changes: not one request fails
  Envoy killed   kill -9: it serves again within 1 s and its own start
  bootstrap      two hot restarts: not one request fails
  merged         a second Gateway; both merged into one Envoy and parted again: not one request fails
  stop           SIGTERM: sluice and Envoy are gone, exit status 0

Prints the offending requests and a line of totals. Exit status 1 if anything was amiss.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))
from rig import (  # noqa: E402
    Line, Object, Record, Resources, Rig, StaticEnvoy, Target, backend_ref, endpoint_slice, envoy_proxy,
    envoy_proxy_ref, gateway, gateway_class, http_listener, http_route, https_listener, make_certificate, path_rule,
    service, tls_secret, wait_answer, wait_for)
from rig_test import proxy_bootstrap  # noqa: E402

SERVICES = [f"s{i}" for i in range(6)]
EXTRA_ROUTES = ["extra0", "extra1", "extra2"]
# Time in which each step is left alone, so that requests can show whether it is true.
DWELL = 0.4
# Envoy acknowledges when its main thread has taken a resource; its workers follow when they come to it.
SETTLE_NS = 50_000_000


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a target may answer."""

    answers: frozenset[tuple[int, str]]  # status, backend
    serial: str = ""
    errors: frozenset[str] = frozenset()
    # What connections from before this step may get as well: those of a listener that drains.
    drained: frozenset[tuple[int, str]] = frozenset()


def gateway_class_with(proxy: Object) -> list[Object]:
    """The class with an EnvoyProxy of this spec."""
    made = gateway_class()
    made["spec"]["parametersRef"] = {**envoy_proxy_ref("proxy"), "namespace": "default"}
    return [made, envoy_proxy("proxy", **proxy)]


class World:
    """What the resources say at a step, and which files say it."""

    def __init__(self, rig: Rig, draw: random.Random, addresses: dict[str, tuple[str, int]]) -> None:
        self._rig, self._draw, self._addresses = rig, draw, addresses
        self.ports = {name: rig.port() for name in ("http", "https", "late", "side")}
        # Each service has two backends of its own, and at least one of them as an endpoint.
        self.endpoints = {name: {f"{name}-a", f"{name}-b"} for name in SERVICES}
        # Path and service of the rules of `app`. /d is there twice: the first one wins. Every service is sent to by
        # some rule whatever happens, so that each of its changes is one for Envoy too.
        self.rules = [("/a", "s0"), ("/b", "s1"), ("/c", "s2"), ("/d", "s3"), ("/d", "s4"), ("/e", "s5"), ("/f", "s3")]
        self.weights = {"s1": 1, "s2": 1}
        self.extra: set[str] = {"extra0"}
        self.late = False
        self.side = False  # there is a second Gateway
        self.proxy: Object = {}  # the spec of the class's EnvoyProxy; empty: it has none
        self._serial = 0xA000
        self._replace_certificate()

    # ---- what they say

    def files(self) -> dict[str, list[Object]]:
        listeners = [http_listener("http", self.ports["http"]),
                     https_listener("https", self.ports["https"], "certificate", hostname="tls.test")]
        if self.late:
            listeners.append(http_listener("late", self.ports["late"]))
        files = {
            "class.yaml": gateway_class_with(self.proxy) if self.proxy else [gateway_class()],
            "gateway.yaml": [gateway(listeners)],
            "services.yaml": [service(name) for name in SERVICES],
            "certificate.yaml": [tls_secret("certificate", self._certificate, self._key)],
            "app.yaml": [http_route("app", ["app.test"], [path_rule(path, backend_ref(to)) for path, to in self.rules],
                                    section="http")],
            "split.yaml": [http_route("split", ["split.test"], [
                path_rule("/", *(backend_ref(name, weight) for name, weight in self.weights.items()))],
                section="http")],
            "tls.yaml": [http_route("tls", ["tls.test"], [path_rule("/", backend_ref("s4"))], section="https")],
            "late.yaml": [http_route("late", ["late.test"], [path_rule("/", backend_ref("s5"))], section="late")],
        }
        if self.side:
            files["side.yaml"] = [gateway([http_listener("http", self.ports["side"])], "side"),
                                  http_route("side", ["side.test"], [path_rule("/", backend_ref("s5"))], "side")]
        for name in SERVICES:
            files[f"endpoints-{name}.yaml"] = [
                endpoint_slice(f"{backend}", name, self._addresses[backend][1])
                for backend in sorted(self.endpoints[name])]
        for name in self.extra:
            files[f"{name}.yaml"] = [http_route(name, [f"{name}.test"], [path_rule("/", backend_ref("s5"))],
                                                section="http")]
        return files

    # ---- what is to be seen of it

    def targets(self) -> list[Target]:
        url = {name: f"{'https' if name == 'https' else 'http'}://127.0.0.1:{port}" for name, port in self.ports.items()}
        return [
            *(Target(f"app{path}", url["http"] + path, "app.test") for path in sorted(dict(self.rules))),
            Target("split", url["http"] + "/", "split.test"),
            *(Target(name, url["http"] + "/", f"{name}.test") for name in EXTRA_ROUTES),
            Target("tls", url["https"] + "/", "tls.test"),
            Target("late", url["late"] + "/", "late.test"),
            Target("side", url["side"] + "/", "side.test"),
        ]

    def expected(self) -> dict[str, Expected]:
        def served_by(*services: str) -> frozenset[tuple[int, str]]:
            return frozenset((200, backend) for name in services for backend in self.endpoints[name])

        first = dict(reversed(self.rules))  # of the rules with the same path
        late = served_by("s5")

        def at_times(there: bool) -> Expected:
            return Expected(late) if there else Expected(frozenset(), "", frozenset({"connect"}), late)

        return {
            **{f"app{path}": Expected(served_by(to)) for path, to in first.items()},
            "split": Expected(served_by(*(name for name, weight in self.weights.items() if weight > 0))),
            **{name: Expected(served_by("s5") if name in self.extra else frozenset({(404, "")}))
               for name in EXTRA_ROUTES},
            "tls": Expected(served_by("s4"), serial=self.serial),
            "late": at_times(self.late),
            "side": at_times(self.side),
        }

    # ---- how it changes: each returns the objects that it changes

    def change(self) -> list[str]:
        changes = [self._reorder, self._exchange, self._weigh, self._toggle_route, self._toggle_listener,
                   self._replace_certificate, self._churn]
        return self._draw.choice(changes)()

    def _reorder(self) -> list[str]:
        # The two rules for /d change places, or the order would be no change at all.
        at = [i for i, (path, _) in enumerate(self.rules) if path == "/d"]
        first = self.rules[at[0]]
        while next(rule for rule in self.rules if rule[0] == "/d") == first:
            self._draw.shuffle(self.rules)
        return ["HTTPRoute default/app"]

    def _exchange(self) -> list[str]:
        i, j = self._draw.sample([i for i, (path, _) in enumerate(self.rules) if path != "/d"], 2)
        (path_i, to_i), (path_j, to_j) = self.rules[i], self.rules[j]
        self.rules[i], self.rules[j] = (path_i, to_j), (path_j, to_i)
        return ["HTTPRoute default/app"]

    def _weigh(self) -> list[str]:
        def shares(weights: dict[str, int]) -> list[float]:
            return [weight / sum(weights.values()) for weight in weights.values()]

        before = shares(self.weights)
        while not any(self.weights.values()) or shares(self.weights) == before:
            self.weights = {name: self._draw.choice([0, 1, 3, 10]) for name in self.weights}
        return ["HTTPRoute default/split"]

    def _toggle_route(self) -> list[str]:
        name = self._draw.choice(EXTRA_ROUTES)
        self.extra ^= {name}
        return [f"HTTPRoute default/{name}"]

    def _toggle_listener(self) -> list[str]:
        self.late = not self.late
        return ["Gateway default/web"]

    def _replace_certificate(self) -> list[str]:
        self._serial += 1
        self.serial = f"{self._serial:X}"
        self._certificate, self._key = make_certificate(self._rig.folder, ["tls.test"], self._serial)
        return ["Secret default/certificate"]

    def _churn(self) -> list[str]:
        name = self._draw.choice(SERVICES)
        both = {f"{name}-a", f"{name}-b"}
        before = self.endpoints[name]
        choices = [wanted for wanted in ({f"{name}-a"}, {f"{name}-b"}, both) if wanted != before]
        self.endpoints[name] = self._draw.choice(choices)
        return [f"EndpointSlice default/{backend}" for backend in sorted(before ^ self.endpoints[name])]


@dataclasses.dataclass
class Step:
    what: str
    begin: int  # from here on it may be seen
    expected: dict[str, Expected]
    acknowledged: int = 0  # from here on nothing older may


@dataclasses.dataclass
class Outage:
    """A time in which requests may fail."""

    begin: int
    end: int


class Timeline:
    """The steps of the world as they are written, and the judge of what was answered meanwhile."""

    def __init__(self, world: World, resources: Resources) -> None:
        self.world, self._resources = world, resources
        self.steps: list[Step] = []
        self.outages: list[Outage] = []
        self._written: dict[str, list[Object]] = {}
        self.write("start")

    def write(self, what: str) -> Step:
        """Makes the files say what the world says, as a new step."""
        files = self.world.files()
        step = Step(what, time.monotonic_ns(), self.world.expected())
        for name, content in files.items():
            if self._written.get(name) != content:
                self._resources.write(name, content)
        for name in self._written.keys() - files.keys():
            self._resources.delete(name)
        self._written = files
        self.steps.append(step)
        return step

    def offence(self, record: Record) -> str | None:
        """What is wrong with this answer, or None."""
        if any(outage.begin <= record.end and record.start <= outage.end for outage in self.outages):
            return None
        possible = self._between(record.start, record.end)
        if not any(self._allows(at, record) for at in possible):
            seen = record.error or f"{record.status} {record.backend}"
            kind = "failed" if record.error or record.status >= 500 else "astray"
            return f"{kind}: {seen} at {self._describe(possible)}"
        if record.new and not record.error:
            shown = {self.steps[at].expected[record.target].serial for at in self._between(record.connected, record.end)}
            if record.serial not in shown:
                return f"astray: certificate {record.serial}, not of {sorted(shown)}"
        return None

    def _between(self, begin: int, end: int) -> list[int]:
        """The steps that may have been in force at some time from begin to end, the latest first."""
        found = []
        at = bisect.bisect_right(self.steps, end, key=lambda step: step.begin) - 1
        while at >= 0 and (not found or self.steps[at + 1].acknowledged + SETTLE_NS >= begin):
            found.append(at)
            at -= 1
        return found

    def _allows(self, at: int, record: Record) -> bool:
        expected = self.steps[at].expected[record.target]
        if (record.status, record.backend) in expected.answers or record.error in expected.errors:
            return True
        older = record.connected <= self._last_removal(record.target, at) + SETTLE_NS
        return older and (record.error == "closed" or (record.status, record.backend) in expected.drained)

    def _last_removal(self, target: str, at: int) -> int:
        """When the listener of the target was last known to be gone, as of this step; 0 if never."""
        for step, before in zip(reversed(self.steps[1:at + 1]), reversed(self.steps[:at])):
            if step.expected[target].errors and not before.expected[target].errors:
                return step.acknowledged
        return 0

    def _describe(self, possible: list[int]) -> str:
        return " or ".join(f"step {at} ({self.steps[at].what})" for at in possible)


class Test:
    def __init__(self, rig: Rig, arguments: argparse.Namespace) -> None:
        self._rig, self._arguments = rig, arguments
        self._draw = random.Random(arguments.seed)
        self._failures: list[str] = []
        self._summary: list[str] = []
        echo = rig.echo(*(f"{name}-{end}" for name in SERVICES for end in "ab"))
        self._world = World(rig, self._draw, echo.addresses)
        self._echo = echo
        resources = rig.resources()
        self._timeline = Timeline(self._world, resources)
        self._sluice = rig.sluice(resources)

    def run(self) -> int:
        started = time.monotonic()
        phases = [("changes", self._changes), ("sluice killed", self._kill_sluice), ("Envoy killed", self._kill_envoy),
                  ("bootstrap", self._change_bootstrap), ("merged", self._merge)]
        self._settle_first()
        load = self._rig.load(self._world.targets(), rate=self._arguments.rate, seed=self._arguments.seed, connections=4)
        time.sleep(0.5)
        boundaries: list[tuple[str, int]] = []
        for name, phase in phases:
            boundaries.append((name, time.monotonic_ns()))
            try:
                phase()
            except (TimeoutError, AssertionError) as error:
                self._failures.append(f"{name}: {error}")
                break
            time.sleep(0.3)
        records = load.finish()
        self._judge(records, boundaries)
        self._stop()
        for failure in self._failures:
            print(f"FAIL {failure}")
        if self._failures:
            for line in self._sluice.rejections()[:5]:
                print(f"sluice said: {line.fields}")
        print(f"change: {'; '.join(self._summary)}; {len(records)} requests in {time.monotonic() - started:.0f} s: "
              f"{'FAILED' if self._failures else 'none failed, none went astray'}")
        if results := os.environ.get("RESULTS"):
            tests = len(phases) + 1
            failed = min(tests, len({failure.split(":")[0] for failure in self._failures}))
            (Path(results) / "counts").write_text(f"{tests - failed} {failed} 0\n")
        return 1 if self._failures else 0

    def _settle_first(self) -> None:
        first = self._sluice.wait_line(lambda line: line.message == "commit", "its first commit")
        self._timeline.steps[0].acknowledged = self._sluice.wait_acknowledged(first)
        for target in self._world.targets():
            if not self._world.expected()[target.id].errors:
                wait_answer(target.url, target.host, lambda answer: answer.status in (200, 404))

    def _change(self) -> Step:
        """One change, until it is acknowledged."""
        mark = self._sluice.mark()
        objects = self._world.change()
        step = self._timeline.write(", ".join(objects))
        step.acknowledged = self._sluice.wait_acknowledged(self._sluice.commit_of(objects, mark))
        return step

    # ---- the phases

    def _changes(self) -> None:
        latencies = []
        for _ in range(self._arguments.changes):
            step = self._change()
            latencies.append((step.acknowledged - step.begin) / 1e6)
            time.sleep(DWELL)
        latencies.sort()
        if latencies:
            self._summary.append(f"{len(latencies)} changes, acknowledged after {latencies[len(latencies) // 2]:.0f} ms, "
                                 f"at most {latencies[-1]:.0f} ms")

    def _kill_sluice(self) -> None:
        envoys = self._sluice.envoys()
        self._sluice.kill()
        time.sleep(2)
        self._restart(self._timeline.steps[-1])
        # What is edited while nobody looks, and what is edited just before.
        for pause in (0, 1, 5, 20, 50):
            if pause == 0:
                self._sluice.kill()
            step = self._timeline.write(", ".join(self._world.change()))
            if pause > 0:
                time.sleep(pause / 1000)
                self._sluice.kill()
            time.sleep(0.3)
            self._restart(step)
            time.sleep(DWELL)
        if self._sluice.envoys() != envoys:
            raise AssertionError(f"Envoy was {envoys}, now it is {self._sluice.envoys()}")
        self._change()
        self._summary.append("sluice killed 6 times")

    def _restart(self, step: Step) -> None:
        self._sluice.start()
        first = self._sluice.wait_line(lambda line: line.message == "commit", "its first commit",
                                       self._sluice.first_line)
        acknowledged = self._sluice.wait_acknowledged(first)
        step.acknowledged = step.acknowledged or acknowledged

    def _kill_envoy(self) -> None:
        own = self._envoys_own_start()
        envoys = self._sluice.envoys()
        if len(envoys) != 1:
            raise AssertionError(f"one Envoy is expected, there are {envoys}")
        killed = time.monotonic_ns()
        os.kill(envoys[0], signal.SIGKILL)
        target = self._world.targets()[0]
        wait_for(lambda: envoys[0] not in self._sluice.envoys(), "Envoy's end", every=0.001)
        wait_answer(target.url, target.host, every=0.002)
        outage = (time.monotonic_ns() - killed) / 1e9
        # Answers, the worst of which took this long, may be late by as much as a worker is.
        self._timeline.outages.append(Outage(killed, time.monotonic_ns() + SETTLE_NS))
        self._summary.append(f"Envoy killed: {outage:.2f} s without (its own start {own:.2f} s)")
        if outage > 1 + own:
            self._failures.append(f"Envoy killed: it took {outage:.2f} s, more than 1 s and its own start of {own:.2f} s")
        time.sleep(1)
        self._change()
        time.sleep(DWELL)

    # An old Envoy goes soon, and does not wait for anybody to notice.
    _SHUTDOWN = {"drainTimeout": "3s", "minDrainDuration": "0s"}

    def _change_bootstrap(self) -> None:
        for concurrency in (1, 2):
            mark = self._sluice.mark()
            self._write({"concurrency": concurrency, "shutdown": self._SHUTDOWN}, "EnvoyProxy default/proxy")
            self._wait_proxies(mark, "the old epoch has gone",
                               lambda line: "has drained" in line.fields["message"], ["default/web"])
            self._change_everywhere()
            time.sleep(DWELL)
        self._summary.append("2 hot restarts")

    def _merge(self) -> None:
        self._world.side = True
        self._write(self._world.proxy, "Gateway default/side")
        self._wait_all_acknowledged("default/side")
        self._timeline.steps[-1].acknowledged = time.monotonic_ns()
        apart, merged = ["default/web", "default/side"], ["sluice"]
        for on, old in ((True, apart), (False, merged)) * self._arguments.merges:
            mark = self._sluice.mark()
            self._write({**self._world.proxy, "mergeGateways": on}, "EnvoyProxy default/proxy")
            self._wait_proxies(mark, "the old Envoys have gone", lambda line: line.fields["state"] == "exited", old)
            self._change_everywhere()
            time.sleep(DWELL)
        self._summary.append(f"2 Gateways merged and parted, {self._arguments.merges} times")

    def _write(self, proxy: Object, what: str) -> None:
        """A step of which nothing is to be seen, or nothing before it is there."""
        self._world.proxy = proxy
        mark = self._sluice.mark()
        self._timeline.write(what)
        self._sluice.commit_of([what], mark)

    def _wait_proxies(self, since: int, what: str, wanted: Callable[[Line], bool], proxies: list[str]) -> None:
        for proxy in proxies:
            self._sluice.wait_line(lambda line: line.message == "proxy" and line.fields["proxy"] == proxy and wanted(line),
                                   f"{proxy}: {what}", since, 60)

    def _wait_all_acknowledged(self, proxy: str) -> None:
        self._sluice.wait_line(lambda line: line.message == "acknowledged" and line.fields["proxy"] == proxy,
                               f"{proxy} acknowledged", self._sluice.first_line, 30)

    def _change_everywhere(self) -> None:
        """A change, until all Envoys that are there have acknowledged it."""
        mark = self._sluice.mark()
        objects = self._world.change()
        step = self._timeline.write(", ".join(objects))
        commit = self._sluice.commit_of(objects, mark)
        step.acknowledged = self._sluice.wait_acknowledged(commit, commit.fields["proxies"])

    def _envoys_own_start(self) -> float:
        port = self._rig.port()
        envoy = StaticEnvoy(self._rig, proxy_bootstrap(port, self._echo.addresses["s0-a"]))
        wait_answer(f"http://127.0.0.1:{port}/", every=0.002)
        own = (time.monotonic_ns() - envoy.started) / 1e9
        envoy.kill()
        return own

    def _stop(self) -> None:
        if self._sluice.process.poll() is not None:
            self._failures.append(f"stop: sluice had ended already:\n{self._sluice.tail()}")
            return
        try:
            status = self._sluice.stop(90)
            wait_for(lambda: not self._sluice.envoys(), "the end of all Envoys")
        except Exception as error:  # noqa: BLE001: reported like any other failure
            self._failures.append(f"stop: {error}")
            return
        if status != 0:
            self._failures.append(f"stop: exit status {status}")

    def _judge(self, records: list[Record], boundaries: list[tuple[str, int]]) -> None:
        offences: Counter[str] = Counter()
        for record in records:
            offence = self._timeline.offence(record)
            if offence is None:
                continue
            phase = next(name for name, begin in reversed([("changes", 0), *boundaries]) if begin <= record.start)
            offences[phase] += 1
            if offences[phase] <= 10:
                since = (record.start - self._timeline.steps[0].begin) / 1e9
                print(f"{phase}: {record.target} at {since:.3f} s, {(record.end - record.start) / 1e6:.1f} ms, "
                      f"{'new' if record.new else 'kept'} connection, {offence}")
        self._failures += [f"{phase}: {count} requests failed or went astray" for phase, count in offences.items()]
        if not any(not record.error for record in records):
            self._failures.append("changes: no request was answered at all")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--merges", type=int, default=2)
    parser.add_argument("--rate", type=float, default=400, help="requests a second")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn")
    arguments = parser.parse_args()
    with Rig() as rig:
        return Test(rig, arguments).run()


if __name__ == "__main__":
    sys.exit(main())
