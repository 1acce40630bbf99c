"""On Kubernetes: applied whole, waited for, taken back; every object is one that two versions accept."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kmock
import pytest

from tests.integration.deployers.api_server import ApiServer
from tests.integration.deployers.cloud import no_database_role
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.deployers.kubernetes import KubernetesDeployer
from vitesse_graph.deployers.workload import Workload
from vitesse_graph.errors import ConflictError, DeployError, InputError, NotFoundError, UpstreamError
from vitesse_graph.settings import Settings
from vitesse_graph.state.api_spec import AuthScheme
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig

CANARY = "canary-secret-987654"
IMAGE = "registry.example/vitesse/runtime:1"
API = "https://api.example.com"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    made = ApiServer()
    async with kmock.KubernetesScaffold() as handler, kmock.Server(handler) as http:
        made.serve(handler)
        made.url = str(http.url).rstrip("/")  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def kubeconfig(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": server.url}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {"token": "t0ken"}}
    file.write_text(
        json.dumps({"current-context": "x", "clusters": [cluster], "contexts": [context], "users": [user]})
    )
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("DEST_KEY", CANARY)
    no_database_role(monkeypatch)


def settings_with(tmp_path: Path, **more: Any) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url="postgresql://u:db-pass-4711@db.example:6432/x",
        image=IMAGE,
        rollout_timeout_seconds=5,
        _env_file=None,
        **more,
    )


def deployer_with(tmp_path: Path, said: list[str] | None = None, **more: Any) -> KubernetesDeployer:
    made = DeployerFactory.create_deployer(
        "eks",
        {
            "settings": settings_with(tmp_path, **more),
            "poll_seconds": 0.02,
            "on_progress": (said if said is not None else []).append,
        },
    )
    assert isinstance(made, KubernetesDeployer)
    return made


@pytest.fixture
def deployer(kubeconfig: None, tmp_path: Path) -> KubernetesDeployer:
    return deployer_with(tmp_path)


def made(name: str, version: int = 1, **changes: Any) -> IntegrationDefinition:
    found = definition(API, name).model_copy(update={"version": version, **changes})
    found.dest.auth, found.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    return found


async def test_deployed_it_is_there_whole_and_destroyed_it_is_gone_whole(
    kubeconfig: None, server: ApiServer, tmp_path: Path, name: str
) -> None:
    said: list[str] = []
    deployer = deployer_with(tmp_path, said, ingress_domain="example.com", ingress_class="nginx")
    server.objects[("configmaps", "vitesse", "theirs")] = {"metadata": {"name": "theirs", "labels": {}}}
    deployed = await deployer.deploy(made(name), DeploymentConfig(auto_scale=True))
    assert (deployed.status, deployed.version) == ("running", 1)
    assert deployed.service_url == f"http://vitesse-{name}.example.com"
    assert deployed.definition_digest == made(name).digest()
    kinds = {kind for kind, _ in server.names()}
    assert kinds == {
        "serviceaccounts", "secrets", "configmaps", "deployments", "services", "ingresses", "networkpolicies",
        "horizontalpodautoscalers", "poddisruptionbudgets", "pods",
    }  # fmt: skip
    assert len(server.of("pods")) == 2
    assert any("2 of 2 pods are ready" in line for line in said)
    (namespace,) = server.of("namespaces", None)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert (await deployer.get_status(name)).detail["ready"] == 2

    gone = await deployer.destroy(name)
    assert gone.status == "stopped"
    assert server.names() == {("configmaps", "theirs")}
    with pytest.raises(NotFoundError):
        await deployer.get_status(name)
    assert (await deployer.destroy(name)).status == "stopped"


async def test_the_same_again_changes_nothing(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    await deployer.deploy(made(name))
    before = {key: item["metadata"].get("resourceVersion") for key, item in server.objects.items()}
    await deployer.deploy(made(name))
    assert {key: item["metadata"].get("resourceVersion") for key, item in server.objects.items()} == before


async def test_an_update_rolls_over_and_prunes_what_is_no_longer_wanted(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    with pytest.raises(NotFoundError):
        await deployer.update(made(name))
    await deployer.deploy(made(name), DeploymentConfig(auto_scale=True, replicas=3))
    for version in (2, 3, 4):
        updated = await deployer.update(made(name, version), DeploymentConfig(replicas=3))
    assert updated.version == 4
    assert server.of("horizontalpodautoscalers") == []
    assert (len(server.of("configmaps")), len(server.of("secrets")), len(server.of("pods"))) == (2, 2, 3)


async def test_secrets_are_in_the_secret_alone(
    kubeconfig: None, server: ApiServer, tmp_path: Path, name: str
) -> None:
    said: list[str] = []
    file = tmp_path / "key.pem"
    file.write_text("pem-contents-0815")
    found = made(name)
    found.source.auth, found.source.auth_ref = AuthScheme(type="bearer"), f"file:{file}"
    deployer = deployer_with(tmp_path, said)
    deployed = await deployer.deploy(found)
    (secret,) = server.of("secrets")
    values = {base64.b64decode(value).decode() for value in secret["data"].values()}
    assert values == {CANARY, "postgresql://u:db-pass-4711@db.example:6432/x", "pem-contents-0815"}
    plan = await deployer.plan(found)
    elsewhere = json.dumps([o for o in server.objects.values() if o is not secret])
    for text in (elsewhere, deployed.model_dump_json(), plan.model_dump_json(), "\n".join(said)):
        for value in ("db-pass-4711", CANARY, "pem-contents-0815"):
            assert value not in text
            assert base64.b64encode(value.encode()).decode() not in text
    (deployment,) = server.of("deployments")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {str(file), "/run/vitesse-secrets"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["args"] == ["--secrets", "/run/vitesse-secrets"]
    assert not {"DATABASE_URL", "DEST_KEY"} & {item["name"] for item in container["env"]}


async def test_a_changed_secret_starts_the_pods_anew(
    deployer: KubernetesDeployer, server: ApiServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployer.deploy(made(name))
    before = {pod["metadata"]["name"] for pod in server.of("pods")}
    monkeypatch.setenv("DEST_KEY", "another-value")
    await deployer.deploy(made(name))
    assert before.isdisjoint(pod["metadata"]["name"] for pod in server.of("pods"))


@pytest.mark.parametrize(
    ("outcome", "reason", "event"),
    [
        ("image", "the image cannot be pulled", "ImagePullBackOff: Back-off pulling"),
        ("stalled", "the rollout stalled: ReplicaSet .* has timed out", "Readiness probe failed"),
        ("crash", "ends again and again", "CrashLoopBackOff"),
        ("quota", "a quota refuses the pods: .*exceeded quota: team", "FailedCreate"),
    ],
)
async def test_a_version_that_does_not_come_up_is_rolled_back_and_says_why(
    deployer: KubernetesDeployer, server: ApiServer, name: str, outcome: str, reason: str, event: str
) -> None:
    await deployer.deploy(made(name))
    running = {pod["metadata"]["name"] for pod in server.of("pods")}
    standing = server.names()
    v2 = made(name, 2)

    def is_second(template: Any) -> str:
        return outcome if template["metadata"]["labels"]["app.kubernetes.io/version"] == "2" else "ready"

    server.outcome = is_second
    logs = server.logs
    server.logs = type("Logs", (dict,), {"get": lambda *_: f"starting\ncannot log in with {CANARY}\n"})()
    with pytest.raises(DeployError, match=reason) as caught:
        await deployer.update(v2)
    assert "rolled back to version 1, which goes on" in str(caught.value)
    assert event in caught.value.log_tail
    if outcome != "quota":  # a pod that was never made says nothing
        assert "cannot log in with ***" in caught.value.log_tail
    assert CANARY not in caught.value.log_tail
    server.logs = logs
    status = await deployer.get_status(name)
    assert (status.version, status.status, status.detail["ready"]) == (1, "running", 2)
    assert {pod["metadata"]["name"] for pod in server.of("pods")} == running
    assert server.names() == standing


async def test_a_first_version_that_does_not_come_up_leaves_nothing(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    server.outcome = lambda template: "image"
    with pytest.raises(DeployError, match="everything was taken back"):
        await deployer.deploy(made(name))
    assert server.names() == set()


async def test_a_rollout_without_end_is_given_up_after_the_time_allowed(
    kubeconfig: None, server: ApiServer, tmp_path: Path, name: str
) -> None:
    deployer = deployer_with(tmp_path)
    deployer.settings = deployer.settings.model_copy(update={"rollout_timeout_seconds": 0.3})
    server.outcome = lambda template: "slow"
    with pytest.raises(DeployError, match=r"1 of 2 pods are of the new version, 0 ready after 0\.3 s"):
        await deployer.deploy(made(name))


async def test_after_a_deploy_that_was_cut_off_a_failure_goes_back_to_the_last_healthy_version(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    await deployer.deploy(made(name))
    server.outcome = lambda template: (
        "ready" if template["metadata"]["labels"]["app.kubernetes.io/version"] == "1" else "slow"
    )
    # Version 2 is applied and then the machine dies: nobody waits, nobody takes it back.
    async with deployer._releases(name) as releases:
        settings = deployer.settings
        workload_2 = made(name, 2)
        environment = await deployer._environment(workload_2)
        found = Workload.of(workload_2, None, settings, environment, IMAGE)
        await releases._apply(found, environment, (await releases.standing()).healthy)
    server.outcome = lambda template: (
        "ready" if template["metadata"]["labels"]["app.kubernetes.io/version"] == "1" else "image"
    )
    with pytest.raises(DeployError, match="rolled back to version 1"):
        await deployer.deploy(made(name, 3))
    assert (await deployer.get_status(name)).version == 1
    assert len(server.of("pods")) == 2


async def test_a_conflict_stops_before_anything_changes_and_names_the_owner(
    kubeconfig: None, server: ApiServer, tmp_path: Path, name: str
) -> None:
    deployer = deployer_with(tmp_path)
    await deployer.deploy(made(name))
    key = ("deployments", "vitesse", f"vitesse-{name}")
    server.write(key, ("spec", "replicas"), 7, "kubectl-edit")
    before = json.dumps(list(server.objects.values()), default=str)
    with pytest.raises(ConflictError) as caught:
        await deployer.update(made(name, 2))
    assert '.spec.replicas (conflict with "kubectl-edit")' in str(caught.value)
    assert "VITESSE_KUBERNETES_FORCE" in str(caught.value)
    assert json.dumps(list(server.objects.values()), default=str) == before

    await deployer_with(tmp_path, kubernetes_force=True).update(made(name, 2))
    assert server.objects[key]["spec"]["replicas"] == 2


async def test_a_quota_on_objects_refuses_before_anything_changes(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    await deployer.deploy(made("other"))
    before = server.names()
    server.quotas["services"] = "exceeded quota: team, requested: services=1, used: services=5, limited: 5"
    with pytest.raises(DeployError, match=r"a quota refuses Service vitesse-.*limited: 5"):
        await deployer.deploy(made(name))
    assert server.names() == before


async def test_a_name_that_is_somebody_elses_is_left_alone(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    await deployer.deploy(made("other"))
    theirs = {"metadata": {"name": f"vitesse-{name}", "namespace": "vitesse", "labels": {"app": "x"}}}
    server.objects[("services", "vitesse", f"vitesse-{name}")] = theirs
    with pytest.raises(
        ConflictError, match=f"Service.*was not made for '{name}'|vitesse-{name}.*not made for"
    ):
        await deployer.deploy(made(name))
    await deployer.destroy(name)
    assert server.objects[("services", "vitesse", f"vitesse-{name}")] is theirs


async def test_a_namespace_that_is_there_stays_as_it_is(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    theirs = {"metadata": {"name": "vitesse", "labels": {"team": "x"}}}
    server.objects[("namespaces", None, "vitesse")] = theirs
    await deployer.deploy(made(name))
    assert server.of("namespaces", None) == [theirs]


async def test_an_api_server_that_restarts_is_waited_for(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    server.fail_next = {("PATCH", "services"): 2, ("GET", "pods"): 1}
    assert (await deployer.deploy(made(name))).status == "running"
    server.fail_next = {("GET", "deployments"): 100}
    with pytest.raises(UpstreamError, match="shutting down"):
        await deployer.get_status(name)


async def test_a_cluster_that_is_not_there_is_said_in_one_line(
    kubeconfig: None, server: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(tmp_path / "kubeconfig")
    file.write_text(file.read_text().replace(server.url, "http://127.0.0.1:9"))
    with pytest.raises(UpstreamError, match="does not answer"):
        await deployer_with(tmp_path).get_status(name)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(InputError, match="no Kubernetes cluster"):
        await deployer_with(tmp_path).get_status(name)


async def test_logs_come_from_all_pods_by_time_and_name(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    await deployer.deploy(made(name))
    first, second = (pod["metadata"]["name"] for pod in server.of("pods"))
    server.logs = {first: "one\ntwo\n", second: "three\n"}
    assert await deployer.get_logs(name) == f"[{first}] one\n[{second}] three\n[{first}] two"
    assert await deployer.get_logs(name, 1) == f"[{first}] two"


async def test_the_plan_shows_what_would_change_and_changes_nothing(
    deployer: KubernetesDeployer, server: ApiServer, name: str
) -> None:
    await deployer.deploy(made(name))
    server.calls.clear()
    newer = made(name, 2, schedule="hourly")
    plan = await deployer.plan(newer, DeploymentConfig(replicas=4))
    assert {"version: 1 → 2", "schedule: None → hourly", "replicas: 2 → 4"} <= set(plan.changes)
    assert plan.resources["image"] == IMAGE
    assert plan.routes == [f"http://vitesse-{name}.vitesse.svc.cluster.local"]
    assert "go back to version 1" in plan.actions[-1]
    assert any("VITESSE_INGRESS_DOMAIN" in line for line in plan.warnings)
    assert {method for method, *_ in server.calls} == {"GET"}


async def test_without_a_database_that_the_cloud_reaches_there_is_no_deploy(
    kubeconfig: None, tmp_path: Path, name: str
) -> None:
    settings = Settings(data_dir=tmp_path, image=IMAGE, database_url=None, _env_file=None)
    with pytest.raises(InputError, match="set DATABASE_URL"):
        await KubernetesDeployer(settings).deploy(made(name))


@pytest.mark.parametrize(
    "strange",
    ["../../etc/x", "'a\"b\n`c`", "{{x}} ${y} $(z)" + "x" * 300, "İD_ü\ud800", "a_b", "-"],
)
async def test_strange_ids_are_valid_objects_all_the_same(
    deployer: KubernetesDeployer, server: ApiServer, strange: str
) -> None:
    deployed = await deployer.deploy(made(strange))
    assert deployed.status == "running"
    assert (await deployer.get_status(strange)).definition_digest == made(strange).digest()
    await deployer.destroy(strange)
    assert server.names() == set()
