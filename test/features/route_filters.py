"""HTTPRouteFilter: rewrites by regular expressions, hosts from elsewhere, answers, credentials, cookies."""

from __future__ import annotations

import json
import unittest

from feature import Ask, Feature, Stage, host_route
from rig import (ENVOY_GATEWAY, GATEWAY_API, Object, an_object, backend_ref, own_backend, own_backend_ref, wait_answer,
                 wait_for)


def route_filter(name: str, **spec: object) -> Object:
    return an_object(f"{ENVOY_GATEWAY}/v1alpha1", "HTTPRouteFilter", name, spec=spec)


def ref(name: str) -> Object:
    return {"type": "ExtensionRef",
            "extensionRef": {"group": ENVOY_GATEWAY, "kind": "HTTPRouteFilter", "name": name}}


def rule(path: str, *filters: Object, backends: list[Object] | None = None) -> Object:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "filters": list(filters),
            "backendRefs": [backend_ref("blue")] if backends is None else backends}


def secret(name: str, **values: str) -> Object:
    return an_object("v1", "Secret", name, type="Opaque", stringData=values)


def config_map(name: str, **data: str) -> Object:
    return an_object("v1", "ConfigMap", name, data=data)


def body(name: str) -> Object:
    return {"type": "ValueRef", "valueRef": {"group": "", "kind": "ConfigMap", "name": name}}


# ---- rewrites ------------------------------------------------------------------------------------


def regex(pattern: str, substitution: str) -> Object:
    return {"type": "ReplaceRegexMatch", "replaceRegexMatch": {"pattern": pattern, "substitution": substitution}}


def rewrite_objects(stage: Stage) -> list[Object]:
    return [
        route_filter("rewriting-swap", urlRewrite={"path": regex(r"^/service/([^/]+)(/.*)$", r"\2/instance/\1")}),
        route_filter("rewriting-each", urlRewrite={"path": regex("one", "two")}),
        route_filter("rewriting-header", urlRewrite={"hostname": {"type": "Header", "header": "x-host"}}),
        route_filter("rewriting-quiet", urlRewrite={"hostname": {"type": "Header", "header": "x-host"},
                                                    "appendXForwardedHost": False}),
        route_filter("rewriting-endpoint", urlRewrite={"hostname": {"type": "Backend"}}),
        route_filter("rewriting-path", urlRewrite={"hostname": {"type": "PathRegex", "pathRegex": {
            "pattern": "^/tenant/([a-z0-9-]+)/.*", "substitution": r"\1.internal"}}}),
        route_filter("rewriting-bad", urlRewrite={"path": regex("/(", "/")}),
        own_backend("rewriting-named", endpoints=[
            {"hostname": "named.internal", "ip": {"address": "127.0.0.1", "port": stage.addresses["green"][1]}}]),
        *host_route("rewriting.example", [
            rule("/service", ref("rewriting-swap")),
            rule("/xxx", ref("rewriting-each")),
            rule("/header", ref("rewriting-header")),
            rule("/quiet", ref("rewriting-quiet")),
            rule("/endpoint", ref("rewriting-endpoint"), backends=[own_backend_ref("rewriting-named")]),
            rule("/tenant", ref("rewriting-path")),
            # Of one backend of two.
            rule("/one-of-two", backends=[{**backend_ref("blue"), "filters": [ref("rewriting-header")]},
                                          backend_ref("green", 0)]),
            rule("/both", ref("rewriting-header"), {"type": "URLRewrite", "urlRewrite": {
                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}}),
            # A mistake is the business of its rule alone.
            rule("/bad", ref("rewriting-bad")),
            rule("/missing", ref("rewriting-missing")),
        ])(stage)]


