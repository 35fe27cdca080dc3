#!/usr/bin/env python3
"""What one installs sluice with: the chart, install.yaml and the CustomResourceDefinitions are of this sluice, and ask for no more than it does.

usage: deploy_test.py [test…]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/rig"))

from rig import SLUICE, run_tests  # noqa: E402

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/sluice"

Object = dict[str, Any]
# What is read besides the kinds with a CustomResourceDefinition of ours: src/api/kinds.cc. Nodes: src/control/infrastructure.cc.
OTHERS = {
    ("", "namespaces"), ("", "services"), ("", "secrets"), ("", "configmaps"), ("", "pods"), ("", "nodes"),
    ("discovery.k8s.io", "endpointslices"), ("certificates.k8s.io", "clustertrustbundles"),
    ("multicluster.x-k8s.io", "serviceimports"),
}  # fmt: skip


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT, check=False, **options)


@cache
def helm() -> str | None:
    """Its path, or nothing, and said so, where it cannot be had."""
    found = run("scripts/helm.sh")
    if found.returncode != 0:
        print(f"what needs Helm is left out: {found.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return found.stdout.strip()


def needs_helm(test: Any) -> Any:
    """A machine without Helm and without a way to it does not fail, for nothing that we ship needs it."""

    def wrapped(self: unittest.TestCase) -> None:
        if helm():
            test(self)

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


def render(values: Object | None = None, namespace: str = "sluice-system") -> list[Object]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values or {}, file)
        file.flush()
        done = run(helm(), "template", "sluice", CHART, "-n", namespace, "--kube-version", "1.29.0", "-f", file.name)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def refusal(values: Object) -> str:
    try:
        render(values)
    except AssertionError as error:
        return str(error)
    raise AssertionError(f"{values} is not refused")


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def allowed(objects: list[Object], *kinds: str) -> Iterator[tuple[str, str, str]]:
    """Group, resource and verb of each rule of roles of these kinds that is not limited to names."""
    for role in objects:
        if role["kind"] not in kinds:
            continue
        for rule in role["rules"]:
            if "resourceNames" in rule:
                continue
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        yield group, resource, verb


def installed() -> list[Object]:
    return list(yaml.safe_load_all((DEPLOY / "install.yaml").read_text()))


def definitions() -> list[Object]:
    return list(yaml.safe_load_all((DEPLOY / "crds.yaml").read_text()))


class Definitions(unittest.TestCase):
    def test_are_those_of_this_sluice(self) -> None:
        self.assertTrue((DEPLOY / "crds.yaml").read_text() == run(SLUICE, "schema", "crd").stdout, "run deploy/update.sh")

    def test_are_those_of_the_chart(self) -> None:
        self.assertEqual((CHART / "crds/crds.yaml").read_bytes(), (DEPLOY / "crds.yaml").read_bytes())


class Permissions(unittest.TestCase):
    def test_let_every_kind_be_read(self) -> None:
        kinds = {(each["spec"]["group"], each["spec"]["names"]["plural"]) for each in definitions()} | OTHERS
        for verb in ("list", "watch"):
            readable = {(g, r) for g, r, v in allowed(installed(), "ClusterRole") if v == verb}
            self.assertEqual(readable, kinds)

    def test_let_no_status_be_written_that_no_kind_has(self) -> None:
        with_status = {
            (each["spec"]["group"], each["spec"]["names"]["plural"] + "/status")
            for each in definitions()
            if any("status" in version.get("subresources", {}) for version in each["spec"]["versions"])
        }
        writable = {(g, r) for g, r, v in allowed(installed(), "ClusterRole") if v == "patch"}
        self.assertEqual(writable - with_status, set())

    def test_of_the_cluster_change_statuses_alone(self) -> None:
        for group, resource, verb in allowed(installed(), "ClusterRole"):
            changes = verb not in ("list", "watch")
            self.assertEqual(changes, resource.endswith("/status"), f"{verb} {resource}.{group}")

    def test_have_no_wildcards(self) -> None:
        for group, resource, verb in allowed(installed(), "ClusterRole", "Role"):
            self.assertNotIn("*", group + resource + verb)

    @needs_helm
    def test_of_watched_namespaces_reach_no_further(self) -> None:
        objects = render({"watch": {"namespaces": ["web"]}, "deployMode": "GatewayNamespace"})
        everywhere = {resource for _, resource, _ in allowed(objects, "ClusterRole")}
        self.assertEqual(
            everywhere,
            {"gatewayclasses", "gatewayclasses/status", "namespaces", "clustertrustbundles", "nodes", "tokenreviews"},
        )
        self.assertEqual({each["metadata"]["namespace"] for each in of_kind(objects, "Role")}, {"web", "sluice-system"})

    @needs_helm
    def test_run_envoys_in_any_namespace_in_gateway_namespace_mode_alone(self) -> None:
        def makes_deployments(values: Object) -> bool:
            return ("apps", "deployments", "create") in set(allowed(render(values), "ClusterRole"))

        self.assertFalse(makes_deployments({}))
        self.assertTrue(makes_deployments({"deployMode": "GatewayNamespace"}))
        carried_over = {"provider": {"type": "Kubernetes", "kubernetes": {"deploy": {"type": "GatewayNamespace"}}}}
        self.assertTrue(makes_deployments({"config": {"envoyGateway": carried_over}}))


class Pod(unittest.TestCase):
    def setUp(self) -> None:
        [self.deployment] = of_kind(installed(), "Deployment")
        self.spec = self.deployment["spec"]["template"]["spec"]
        [self.container] = self.spec["containers"]

    def test_is_started_with_options_that_there_are(self) -> None:
        # Without a cluster to reach it ends before it does anything.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "envoy-gateway.yaml"
            file.write_text(of_kind(installed(), "ConfigMap")[0]["data"][file.name])
            words = [each.replace("/etc/sluice/envoy-gateway.yaml", str(file)) for each in self.container["args"]]
            done = run(SLUICE, *words, "--kubeconfig", Path(folder) / "none", timeout=30)
        self.assertNotIn("--help", done.stderr)
        self.assertNotIn("envoy-gateway.yaml", done.stderr)
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_has_no_privileges(self) -> None:
        self.assertEqual(
            self.container["securityContext"],
            {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        )
        context = self.spec["securityContext"]
        self.assertTrue(context["runAsNonRoot"])
        self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})

    def test_serves_where_its_service_and_probes_look(self) -> None:
        [service] = of_kind(installed(), "Service")
        ports = {each["name"]: each["containerPort"] for each in self.container["ports"]}
        for port in service["spec"]["ports"]:
            self.assertEqual(ports[port["targetPort"]], port["port"])
            self.assertTrue(any(each.endswith(f":{port['port']}") for each in self.container["args"]), port)
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(service["spec"]["selector"].items(), labels.items())
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual(self.container[probe]["httpGet"]["port"], "metrics")


class Chart(unittest.TestCase):
    @needs_helm
    def test_makes_install_yaml(self) -> None:
        made = run("deploy/update.sh", "--install")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(made.stdout, (DEPLOY / "install.yaml").read_text(), "run deploy/update.sh")

    @needs_helm
    def test_has_nothing_that_helm_warns_of(self) -> None:
        done = run(helm(), "lint", "--strict", CHART)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("[WARNING]", done.stdout)

    @needs_helm
    def test_says_its_values_in_the_configuration(self) -> None:
        def configuration(values: Object) -> Object:
            [config] = of_kind(render(values), "ConfigMap")
            return yaml.safe_load(config["data"]["envoy-gateway.yaml"])

        values = {"controllerName": "example.com/sluice", "logLevel": "debug", "watch": {"namespaces": ["web"]}}
        config = configuration(values)
        self.assertEqual(config["gateway"]["controllerName"], "example.com/sluice")
        self.assertEqual(config["logging"]["level"]["default"], "debug")
        self.assertEqual(config["provider"]["kubernetes"]["watch"]["namespaces"], ["web"])
        self.assertEqual(config["kind"], "EnvoyGateway")

    @needs_helm
    def test_keeps_envoy_gateways_values(self) -> None:
        theirs = {
            "gateway": {"controllerName": "example.com/theirs"},
            "provider": {"type": "Kubernetes", "kubernetes": {"leaderElection": {"leaseDuration": "5s"}}},
            "extensionApis": {"enableBackend": True},
        }
        [config] = of_kind(render({"config": {"envoyGateway": theirs}, "deployMode": "GatewayNamespace"}), "ConfigMap")
        merged = yaml.safe_load(config["data"]["envoy-gateway.yaml"])
        self.assertEqual(merged["gateway"], theirs["gateway"])
        self.assertEqual(merged["extensionApis"], theirs["extensionApis"])
        self.assertEqual(
            merged["provider"]["kubernetes"],
            {"leaderElection": {"leaseDuration": "5s"}, "deploy": {"type": "GatewayNamespace"}},
        )

    @needs_helm
    def test_makes_a_gateway_class_of_its_controller(self) -> None:
        self.assertEqual(of_kind(render(), "GatewayClass"), [])
        [made] = of_kind(render({"gatewayClass": {"create": True}, "controllerName": "example.com/mine"}), "GatewayClass")
        self.assertEqual(made["metadata"]["name"], "sluice")
        self.assertEqual(made["spec"], {"controllerName": "example.com/mine"})

    @needs_helm
    def test_takes_what_pods_need(self) -> None:
        values = {
            "image": {"repository": "registry.example/sluice", "digest": "sha256:" + "0" * 64},
            "imagePullSecrets": [{"name": "registry"}],
            "replicas": 2,
            "podAnnotations": {"a": "b"},
            "podLabels": {"c": "d"},
            "serviceAccount": {"annotations": {"role": "reader"}},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [{"maxSkew": 1}],
            "priorityClassName": "high",
            "podDisruptionBudget": {"minAvailable": 1},
            "resources": {"limits": {"memory": "2Gi"}},
            "metrics": {"serviceMonitor": {"enabled": True}},
        }
        objects = render(values)
        [deployment] = of_kind(objects, "Deployment")
        self.assertEqual(deployment["spec"]["replicas"], 2)
        template = deployment["spec"]["template"]
        self.assertEqual(template["metadata"]["annotations"]["a"], "b")
        self.assertEqual(template["metadata"]["labels"]["c"], "d")
        spec = template["spec"]
        for field in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
            self.assertEqual(spec[field], values[field])
        image = "registry.example/sluice@sha256:" + "0" * 64
        self.assertEqual(spec["containers"][0]["image"], image)
        self.assertIn(f"--sluice-image={image}", spec["containers"][0]["args"])
        self.assertEqual(spec["containers"][0]["resources"]["limits"], values["resources"]["limits"])
        self.assertEqual(of_kind(objects, "ServiceAccount")[0]["metadata"]["annotations"], {"role": "reader"})
        self.assertEqual(of_kind(objects, "PodDisruptionBudget")[0]["spec"]["minAvailable"], 1)
        self.assertEqual(len(of_kind(objects, "ServiceMonitor")), 1)

    @needs_helm
    def test_has_its_names_by_its_namespace(self) -> None:
        for each in render(namespace="other"):
            if each["kind"].startswith("ClusterRole"):
                self.assertEqual(each["metadata"]["name"], "sluice.other")
            else:
                self.assertEqual(each["metadata"]["namespace"], "other")

    @needs_helm
    def test_refuses_values_that_there_are_not(self) -> None:
        self.assertIn("replica", refusal({"replica": 2}))
        self.assertIn("deployMode", refusal({"deployMode": "Nowhere"}).replace("/", ""))
        self.assertIn("podDisruptionBudget", refusal({"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}))
        both = {"watch": {"namespaces": ["a"], "namespaceSelector": {"matchLabels": {"b": "c"}}}}
        self.assertIn("watch", refusal(both))

    def test_schema_has_every_value(self) -> None:
        def walk(values: Any, schema: Object, path: str) -> None:
            if not isinstance(values, dict) or "properties" not in schema:
                return
            for name, value in values.items():
                self.assertIn(name, schema["properties"], f"{path}{name}")
                walk(value, schema["properties"][name], f"{path}{name}.")

        schema = json.loads((CHART / "values.schema.json").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        walk(values, schema, "")
        self.assertEqual(set(schema["properties"]) - set(values), {"global"})

    def test_versions_are_those_of_this_sluice(self) -> None:
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        said = run(SLUICE, "version").stdout
        version, envoy = re.match(r"sluice (\S+) for Envoy (\S+)", said).groups()
        self.assertEqual(chart["appVersion"], version)
        image = yaml.safe_load((CHART / "values.yaml").read_text())["envoyImage"]
        self.assertTrue(image.endswith(f"-v{envoy}"), image)


class Quickstart(unittest.TestCase):
    def test_has_no_problem(self) -> None:
        done = run(SLUICE, "check", "--any-host", "-f", "examples/kubernetes/quickstart.yaml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_class_is_of_the_chart_as_it_is(self) -> None:
        [made] = [each for each in yaml.safe_load_all((ROOT / "examples/kubernetes/quickstart.yaml").read_text()) if each["kind"] == "GatewayClass"]
        config = yaml.safe_load(of_kind(installed(), "ConfigMap")[0]["data"]["envoy-gateway.yaml"])
        self.assertEqual(made["spec"]["controllerName"], config["gateway"]["controllerName"])


if __name__ == "__main__":
    run_tests()
