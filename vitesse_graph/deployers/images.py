"""The image of an integration: its build context as pure data, and the engine that builds and pushes it.

The context of a definition always has the same bytes, and the image's tag is made from their digest:
what was built once is not built again, and a tag never means two things.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vitesse_graph.deployers.names import repository_name
from vitesse_graph.deployers.wheel import project_wheel
from vitesse_graph.errors import DeployError, InputError
from vitesse_graph.state.definition import IntegrationDefinition

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_BASE = "python:3.12-slim"
PORT = 8080
"""Where the runtime listens inside the image."""
USER = 10001
"""Neither root nor anybody that a base image knows."""
PYTHON = "/opt/vitesse/bin/python"
COMMAND = (PYTHON, "-W", "ignore::SyntaxWarning", "/app/main.py")
_ASK = (
    "import socket,sys;s=socket.create_connection(('127.0.0.1',{port}),4);"
    "s.sendall(b'GET '+sys.argv[1].encode()+b' HTTP/1.0\\r\\n\\r\\n');sys.exit(b' 200 ' not in s.recv(64))"
)
HEALTH_COMMAND = (PYTHON, "-ISc", _ASK.format(port=PORT), "/ready")
"""What the image's health check runs; also good for `docker exec` and for a container's own probe."""
SECRETS_AT = "/run/vitesse-secrets"
"""Where a container finds its secrets, one file for each variable."""
RUNTIME_REPOSITORY = "vitesse/runtime"
"""The layers that all integrations share, built once for a version of Vitesse and a base."""
DEFINITION = "definition.json"
LABEL = "io.vitesse"
"""Prefix of the labels on images and on what is made from them."""

Progress = Callable[[str], None]
"""Told each line that is worth a person's while; called in the event loop."""


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Everything an engine needs to build: `files` by name, arguments, and labels as data."""

    files: Mapping[str, bytes]
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 over all of it: the same definition, the same digest."""
        return _digest(self.files, [dict(self.arguments), dict(self.labels)])

    @property
    def runtime_digest(self) -> str:
        """sha256 over what integrations share: everything but the definition and the labels."""
        return _digest({k: v for k, v in self.files.items() if k != DEFINITION}, dict(self.arguments))

    def tar(self) -> bytes:
        """The files as a tar archive that is the same wherever and whenever it is made."""
        return tar_bytes(self.files)


def _digest(contents: Mapping[str, bytes], beside: Any) -> str:
    whole = hashlib.sha256()
    for name, body in sorted(contents.items()):
        whole.update(f"{name}\0{len(body)}\0".encode() + body)
    whole.update(json.dumps(beside, sort_keys=True).encode())
    return whole.hexdigest()


