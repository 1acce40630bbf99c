"""Target `process`: the runtime as a supervised local process, the default where nothing else is set up.

Under `<data_dir>/deployments/<id>/` each start has a folder of its own (definition, logs, what the
supervisor notes), and `current.json` names the one that serves. An update starts the new version beside
the old one. When it is healthy it serves, and the old one begins nothing new: it ends the run that is
under way on the version that the run began with, and leaves by itself. The lease keeps the new one's runs
back until then. Where the old version must not go on (a repair, `finish_run: false`), its run ends after
the chunk in hand, and the new version reads everything.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from vitesse_graph.deployers.base import (
    Deployer,
    SecretReader,
    changes_between,
    folder_name,
    redacted,
    workload_environment,
)
from vitesse_graph.deployers.locking import lock_path, one_at_a_time
from vitesse_graph.deployers.supervisor import ProcessSupervisor, RunningProcess, remove_all_below
from vitesse_graph.errors import DeployError, NotFoundError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan

_HEALTHY_WITHIN_SECONDS = 60.0
_DRAIN_SECONDS = 45.0
_KEPT_STARTS = 3


class ProcessDeployer(Deployer):
    """Runs `python -m vitesse_graph.runtime` beside us."""

    target = "process"

    def __init__(
        self,
        settings: Settings,
        *,
        secret_reader: SecretReader | None = None,
        healthy_within_seconds: float = _HEALTHY_WITHIN_SECONDS,
    ) -> None:
        super().__init__(settings, secret_reader=secret_reader)
        self._root = settings.data_dir.expanduser().resolve() / "deployments"
        self._healthy_within_seconds = healthy_within_seconds

    # -- the interface -----------------------------------------------------------------------------

    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        environment = self._environment(definition)
        before = self._current_definition(definition.integration_id)
        running = self._running(definition.integration_id)
        if running is None:
            actions = ["start the runtime as a supervised local process", "wait until it is ready"]
        elif running.label.get("digest") == definition.digest():
            actions = ["nothing: this very definition runs already"]
        else:
            actions = [
                f"start version {definition.version} beside version {running.label.get('version')}",
                "wait until it is ready",
                "let the old version finish its run, then leave"
                if _may_finish(config)
                else "let the old version finish what is in flight, then stop it",
            ]
        return DeploymentPlan(
            target=self.target,
            actions=actions,
            environment=sorted(environment),
            resources={"processes": 2, "folder": str(self._home(definition.integration_id))},
            routes=["http://127.0.0.1:PORT"],
            changes=changes_between(before, definition) if running is not None and before is not None else [],
            warnings=_warnings(config),
        )

    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        async with self._lock(definition.integration_id):
            return await self._bring_up(definition, may_finish=_may_finish(config))

    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        if self._current(definition.integration_id) is None:
            raise NotFoundError(f"{definition.integration_id} is not deployed as a process; deploy it first")
        return await self.deploy(definition, config)

    async def destroy(self, integration_id: str) -> Deployment:
        started = time.monotonic()
        async with self._lock(integration_id):
            # Everything below the folder goes, also what was started beside the runtime (sandboxes).
            await remove_all_below(self._home(integration_id), grace_seconds=_DRAIN_SECONDS)
        await asyncio.to_thread(lock_path(self._root, integration_id).unlink, missing_ok=True)
        return Deployment(
            target=self.target,
            workload_id=integration_id,
            service_url="",
            status="stopped",
            duration_seconds=round(time.monotonic() - started, 3),
        )

    async def get_status(self, integration_id: str) -> Deployment:
        current = self._current(integration_id)
        if current is None:
            raise NotFoundError(f"{integration_id} is not deployed as a process")
        running = self._running(integration_id)
        if running is None:
            return Deployment.model_validate({**current, "status": "stopped"})
        return self._deployment(running, current.get("duration_seconds", 0.0))

    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        current = self._current(integration_id)
        if current is None:
            raise NotFoundError(f"{integration_id} is not deployed as a process")
        supervisor = ProcessSupervisor(self._home(integration_id))
        found: list[str] = []
        for name in reversed(await asyncio.to_thread(self._starts, integration_id)):
            if len(found) >= lines:
                break
            text = await asyncio.to_thread(supervisor.logs, name, lines - len(found))
            found = text.splitlines() + found
        return "\n".join(found)

    # -- how it is done ----------------------------------------------------------------------------

    async def _bring_up(self, definition: IntegrationDefinition, *, may_finish: bool) -> Deployment:
        started = time.monotonic()
        integration_id = definition.integration_id
        before = self._running(integration_id)
        if before is not None and before.label.get("digest") == definition.digest() and before.pid:
            return self._deployment(before, time.monotonic() - started)
        environment = self._environment(definition)
        supervisor = ProcessSupervisor(self._home(integration_id))
        name = await asyncio.to_thread(self._next_start, integration_id)
        file = await asyncio.to_thread(_write_definition, supervisor.folder(name), definition)
        argv = [
            sys.executable,
            "-m",
            "vitesse_graph.runtime",
            str(file),
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
        ]
        base = "http://127.0.0.1:{port}"
        label = {
            "integration_id": integration_id,
            "version": definition.version,
            "digest": definition.digest(),
            "environments": {
                "source": definition.source.environment,
                "dest": definition.dest.environment,
            },
        }
        try:
            running = await supervisor.start(
                name,
                argv,
                environment,
                base + "/health",
                ready_url=base + "/ready",
                timeout_seconds=self._healthy_within_seconds,
                grace_seconds=_DRAIN_SECONDS,
                label=label,
            )
        except DeployError as error:
            await supervisor.remove(name)
            went_on = "; the version before goes on" if before is not None else ""
            tail = redacted(error.log_tail, environment, definition)
            reason = str(error).removeprefix(name).strip()
            raise DeployError(f"the runtime of {integration_id} {reason}{went_on}", log_tail=tail) from error
        deployment = self._deployment(running, time.monotonic() - started)
        await asyncio.to_thread(self._set_current, integration_id, {**deployment.dump(), "start": name})
        if before is not None and may_finish:
            await supervisor.drain(before.name)
        await self._sweep(integration_id, keep=name, may_finish=may_finish)
        return deployment.model_copy(update={"duration_seconds": round(time.monotonic() - started, 3)})

    async def _sweep(self, integration_id: str, *, keep: str, may_finish: bool) -> None:
        """Whatever else still runs is stopped, unless it may finish its run; files of old starts go, the last
        few stay for their logs."""
        supervisor = ProcessSupervisor(self._home(integration_id))
        starts = await asyncio.to_thread(self._starts, integration_id)
        for name in starts:
            if name == keep or (may_finish and _is_draining(supervisor.find(name))):
                continue
            await supervisor.stop(name, grace_seconds=_DRAIN_SECONDS)
            if name in starts[:-_KEPT_STARTS]:
                await supervisor.remove(name)

    def _environment(self, definition: IntegrationDefinition) -> dict[str, str]:
        return workload_environment(definition, self.settings, secret_reader=self.secret_reader)

    def _home(self, integration_id: str) -> Path:
        return self._root / folder_name(integration_id)

    def _starts(self, integration_id: str) -> list[str]:
        found = [path.name for path in self._home(integration_id).glob("start-*")]
        return sorted(found, key=lambda name: int(name.rpartition("-")[2]))

    def _next_start(self, integration_id: str) -> str:
        starts = self._starts(integration_id)
        return f"start-{int(starts[-1].rpartition('-')[2]) + 1 if starts else 1}"

    def _current(self, integration_id: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self._home(integration_id) / "current.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def _set_current(self, integration_id: str, value: dict[str, Any]) -> None:
        path = self._home(integration_id) / "current.json"
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(value), encoding="utf-8")
        scratch.replace(path)

    def _current_definition(self, integration_id: str) -> IntegrationDefinition | None:
        current = self._current(integration_id)
        if current is None:
            return None
        file = self._home(integration_id) / str(current["start"]) / "definition.json"
        try:
            return IntegrationDefinition.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _running(self, integration_id: str) -> RunningProcess | None:
        current = self._current(integration_id)
        if current is None:
            return None
        return ProcessSupervisor(self._home(integration_id)).find(str(current["start"]))

    def _deployment(self, running: RunningProcess, seconds: float) -> Deployment:
        return Deployment(
            target=self.target,
            workload_id=str(running.label.get("integration_id", running.name)),
            service_url=running.url,
            version=int(running.label.get("version", 1)),
            definition_digest=str(running.label.get("digest", "")),
            status="running" if running.pid else "failed",
            duration_seconds=round(seconds, 3),
            environments=dict(running.label.get("environments", {})),
            detail={
                "pid": running.pid,
                "supervisor_pid": running.supervisor_pid,
                "port": running.port,
                "restarts": running.restarts,
                "folder": str(running.folder),
                "log": str(running.folder / "output.log"),
            },
        )

    def _lock(self, integration_id: str) -> AbstractAsyncContextManager[None]:
        patience = self._healthy_within_seconds + _DRAIN_SECONDS
        return one_at_a_time(self._root, integration_id, patience_seconds=patience)


def _write_definition(folder: Path, definition: IntegrationDefinition) -> Path:
    folder.mkdir(parents=True, mode=0o700)
    file = folder / "definition.json"
    file.write_text(json.dumps(definition.dump(), indent=1), encoding="utf-8")
    return file


def _may_finish(config: DeploymentConfig | None) -> bool:
    return config is None or config.finish_run


def _is_draining(running: RunningProcess | None) -> bool:
    return running is not None and running.state == "draining"


def _warnings(config: DeploymentConfig | None) -> list[str]:
    found = []
    if config is not None and ((config.replicas or 1) > 1 or config.auto_scale):
        found.append("the process target runs one process; replicas and auto_scale need another target")
    return found
