"""What nodes ask of a deployed runtime over its own HTTP surface: pause, dead letters again, another token."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
from pydantic import ValidationError

from vitesse_graph.state.definition import AuthRefresh
from vitesse_graph.state.deployment import Deployment

_log = logging.getLogger(__name__)
BUSY_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0)
"""A sync that is under way when a repair goes live ends soon: it was asked to."""
REFRESH_TIMEOUT_SECONDS = 90.0
REPLAY_TIMEOUT_SECONDS = 600.0


async def _post(
    deployment: Deployment, path: str, body: dict[str, Any], timeout: float
) -> tuple[int, dict[str, Any]]:
    """Status and answer; 0 when the runtime does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout, connect=5)) as session,
            session.post(deployment.service_url.rstrip("/") + path, json=body) as response,
        ):
            answer = json.loads(await response.text())
            return response.status, answer if isinstance(answer, dict) else {}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        _log.warning("the runtime at %s did not answer: %s", deployment.service_url, type(error).__name__)
        return 0, {}


async def pause_workload(deployment: Deployment, reason: str) -> bool:
    """No more runs until somebody resumes, or another version is deployed. False: it did not answer."""
    status, _ = await _post(deployment, "/pause", {"reason": reason[:300]}, 20.0)
    return status == 200


async def replay_dead_letters(deployment: Deployment) -> dict[str, int] | None:
    """Tries what could not be written again, with the mapping as it is now: {retried, written, failed}.

    Those that may have been taken already are left for a person. None when the runtime does not answer
    or stays busy: what is left waits in its ledger.
    """
    for wait in (*BUSY_WAITS_SECONDS, None):
        status, answer = await _post(
            deployment, "/dead-letters/retry", {"unknown": False}, REPLAY_TIMEOUT_SECONDS
        )
        if status == 200:
            return {name: int(answer.get(name, 0)) for name in ("retried", "written", "failed")}
        if status != 409 or wait is None:
            break
        await asyncio.sleep(wait)
    return None


async def refresh_credential(deployment: Deployment, side: str) -> AuthRefresh | None:
    """The runtime renews its credential for one side and tries it; None when it does not answer."""
    status, answer = await _post(deployment, "/auth/refresh", {"side": side}, REFRESH_TIMEOUT_SECONDS)
    try:
        return AuthRefresh.model_validate(answer) if status == 200 else None
    except ValidationError:
        return None
