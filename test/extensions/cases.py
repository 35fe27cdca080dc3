"""What all five examples do, as one table: examples/extensions/README.md says it in words."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

FORBIDDEN = "gpt-secret"
# The settings that cases are for.
SETTINGS: dict[str, dict[str, Any]] = {
    "lenient": {"forbidden": ["other", FORBIDDEN]},
    "strict": {"forbidden": [FORBIDDEN], "requireModel": True},
    "default": {},
}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str  # a sentence
    body: bytes | str | None  # None: a GET without any
    # The header that the backend gets, None for no header; or the status of the refusal.
    becomes: str | None | int
    settings: str = "lenient"
    headers: tuple[tuple[str, str], ...] = ()


def padded(size: int, **fields: Any) -> str:
    """A body of that size."""
    text = json.dumps({"messages": [{"role": "user", "content": ""}], **fields})
    return text.replace('"content": ""', f'"content": "{"x" * (size - len(text))}"')


CASES = [
    # which model
    Case("the model gets into the header", '{"model": "gpt-4", "prompt": "hello"}', "gpt-4"),
    Case("it may stand anywhere", '{"messages": [{"model": "no"}, {}, []], "n": -1.5e3, "model": "gpt-4"}', "gpt-4"),
    Case("white space does not count", ' \r\n\t{ "a" : [ ] , "model"\n:\t"gpt-4" } ', "gpt-4"),
    Case("all visible characters of ASCII are good", json.dumps({"model": "a/b:c@d~!\"\\'[]{}<>?"}),
         "a/b:c@d~!\"\\'[]{}<>?"),
    Case("the last of two counts", '{"model": "gpt-3", "model": "gpt-4"}', "gpt-4"),
    Case("a field's name may be escaped", '{"mod\\u0065l": "gpt-4"}', "gpt-4"),
    Case("a value may be escaped", '{"model": "gpt\\u002D4\\/x"}', "gpt-4/x"),
    Case("a model that is nearly the forbidden one passes", '{"model": "gpt-secret2"}', "gpt-secret2"),
    Case("what another field says does not count", '{"Model": "a", "model ": "b", "x": {"model": "c"}}', None),
    Case("half a surrogate elsewhere does no harm", '{"\\ud800": "\\udfff", "model": "gpt-4"}', "gpt-4"),
    Case("bytes that are no UTF-8 elsewhere do no harm", b'{"a": "\xff\xfe", "model": "gpt-4"}', "gpt-4"),
    Case("256 characters are a model", json.dumps({"model": "m" * 256}), "m" * 256),
    # forbidden
    Case("a forbidden model is refused", json.dumps({"model": FORBIDDEN}), 403),
    Case("it is refused under another spelling", '{"\\u006dodel": "gpt\\u002dsecret"}', 403),
    Case("it is refused if it is the last of two", '{"model": "gpt-4", "model": "gpt-secret"}', 403),
    Case("it is refused behind one that is none", '{"model": "\\ud800", "model": "gpt-secret"}', 403),
    Case("it is refused behind half a surrogate", '{"\\ud800": 1, "model": "gpt-secret"}', 403),
    Case("it is refused at the end of a large body", padded(30_000, model=FORBIDDEN), 403),
    Case("every forbidden model is refused", '{"model": "other"}', 403),
    Case("without settings nothing is forbidden", json.dumps({"model": FORBIDDEN}), FORBIDDEN, "default"),
    # no model
    Case("a request without a body passes", None, None),
    Case("an empty body passes", b"", None),
    Case("a body that is no JSON passes", "model=gpt-4", None),
    Case("a body that is cut passes", '{"model": "gpt-4"', None),
    Case("a body with something behind it passes", '{"model": "gpt-4"} x', None),
    Case("two values pass", '{"model": "gpt-4"}{}', None),
    Case("a list passes", '[{"model": "gpt-4"}]', None),
    Case("a string passes", '"model"', None),
    Case("a number passes", "0", None),
    Case("a comma too many is no JSON", '{"model": "gpt-4",}', None),
    Case("a number with a leading zero is no JSON", '{"model": "gpt-4", "n": 01}', None),
    Case("a number without digits is no JSON", '{"model": "gpt-4", "n": 1.}', None),
    Case("a control character in a string is no JSON", b'{"model": "gpt-4", "a": "\n"}', None),
    Case("an unknown escape is no JSON", '{"model": "gpt-4", "a": "\\x"}', None),
    Case("a byte order mark is no JSON", b'\xef\xbb\xbf{"model": "gpt-4"}', None),
    Case("a model that is a number is none", '{"model": 4}', None),
    Case("a model that is null is none", '{"model": null}', None),
    Case("a model that is an object is none", '{"model": {"model": "gpt-4"}}', None),
    Case("a model that ends as none is none", '{"model": "gpt-4", "model": null}', None),
    Case("an empty model is none", '{"model": ""}', None),
    Case("a model with a space is none", '{"model": "gpt 4"}', None),
    Case("a model with a line break is none", '{"model": "gpt-4\\r\\nx-admin: 1"}', None),
    Case("a model beyond ASCII is none", json.dumps({"model": "mod\u00e8le"}), None),
    Case("257 characters are none", json.dumps({"model": "m" * 257}), None),
    # the header is the extension's
    Case("a header of the client's goes", '{"prompt": "hello"}', None, headers=(("x-model", "forged"),)),
    Case("a header of the client's goes without a body too", None, None, headers=(("x-model", "forged"),)),
    Case("the model replaces headers of the client's", '{"model": "gpt-4"}', "gpt-4",
         headers=(("x-model", "forged"), ("X-Model", "again"))),
    # strict
    Case("strictly, a model passes", '{"model": "gpt-4"}', "gpt-4", "strict"),
    Case("strictly, a body that is no JSON is refused", "model=gpt-4", 400, "strict"),
    Case("strictly, a body without a model is refused", '{"prompt": "hello"}', 400, "strict"),
    Case("strictly, a request without a body is refused", None, 400, "strict"),
    Case("strictly, a forbidden model is forbidden", json.dumps({"model": FORBIDDEN}), 403, "strict"),
    # sizes
    Case("a body of 2 KB is read", padded(2_000, model="gpt-4"), "gpt-4"),
    Case("a body of 32 KB is read", padded(32_000, model="gpt-4"), "gpt-4"),
    Case("deep nesting does no harm", '{"a": ' + "[" * 10_000 + "]" * 10_000 + ', "model": "gpt-4"}', "gpt-4"),
    Case("a body that the gateway cannot hold is refused", padded(500_000, model="gpt-4"), 413),
]
