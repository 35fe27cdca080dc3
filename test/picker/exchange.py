"""Recorded exchanges: what an Envoy said to the picker on one HTTP/2 connection, byte by byte, and the messages that the
picker answered with. recorded/NAME.json has them; `picker_test.py --record` writes them anew.

HTTP/2 is simple enough to read without a library: messages are in DATA frames, and these are not compressed.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from pathlib import Path

FOLDER = Path(__file__).with_name("recorded")
DATA, RST_STREAM = 0, 3
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """(type, stream, payload) of those that are complete."""
    found = []
    while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3])):
        found.append((data[3], int.from_bytes(data[5:9]) & 0x7fffffff, data[9:9 + size]))
        data = data[9 + size:]
    return found


def whole_frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = 9 + int.from_bytes(data[:3])
        found.append(data[:size])
        data = data[size:]
    return found


def messages(data: bytes) -> list[bytes]:
    """gRPC's, of all streams in the order of their ends; without padding, which nobody uses here."""
    partial: dict[int, bytes] = {}
    found = []
    for kind, stream, payload in frames(data):
        if kind != DATA:
            continue
        text = partial.get(stream, b"") + payload
        while len(text) >= 5 and len(text) >= 5 + (size := int.from_bytes(text[1:5])):
            found.append(text[5:5 + size])
            text = text[5 + size:]
        partial[stream] = text
    return found


class Recorder:
    """Stands between Envoy and the picker. Of one connection it keeps what each said."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.said: list[bytes] = []
        self.answered = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        server = socket.create_connection(self.target)

        def pass_on(source: socket.socket, to: socket.socket, keep: bool) -> None:
            while chunk := source.recv(65536):
                if keep:
                    self.said.append(chunk)
                else:
                    self.answered += chunk
                to.sendall(chunk)

        threading.Thread(target=pass_on, args=(server, client, False), daemon=True).start()
        pass_on(client, server, True)

    def save(self, name: str, endpoint: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        record = {"endpoint": endpoint, "said": [base64.b64encode(chunk).decode() for chunk in self.said],
                  "answers": [base64.b64encode(message).decode() for message in messages(self.answered)]}
        (FOLDER / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def replay(name: str, address: str) -> tuple[list[bytes], list[bytes]]:
    """The messages that the picker at this address answers with now, and those that were recorded."""
    record = json.loads((FOLDER / f"{name}.json").read_text())
    wanted = [base64.b64decode(message) for message in record["answers"]]
    host, _, port = address.rpartition(":")
    got = b""
    with socket.create_connection((host, int(port)), 10) as connection:
        said = b"".join(base64.b64decode(chunk) for chunk in record["said"])
        settings, *others = whole_frames(said[len(PREFACE):])
        # The acknowledgement of the server's settings must not come before them, and Envoy reset its streams when it
        # had all answers.
        connection.sendall(PREFACE + settings)
        got += connection.recv(65536)
        connection.sendall(b"".join(frame for frame in others if frame[3] != RST_STREAM))
        while len(messages(got)) < len(wanted):
            chunk = connection.recv(65536)
            if not chunk:
                break
            got += chunk
    return messages(got), wanted


def endpoint_of(name: str) -> str:
    return json.loads((FOLDER / f"{name}.json").read_text())["endpoint"]
