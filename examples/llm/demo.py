#!/usr/bin/python3
"""The demo of the LLM picker: sends the same requests twice, by round robin and by the picker, and draws what came of it.

    demo.py manifests FOLDER    writes the manifests of this example to FOLDER/manifests, with ports that are free
    demo.py traffic FOLDER      runs the pods, sends to the gateway that serves those manifests, draws, and serves on

run.sh does both, with sluice in between. Requests are sent when the trace says, whether or not those before have been
answered (open loop): whoever cannot keep up gets a queue, not a slower client.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import resource
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "bench/llm"))

import pictures  # noqa: E402

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
ADAPTERS = ["sql", "legal", "poems", "french", "python", "medical", "support", "email", "travel", "chess", "recipes", "news"]
GATEWAY, PODS = 8080, [8001, 8002, 8003, 8004]  # the ports in the manifests
SLOTS = 4  # adapters that a pod holds
IN_TIME = 2  # seconds; whoever waits longer for a first token has gone to do something else
LATE = 0.05  # seconds; who is sent later than that has not been sent when the trace says
SAMPLE = 0.5  # seconds between two looks at the queues
AGAIN = 5  # seconds until a pod that was killed is started again


# ---- ports and manifests ---------------------------------------------------------------------------


def free(port: int, host: str) -> int:
    """This port, or 0 if somebody else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return probe.getsockname()[1]
        except OSError:
            return 0


def write_manifests(folder: Path) -> None:
    ports = {GATEWAY: free(GATEWAY, "0.0.0.0")}
    ports |= {port: free(port, "127.0.0.1") for port in PODS}
    held = []
    for port, own in ports.items():
        if not own:
            held.append(socket.create_server(("127.0.0.1", 0)))  # until all are chosen: no two are the same
            ports[port] = held[-1].getsockname()[1]
    (folder / "manifests").mkdir()
    for file in HERE.glob("*.yaml"):
        text = re.sub(r"\b(?:port|number): (\d+)\b", lambda found: found[0].replace(found[1], str(ports[int(found[1])])),
                      file.read_text())
        (folder / "manifests" / file.name).write_text(text)
    (folder / "ports.json").write_text(json.dumps(list(ports.values())))


# ---- HTTP --------------------------------------------------------------------------------------------


