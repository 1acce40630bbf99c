"""Reaching EKS and ECR with nothing but AWS credentials; pushing to a registry from a real engine."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kmock
import pytest
from aiohttp import web
from moto.core import DEFAULT_ACCOUNT_ID
from moto.eks.models import eks_backends

from tests.integration.deployers.api_server import ApiServer
from tests.integration.deployers.aws_account import REGION, Account, account
from tests.integration.deployers.cloud import no_database_role
from tests.integration.deployers.targets import engine_or_skip
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import cloud_image
from vitesse_graph.deployers.cloud import ownership_tags
from vitesse_graph.deployers.cloud_image import ensure_image, forget_image, planned_image
from vitesse_graph.deployers.images import tar_bytes
from vitesse_graph.deployers.kubernetes import KubernetesDeployer
from vitesse_graph.errors import DeployError, InputError, NotFoundError
from vitesse_graph.settings import Settings

__all__ = ["account"]

ECR = f"{DEFAULT_ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com"


def settings_with(tmp_path: Path, **more: Any) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url="postgresql://u:p@db.example/x",
        aws_region=REGION,
        _env_file=None,
        **more,
    )


async def test_an_eks_cluster_is_found_by_name_and_entered_with_a_signed_token(
    account: Account, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_database_role(monkeypatch)
    server = ApiServer()
    async with kmock.KubernetesScaffold() as handler, kmock.Server(handler) as http:
        server.serve(handler)
        account.client("eks").create_cluster(
            name="main", roleArn=account.role, resourcesVpcConfig={"subnetIds": account.subnets}
        )
        cluster = eks_backends[DEFAULT_ACCOUNT_ID][REGION].clusters["main"]
        cluster.endpoint = str(http.url).rstrip("/")
        deployer = KubernetesDeployer(
            settings_with(tmp_path, eks_cluster_name="main", image="x:1"), poll_seconds=0.02
        )
        assert (await deployer.deploy(definition("https://api.example.com", name))).status == "running"
        (token,) = server.tokens
        elsewhere = KubernetesDeployer(settings_with(tmp_path, eks_cluster_name="other", image="x:1"))
        with pytest.raises(NotFoundError, match="EKS_CLUSTER_NAME names a cluster"):
            await elsewhere.get_status(name)
    packed = token.removeprefix("Bearer k8s-aws-v1.")
    asked = parse_qs(urlsplit(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()).query)
    assert asked["Action"] == ["GetCallerIdentity"]
    assert asked["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert "X-Amz-Signature" in asked


async def test_what_ecr_has_is_neither_built_nor_pushed_and_goes_with_the_integration(
    account: Account, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    settings, found = (
        settings_with(tmp_path, ecr_registry_url=f"https://{ECR}/"),
        definition("https://x.test", name),
    )
    tags, ecr = ownership_tags(name, "cloud_eks"), account.client("ecr")
    with pytest.raises(DeployError, match="no Docker Engine to build the image with"):
        await ensure_image(found, settings, tags=tags)
    (repository,) = ecr.describe_repositories()["repositories"]
    assert repository["repositoryName"] == f"vitesse/{name}"
    planned = planned_image(found, settings)
    assert planned.startswith(f"{ECR}/vitesse/{name}:v1-")
    ecr.put_image(
        repositoryName=f"vitesse/{name}",
        imageManifest=json.dumps(MANIFEST),
        imageTag=planned.rpartition(":")[2],
    )
    reference = await ensure_image(found, settings, tags=tags)
    assert reference.startswith(f"{ECR}/vitesse/{name}@sha256:")

    ecr.create_repository(repositoryName=f"vitesse/{name}-theirs")
    await forget_image(f"{name}-theirs", settings, tags=ownership_tags(f"{name}-theirs", "cloud_eks"))
    await forget_image(name, settings, tags=ownership_tags(name, "cloud_ecs"))
    assert len(ecr.describe_repositories()["repositories"]) == 2
    await forget_image(name, settings, tags=tags)
    (left,) = ecr.describe_repositories()["repositories"]
    assert left["repositoryName"] == f"vitesse/{name}-theirs"


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 2,
        "digest": "sha256:00",
    },
    "layers": [],
}


async def test_without_an_image_or_a_registry_it_says_what_to_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="set ECR_REGISTRY_URL or VITESSE_REGISTRY_URL"):
        planned_image(definition("https://x.test", name), settings_with(tmp_path))


@pytest.fixture
async def registry() -> AsyncIterator[tuple[str, dict[str, bytes]]]:
    """A registry that takes pushes (OCI distribution, the upload in parts), on loopback."""
    blobs: dict[str, bytes] = {}
    uploads: dict[str, bytes] = {}
    numbers = itertools.count(1)

    async def answer(request: web.Request) -> web.Response:
        path, body = request.path, await request.read()
        name, _, rest = path.removeprefix("/v2/").partition("/blobs/")
        if path == "/v2/":
            return web.Response()
        if "/manifests/" in path:
            digest = "sha256:" + hashlib.sha256(body).hexdigest()
            if request.method == "PUT":
                blobs[path], blobs[digest] = body, body
                return web.Response(status=201, headers={"Docker-Content-Digest": digest})
            return web.Response(status=200 if path in blobs else 404)
        if rest == "uploads/" and request.method == "POST":
            where = f"/v2/{name}/blobs/uploads/{next(numbers)}"
            uploads[where] = b""
            return web.Response(status=202, headers={"Location": where, "Range": "0-0"})
        if request.method == "PATCH":
            uploads[path] += body
            done = {"Location": path, "Range": f"0-{len(uploads[path]) - 1}"}
            return web.Response(status=202, headers=done)
        if request.method == "PUT":
            blobs[request.query["digest"]] = uploads.pop(path) + body
            return web.Response(status=201, headers={"Location": path})
        found = blobs.get(rest)
        return web.Response(
            status=404 if found is None else 200, headers={"Content-Length": str(len(found or b""))}
        )

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}", blobs
    await runner.cleanup()


async def test_an_image_is_built_pushed_and_named_by_its_digest(
    registry: tuple[str, dict[str, bytes]], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small image: how one is built for an integration has tests of its own."""

    async def built_small(client: Any, context: Any, reference: str, **_: Any) -> None:
        dockerfile = f"FROM scratch\nLABEL name={name}\nCOPY Dockerfile /\n".encode()
        files = io.BytesIO(tar_bytes({"Dockerfile": dockerfile}))
        list(client.api.build(fileobj=files, custom_context=True, tag=reference, rm=True))

    monkeypatch.setattr(cloud_image, "build_image", built_small)
    engine, (address, blobs) = engine_or_skip(), registry
    settings, found = settings_with(tmp_path, registry_url=address), definition("https://x.test", name)
    said: list[str] = []
    reference = await ensure_image(found, settings, tags={}, on_progress=said.append)
    try:
        repository, _, digest = reference.partition("@")
        assert repository == f"{address}/vitesse/{name}"
        manifest = json.loads(blobs[digest])
        assert all(layer["digest"] in blobs for layer in [manifest["config"], *manifest["layers"]])
        assert any("Pushed" in line for line in said)
        assert await ensure_image(found, settings, tags={}) == reference
    finally:
        engine.images.remove(planned_image(found, settings), force=True)
        engine.close()
