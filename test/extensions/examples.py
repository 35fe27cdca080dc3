"""The example extensions, from their own manifests, for tests and benchmarks.

    form = FORMS["wasm-cpp"]
    objects = form.objects("a-route", {"forbidden": ["bad"]}, place="http://127.0.0.1:3080/wasm-cpp.wasm")

are the objects of examples/extensions/wasm-cpp/policy.yaml, with a policy of the route's name that targets it, with these
settings, and with the place where the extension is: a URL, a file or an address to listen at.
"""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/rig"))

from rig import BUILD, Object, Rig  # noqa: E402

FOLDER = ROOT / "examples/extensions"
BUILT = ROOT / "build/extensions"
EXT_PROC = BUILD / "examples/extensions/ext-proc-model"


def find(objects: list[Object], kind: str) -> Object:
    return next(each for each in objects if each["kind"] == kind)


@dataclasses.dataclass(frozen=True)
class Form:
    """One of the five. `adapt` gets all objects of the manifest, the settings and the place, and changes the objects."""

    name: str
    adapt: Callable[[list[Object], Object, str], None]

    def objects(self, route: str, settings: Object, place: str = "") -> list[Object]:
        objects = list(yaml.safe_load_all((FOLDER / self.name / "policy.yaml").read_text()))
        policy = find(objects, "EnvoyExtensionPolicy")
        policy["metadata"]["name"] = route
        policy["spec"]["targetRefs"] = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route}]
        self.adapt(objects, copy.deepcopy(settings), place)
        return objects


def _adapt_lua(objects: list[Object], settings: Object, place: str) -> None:
    policy = find(objects, "EnvoyExtensionPolicy")
    name = policy["metadata"]["name"]
    find(objects, "ConfigMap")["metadata"]["name"] = name
    policy["spec"]["lua"][0].update(filterContext=settings,
                                    valueRef={"group": "", "kind": "ConfigMap", "name": name})


def _adapt_wasm(objects: list[Object], settings: Object, place: str) -> None:
    wasm = find(objects, "EnvoyExtensionPolicy")["spec"]["wasm"][0]
    wasm["config"] = settings
    wasm["code"]["http"]["url"] = place


def _adapt_dynamic_module(objects: list[Object], settings: Object, place: str) -> None:
    find(objects, "EnvoyExtensionPolicy")["spec"]["dynamicModule"][0]["config"] = settings
    find(objects, "EnvoyProxy")["spec"]["dynamicModules"][0]["source"]["local"]["path"] = place


def _adapt_ext_proc(objects: list[Object], settings: Object, place: str) -> None:
    # Its settings are arguments of the service.
    policy, backend = find(objects, "EnvoyExtensionPolicy"), find(objects, "Backend")
    backend["metadata"]["name"] = policy["metadata"]["name"]
    policy["spec"]["extProc"][0]["backendRefs"][0]["name"] = backend["metadata"]["name"]
    backend["spec"]["endpoints"] = [endpoint(place)]


def endpoint(address: str) -> Object:
    """Of a Backend, for an address as the service prints it."""
    if address.startswith("unix:"):
        return {"unix": {"path": address.removeprefix("unix:")}}
    host, _, port = address.rpartition(":")
    return {"ip": {"address": host, "port": int(port)}}


FORMS = {form.name: form for form in (
    Form("lua", _adapt_lua),
    Form("wasm-cpp", _adapt_wasm),
    Form("wasm-rust", _adapt_wasm),
    Form("ext-proc-cpp", _adapt_ext_proc),
    Form("dynamic-module-cpp", _adapt_dynamic_module),
)}


class ExtProc:
    """The service of ext-proc-cpp, with these settings. `arguments` are for its TLS."""

    def __init__(self, rig: Rig, settings: Object, address: str = "127.0.0.1:0", *arguments: Any) -> None:
        words = [word for model in settings.get("forbidden", []) for word in ("--forbid", model)]
        if settings.get("requireModel"):
            words.append("--require-model")
        self.process = rig.start(EXT_PROC, "--listen", address, *words, *arguments, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening at "):
            raise RuntimeError(f"the service does not listen at {address}")
        self.address = line.removeprefix("listening at ").strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def objects_of(rig: Rig, form: str, route: str, settings: Object) -> list[Object]:
    """With whatever the form needs: the file that was built, or a service that is started."""
    if form == "ext-proc-cpp":
        service = ExtProc(rig, settings, f"unix:{rig.path(route)}.sock")
        return FORMS[form].objects(route, settings, service.address)
    if form == "dynamic-module-cpp":
        return FORMS[form].objects(route, settings, str(BUILT / f"{form}.so"))
    return FORMS[form].objects(route, settings, (BUILT / f"{form}.wasm").as_uri())
