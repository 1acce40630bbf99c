"""A process that runs the graph on one thread and may kill itself in the middle of a step.

Arguments: one JSON object {thread_id, input, kill_at, log}. Each step that starts is appended to
the file `log`, so that a test can see over several processes which steps ran how often.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


async def main(order: dict[str, Any]) -> None:
    from vitesse_graph.graph import open_graph
    from vitesse_graph.state.context import VitesseContext

    config = {"configurable": {"thread_id": order["thread_id"]}}
    log = Path(order["log"])
    async with open_graph() as graph:
        async for event in graph.astream(
            order["input"],
            config,
            context=VitesseContext(approvals="none").model_dump(),
            stream_mode="custom",
        ):
            if event["event"] != "vitesse.step.started":
                continue
            with log.open("a") as lines:
                lines.write(event["step"] + "\n")
            if event["step"] == order.get("kill_at"):
                os.kill(os.getpid(), signal.SIGKILL)
        snapshot = await graph.aget_state(config)
        print(
            json.dumps(
                {
                    "status": snapshot.values["status"],
                    "next": list(snapshot.next),
                    "errors": snapshot.values.get("errors"),
                }
            )
        )


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
