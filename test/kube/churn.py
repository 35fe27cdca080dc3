"""churn.py: changes one EndpointSlice at a steady rate, and prints how often. Run it inside the rig, with KUBECONFIG set.

Addresses come and go by turns, all but the first.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import ssl
import tempfile
import time
import urllib.parse
from pathlib import Path

import yaml


class ApiServer:
    """That of a kubeconfig with client certificates inside, over one connection."""

    def __init__(self, kubeconfig: str) -> None:
        document = yaml.safe_load(Path(kubeconfig).read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        with tempfile.TemporaryDirectory() as folder:
            def file(name: str, data: str) -> str:
                path = Path(folder, name)
                path.write_bytes(base64.b64decode(data))
                return str(path)

            tls = ssl.create_default_context(cafile=file("ca", cluster["certificate-authority-data"]))
            tls.load_cert_chain(file("certificate", user["client-certificate-data"]), file("key", user["client-key-data"]))
        server = urllib.parse.urlsplit(cluster["server"])
        self._connection = http.client.HTTPSConnection(server.hostname, server.port, context=tls, timeout=30)

    def apply(self, path: str, document: dict) -> None:
        self._connection.request("PATCH", f"{path}?fieldManager=churn&force=true", json.dumps(document),
                                 {"Content-Type": "application/apply-patch+yaml"})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{answer.status} {said[:300]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True, help="in namespace default, without a selector")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=50, help="changes a second")
    parser.add_argument("addresses", nargs="+")
    arguments = parser.parse_args()
    server = ApiServer(os.environ["KUBECONFIG"])
    path = f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/{arguments.service}"
    begin = time.monotonic()
    changes = 0
    while time.monotonic() < begin + arguments.seconds:
        addresses = arguments.addresses if changes % 2 == 0 else arguments.addresses[:1]
        server.apply(path, {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": arguments.service, "labels": {"kubernetes.io/service-name": arguments.service}},
            "ports": [{"name": "http", "port": arguments.port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
        })
        changes += 1
        time.sleep(max(0.0, begin + changes / arguments.rate - time.monotonic()))
    print(changes)


if __name__ == "__main__":
    main()
