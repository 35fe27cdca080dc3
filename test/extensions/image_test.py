#!/usr/bin/python3
"""Modules that are images of a real registry, through sluice and the real Envoy."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/rig"), str(ROOT / "test/wasm_registry")]

import gateway  # noqa: E402
from examples import BUILT, FORMS, find  # noqa: E402
from hostile_modules import module_that_traps  # noqa: E402
from registry import Layout, Registry  # noqa: E402
from rig import Answer, Authority, Object, Rig, ca_map, request, run_tests, wait_for  # noqa: E402

LOOK_AGAIN = 1  # second


class Images(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = self.enterContext(Rig())
        self.backend = self.rig.echo("blue").addresses["blue"]

    def layout(self, name: str) -> Layout:
        return Layout(self.rig.path(f"image-{name}"))

    def objects(self, registry: Registry, route: str, reference: str, config: str | None = None,
                **code: str) -> list[Object]:
        """A policy for the image, with a pull secret of its own that holds this docker config."""
        objects = FORMS["wasm-cpp"].objects(route, {"forbidden": ["bad"]})
        find(objects, "EnvoyExtensionPolicy")["spec"]["wasm"][0]["code"] = {
            "type": "Image", "image": {"url": reference, "pullSecretRef": {"name": f"pull-{route}"}}, **code}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"pull-{route}", "namespace": "default"},
                  "type": "kubernetes.io/dockerconfigjson",
                  "stringData": {".dockerconfigjson": config or registry.docker_config()}}
        return [*objects, secret]

    def start(self, routes: dict[str, list[Object]]) -> None:
        self.gateway = gateway.start(self.rig, self.backend, {**routes, "plain.test": []},
                                     arguments=["--look-again", str(LOOK_AGAIN)])

    def ask(self, route: str, model: str = "good") -> Answer:
        plain = request(self.gateway.url, "plain.test", "POST", body=b"{}")
        self.assertEqual(plain.status, 200, "a route without a policy notices nothing")
        return request(self.gateway.url, route, "POST", body=f'{{"model": "{model}"}}'.encode())

    def assert_works(self, route: str) -> None:
        answer = self.ask(route)
        self.assertEqual((answer.status, answer.json["headers"].get("x-model")), (200, "good"), route)
        self.assertEqual(self.ask(route, "bad").status, 403, route)

    def check_images(self, registry: Registry) -> None:
        module = (BUILT / "wasm-cpp.wasm").read_bytes()
        artifact, tar = self.layout("artifact"), self.layout("tar")
        artifact.artifact(module)
        digest = tar.tar_image(module)
        references = {"artifact.test": registry.push(artifact, "team/artifact:v1"),
                      "tar.test": registry.push(tar, "team/tar:v1"),
                      "digest.test": f"{registry.host}/team/tar@{digest}"}
        routes = {route: self.objects(registry, route, reference) for route, reference in references.items()}
        routes["wrong.test"] = self.objects(registry, "wrong.test", references["tar.test"],
                                            registry.docker_config("wrong"))
        self.start(routes)
        for route in references:
            self.assert_works(route)
            self.assertEqual(self.gateway.condition(route)["status"], "True")
        # What others have fetched is nothing that a wrong password gives.
        self.assertEqual(self.ask("wrong.test").status, 503)
        condition = self.gateway.condition("wrong.test")
        self.assertEqual((condition["status"], condition["reason"]), ("False", "Invalid"))
        self.assertIn(registry.host, condition["message"])
        self.assertNotIn("wrong", condition["message"].replace("wrong.test", ""), "the password is a secret")

    def test_images_come_with_a_password(self) -> None:
        self.check_images(Registry(self.rig))

    def test_images_come_with_a_token(self) -> None:
        registry = Registry(self.rig, tokens=True)
        self.check_images(registry)
        self.assertIn((True, "repository:team/tar:pull"), registry.tokens.asked)
        self.assertIn(False, [allowed for allowed, scope in registry.tokens.asked])

    def test_images_come_by_tls_from_whom_the_policys_authority_vouches_for(self) -> None:
        known, stranger = (Authority(self.rig.folder, name) for name in ("known", "stranger"))
        registry, image = Registry(self.rig, tls=known.sign("registry", "IP:127.0.0.1")), self.layout("image")
        image.artifact((BUILT / "wasm-cpp.wasm").read_bytes())
        reference = registry.push(image, "team/image:v1")

        def objects(route: str, authority: Authority | None) -> list[Object]:
            made = self.objects(registry, route, reference)
            if authority is None:
                return made
            source = find(made, "EnvoyExtensionPolicy")["spec"]["wasm"][0]["code"]["image"]
            source["tls"] = {"caCertificateRef": {"group": "", "kind": "ConfigMap", "name": f"ca-{route}"}}
            return [*made, ca_map(f"ca-{route}", authority.pem)]

        # A registry on this host is spoken to without TLS where no authority is named.
        refused = {"stranger.test": stranger, "nobody.test": None}
        self.start({"known.test": objects("known.test", known),
                    **{route: objects(route, authority) for route, authority in refused.items()}})
        self.assert_works("known.test")
        self.assertEqual(self.gateway.condition("known.test")["status"], "True")
        # What the first has fetched is nothing that the others get: they do not know from whom it is.
        for route in refused:
            with self.subTest(route):
                self.assertEqual(self.ask(route).status, 503)
                condition = self.gateway.condition(route)
                self.assertEqual((condition["status"], condition["reason"]), ("False", "Invalid"))
                self.assertIn(registry.host, condition["message"])
        self.assertIn("certificate", self.gateway.condition("stranger.test")["message"])
        self.assertIn("name its authority in `tls.caCertificateRef`", self.gateway.condition("nobody.test")["message"])
        self.gateway.write("stranger.test", objects("stranger.test", known))
        wait_for(lambda: self.ask("stranger.test").status == 200, "the module is there", 15, every=0.1)
        self.assert_works("stranger.test")

    def test_a_password_that_is_mended_mends_the_route(self) -> None:
        registry, image = Registry(self.rig), self.layout("image")
        image.artifact((BUILT / "wasm-cpp.wasm").read_bytes())
        reference = registry.push(image, "team/image:v1")
        self.start({"mended.test": self.objects(registry, "mended.test", reference, registry.docker_config("wrong"))})
        self.assertEqual(self.ask("mended.test").status, 503)
        self.gateway.write("mended.test", self.objects(registry, "mended.test", reference))
        wait_for(lambda: self.ask("mended.test").status == 200, "the module is there")
        self.assert_works("mended.test")

    def test_a_tag_that_moves_is_taken_up_where_it_is_to_be_pulled_always(self) -> None:
        registry = Registry(self.rig)
        before, after = self.layout("before"), self.layout("after")
        before.artifact(module_that_traps(self.rig, "REQUEST"))
        after.artifact((BUILT / "wasm-cpp.wasm").read_bytes())
        policies = {"always": "Always", "once": "IfNotPresent"}
        self.start({f"{name}.test": self.objects(registry, f"{name}.test", registry.push(before, f"team/{name}:v1"),
                                                 pullPolicy=policy) for name, policy in policies.items()})
        self.assertEqual([self.ask(route).status for route in ("always.test", "once.test")], [503, 503])
        for name in policies:
            registry.push(after, f"team/{name}:v1")
        wait_for(lambda: self.ask("always.test").status == 200, "the new module is there", 15, every=0.1)
        self.assert_works("always.test")
        self.assertEqual(self.ask("once.test").status, 503)


if __name__ == "__main__":
    run_tests()
