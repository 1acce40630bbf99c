"""Where a cloud target's image comes from: a given one, or built here and pushed to ECR or any registry."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vitesse_graph.deployers.images import (
    Progress,
    build_context,
    build_image,
    image_reference,
    push_image,
)
from vitesse_graph.deployers.names import repository_name
from vitesse_graph.errors import ConflictError, DeployError, InputError, NotFoundError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition

if TYPE_CHECKING:
    from docker import DockerClient

    from vitesse_graph.deployers.aws import Aws

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
PLATFORM = "linux/amd64"
"""What the cloud targets run; a builder of another kind builds for it all the same."""


def planned_image(definition: IntegrationDefinition, settings: Settings) -> str:
    """The reference that `ensure_image` would give, but for the digest. Raises InputError: none is possible."""
    if settings.image:
        return settings.image
    return image_reference(
        definition, build_context(definition, base=settings.image_base), registry=_registry(settings)
    )


async def ensure_image(
    definition: IntegrationDefinition,
    settings: Settings,
    *,
    tags: Mapping[str, str],
    aws: Aws | None = None,
    on_progress: Progress | None = None,
) -> str:
    """The reference of an image that the target can pull. `tags` mark an ECR repository as ours.

    What the registry has already is neither built nor pushed again. Raises InputError, DeployError.
    """
    if settings.image:
        return settings.image
    registry = _registry(settings)
    context = build_context(definition, base=settings.image_base)
    reference = image_reference(definition, context, registry=registry)
    auth = None
    if is_ecr(registry):
        from vitesse_graph.deployers.aws import open_aws

        account = aws if aws is not None else await asyncio.to_thread(open_aws, settings)
        repository = reference.removeprefix(registry + "/").rpartition(":")[0]
        await ensure_repository(account, repository, tags)
        digest = await _pushed_digest(account, repository, reference.rpartition(":")[2])
        if digest is not None:
            return f"{reference.rpartition(':')[0]}@{digest}"
        auth = await login(account)
    client = await asyncio.to_thread(_engine)
    try:
        await build_image(client, context, reference, on_progress=on_progress, platform=PLATFORM)
        digest = await push_image(client, reference, auth=auth, on_progress=on_progress)
    finally:
        await asyncio.to_thread(client.close)
    # By digest nobody can change what a running version is.
    return f"{reference.rpartition(':')[0]}@{digest}" if digest else reference


def is_ecr(registry: str) -> bool:
    return _ECR.fullmatch(registry.partition("/")[0]) is not None


async def ensure_repository(aws: Aws, repository: str, tags: Mapping[str, str]) -> None:
    """The repository in ECR, made with our tags where it is missing. Raises DeployError."""
    what = f"the ECR repository {repository}"
    try:
        await aws.ask("ecr", "describe_repositories", what, repositoryNames=[repository])
    except NotFoundError:
        try:
            await aws.ask(
                "ecr",
                "create_repository",
                what,
                repositoryName=repository,
                imageTagMutability="IMMUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
                tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
        except ConflictError:
            return  # another deploy made it in the same moment


async def forget_image(integration_id: str, settings: Settings, *, tags: Mapping[str, str]) -> None:
    """Deletes the integration's ECR repository with its images, if it carries our tags."""
    if not is_ecr(_plain(settings.ecr_registry_url)):
        return
    from vitesse_graph.deployers.aws import open_aws

    aws = await asyncio.to_thread(open_aws, settings)
    repository = repository_name(integration_id)
    what = f"the ECR repository {repository}"
    try:
        found = await aws.ask("ecr", "describe_repositories", what, repositoryNames=[repository])
        arn = found["repositories"][0]["repositoryArn"]
        listed = await aws.ask("ecr", "list_tags_for_resource", what, resourceArn=arn)
        carried = {tag["Key"]: tag["Value"] for tag in listed.get("tags", [])}
        if tags.items() <= carried.items():
            await aws.ask("ecr", "delete_repository", what, repositoryName=repository, force=True)
    except NotFoundError:
        return


async def login(aws: Aws) -> dict[str, str]:
    """User name and password for the registry, good for twelve hours."""
    answer = await aws.ask("ecr", "get_authorization_token", "log in to ECR")
    token = answer["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return {"username": user, "password": password}


async def _pushed_digest(aws: Aws, repository: str, tag: str) -> str | None:
    try:
        found: dict[str, Any] = await aws.ask(
            "ecr",
            "describe_images",
            f"the image {tag}",
            repositoryName=repository,
            imageIds=[{"imageTag": tag}],
        )
    except NotFoundError:
        return None
    details = found.get("imageDetails") or []
    return str(details[0]["imageDigest"]) if details else None


def _registry(settings: Settings) -> str:
    url = settings.ecr_registry_url or settings.registry_url
    if not url:
        raise InputError(
            "a cloud target pulls its image from a registry: set ECR_REGISTRY_URL or VITESSE_REGISTRY_URL (built "
            "here with Docker and pushed), or VITESSE_IMAGE (an image that is there)"
        )
    return _plain(url)


def _plain(url: str | None) -> str:
    return re.sub(r"^https?://", "", url or "").rstrip("/")


def _engine() -> DockerClient:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        raise DeployError(
            "no Docker Engine to build the image with; start one, set DOCKER_HOST, or name a ready image in "
            "VITESSE_IMAGE"
        ) from error
    return client
