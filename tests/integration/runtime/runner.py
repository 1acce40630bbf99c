"""One sync in a process of its own, to be killed: `python -m tests.integration.runtime.runner DEFINITION.json`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.engine import run_sync
from vitesse_graph.state.definition import IntegrationDefinition


async def main(definition: IntegrationDefinition) -> None:
    report = await run_sync(definition, options=Options(patience_seconds=20))
    sys.stdout.write(report.model_dump_json() + "\n")


if __name__ == "__main__":
    asyncio.run(main(IntegrationDefinition.model_validate_json(Path(sys.argv[1]).read_text())))
