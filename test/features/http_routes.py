"""HTTPRoute: CORS, sessions, redirects, filters of backendRefs, mirrors, retries."""

from __future__ import annotations

import http.server
import threading
import time
import unittest
from collections import Counter
from collections.abc import Callable

from feature import Ask, Feature, Stage, host_route
from rig import Object, an_object, backend_ref, http_route, wait_for


def rule(*backends: Object, filters: list[Object] = [], path: str = "/", method: str = "", **rest: object) -> Object:
    match = {"path": {"type": "PathPrefix", "value": path}, **({"method": method} if method else {})}
    return {"matches": [match], "filters": filters, "backendRefs": list(backends), **rest}


def with_filters(backend: Object, *filters: Object) -> Object:
    return {**backend, "filters": list(filters)}


# ---- CORS ----------------------------------------------------------------------------------------

CORS = {"type": "CORS", "cors": {
    "allowOrigins": ["https://shop.example", "https://*.partner.example"], "allowMethods": ["GET", "PUT"],
    "allowHeaders": ["x-token"], "exposeHeaders": ["x-total"], "allowCredentials": True, "maxAge": 60}}


CORS_FOR_ALL = {"type": "CORS", "cors": {
    "allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"], "allowCredentials": True}}


def preflight(origin: str, path: str = "/", **rest: object) -> Ask:
    return Ask(path, "cors.example", "OPTIONS",
               sends={"origin": origin, "access-control-request-method": "GET"}, **rest)


cors = Feature(
    "cors",
    host_route("cors.example", [rule(backend_ref("blue"), filters=[CORS]),
                                rule(backend_ref("green"), filters=[CORS], path="/only-get", method="GET"),
                                rule(backend_ref("red"), filters=[CORS_FOR_ALL], path="/all")]),
    requests=[
        preflight("https://shop.example", headers={
            "access-control-allow-origin": "https://shop.example", "access-control-allow-methods": "GET, PUT",
            "access-control-allow-headers": "x-token", "access-control-allow-credentials": "true",
            "access-control-max-age": "60", "x-backend": None}),
        preflight("https://a.partner.example", headers={"access-control-allow-origin": "https://a.partner.example"}),
        preflight("https://evil.example", headers={"access-control-allow-origin": None, "x-backend": None}),
        # OPTIONS is none of the rule's methods, yet its preflight is answered.
        preflight("https://shop.example", "/only-get",
                  headers={"access-control-allow-origin": "https://shop.example", "x-backend": None}),
        # With credentials browsers take no `*`.
        Ask("/all", "cors.example", "OPTIONS", sends={
            "origin": "https://any.example", "access-control-request-method": "PATCH",
            "access-control-request-headers": "x-one, x-two"}, headers={
            "access-control-allow-origin": "https://any.example", "access-control-allow-methods": "PATCH",
            "access-control-allow-headers": "x-one, x-two", "access-control-allow-credentials": "true"}),
        Ask("/", "cors.example", sends={"origin": "https://shop.example"}, backend="blue",
            headers={"access-control-allow-origin": "https://shop.example", "access-control-expose-headers": "x-total"}),
        Ask("/", "cors.example", backend="blue", headers={"access-control-allow-origin": None}),
    ])


# ---- sessions ------------------------------------------------------------------------------------


