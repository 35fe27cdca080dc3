#!/usr/bin/env python3
"""The methods that the pinned Envoy gives to Lua scripts are those of envoy_api.txt, with which the unit tests compare
what src/lua gives them.

usage: test/lua/envoy_api.py [--update]

--update writes the file anew, after another Envoy was pinned.
"""

import json
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("envoy_api.txt")
HEAD = "# What test/lua/envoy_api.py found in Envoy {version}: kinds of objects and their methods.\n"

# How to come from a handle to each kind, by the names that src/lua/api.cc has for them.
WAYS = {
    "a request handle": "h",
    "a request headers object": "h:requestHeaders()",
    "a trailers object": "h:headers()",  # a request need not have any, and they are headers
    "a buffer": "h:body(true)",
    "a metadata object": "h:metadata()",
    "a dynamic metadata object": "h:streamInfo():dynamicMetadata()",
    "a dynamic metadata object of a connection": "h:connectionStreamInfo():dynamicMetadata()",
    "a filter state object": "h:streamInfo():filterState()",
    "a parsed name": "h:connection():ssl():parsedSubjectPeerCertificate()",
    "an SSL connection object": "h:streamInfo():downstreamSslConnection()",
    "a connection object": "h:connection()",
    "a stream info object": "h:streamInfo()",
    "a stream info object of a connection": "h:connectionStreamInfo()",
    "a virtual host object": "h:virtualHost()",
    "a route object": "h:route()",
    "a counter": "h:stats():counter('a')",
    "a gauge": "h:stats():gauge('b')",
    "a histogram": "h:stats():histogram('c')",
    "a stats object": "h:stats()",
    "a public key": "h:importPublicKey('', 0)",
}
RESPONSE_WAYS = {"a response handle": "h", "a response headers object": "h:headers()"}


def script() -> str:
    def body(ways: dict[str, str]) -> str:
        return "".join(f'  tell("{name}", {way})\n' for name, way in ways.items())

    return f"""
local told
local function tell(name, object)
  local methods = {{}}
  for method in pairs(getmetatable(object)) do
    if method ~= "__gc" and method ~= "__index" then methods[#methods + 1] = method end
  end
  table.sort(methods)
  told[#told + 1] = name .. ": " .. table.concat(methods, " ")
end
function envoy_on_request(h)
  told = {{}}
{body(WAYS)}end
function envoy_on_response(h)
{body(RESPONSE_WAYS)}  h:body(true):setBytes(table.concat(told, "\\n"))
end
"""


def config(folder: Path, port: int) -> dict:
    def typed(kind: str, **fields: object) -> dict:
        return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}

    filters = [
        {"name": "lua", "typed_config": typed("filters.http.lua.v3.Lua", default_source_code={"inline_string": script()})},
        {"name": "router", "typed_config": typed("filters.http.router.v3.Router")},
    ]
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "nothing"}}}
    manager = typed("filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="http",
                    http_filters=filters, route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]})
    certificate = {"certificate_chain": {"filename": str(folder / "cert.pem")}, "private_key": {"filename": str(folder / "key.pem")}}
    tls = typed("transport_sockets.tls.v3.DownstreamTlsContext", require_client_certificate=True, common_tls_context={
        "tls_certificates": [certificate], "validation_context": {"trusted_ca": {"filename": str(folder / "cert.pem")}}})
    chain = {"filters": [{"name": "http", "typed_config": manager}], "transport_socket": {"name": "tls", "typed_config": tls}}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"static_resources": {"listeners": [{"name": "all", "address": address, "filter_chains": [chain]}]}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(folder: Path, port: int) -> str:
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    context.check_hostname = False
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/", context=context, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def methods_of_envoy() -> str:
    version = next(word for line in (ROOT / "scripts/envoy.txt").read_text().splitlines() for word in line.split() if "==" in word)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
                        folder / "cert.pem", "-days", "2", "-subj", "/CN=example/O=Example"], check=True, stderr=subprocess.DEVNULL)
        port = free_port()
        (folder / "envoy.json").write_text(json.dumps(config(folder, port)))
        with (folder / "log").open("wb") as log:
            envoy = subprocess.Popen([ROOT / "build/envoy/envoy", "-c", folder / "envoy.json", "--concurrency", "1",
                                      "--disable-hot-restart", "-l", "warning"], stdout=log, stderr=log)
        try:
            told = ask(folder, port)
        finally:
            envoy.terminate()
            envoy.wait()
        if told == "nothing":
            sys.exit(f"the script failed:\n{(folder / 'log').read_text()}")
    return HEAD.format(version=version.partition("==")[2]) + "".join(f"{line}\n" for line in sorted(told.splitlines()))


def main() -> None:
    found = methods_of_envoy()
    if "--update" in sys.argv[1:]:
        FILE.write_text(found)
    elif found != FILE.read_text():
        sys.exit(f"Envoy has other methods than {FILE.relative_to(ROOT)}: test/lua/envoy_api.py --update, and then "
                 f"src/lua/api.cc\n{found}")


if __name__ == "__main__":
    main()
