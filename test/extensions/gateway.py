"""A Gateway with a route for each host, and what policies make of it: start() is all that tests know of it.

This one is an Envoy with a configuration made here, with as much of the policies as the tests use. Filters are switched
off in the chain and on for the routes that have them, as a control plane does it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import urllib.parse
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rig"))

from rig import Object, Rig, StaticEnvoy, wait_answer  # noqa: E402

BUFFER = 32 * 1024  # of a connection: what a filter can hold back of a body


def start(rig: Rig, backend: tuple[str, int], routes: dict[str, list[Object]], concurrency: int = 0) -> Gateway:
    """`routes`: for each host, which is the name of its route, the objects whose policy targets that. Serves all of
    them when it returns. `concurrency`: workers of Envoy, 0 for one a core."""
    port = rig.port()
    built = _Configuration(backend)
    for route, objects in routes.items():
        built.add_route(route, objects)
    envoy = StaticEnvoy(rig, {
        "admin": {"address": {"pipe": {"path": str(rig.path("admin.sock"))}}},
        "static_resources": {"listeners": [built.listener(port)], "clusters": built.clusters}},
        arguments=["--concurrency", str(concurrency)] if concurrency else [])
    url = f"http://127.0.0.1:{port}/"
    wait_answer(url, "is-it-there.test", lambda answer: answer.status == 404)
    return Gateway(url, envoy.process.pid)


@dataclasses.dataclass(frozen=True)
class Gateway:
    url: str
    envoy: int  # the pid


def _any(name: str, **fields: Any) -> Object:
    return {"@type": f"type.googleapis.com/{name}", **fields}


class _Configuration:
    def __init__(self, backend: tuple[str, int]) -> None:
        self._hosts: list[Object] = []
        self._filters: dict[str, Object] = {}
        self.clusters = [_cluster("backend", [_address({"ip": {"address": backend[0], "port": backend[1]}})])]

    def add_route(self, route: str, objects: list[Object]) -> None:
        switches: dict[str, Object] = {}
        for policy in (each for each in objects if each["kind"] == "EnvoyExtensionPolicy"):
            for kind, add in (("lua", self._lua), ("extProc", self._ext_proc), ("wasm", self._wasm),
                              ("dynamicModule", self._dynamic_module)):
                for i, extension in enumerate(policy["spec"].get(kind, [])):
                    name = f"{kind}/{policy['metadata']['name']}/{i}"
                    config, on = add(name, extension, objects)
                    self._filters[name] = {"name": name, "typed_config": config, "disabled": True}
                    switches[name] = on or _any("envoy.config.route.v3.FilterConfig", config={})
        self._hosts.append({"name": route, "domains": [route], "typed_per_filter_config": switches, "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]})

    def listener(self, port: int) -> Object:
        router = {"name": "router", "typed_config": _any("envoy.extensions.filters.http.router.v3.Router")}
        manager = _any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                       stat_prefix="http", route_config={"virtual_hosts": self._hosts},
                       http_filters=[*self._filters.values(), router])
        return {"name": "http", "per_connection_buffer_limit_bytes": BUFFER,
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}

    # ---- the four kinds: the filter, and what switches it on ------------------------------------------

    def _lua(self, name: str, extension: Object, objects: list[Object]) -> tuple[Object, Object | None]:
        source = extension.get("inline") or next(
            each["data"]["lua"] for each in objects
            if each["kind"] == "ConfigMap" and each["metadata"]["name"] == extension["valueRef"]["name"])
        return (_any("envoy.extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": source}),
                _any("envoy.extensions.filters.http.lua.v3.LuaPerRoute",
                     filter_context=extension.get("filterContext", {})))

    def _wasm(self, name: str, extension: Object, objects: list[Object]) -> tuple[Object, Object | None]:
        file = urllib.parse.urlsplit(extension["code"]["http"]["url"]).path
        config = json.dumps(extension["config"]) if "config" in extension else ""
        return _any("envoy.extensions.filters.http.wasm.v3.Wasm", config={
            "name": extension["name"], "fail_open": extension.get("failOpen", False),
            "configuration": _any("google.protobuf.StringValue", value=config),
            # Without it a module that pauses at the headers gets no body.
            "allow_on_headers_stop_iteration": True,
            "vm_config": {"vm_id": name, "runtime": "envoy.wasm.runtime.v8",
                          "code": {"local": {"filename": file}}}}), None

    def _dynamic_module(self, name: str, extension: Object, objects: list[Object]) -> tuple[Object, Object | None]:
        proxy = next(each for each in objects if each["kind"] == "EnvoyProxy")
        path = next(each["source"]["local"]["path"] for each in proxy["spec"]["dynamicModules"]
                    if each["name"] == extension["name"])
        return _any("envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
                    dynamic_module_config={"module": {"local": {"filename": path}}},
                    filter_name=extension["filterName"],
                    filter_config=_any("google.protobuf.StringValue", value=json.dumps(extension["config"]))), None

    def _ext_proc(self, name: str, extension: Object, objects: list[Object]) -> tuple[Object, Object | None]:
        modes = {"request_header_mode": "SKIP", "response_header_mode": "SKIP",
                 "request_trailer_mode": "SKIP", "response_trailer_mode": "SKIP"}
        for direction, mode in extension.get("processingMode", {}).items():
            modes[f"{direction}_header_mode"] = "SEND"
            if "body" in mode:
                modes[f"{direction}_body_mode"] = {"Buffered": "BUFFERED", "Streamed": "STREAMED"}[mode["body"]]
        self.clusters.append(self._service(name, extension, objects))
        return _any("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
                    grpc_service={"envoy_grpc": {"cluster_name": name, "authority": "service"}, "timeout": "10s"},
                    failure_mode_allow=extension.get("failOpen", False), processing_mode=modes,
                    **({"message_timeout": _seconds(extension["messageTimeout"])}
                       if "messageTimeout" in extension else {})), None

    def _service(self, name: str, extension: Object, objects: list[Object]) -> Object:
        """The cluster of an ext_proc service: its Backends, TLS, health checks."""
        backends = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Backend"}
        localities = [{"priority": 1 if ref.get("fallback") else 0, "lb_endpoints": [
            {"endpoint": _address(endpoint)} for endpoint in backends[ref["name"]]["spec"]["endpoints"]]}
            for ref in extension["backendRefs"]]
        http2 = _any("envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                     explicit_http_config={"http2_protocol_options": {}})
        cluster = {**_cluster(name, []), "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2}}
        cluster["load_assignment"]["endpoints"] = localities
        policy = next((each for each in objects if each["kind"] == "BackendTLSPolicy"), None)
        if policy is not None:
            cluster["transport_socket"] = {"name": "tls", "typed_config": self._tls(policy, objects)}
        check = extension.get("backendSettings", {}).get("healthCheck", {}).get("active")
        if check:
            cluster["health_checks"] = [{
                "timeout": "1s", "interval": _seconds(check["interval"]), "no_traffic_interval": _seconds(check["interval"]),
                "unhealthy_threshold": check["unhealthyThreshold"], "healthy_threshold": check["healthyThreshold"],
                "grpc_health_check": {"service_name": check.get("grpc", {}).get("service", "")}}]
        return cluster

    def _tls(self, policy: Object, objects: list[Object]) -> Object:
        def named(kind: str, name: str) -> Object:
            return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)

        validation = policy["spec"]["validation"]
        authority = named("ConfigMap", validation["caCertificateRefs"][0]["name"])["data"]["ca.crt"]
        common: Object = {"alpn_protocols": ["h2"], "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                          "validation_context": {
            "trusted_ca": {"inline_string": authority},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": validation["hostname"]}}]}}
        for proxy in (each for each in objects if each["kind"] == "EnvoyProxy"):
            pair = named("Secret", proxy["spec"]["backendTLS"]["clientCertificateRef"]["name"])["stringData"]
            common["tls_certificates"] = [{"certificate_chain": {"inline_string": pair["tls.crt"]},
                                           "private_key": {"inline_string": pair["tls.key"]}}]
        return _any("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", sni=validation["hostname"],
                    common_tls_context=common)


def _seconds(duration: str) -> str:
    return f"{int(duration.removesuffix('ms')) / 1000:g}s" if duration.endswith("ms") else duration


def _address(endpoint: Object) -> Object:
    if "unix" in endpoint:
        return {"address": {"pipe": {"path": endpoint["unix"]["path"]}}}
    return {"address": {"socket_address": {"address": endpoint["ip"]["address"], "port_value": endpoint["ip"]["port"]}}}


def _cluster(name: str, endpoints: list[Object]) -> Object:
    return {"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint} for endpoint in endpoints]}]}}
