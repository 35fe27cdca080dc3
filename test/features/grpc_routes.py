"""GRPCRoute."""

from __future__ import annotations

import json
import unittest

from feature import Feature, Stage
from rig import GATEWAY_API, Object, an_object, backend_ref


def grpc_route(name: str, rules: list[Object]) -> Object:
    return an_object(GATEWAY_API, "GRPCRoute", name, spec={
        "parentRefs": [{"name": "web"}], "hostnames": [f"{name}.example"], "rules": rules})


# Each call, the headers that it carries, and the backend that answers it.
CALLS = [
    ("shop.v1.Orders/Get", {}, "violet"),
    ("shop.v1.Orders/List", {}, "yellow"),
    ("shop.v1.Carts/Get", {}, "violet"),
    ("shop.v2.Any/Thing", {}, "yellow"),
    ("shop.v3.A/Get", {}, "yellow"),
    ("shop.v3.B/List", {}, "yellow"),
    ("shop.v3.B/Put", {}, "violet"),
    ("other.Service/Ping", {"x-canary": "yes"}, "yellow"),
    ("other.Service/Ping", {}, "violet"),
]


def check_calls(stage: Stage, test: unittest.TestCase) -> None:
    for method, headers, backend in CALLS:
        with test.subTest(method=method, headers=headers):
            answer, message = stage.call("grpc.example", method, headers)
            test.assertEqual(answer.get("grpc-status"), "0")
            test.assertEqual(answer["x-backend"], backend)
            seen = json.loads(message)
            test.assertEqual((seen["protocol"], seen["path"]), ("HTTP/2", f"/{method}"))


def check_errors(stage: Stage, test: unittest.TestCase) -> None:
    """What a client of gRPC gets where there is no backend, or no route."""
    unavailable, unimplemented, unknown = "14", "12", "2"
    for method, status in (("down.Service/Get", unavailable), ("missing.Service/Get", unknown),
                           ("nothing.Like/This", unimplemented)):
        with test.subTest(method=method):
            headers, _ = stage.call("grpc-errors.example", method, with_message=False)
            test.assertEqual(headers.get("grpc-status"), status)


def modifier(kind: str, field: str, **values: str) -> Object:
    return {"type": kind, field: {"set": [{"name": name.replace("_", "-"), "value": value}
                                          for name, value in values.items()]}}


def check_backend_filters(stage: Stage, test: unittest.TestCase) -> None:
    """A backend's filters are for its share of the calls alone."""
    seen = set()
    for _ in range(40):
        answer, message = stage.call("grpc-backend-filters.example", "any.Service/Get")
        test.assertEqual(answer.get("grpc-status"), "0")
        sent = {name.lower(): value for name, value in json.loads(message)["headers"].items()}
        seen.add((answer["x-backend"], sent.get("x-share"), answer.get("x-from")))
    test.assertEqual(seen, {("violet", "first", "violet"), ("yellow", None, None)})


def matching(service: str = "", method: str = "", **rest: object) -> Object:
    names = {key: value for key, value in (("service", service), ("method", method)) if value}
    return {"method": {**names, **rest}}


calls = Feature(
    "grpc",
    lambda stage: [grpc_route("grpc", [
        {"matches": [matching("shop.v1.Orders", "Get"), matching("shop.v1.Carts")],
         "backendRefs": [backend_ref("violet")]},
        {"matches": [matching(method="List"), matching(r"shop\.v2\..*", type="RegularExpression"),
                     matching(r"shop\.v3\.A|shop\.v3\.B", "Get|List", type="RegularExpression"),
                     {"headers": [{"name": "x-canary", "value": "yes"}]}], "backendRefs": [backend_ref("yellow")]},
        {"backendRefs": [backend_ref("violet")]}])],
    check=check_calls)
errors = Feature(
    "grpc-errors",
    lambda stage: [grpc_route("grpc-errors", [
        {"matches": [matching("down.Service")], "backendRefs": [backend_ref("down")]},
        {"matches": [matching("missing.Service")], "backendRefs": [backend_ref("nobody")]}])],
    check=check_errors)

backend_filters = Feature(
    "grpc-backend-filters",
    lambda stage: [grpc_route("grpc-backend-filters", [{"backendRefs": [
        {**backend_ref("violet"), "filters": [
            modifier("RequestHeaderModifier", "requestHeaderModifier", x_share="first"),
            modifier("ResponseHeaderModifier", "responseHeaderModifier", x_from="violet")]},
        backend_ref("yellow")]}])],
    check=check_backend_filters)

FEATURES = [calls, errors, backend_filters]