rewriting = Feature("rewriting", rewrite_objects, requests=[
    Ask("/service/foo/v1/api?q=1", "rewriting.example", backend="blue",
        backend_sees={"path": "/v1/api/instance/foo?q=1"}),
    Ask("/xxx/one/yyy/one/zzz", "rewriting.example", backend_sees={"path": "/xxx/two/yyy/two/zzz"}),
    Ask("/header/a", "rewriting.example", sends={"x-host": "from.header"}, backend_sees={"host": "from.header"}),
    Ask("/header/a", "rewriting.example", backend_sees={"host": "rewriting.example"}),
    Ask("/quiet", "rewriting.example", sends={"x-host": "from.header"}, backend_sees={"host": "from.header"}),
    Ask("/endpoint", "rewriting.example", backend="green", backend_sees={"host": "named.internal"}),
    Ask("/tenant/acme/x", "rewriting.example", backend_sees={"host": "acme.internal", "path": "/tenant/acme/x"}),
    Ask("/one-of-two", "rewriting.example", sends={"x-host": "of.backend"}, backend="blue",
        backend_sees={"host": "of.backend"}),
    Ask("/both/x", "rewriting.example", sends={"x-host": "from.header"},
        backend_sees={"host": "from.header", "path": "/new/x"}),
    Ask("/bad", "rewriting.example", status=500),
    Ask("/missing", "rewriting.example", status=500),
])


# ---- direct responses ----------------------------------------------------------------------------


def answer_objects(text: str) -> list[Object]:
    return [
        config_map("answers", **{"other": "no", "response.body": text}),
        an_object("v1", "ConfigMap", "answers-bytes", binaryData={"logo": "iVBORzUwJQ=="}),  # "\x89PNG50%"
        route_filter("answers-inline", directResponse={
            "statusCode": 418, "contentType": "text/plain",
            "body": {"type": "Inline", "inline": "for %REQ(:PATH)%, 100%%"},
            "header": {"set": [{"name": "x-why", "value": "teapot"}]}}),
        route_filter("answers-map", directResponse={"body": body("answers"), "contentType": "application/json"}),
        route_filter("answers-bytes", directResponse={"body": body("answers-bytes")}),
        route_filter("answers-large", directResponse={"body": {"type": "Inline", "inline": "x" * 20_000}}),
        *host_route("answers.example", [
            rule("/inline", ref("answers-inline"), backends=[]), rule("/map", ref("answers-map"), backends=[]),
            rule("/bytes", ref("answers-bytes"), backends=[]), rule("/large", ref("answers-large"))])(None)]


def check_answers(stage: Stage, test: unittest.TestCase) -> None:
    inline = stage.ask("answers.example", "/inline/x")
    test.assertEqual((inline.status, inline.body, inline.headers["x-why"], inline.headers["content-type"]),
                     (418, b"for /inline/x, 100%", "teapot", "text/plain"))
    test.assertEqual(stage.ask("answers.example", "/bytes").body, b"\x89PNG50%")
    test.assertEqual(len(stage.ask("answers.example", "/large").body), 20_000)
    test.assertEqual(stage.ask("answers.example", "/map").body, b'{"version": 1}')
    # The ConfigMap changes, and the answer with it.
    stage.resources.write("answers.yaml", answer_objects('{"version": 2}'))
    wait_answer(f"http://127.0.0.1:{stage.port}/map", "answers.example",
                lambda answer: answer.body == b'{"version": 2}')


answers = Feature("answers", lambda stage: answer_objects('{"version": 1}'), check=check_answers)


# ---- credentials ---------------------------------------------------------------------------------


def credential(name: str, **rest: object) -> Object:
    return {"credential": {"valueRef": {"name": name}}, **rest}


def credential_objects(key: str) -> list[Object]:
    return [
        secret("credentials", credential=f"Bearer {key}"), secret("credentials-other", password="x"),
        route_filter("credentials-default", credentialInjection=credential("credentials")),
        route_filter("credentials-over",
                     credentialInjection=credential("credentials", header="x-key", overwrite=True)),
        route_filter("credentials-none", credentialInjection=credential("credentials-other")),
        *host_route("credentials.example", [
            rule("/default", ref("credentials-default")), rule("/over", ref("credentials-over")),
            rule("/none", ref("credentials-none")), rule("/plain"),
            rule("/backend", backends=[{**backend_ref("blue"), "filters": [ref("credentials-default")]},
                                       backend_ref("green")])])(None)]


