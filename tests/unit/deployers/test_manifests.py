"""Kubernetes objects from a definition: valid for two versions, restricted, the same each time, without a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deployers.kubernetes_schemas import invalid
from tests.integration.deployers.pod_security import violations
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers.cloud import CloudEnvironment, cloud_environment, environment_names, path_inside
from vitesse_graph.deployers.gitops import render_manifests
from vitesse_graph.deployers.manifests import build_objects, namespace_object, secret_object, workload_of
from vitesse_graph.deployers.workload import Workload
from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.api_spec import AuthScheme
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig

CANARY = "canary-secret-987654"
STRANGE = ["plain", "a_b", "../../etc/x", "a\"b\n'`c`", "{{x}} ${y} $(z)", "x" * 300, "İD_ü", "-", "\ud800"]
SETTINGS = Settings(
    database_url=f"postgresql://u:{CANARY}@db.example:6432/x",
    ingress_domain="example.com",
    ingress_class="nginx",
    ingress_tls_secret="tls",
    ingress_annotations={"alb.ingress.kubernetes.io/scheme": "internal"},
    kubernetes_role_arn="arn:aws:iam::123456789012:role/x",
    kubernetes_pull_secret="pull",
    _env_file=None,
)


def made(integration_id: str = "plain", **changes: Any) -> IntegrationDefinition:
    found = definition("https://api.example.com:8443", integration_id, **changes)
    found.dest.auth, found.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    return found


def environment_of(found: IntegrationDefinition) -> CloudEnvironment:
    around = {"DEST_KEY": CANARY, "OTEL_EXPORTER_OTLP_HEADERS": CANARY, "PATH": "/bin", "OPENAI_API_KEY": "x"}
    return cloud_environment(found, SETTINGS, str(SETTINGS.conninfo()), environ=around)


def workload(
    integration_id: str = "plain", config: DeploymentConfig | None = None, **changes: Any
) -> Workload:
    found = made(integration_id, **changes)
    return Workload.of(found, config, SETTINGS, environment_of(found), "registry.example/x@sha256:0")


def by_kind(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["kind"]: item for item in objects}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("auto_scale", [False, True])
def test_all_objects_are_valid_for_two_versions_whatever_the_id(strange: str, auto_scale: bool) -> None:
    found = workload(strange, DeploymentConfig(auto_scale=auto_scale))
    objects = [
        namespace_object(found),
        secret_object(found, environment_of(found.definition)),
        *build_objects(found),
    ]
    assert len(objects) == (10 if auto_scale else 9)
    for item in objects:
        assert invalid(item) is None
        assert len(item["metadata"]["name"]) <= 63
        assert item["metadata"]["name"].replace("-", "").isalnum()
        assert all(len(value) <= 63 for value in item["metadata"]["labels"].values())


def test_pods_hold_to_the_restricted_standard() -> None:
    pod = by_kind(build_objects(workload()))["Deployment"]["spec"]["template"]["spec"]
    assert violations(pod) == []
    assert violations({**pod, "hostNetwork": True}) == ["hostNetwork"]
    pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")
    assert violations(pod) == ["runtime: allowPrivilegeEscalation"]


def test_what_is_asked_for_is_in_the_objects() -> None:
    objects = by_kind(build_objects(workload(config=DeploymentConfig(memory_mb=300, cpu_cores=0.25))))
    deployment, container = objects["Deployment"], None
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert container["resources"]["limits"] == {"cpu": "250m", "memory": "300Mi"}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    keys = [c["topologyKey"] for c in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    annotations = objects["ServiceAccount"]["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"] == "arn:aws:iam::123456789012:role/x"
    (rule,) = objects["Ingress"]["spec"]["rules"]
    assert (rule["host"], objects["Ingress"]["spec"]["ingressClassName"]) == (
        "vitesse-plain.example.com",
        "nginx",
    )
    assert objects["Ingress"]["metadata"]["annotations"]["alb.ingress.kubernetes.io/scheme"] == "internal"
    outside = objects["NetworkPolicy"]["spec"]["egress"][1]
    assert [port["port"] for port in outside["ports"]] == [443, 6432, 8443]
    assert "169.254.169.254/32" in outside["to"][0]["ipBlock"]["except"]


def test_with_autoscaling_the_autoscaler_owns_the_number() -> None:
    objects = by_kind(build_objects(workload(config=DeploymentConfig(auto_scale=True))))
    assert "replicas" not in objects["Deployment"]["spec"]
    spec = objects["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)


def test_a_secret_is_in_the_secret_alone() -> None:
    found = workload()
    assert CANARY not in found.model_dump_json()
    assert CANARY not in json.dumps(build_objects(found))
    secret = secret_object(found, environment_of(found.definition))
    assert set(secret["data"]) == {"DATABASE_URL", "DEST_KEY", "OTEL_EXPORTER_OTLP_HEADERS"}
    assert CANARY not in repr(environment_of(found.definition))


def test_the_workload_gets_nothing_of_this_machine() -> None:
    names = environment_of(made()).names()
    assert not {"PATH", "HOME", "OPENAI_API_KEY", "VITESSE_DATA_DIR"} & set(names)


def test_a_release_can_be_made_again_from_its_config_map() -> None:
    found = workload("{{x}}", DeploymentConfig(auto_scale=True, replicas=3))
    again = workload_of(by_kind(build_objects(found))["ConfigMap"])
    assert again == found
    assert build_objects(found) == build_objects(again)
    assert again.release == found.release
    assert workload("{{x}}", version=2).release != found.release
    assert workload_of({"data": {"workload.json": "{"}}) is None


def test_a_definition_too_large_for_a_config_map_is_said() -> None:
    with pytest.raises(InputError, match="a ConfigMap holds 1,000,000"):
        build_objects(workload(name="x" * 1_100_000))


@pytest.mark.parametrize("path", ["/etc/a:b", "/etc/a\nb"])
def test_a_secret_file_that_cannot_be_mounted_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="cannot be mounted"):
        path_inside(path)


def test_a_relative_secret_file_lies_where_the_runtime_looks() -> None:
    assert path_inside("keys/a.pem") == "/app/keys/a.pem"
    assert path_inside("../etc/a.pem") == "/etc/a.pem"


@pytest.mark.parametrize("store", [None, "vault"])
def test_yaml_for_gitops_names_the_secrets_and_holds_none(store: str | None, tmp_path: Path) -> None:
    found = made("{{x}} `y`\n---\nkind: Pod")
    found.source.auth_ref = "file:/keys/not-on-this-machine.pem"
    names = environment_names(
        found, Settings(database_url=None, ingress_domain="example.com", _env_file=None)
    )
    work = Workload.of(found, None, SETTINGS, names, "registry.example/x:1")
    text = render_manifests(work, secret_store=store)
    assert text == render_manifests(work, secret_store=store)
    objects = list(yaml.safe_load_all(text))
    kinds = [item["kind"] for item in objects]
    assert "Secret" not in kinds
    assert ("ExternalSecret" in kinds) == (store is not None)
    for item in objects:
        if item["kind"] != "ExternalSecret":
            assert invalid(item) is None
    spec = by_kind(objects)["Deployment"]["spec"]["template"]["spec"]
    assert [v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v] == [f"{work.name}-secrets"]
    assert not [env for env in spec["containers"][0]["env"] if "valueFrom" in env]
    assert f"{work.name}-secrets" in text.split("---")[0]
    assert CANARY not in text