def cookie_of(answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def check_sessions(stage: Stage, test: unittest.TestCase) -> None:
    """New sessions follow the weights; within one, every request goes to the backend of the first."""
    first = [stage.ask("sessions.example") for _ in range(60)]
    share = Counter(answer.backend for answer in first)
    test.assertEqual(set(share), {"blue", "green"})
    test.assertGreater(share["blue"], share["green"])  # 4 to 1
    for answer in first[:10] + [a for a in first if a.backend == "green"][:3]:
        for _ in range(15):
            again = stage.ask("sessions.example", headers={"cookie": cookie_of(answer)})
            test.assertEqual(again.backend, answer.backend)
    attributes = first[0].headers["set-cookie"].lower()
    test.assertNotIn("max-age", attributes)
    # A session per rule: the cookie is for its path.
    permanent = stage.ask("sessions.example", "/permanent/x").headers["set-cookie"].lower()
    test.assertIn("path=/permanent", permanent)
    test.assertIn("max-age=3600", permanent)
    test.assertTrue(permanent.startswith("kept="))


def check_header_sessions(stage: Stage, test: unittest.TestCase) -> None:
    for _ in range(8):
        answer = stage.ask("header-sessions.example")
        session = answer.headers["x-session"]
        backends = {stage.ask("header-sessions.example", headers={"x-session": session}).backend for _ in range(15)}
        test.assertEqual(backends, {answer.backend})


def mixed_sessions_objects(stage: Stage) -> list[Object]:
    """A Service with endpoints, and a name that Envoy resolves."""
    fqdn = {"hostname": "localhost", "port": stage.addresses["green"][1]}
    named = an_object("gateway.envoyproxy.io/v1alpha1", "Backend", "named", spec={"endpoints": [{"fqdn": fqdn}]})
    named_ref = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "named"}
    return [named, *host_route("mixed-sessions.example", [
        rule(backend_ref("blue"), named_ref, sessionPersistence={})])(stage)]


def check_mixed_sessions(stage: Stage, test: unittest.TestCase) -> None:
    first = [stage.ask("mixed-sessions.example") for _ in range(20)]
    test.assertEqual({answer.backend for answer in first}, {"blue", "green"})
    for answer in first:
        again = {stage.ask("mixed-sessions.example", headers={"cookie": cookie_of(answer)}).backend for _ in range(5)}
        test.assertEqual(again, {answer.backend})


def check_weights_of_sessions(stage: Stage, test: unittest.TestCase) -> None:
    """An invalid reference keeps its share of the requests that have no session."""
    statuses = Counter(stage.ask("broken-sessions.example").status for _ in range(40))
    test.assertEqual(set(statuses), {200, 500})


sessions = Feature(
    "sessions",
    host_route("sessions.example", [
        rule(backend_ref("blue", 4), backend_ref("green", 1), sessionPersistence={}),
        rule(backend_ref("blue"), backend_ref("red"), path="/permanent", sessionPersistence={
            "sessionName": "kept", "absoluteTimeout": "1h", "cookieConfig": {"lifetimeType": "Permanent"}})]),
    check=check_sessions)
header_sessions = Feature(
    "header-sessions",
    host_route("header-sessions.example", [rule(backend_ref("blue"), backend_ref("green"), backend_ref("red"),
                                                sessionPersistence={"type": "Header", "sessionName": "x-session"})]),
    check=check_header_sessions)
mixed_sessions = Feature("mixed-sessions", mixed_sessions_objects, check=check_mixed_sessions)
broken_sessions = Feature(
    "broken-sessions",
    host_route("broken-sessions.example", [rule(backend_ref("blue"), backend_ref("green"), backend_ref("nobody", 2),
                                                sessionPersistence={})]),
    check=check_weights_of_sessions)


# ---- redirects and rewrites ----------------------------------------------------------------------


def redirect(**fields: object) -> Object:
    return {"type": "RequestRedirect", "requestRedirect": fields}


def rewrite(**fields: object) -> Object:
    return {"type": "URLRewrite", "urlRewrite": fields}


CODES = (301, 302, 303, 307, 308)
redirects = Feature(
    "redirects",
    host_route("redirects.example", [
        rule(path=f"/{code}", filters=[redirect(statusCode=code, hostname="new.example", port=8080, scheme="https")])
        for code in CODES]),
    requests=[Ask(f"/{code}/x", "redirects.example", status=code,
                  headers={"location": f"https://new.example:8080/{code}/x"}) for code in CODES])

