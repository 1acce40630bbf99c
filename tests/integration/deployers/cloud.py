"""What the tests of the cloud targets share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.deployers import cloud_target
from vitesse_graph.deployers.workload_database import WorkloadDatabase
from vitesse_graph.settings import Settings


def no_database_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server stands behind these tests' DATABASE_URL: the role has tests of its own, with a real one."""

    async def opened(settings: Settings, integration_id: str, home: Path, **_: Any) -> WorkloadDatabase:
        return WorkloadDatabase(url=str(settings.conninfo()))

    async def closed(settings: Settings, integration_id: str) -> None:
        return None

    monkeypatch.setattr(cloud_target, "open_database", opened)
    monkeypatch.setattr(cloud_target, "close_database", closed)
