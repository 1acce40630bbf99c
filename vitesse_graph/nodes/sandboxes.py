"""Sandbox servers beside a deployment, for a side that has no credential."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, Literal

from vitesse_graph.deployers import Deployer, ProcessSupervisor
from vitesse_graph.deployers.base import folder_name
from vitesse_graph.nodes.definition import environment_of
from vitesse_graph.services import Services
from vitesse_graph.state.api_spec import ApiSpec
from vitesse_graph.state.whiteboard import SharedWhiteboardState

Role = Literal["source", "dest"]
SANDBOX_RECORDS = 50
START_TIMEOUT_SECONDS = 60.0


def sandboxed_sides(state: SharedWhiteboardState) -> list[Role]:
    """The sides that will run against a sandbox, because nobody gave a credential for them."""
    sides: list[Role] = []
    roles: tuple[tuple[Role, ApiSpec | None, str | None], ...] = (
        ("source", state.source_api_spec, state.source_auth),
        ("dest", state.dest_api_spec, state.dest_auth),
    )
    for role, spec, auth_ref in roles:
        if spec is not None and spec.chosen(role) is not None and environment_of(auth_ref) == "sandbox":
            sides.append(role)
    return sides


def _environment(services: Services) -> dict[str, str]:
    """A sandbox needs the spec cache and nothing else: no credential is passed on."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")}
    return {**kept, "VITESSE_DATA_DIR": str(services.settings.data_dir.expanduser().resolve())}


async def start_sandboxes(
    services: Services, integration_id: str, state: SharedWhiteboardState, deployer: Deployer
) -> dict[str, dict[str, Any]]:
    """Starts (or finds running) a sandbox for each side that needs one: `{side: {url, digest}}`.

    They listen where the deployer's workloads can call them, and are supervised processes like the deployment and go when it is destroyed. Raises DeployError
    when one does not come up.
    """
    root = services.settings.data_dir / "deployments" / folder_name(integration_id) / "sandboxes"
    supervisor = ProcessSupervisor(root)
    sides = sandboxed_sides(state)
    host = await deployer.sandbox_host() if sides else ""

    async def start(role: Role, spec: ApiSpec) -> tuple[str, dict[str, Any]]:
        running = await asyncio.to_thread(supervisor.find, role)
        wanted = {"digest": spec.digest, "host": host}
        if running is None or running.label != wanted or running.pid is None:
            argv = [sys.executable, "-m", "vitesse_graph.cli.main", "sandbox", "--digest", spec.digest]
            argv += ["--host", host, "--port", "{port}", "--records", str(SANDBOX_RECORDS), "--control"]
            running = await supervisor.start(
                role,
                argv,
                _environment(services),
                f"http://{host}:{{port}}/__vitesse__/health",
                timeout_seconds=START_TIMEOUT_SECONDS,
                label=wanted,
            )
        return role, {"url": running.url, "digest": spec.digest}

    specs: dict[Role, ApiSpec | None] = {"source": state.source_api_spec, "dest": state.dest_api_spec}
    wanted = [(role, specs[role]) for role in sides]
    started = await asyncio.gather(*(start(role, spec) for role, spec in wanted if spec is not None))
    return dict(started)