# What a redirect to another scheme, port or path leads to, by the Host of the request. `{port}` is that of the
# listener, which speaks HTTP.
PORTS = (
    ({}, "ports.example", "http://ports.example:{port}/0"),
    ({}, "ports.example:{port}", "http://ports.example:{port}/1"),
    ({}, "ports.example:8888", "http://ports.example:{port}/2"),
    ({"hostname": "new.example"}, "ports.example", "http://new.example:{port}/3"),
    ({"scheme": "https"}, "ports.example:{port}", "https://ports.example/4"),
    ({"scheme": "https"}, "ports.example", "https://ports.example/5"),
    ({"scheme": "https", "hostname": "new.example"}, "ports.example:{port}", "https://new.example/6"),
    ({"scheme": "http"}, "ports.example:{port}", "http://ports.example/7"),
    ({"port": 80}, "ports.example:{port}", "http://ports.example/8"),
    ({"port": 443}, "ports.example:{port}", "http://ports.example:443/9"),
    ({"scheme": "https", "port": 443}, "ports.example:{port}", "https://ports.example/10"),
    ({"scheme": "https", "port": 8443}, "ports.example:{port}", "https://ports.example:8443/11"),
    ({"scheme": "https", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/a:80?b=c:80"}},
     "ports.example:{port}", "https://ports.example/a:80?b=c:80"),
    ({"scheme": "https", "path": {"type": "ReplaceFullPath", "replaceFullPath": ""}}, "ports.example:{port}",
     "https://ports.example/"),
)
redirect_ports = Feature(
    "ports",
    host_route("ports.example", [rule(path=f"/{i}", filters=[redirect(**fields)])
                                 for i, (fields, _, _) in enumerate(PORTS)]),
    requests=[Ask(f"/{i}", host, status=302, headers={"location": location})
              for i, (_, host, location) in enumerate(PORTS)])

# Request path, matched prefix, its replacement, what becomes of the path: Gateway API's table of replacePrefixMatch.
PREFIXES = (
    ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
    ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
    ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
    ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
    ("/foo", "/foo", "/xyz", "/xyz"),
    ("/foo/", "/foo", "/xyz", "/xyz/"),
    ("/foo/bar", "/foo", "", "/bar"),
    ("/foo/", "/foo", "", "/"),
    ("/foo", "/foo", "", "/"),
    ("/foo/bar", "/foo", "/", "/bar"),
    ("/foo/", "/foo", "/", "/"),
    ("/foo", "/foo", "/", "/"),
    ("/foo?q=/foo", "/foo", "/", "/?q=/foo"),
    ("/x", "/", "/", "/x"),
    ("/x", "/", "", "/x"),
    ("/", "/", "", "/"),
    ("/x", "/", "/new/", "/new/x"),
    ("/x", "/", "/new", "/newx"),  # as Envoy Gateway; `sluice check` warns
)


def of_prefixes(name: str, rule_of: Callable[[str, Object], Object], ask: Callable[[str, str, str], Ask]) -> Feature:
    """A host and a route for each row. `rule_of` makes the rule of a prefix that is modified so, `ask` the request to a
    host for a path that becomes another."""

    def host(i: int) -> str:
        return f"row-{i}.{name}.example"

    def objects(stage: Stage) -> list[Object]:
        return [http_route(f"{name}-{i}", [host(i)], [
            rule_of(prefix, {"type": "ReplacePrefixMatch", "replacePrefixMatch": replacement})], section="http")
            for i, (_, prefix, replacement, _) in enumerate(PREFIXES)]

    asks = [ask(host(i), path, becomes) for i, (path, _, _, becomes) in enumerate(PREFIXES)]
    return Feature(name, objects, requests=asks)


prefix_rewrites = of_prefixes(
    "prefix-rewrites",
    lambda prefix, path: rule(backend_ref("blue"), filters=[rewrite(path=path)], path=prefix),
    lambda host, path, becomes: Ask(path, host, backend="blue", backend_sees={"path": becomes}))
prefix_redirects = of_prefixes(
    "prefix-redirects",
    lambda prefix, path: rule(filters=[redirect(path=path)], path=prefix),
    lambda host, path, becomes: Ask(path, host, status=302, headers={"location": f"http://{host}:{{port}}{becomes}"}))

backend_filters = Feature(
    "backend-filters",
    host_route("backend-filters.example", [
        rule(with_filters(backend_ref("blue"), rewrite(hostname="inside.example", path={
            "type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"})), path="/rewrite"),
        rule(with_filters(backend_ref("blue"), redirect(hostname="elsewhere.example", statusCode=307)),
             path="/redirect"),
        # The two of the conformance suite to come (HTTPRouteBackendRequestRedirect).
        rule(with_filters(backend_ref("blue"), redirect(path={
            "type": "ReplaceFullPath", "replaceFullPath": "/redirected-full"})), path="/redirect-full"),
        rule(with_filters(backend_ref("blue"), redirect(path={
            "type": "ReplacePrefixMatch", "replacePrefixMatch": "/redirected-prefix"})), path="/redirect-prefix"),
        rule(with_filters(backend_ref("blue"), {"type": "ResponseHeaderModifier", "responseHeaderModifier": {
            "set": [{"name": "x-from", "value": "blue"}]}}, rewrite(path={
                "type": "ReplaceFullPath", "replaceFullPath": "/all"})), path="/full"),
        rule(backend_ref("blue"), path="/nothing", filters=[rewrite(path={
            "type": "ReplaceFullPath", "replaceFullPath": ""})]),
    ]),
    requests=[
        Ask("/rewrite/a?q=1", "backend-filters.example", backend="blue",
            backend_sees={"path": "/new/a?q=1", "host": "inside.example"}),
        Ask("/redirect/a", "backend-filters.example", status=307,
            headers={"location": "http://elsewhere.example:{port}/redirect/a"}),
        Ask("/redirect-full/a", "backend-filters.example", status=302,
            headers={"location": "http://backend-filters.example:{port}/redirected-full"}),
        Ask("/redirect-prefix/a", "backend-filters.example", status=302,
            headers={"location": "http://backend-filters.example:{port}/redirected-prefix/a"}),
        Ask("/full/a", "backend-filters.example", backend="blue", headers={"x-from": "blue"},
            backend_sees={"path": "/all"}),
        Ask("/nothing/a?q=1", "backend-filters.example", backend="blue", backend_sees={"path": "/?q=1"}),
    ])


def check_backend_shares(stage: Stage, test: unittest.TestCase) -> None:
    """Backends that differ in more than Envoy's weighted clusters can say keep their shares: 1 of 4 is redirected, 1 is
    rewritten, 1 is as it came, 1 is an error."""
    seen: Counter[str] = Counter()
    for _ in range(200):
        answer = stage.ask("backend-shares.example", "/a")
        if answer.status == 200:
            seen[f"{answer.backend} {answer.json['path']}"] += 1
        else:
            seen[str(answer.status)] += 1
    test.assertEqual(set(seen), {"302", "500", "blue /b", "green /a"})
    for what, count in seen.items():
        test.assertTrue(20 < count < 85, f"{what}: {count} of 200")


def check_weights_of_backend_filters(stage: Stage, test: unittest.TestCase) -> None:
    """Of ten requests six are redirected, three are rewritten, and one is as it came; one of weight 0 is none's."""
    seen = Counter((answer.status, answer.json["path"] if answer.status == 200 else "")
                   for answer in (stage.ask("backend-weights.example", "/a") for _ in range(400)))
    test.assertEqual(set(seen), {(302, ""), (200, "/b"), (200, "/a")})
    # Five standard deviations around 240, 120 and 40.
    for what, low, high in (((302, ""), 191, 289), ((200, "/b"), 74, 166), ((200, "/a"), 10, 70)):
        test.assertTrue(low <= seen[what] <= high, f"{what}: {seen[what]} of 400")


backend_weights = Feature(
    "backend-weights",
    host_route("backend-weights.example", [rule(
        with_filters(backend_ref("red", 6), redirect(hostname="elsewhere.example")),
        with_filters(backend_ref("blue", 3), rewrite(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"})),
        backend_ref("green", 1),
        with_filters(backend_ref("green", 0), redirect(statusCode=301)), path="/a")]),
    check=check_weights_of_backend_filters)


backend_shares = Feature(
    "backend-shares",
    host_route("backend-shares.example", [rule(
        with_filters(backend_ref("red"), redirect(hostname="elsewhere.example")),
        with_filters(backend_ref("blue"), rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/b"})),
        backend_ref("green"), backend_ref("nobody"))]),
    check=check_backend_shares)


# ---- mirrors -------------------------------------------------------------------------------------


class Counting(http.server.BaseHTTPRequestHandler):
    """Counts its requests in `seen` of its server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen[self.path] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def mirror(name: str, **share: object) -> Object:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **share}}


counters: dict[str, http.server.ThreadingHTTPServer] = {}


def mirror_objects(stage: Stage) -> list[Object]:
    objects = []
    for name in ("mirror-all", "mirror-some", "mirror-fraction"):
        counters[name] = counter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
        counter.seen = Counter()
        threading.Thread(target=counter.serve_forever, daemon=True).start()
        objects += stage.service(name, counter.server_port)
    return objects + [http_route("mirrors", ["mirrors.example"], [
        rule(backend_ref("blue"), filters=[mirror("mirror-all"), mirror("mirror-some", percent=25),
                                           mirror("mirror-fraction", fraction={"numerator": 1, "denominator": 3})]),
        # Of one backend only.
        rule(with_filters(backend_ref("blue"), mirror("mirror-all")), backend_ref("green"), path="/half")])]


def check_mirrors(stage: Stage, test: unittest.TestCase) -> None:
    for _ in range(120):
        test.assertEqual(stage.ask("mirrors.example", "/a").backend, "blue")
    blue = sum(stage.ask("mirrors.example", "/half").backend == "blue" for _ in range(60))
    seen = {name: counter.seen for name, counter in counters.items()}
    wait_for(lambda: seen["mirror-all"]["/a"] == 120 and seen["mirror-all"]["/half"] == blue, f"all mirrored: {seen}")
    test.assertTrue(10 < seen["mirror-some"]["/a"] < 55, seen)
    test.assertTrue(18 < seen["mirror-fraction"]["/a"] < 65, seen)


mirrors = Feature("mirrors", mirror_objects, check=check_mirrors)


# ---- retries -------------------------------------------------------------------------------------

retries = Feature(
    "retries",
    host_route("retries.example", [
        # Half of the first attempts meet a closed port; the next attempt goes elsewhere.
        rule(backend_ref("half-down"), retry={"attempts": 5}),
        rule(backend_ref("blue"), path="/codes", retry={"attempts": 2, "codes": [500, 503], "backoff": "10ms"}),
        rule(backend_ref("blue"), path="/slow", timeouts={"request": "200ms"}),
    ]),
    requests=[Ask("/", "retries.example", backend="blue") for _ in range(12)] + [
        Ask("/slow", "retries.example", sends={"x-echo-delay": "1000"}, status=504),
        Ask("/codes", "retries.example", sends={"x-echo-status": "503"}, status=503),
    ])
_objects = retries.objects
retries.objects = lambda stage: _objects(stage) + stage.service(
    "half-down", stage.addresses["blue"][1], stage.rig.port())


def check_attempts(stage: Stage, test: unittest.TestCase) -> None:
    """Each attempt has its own limit, all of them together the request's."""
    start = time.monotonic()
    answer = stage.ask("attempts.example", headers={"x-echo-delay": "2000"})
    took = time.monotonic() - start
    test.assertEqual(answer.status, 504)
    test.assertGreater(took, 0.25)
    test.assertLess(took, 1.5)


attempts = Feature(
    "attempts",
    host_route("attempts.example", [rule(backend_ref("blue"), retry={"attempts": 2, "codes": [504], "backoff": "10ms"},
                                         timeouts={"request": "1s", "backendRequest": "150ms"})]),
    check=check_attempts)


FEATURES = [cors, sessions, header_sessions, mixed_sessions, broken_sessions, redirects, redirect_ports, prefix_rewrites,
            prefix_redirects, backend_filters, backend_shares, backend_weights, mirrors, retries, attempts]
