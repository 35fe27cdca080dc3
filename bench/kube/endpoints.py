"""endpoints.py: how long it takes until requests go where an EndpointSlice says. Run it inside the rig, with KUBECONFIG set.

The one endpoint of a slice is changed from one pod to the other and back. Counted from the API server's answer to that
write to the first answer of the new pod; each request is asked on a connection of its own, one after the other. Prints the
times in seconds, as a JSON list.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test/kube"))
from churn import ApiServer  # noqa: E402

LONGEST = 30  # seconds for one change


def answering_pod(address: str, host: str) -> str:
    """Of one request; nothing where it is not answered."""
    try:
        with socket.create_connection((address, 80), timeout=2) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            text = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return ""
    _, _, body = text.partition(b"\r\n\r\n")
    if not text.startswith(b"HTTP/1.1 200"):
        return ""
    return json.JSONDecoder().raw_decode(body[body.index(b"{"):].decode())[0].get("pod", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--slice", required=True, help="also the name of its Service, without a selector")
    parser.add_argument("--address", required=True, help="of the Gateway, with a listener at port 80")
    parser.add_argument("--host", required=True, help="of a route to the Service")
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--gap", type=float, default=0.5, help="seconds between a change that is seen and the next")
    parser.add_argument("pods", nargs=2, help="NAME=IP, at port 3000")
    arguments = parser.parse_args()
    pods = [pod.split("=") for pod in arguments.pods]
    server = ApiServer(os.environ["KUBECONFIG"])
    path = f"/apis/discovery.k8s.io/v1/namespaces/{arguments.namespace}/endpointslices/{arguments.slice}"

    def point_to(ip: str) -> None:
        server.apply(path, {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": arguments.slice, "labels": {"kubernetes.io/service-name": arguments.slice}},
            "ports": [{"name": "http", "port": 3000, "protocol": "TCP"}],
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
        })

    times = []
    for change in range(arguments.changes + 1):
        name, ip = pods[change % 2]
        point_to(ip)
        begin = time.monotonic()
        while answering_pod(arguments.address, arguments.host) != name:
            if time.monotonic() > begin + LONGEST:
                raise SystemExit(f"{name} does not answer")
        times.append(time.monotonic() - begin)
        time.sleep(arguments.gap)
    print(json.dumps(times[1:]))  # the first brings it to where it may be already


if __name__ == "__main__":
    main()