async def get(port: int, path: str) -> tuple[int, str]:
    """Status and body; status 0 where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body.decode()
    except (OSError, IndexError, ValueError):
        return 0, ""


def metric(page: str, series: str) -> float:
    """The sum of what this page has for a name, with or without labels."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if re.match(rf"{series}[{{ ]", line))


async def until(condition, what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.1)


# ---- pods ----------------------------------------------------------------------------------------------


class Pods:
    """A process each, so that one can be killed. Who ends is started again, as Kubernetes would."""

    def __init__(self, simulator: str, folder: Path, ports: list[int]) -> None:
        self.ports, self._folder = ports, folder
        self._command = ["setpriv", "--pdeathsig", "TERM", simulator, "--model", MODEL, "--adapters", ",".join(ADAPTERS),
                         "--slots", str(SLOTS), "--port"]
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._renewing = False
        self._keepers = [asyncio.create_task(self._keep(i)) for i in range(len(ports))]

    async def _keep(self, i: int) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(*self._command, str(self.ports[i]),
                                                           stdout=asyncio.subprocess.DEVNULL)
            self._processes[i] = process
            (self._folder / f"127.0.0.1:{self.ports[i]}.pid").write_text(f"{process.pid}\n")
            await process.wait()
            if not self._renewing:
                print(f"pod {i + 1}, 127.0.0.1:{self.ports[i]}, has ended, and is started again in {AGAIN} s", flush=True)
                await asyncio.sleep(AGAIN)

    async def ready(self) -> bool:
        return all([(await get(port, "/health"))[0] == 200 for port in self.ports])

    async def renew(self) -> None:
        """New ones: nothing cached, no adapter loaded."""
        self._renewing = True
        for process in self._processes.values():
            process.terminate()
        await asyncio.gather(*(process.wait() for process in list(self._processes.values())))
        await until(self.ready, "the new pods serve")
        self._renewing = False


# ---- requests ------------------------------------------------------------------------------------------


@dataclass
class Request:
    at: float  # seconds after the beginning
    body: bytes


@dataclass
class Result:
    late: float = 0  # seconds between when it should have been sent and when it was
    first: float = 0  # when its first token came, after the beginning
    waited: float = 0  # for the first token, from when it should have been sent
    end: float = 0
    status: int = 0
    whole: bool = False


@dataclass
class Run:
    """What came of a trace."""

    name: str
    seconds: float
    results: list[Result]
    queues: dict[str, list[float]] = field(default_factory=dict)  # by pod: how many waited, each SAMPLE seconds
    busy: float = 0  # of the processors, 0..1
    loads: int = 0  # how often pods loaded an adapter

    def answered(self) -> int:
        return sum(result.status == 200 and result.whole for result in self.results)

    def throughput(self) -> float:
        """Answers a second while requests were sent."""
        return sum(result.whole and result.end <= self.seconds for result in self.results) / self.seconds

    def in_time(self) -> float:
        """Of these, those whose first token did not take long."""
        return sum(result.whole and result.end <= self.seconds and result.waited <= IN_TIME
                   for result in self.results) / self.seconds

    def first_token(self, share: float) -> float:
        waited = sorted(result.waited for result in self.results if result.whole)
        return waited[min(len(waited) - 1, int(share * len(waited)))] if waited else 0

    def last(self) -> float:
        return max((result.end for result in self.results), default=0)

    def late(self) -> int:
        return sum(result.late > LATE for result in self.results)


def make_trace(seconds: float, rate: float, seed: int) -> list[Request]:
    """Requests that come at random, for adapters of which some are more popular, with an adapter's instructions and a
    question. The same seed makes the same."""
    dice = random.Random(seed)
    words = ("gate pod queue token cache slot model batch page route weight answer question table river summer".split())
    instructions = {name: f"You are an expert of {name}. " + " ".join(dice.choices(words, k=100)) for name in ADAPTERS}
    popularity = [1 / (place + 1) ** 0.5 for place in range(len(ADAPTERS))]
    trace, at = [], 0.0
    while (at := at + dice.expovariate(rate)) < seconds:
        adapter = dice.choices(ADAPTERS, popularity)[0]
        question = f"Question {len(trace)}: " + " ".join(dice.choices(words, k=dice.randint(20, 200)))
        trace.append(Request(at, json.dumps({
            "model": adapter, "stream": True, "max_tokens": dice.randint(16, 64), "ignore_eos": True,
            "messages": [{"role": "system", "content": instructions[adapter]},
                         {"role": "user", "content": question}]}).encode()))
    return trace


async def send(port: int, path: str, request: Request, begin: float) -> Result:
    result = Result(late=time.monotonic() - begin - request.at)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {path}/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n"
                     f"content-type: application/json\r\ncontent-length: {len(request.body)}\r\n\r\n".encode() + request.body)
        head = await reader.readuntil(b"\r\n\r\n")
        result.status = int(head.split()[1])
        tail = await reader.read(65536)
        result.first = time.monotonic() - begin
        result.waited = result.first - request.at
        while chunk := await reader.read(65536):
            tail = tail[-64:] + chunk
        result.whole = b"[DONE]" in tail
        writer.close()
    except (OSError, asyncio.IncompleteReadError):
        pass
    result.end = time.monotonic() - begin
    return result


def processor_time() -> tuple[float, float]:
    """Of all processors, in ticks: what they worked, and what there was."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


async def play(name: str, path: str, trace: list[Request], seconds: float, gateway: int, pods: list[int],
               picker) -> Run:
    """Sends all of the trace, and waits for all answers. picker(): how many wait there."""
    run = Run(name, seconds, [], {f"pod {i + 1}": [] for i in range(len(pods))} | {"the picker": []})

    async def loads() -> int:
        """Of all pods since they began. vLLM does not count them, the simulator does."""
        pages = await asyncio.gather(*(get(port, "/metrics") for port in pods))
        return int(sum(metric(page, "sluice_vllm_sim_adapter_loads_total") for _, page in pages))

    loaded = await loads()
    worked, there_was = processor_time()
    begin = time.monotonic()
    tasks: list[asyncio.Task] = []

    async def look() -> None:
        for number in itertools.count(1):
            pages = await asyncio.gather(*(get(port, "/metrics") for port in pods))
            for i, (_, page) in enumerate(pages):
                run.queues[f"pod {i + 1}"].append(metric(page, "vllm:num_requests_waiting"))
            run.queues["the picker"].append(await picker())
            if sys.stdout.isatty():
                done = sum(task.done() for task in tasks)
                print(f"\r{name}: {time.monotonic() - begin:3.0f} s, {len(tasks)} sent, {done} answered ", end="", flush=True)
            await asyncio.sleep(max(0, begin + number * SAMPLE - time.monotonic()))

    looking = asyncio.create_task(look())
    for request in trace:
        await asyncio.sleep(max(0, begin + request.at - time.monotonic()))
        tasks.append(asyncio.create_task(send(gateway, path, request, begin)))
    run.results = list(await asyncio.gather(*tasks))
    looking.cancel()
    run.loads = await loads() - loaded
    now_worked, now_there_was = processor_time()
    run.busy = (now_worked - worked) / max(1, now_there_was - there_was)
    print(("\r" if sys.stdout.isatty() else "") + f"{name}: {run.answered()} of {len(trace)} requests answered, the last "
          f"after {run.last():.1f} s", flush=True)
    return run


# ---- pictures ------------------------------------------------------------------------------------------


def seconds_text(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


# What is compared: what it is called, its value, how it is written.
FIGURES = [
    ("answers a second", Run.throughput, lambda value: f"{value:.1f}"),
    (f"in time ({IN_TIME} s) a second", Run.in_time, lambda value: f"{value:.1f}"),
    ("first token, median", lambda run: run.first_token(0.5), seconds_text),
    ("first token, p99", lambda run: run.first_token(0.99), seconds_text),
    ("adapters loaded", lambda run: run.loads, str),
]


def spark(values: list[float], most: float, width: int) -> str:
    """A line of blocks, the mean of as many values each."""
    if not values:
        return " " * width
    cells = []
    for cell in range(width):
        part = values[cell * len(values) // width:max((cell + 1) * len(values) // width, cell * len(values) // width + 1)]
        mean = sum(part) / len(part)
        cells.append(" " if mean == 0 else "▁▂▃▄▅▆▇█"[min(7, int(mean / most * 8))])
    return "".join(cells)


def in_terminal(runs: list[Run]) -> str:
    wide = 26
    lines = ["", " " * 26 + "".join(f"{run.name:<{wide + 2}}" for run in runs).rstrip()]
    for title, value, text in [*FIGURES, ("the last answer after", Run.last, seconds_text)]:
        lines.append(f"  {title:<24}" + "".join(f"{text(value(run)):<{wide + 2}}" for run in runs).rstrip())
    most = max(1.0, *(max(values, default=0) for run in runs for values in run.queues.values()))
    longest = max(len(values) for run in runs for values in run.queues.values())
    lines += ["", f"Requests that wait, over {longest * SAMPLE:.0f} s; a full block is {most:.0f}"]
    for place in runs[0].queues:
        padded = (run.queues[place] + [0.0] * (longest - len(run.queues[place])) for run in runs)
        lines.append(f"  {place:<24}" + "  ".join(spark(values, most, wide) for values in padded).rstrip())
    return "\n".join(lines) + "\n"


def as_svg(runs: list[Run]) -> str:
    colours = {"pod 1": "#1c7ed6", "pod 2": "#2f9e44", "pod 3": "#f08c00", "pod 4": "#7048e8", "the picker": "#d6336c"}
    bars = {runs[0].name: pictures.COLOURS["round-robin"], runs[1].name: pictures.COLOURS["ours"]}
    left, top, wide, tall = 46, 44, 310, 140
    width = 2 * (wide + left) + 24
    parts = []

    # Queues over time, a field a run, with the same scales.
    most = max(4.0, *(max(values, default=0) for run in runs for values in run.queues.values()))
    longest = max(len(values) for run in runs for values in run.queues.values()) * SAMPLE
    for index, run in enumerate(runs):
        x = left + index * (wide + left)
        parts.append(pictures.text(x + wide / 2, top - 10, f"{run.name}: requests that wait", size=12))
        for share in (0, 0.5, 1):
            y = top + tall * (1 - share)
            parts.append(f'<line x1="{x}" x2="{x + wide}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(pictures.text(x - 5, y + 4, f"{most * share:.0f}", "end", 9))
        for share in (0, 0.5, 1):
            parts.append(pictures.text(x + wide * share, top + tall + 14, f"{longest * share:.0f} s", size=9))
        for place, values in run.queues.items():
            if place == "the picker" and not any(values):
                continue
            points = " ".join(f"{x + wide * i * SAMPLE / longest:.1f},{top + tall * (1 - value / most):.1f}"
                              for i, value in enumerate(values))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colours[place]}" stroke-width="1.4"/>')
    x, y = left, top + tall + 36
    for place, colour in colours.items():
        if place == "the picker" and not any(any(run.queues[place]) for run in runs):
            continue
        parts.append(f'<rect x="{x}" y="{y - 5}" width="14" height="3" fill="{colour}"/>')
        parts.append(pictures.text(x + 19, y, place if place != "the picker" else "in the picker", "start"))
        x += 72

    # The figures, a field each, a bar a run.
    field_wide, y = (width - 2 * 20) / len(FIGURES), y + 40
    for index, (title, value, text) in enumerate(FIGURES):
        x = 20 + index * field_wide
        parts.append(pictures.text(x, y, title, "start"))
        highest = max(value(run) for run in runs) or 1
        for line, run in enumerate(runs):
            size = max(1.0, (field_wide - 56) * value(run) / highest)
            parts.append(f'<rect x="{x:.1f}" y="{y + 10 + line * 20}" width="{size:.1f}" height="14" fill="{bars[run.name]}"/>')
            parts.append(pictures.text(x + size + 5, y + 21 + line * 20, text(value(run)), "start"))
    x, y = 20, y + 72
    for run in runs:
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{bars[run.name]}"/>')
        parts.append(pictures.text(x + 15, y, run.name, "start"))
        x += 110
    return pictures.page(width, y + 14, parts)


def honest(runs: list[Run]) -> str:
    """What the figures are worth on this machine."""
    late = sum(run.late() for run in runs)
    every = sum(len(run.results) for run in runs)
    busy = " and ".join(f"{run.busy:.0%}" for run in runs)
    text = (f"{late} of {every} requests were sent more than {LATE * 1000:.0f} ms late; the processors were busy for {busy} of "
            "the time.")
    if late > every / 100:
        text += ("\nThis machine could not keep up: pods and client share its processors, and times are longer than they should "
                 "be.\nTry again when nothing else runs, or with fewer requests (--rate).")
    elif max(run.busy for run in runs) > 0.95:
        text += "\nSome of the times may have been spent waiting for a processor."
    return text


# ---- what there is to try ----------------------------------------------------------------------------


def write_long_prompts(folder: Path, count: int) -> None:
    """Of 17 500 tokens, none like another: two seconds of a pod each."""
    for i in range(1, count + 1):
        text = f"{i} " * (70_000 // len(f"{i} "))
        (folder / f"long-{i}.json").write_text(json.dumps({"model": MODEL, "prompt": text, "max_tokens": 1}))


def to_try(folder: Path, gateway: int) -> str:
    url = f"http://127.0.0.1:{gateway}/v1/chat/completions"
    batch = "-H 'x-gateway-inference-objective: batch'"
    write_long_prompts(folder, 12)

    def chat(model: str, tokens: int = 20) -> str:
        return f"""-d '{{"model": "{model}", "max_tokens": {tokens}, "messages": [{{"role": "user", "content": "hi"}}]}}' {url}"""

    return f"""
The pods serve on, with the adapters {", ".join(ADAPTERS)}. Try, in another terminal:

A chat with an adapter. `x-pod` says who has answered; ask again, and it is who has the adapter:

  curl -i {chat("sql")}

A request that is shed. 12 long prompts keep all pods busy for six seconds. Who has the objective `batch`, a priority of -1, is
refused at once, 429, with a hint when to come again. Who has not waits for its turn, and is served:

  (for i in $(seq 12); do curl -s -o /dev/null -d @{folder}/long-$i.json http://127.0.0.1:{gateway}/v1/completions & done); sleep 1
  curl -i {batch} {chat("sql")}
  curl -i {chat("sql")}

A pod that is killed, the one that has `poems`. All requests are answered, by another one; after {AGAIN} s it is there again:

  pod=$(curl -s -o /dev/null -w '%header{{x-pod}}' {chat("poems", 5)}); echo $pod; kill -9 $(cat {folder}/$pod.pid)
  for i in $(seq 8); do curl -s -o /dev/null -w '%{{http_code}} %header{{x-pod}}\n' {chat("poems", 5)}; done

The same by round robin is under http://127.0.0.1:{gateway}/round-robin/. What sluice says is in {folder}/sluice.log. Ctrl-C ends
everything.
"""


# ---- all of it -----------------------------------------------------------------------------------------


async def traffic(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.folder
    gateway, *ports = json.loads((folder / "ports.json").read_text())
    pods = Pods(arguments.simulator, folder, ports)
    await until(pods.ready, "the pods serve")

    async def admin_page() -> str:
        file = folder / "run/admin.address"
        return (await get(int(file.read_text().rpartition(":")[2]), "/metrics"))[1] if file.exists() else ""

    async def known() -> bool:
        return metric(await admin_page(), "sluice_picker_endpoint_up") == len(ports)

    async def serves() -> bool:
        return all([(await get(gateway, path + "/v1/models"))[0] == 200 for path in ("/round-robin", "")])

    async def waiting() -> float:
        return metric(await admin_page(), "sluice_picker_queue")

    await until(serves, f"the gateway serves on port {gateway}; see {folder}/sluice.log")
    trace = make_trace(arguments.seconds, arguments.rate, arguments.seed)
    print(f"{len(trace)} requests in {arguments.seconds:g} s for {len(ADAPTERS)} adapters, to {len(ports)} pods that hold "
          f"{SLOTS} each, through 127.0.0.1:{gateway}; twice", flush=True)
    runs = []
    for name, path in (("round robin", "/round-robin"), ("the picker", "")):
        if runs:
            await pods.renew()
        await until(known, "the picker knows all pods")
        runs.append(await play(name, path, trace, arguments.seconds, gateway, ports, waiting))
    print(in_terminal(runs))
    print(honest(runs))
    arguments.svg.parent.mkdir(parents=True, exist_ok=True)
    arguments.svg.write_text(as_svg(runs))
    print(f"The picture is {arguments.svg}")
    print(to_try(folder, gateway), flush=True)


async def until_ended(arguments: argparse.Namespace) -> int:
    """SIGINT ends the traffic, SIGTERM the pods too."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(traffic(arguments))
    loop.add_signal_handler(signal.SIGINT, work.cancel)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await asyncio.wait([work, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
    if work.done() and not work.cancelled() and work.exception():
        print(f"the demo has failed: {work.exception()}", file=sys.stderr, flush=True)
    await ended.wait()
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description="The demo of the LLM picker; see run.sh.")
    parser.add_argument("what", choices=["manifests", "traffic"])
    parser.add_argument("folder", type=Path, help="where manifests and other files of this run are")
    parser.add_argument("--simulator", default="build/release/examples/vllm-sim/sluice-vllm-sim")
    parser.add_argument("--seconds", type=float, default=60, help="of requests, for each of the two (default: %(default)g)")
    parser.add_argument("--rate", type=float, default=24, help="requests a second (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other requests")
    parser.add_argument("--svg", type=Path, default=ROOT / "build/llm-demo.svg", help="where the picture goes")
    arguments = parser.parse_args()
    if arguments.what == "manifests":
        write_manifests(arguments.folder)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    sys.exit(asyncio.run(until_ended(arguments)))


if __name__ == "__main__":
    main()
