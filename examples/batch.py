"""Fifty integrations at once, each to the gate before deploying.

Every thread has its own lock, so they do not wait for each other. Nobody gave credentials: both
sides are tested against sandboxes made from their specifications.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from importlib.resources import files
from typing import Any

from _world import new_thread

from vitesse_graph import open_graph

SPECS = files("vitesse_graph.demo")
REQUEST = {
    "user_intent": "Sync Shopify customers into our Credo CRM contacts",
    "source": str(SPECS / "shopify_like.json"),
    "dest": str(SPECS / "credo_like.json"),
    "test_sample_size": 5,
}


async def main(count: int = 50) -> None:
    async with open_graph() as graph:

        async def one() -> dict[str, Any]:
            return await graph.ainvoke(REQUEST, new_thread(), context={"approvals": "before_deploy"})

        began = time.perf_counter()
        results = await asyncio.gather(*(one() for _ in range(count)))
        seconds = time.perf_counter() - began

    print(f"{count} integrations in {seconds:.1f} s")
    for (status, gate), number in Counter(
        (result["status"], result["__interrupt__"][0].value["gate"]) for result in results
    ).items():
        print(f"{number} {status}, waiting at {gate}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