def tar_bytes(contents: Mapping[str, bytes]) -> bytes:
    """A tar archive without a trace of when, where and by whom it was made."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, body in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), 0o644
            archive.addfile(entry, io.BytesIO(body))
    return into.getvalue()


def build_context(definition: IntegrationDefinition, *, base: str = DEFAULT_BASE) -> BuildContext:
    """The context of a definition's image: Dockerfile, main.py, the definition, the wheel. Pure.

    It holds references to secrets, as the definition does, and no secret. Raises InputError for a base
    that is no image reference.
    """
    if not base or not base.isascii() or not base.isprintable() or " " in base:
        raise InputError(f"{base!r} is no image reference; give one like {DEFAULT_BASE}")
    wheel_name, wheel = project_wheel()
    digest = definition.digest()
    return BuildContext(
        files={
            "Dockerfile": _render(
                "Dockerfile.j2",
                base=DEFAULT_BASE,
                wheel=wheel_name,
                user=USER,
                port=PORT,
                label=LABEL,
                health_command=list(HEALTH_COMMAND),
                command=list(COMMAND),
            ),
            "main.py": _render("main.py.j2", port=PORT),
            DEFINITION: definition_json(definition),
            "requirements.txt": _template("requirements.txt").encode(),
            wheel_name: wheel,
        },
        arguments={"BASE": base},
        labels={
            f"{LABEL}.integration": definition.integration_id,
            f"{LABEL}.version": str(definition.version),
            f"{LABEL}.digest": digest,
        },
    )


def definition_json(definition: IntegrationDefinition) -> bytes:
    """The definition's one file: the same bytes for the same definition."""
    return json.dumps(definition.dump(), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def image_reference(
    definition: IntegrationDefinition, context: BuildContext, *, registry: str = "", repository: str = ""
) -> str:
    """`[registry/]repository:v<version>-<digest>`. `repository`: where it is not to be the id's own name."""
    where = "/".join(part.strip("/") for part in (registry, repository) if part)
    path = (
        where if repository else "/".join(p for p in (where, repository_name(definition.integration_id)) if p)
    )
    return f"{path}:v{definition.version}-{context.digest[:16]}"


async def build_image(
    client: DockerClient,
    context: BuildContext,
    reference: str,
    *,
    on_progress: Progress | None = None,
    platform: str | None = None,
) -> str:
    """Builds what is not there yet; returns the image's id.

    Progress is told while it goes on. Raises DeployError, with the build's last lines as its log tail.
    """
    if await _image_id(client, reference) is None:
        shared = f"{RUNTIME_REPOSITORY}:{context.runtime_digest[:16]}"
        if await _image_id(client, shared) is None:
            await _build(
                client,
                context,
                shared,
                {f"{LABEL}.base": context.arguments["BASE"]},
                "runtime",
                platform,
                on_progress,
            )
            await _drop_other_runtimes(client, shared, context.arguments["BASE"])
        await _build(client, context, reference, context.labels, None, platform, on_progress)
    built = await _image_id(client, reference)
    if built is None:
        raise DeployError(f"the image {reference} was built and is not there; something removes images")
    return built


async def _image_id(client: DockerClient, reference: str) -> str | None:
    from docker.errors import DockerException, ImageNotFound

    try:
        return str((await asyncio.to_thread(client.images.get, reference)).id)
    except ImageNotFound:
        return None
    except (DockerException, OSError) as error:
        raise DeployError(f"the Docker Engine does not answer ({reason_of(error)})") from error


async def _build(
    client: DockerClient,
    context: BuildContext,
    reference: str,
    labels: Mapping[str, str],
    target: str | None,
    platform: str | None,
    on_progress: Progress | None,
) -> None:
    body = await asyncio.to_thread(context.tar)

    def lines() -> Iterable[dict[str, Any]]:
        answer: Iterable[dict[str, Any]] = client.api.build(
            fileobj=io.BytesIO(body),
            custom_context=True,
            tag=reference,
            buildargs=dict(context.arguments),
            labels=dict(labels),
            target=target or "",
            rm=True,
            forcerm=True,
            decode=True,
            platform=platform,
        )
        return answer

    await _follow(lines, f"the image {reference} was not built", on_progress)


async def _drop_other_runtimes(client: DockerClient, keep: str, base: str) -> None:
    """Shared layers of earlier versions on this base go, and what they were built from but for the last: it is the cache
    of the next build. Layers in use stay."""
    from docker.errors import DockerException

    def act() -> None:
        found = client.images.list(RUNTIME_REPOSITORY, filters={"label": f"{LABEL}.base={base}"})
        tags = [tag for image in found for tag in image.tags]
        stages = client.images.list(filters={"label": f"{LABEL}.stage=build", "dangling": True})
        stages.sort(key=lambda image: str(image.attrs["Created"]))
        for name in [*(tag for tag in tags if tag != keep), *(image.id for image in stages[:-1])]:
            with contextlib.suppress(DockerException):
                client.images.remove(name)

    await asyncio.to_thread(act)


async def push_image(
    client: DockerClient,
    reference: str,
    *,
    auth: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
) -> str:
    """Pushes to the registry that the reference names; returns the digest that the registry knows it by.

    `auth`: `{username, password}`, or None for what `docker login` left. Raises DeployError.
    """
    repository, _, tag = reference.rpartition(":")
    digests: list[str] = []

    def lines() -> Iterable[dict[str, Any]]:
        answer: Iterable[dict[str, Any]] = client.api.push(
            repository, tag=tag, stream=True, decode=True, auth_config=dict(auth) if auth else None
        )
        return answer

    def seen(event: dict[str, Any]) -> None:
        found = (event.get("aux") or {}).get("Digest")
        if found:
            digests.append(str(found))

    await _follow(lines, f"the image {reference} was not pushed", on_progress, seen)
    return digests[-1] if digests else ""


async def _follow(
    open_stream: Callable[[], Iterable[dict[str, Any]]],
    failure: str,
    on_progress: Progress | None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Reads an engine's stream to its end in a thread. Raises DeployError with its last lines."""
    from docker.errors import DockerException

    loop = asyncio.get_running_loop()
    tail: list[str] = []

    def tell(line: str) -> None:
        tail.append(line)
        del tail[:-40]
        if on_progress is not None:
            loop.call_soon_threadsafe(on_progress, line)

    def read() -> str | None:
        for event in open_stream():
            if on_event is not None:
                on_event(event)
            if event.get("error"):
                return str(event["error"])
            for line in _line(event).splitlines():
                tell(line)
        return None

    try:
        error = await asyncio.to_thread(read)
    except (DockerException, OSError) as problem:
        raise DeployError(f"{failure}: {reason_of(problem)}", log_tail="\n".join(tail)) from problem
    if error is not None:
        raise DeployError(f"{failure}: {error.strip().splitlines()[-1]}", log_tail="\n".join(tail))


def _line(event: Mapping[str, Any]) -> str:
    """One event in words; progress bars are left out: they come a hundred a second."""
    if event.get("progressDetail"):
        return ""
    said = event.get("stream") or event.get("status") or ""
    name = f"{event['id']}: " if event.get("id") else ""
    return f"{name}{said}".strip()


def reason_of(error: BaseException) -> str:
    """An engine's own words, in one line."""
    text = str(getattr(error, "explanation", None) or error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


def _template(name: str) -> str:
    return files("vitesse_graph.deployers").joinpath("templates", name).read_text(encoding="utf-8")


def _render(name: str, **values: Any) -> bytes:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(_template(name)).render(**values).encode()
