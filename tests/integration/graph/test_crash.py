"""The process is killed in the middle of a step; a new one goes on where it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.demo.stands import Stands
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.settings import Settings

DRIVER = Path(__file__).parent / "driver.py"
STEPS = ["discovery", "ingest", "map", "guardian", "deploy"]


async def _drive(data_dir: Path, stands: Stands, order: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
    environment = {
        **os.environ,
        "VITESSE_DATA_DIR": str(data_dir),
        "TEST_SHOP_TOKEN": stands.shopify_token,
        "TEST_CRM_KEY": stands.credo_api_key,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(DRIVER), json.dumps(order), env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out) if out.strip() else None


@pytest.mark.parametrize("step", STEPS)
async def test_a_killed_run_goes_on_at_the_step_that_was_under_way(
    step: str, data_dir: Path, stands: Stands, tmp_path: Path
) -> None:
    thread = f"integ_{uuid.uuid4().hex}"
    log = tmp_path / "steps"
    request = {
        "user_intent": "Sync Shopify customers into our Credo CRM contacts",
        "source": stands.shopify_spec_url,
        "dest": stands.credo_spec_url,
        "source_auth": "env:TEST_SHOP_TOKEN",
        "dest_auth": "env:TEST_CRM_KEY",
    }
    order = {"thread_id": thread, "input": request, "log": str(log), "kill_at": step}
    code, said = await _drive(data_dir, stands, order)
    assert (code, said) == (-signal.SIGKILL, None)

    code, said = await _drive(data_dir, stands, {**order, "input": None, "kill_at": None})
    try:
        assert code == 0
        assert said is not None
        assert (said["status"], said["next"]) == ("active", [])
        started = log.read_text().split()
        assert started == [*STEPS[: STEPS.index(step) + 1], *STEPS[STEPS.index(step) :]]
    finally:
        settings = Settings(VITESSE_DATA_DIR=data_dir)  # type: ignore[call-arg]
        await DeployerFactory.create_deployer("process", {"settings": settings}).destroy(thread)


async def test_a_repair_killed_in_the_middle_of_heal_goes_on(
    data_dir: Path, stands: Stands, tmp_path: Path
) -> None:
    thread = str(uuid.uuid4())
    request = {
        "user_intent": "Sync Shopify customers into our Credo CRM contacts",
        "source": stands.shopify_spec_url,
        "dest": stands.credo_spec_url,
        "source_auth": "env:TEST_SHOP_TOKEN",
        "dest_auth": "env:TEST_CRM_KEY",
    }
    order = {"thread_id": thread, "input": request, "log": str(tmp_path / "made"), "kill_at": None}
    code, said = await _drive(data_dir, stands, order)
    try:
        assert said is not None
        assert said["status"] == "active"
        await stands.drift(rename={"email": "email_address"}, drop=[])
        log = tmp_path / "healed"
        report = {"reason": "health fell", "health": 10.0}
        order = {"thread_id": thread, "input": {"health_report": report}, "log": str(log), "kill_at": "heal"}
        code, said = await _drive(data_dir, stands, order)
        assert (code, said) == (-signal.SIGKILL, None)
        code, said = await _drive(data_dir, stands, {**order, "input": None, "kill_at": None})
        assert said is not None
        assert (said["status"], said["next"]) == ("active", []), said["errors"]
        assert log.read_text().split() == ["heal", "heal", "ingest", "map", "guardian", "deploy"]
    finally:
        settings = Settings(VITESSE_DATA_DIR=data_dir)  # type: ignore[call-arg]
        await DeployerFactory.create_deployer("process", {"settings": settings}).destroy(thread)