def check_credentials(stage: Stage, test: unittest.TestCase) -> None:
    def seen(path: str, **sends: str) -> dict[str, str]:
        answer = stage.ask("credentials.example", path, headers={k.replace("_", "-"): v for k, v in sends.items()})
        test.assertEqual(answer.status, 200)
        return answer.json["headers"]

    test.assertEqual(seen("/default")["authorization"], "Bearer one")
    test.assertEqual(seen("/default", authorization="mine")["authorization"], "mine")
    test.assertEqual(seen("/over", x_key="mine")["x-key"], "Bearer one")
    test.assertNotIn("authorization", seen("/plain"))
    test.assertEqual(stage.ask("credentials.example", "/none").status, 500)
    # One backend of a rule gets it, and the others do not.
    by_backend = {}
    for _ in range(40):
        answer = stage.ask("credentials.example", "/backend")
        by_backend.setdefault(answer.backend, set()).add(answer.json["headers"].get("authorization"))
    test.assertEqual(by_backend, {"blue": {"Bearer one"}, "green": {None}})
    # A new one is used without a word to anybody else.
    stage.resources.write("credentials.yaml", credential_objects("two"))
    wait_for(lambda: seen("/default")["authorization"] == "Bearer two", "the new credential")
    wait_for(lambda: stage.ask("credentials.example", "/backend").json["headers"].get("authorization") == "Bearer two",
             "the new credential at the backend")


credentials = Feature("credentials", lambda stage: credential_objects("one"), check=check_credentials)


# ---- cookies -------------------------------------------------------------------------------------


def cookie_objects(stage: Stage) -> list[Object]:
    return [
        route_filter("cookies-beta", matches=[
            {"cookies": [{"name": "stage", "value": "beta"}]},
            {"cookies": [{"name": "user", "type": "RegularExpression", "value": "t-[0-9]+"},
                         {"name": "test", "value": "on"}]}]),
        route_filter("cookies-bad", matches=[
            {"cookies": [{"name": "stage", "type": "RegularExpression", "value": "("}]}]),
        *host_route("cookies.example", [
            rule("/", ref("cookies-bad"), backends=[backend_ref("red")]),
            rule("/", ref("cookies-beta"), backends=[backend_ref("green")]), rule("/")])(stage)]


def cookie(value: str, backend: str) -> Ask:
    return Ask("/", "cookies.example", sends={"cookie": value}, backend=backend)


cookies = Feature("cookies", cookie_objects, requests=[
    Ask("/", "cookies.example", backend="blue"), cookie("stage=beta", "green"), cookie("stage=alpha", "blue"),
    cookie("user=t-17; test=on", "green"), cookie("user=t-17", "blue"), cookie("user=x; test=on", "blue"),
    cookie("a=b; stage=beta; c=d", "green")])


# ---- gRPC ----------------------------------------------------------------------------------------


def grpc_objects(stage: Stage) -> list[Object]:
    method = {"method": {"type": "Exact", "service": "shop.v1.Orders", "method": "Delete"}}
    return [
        route_filter("grpc-blocked", directResponse={"statusCode": 403}),
        an_object(GATEWAY_API, "GRPCRoute", "grpc-blocked", spec={
            "parentRefs": [{"name": "web", "sectionName": "http"}], "hostnames": ["grpc-blocked.example"],
            "rules": [{"matches": [method], "filters": [ref("grpc-blocked")]},
                      {"backendRefs": [backend_ref("violet")]}]})]


def check_grpc(stage: Stage, test: unittest.TestCase) -> None:
    permission_denied = "7"
    answer, _ = stage.call("grpc-blocked.example", "shop.v1.Orders/Delete", with_message=False)
    test.assertEqual(answer.get("grpc-status"), permission_denied)
    answer, message = stage.call("grpc-blocked.example", "shop.v1.Orders/Get")
    test.assertEqual((answer.get("grpc-status"), json.loads(message)["path"]), ("0", "/shop.v1.Orders/Get"))


blocked = Feature("grpc-blocked", grpc_objects, check=check_grpc)

FEATURES = [rewriting, answers, credentials, cookies, blocked]
