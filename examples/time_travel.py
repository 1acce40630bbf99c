"""Back to an earlier checkpoint and another way from there; the history keeps both."""

from __future__ import annotations

import asyncio
from typing import Any

from _world import new_thread, shop_and_crm

from vitesse_graph import open_graph


def fed(values: dict[str, Any]) -> set[str]:
    """Destination fields that the mapping feeds."""
    return {row["dest_field"] for row in values["mapping_logic"]["transformations"]}


async def main() -> None:
    config = new_thread()
    ask_before_deploying = {"approvals": "before_deploy"}
    async with shop_and_crm() as (request, _), open_graph() as graph:
        first = await graph.ainvoke(request, config, context=ask_before_deploying)

        history = [snapshot async for snapshot in graph.aget_state_history(config)]
        for snapshot in reversed(history):
            print(f"{snapshot.created_at}  next: {', '.join(snapshot.next) or '-'}")

        # From just before the mapping, with a wish: this field stays empty.
        before_map = next(snapshot for snapshot in history if snapshot.next == ("map",))
        wish = {"mapping_hints": [{"dest_field": "segments", "source_field": None}]}
        fork = await graph.aupdate_state(before_map.config, wish)
        second = await graph.ainvoke(None, fork, context=ask_before_deploying)

        print(f"left out on the second way: {sorted(fed(first) - fed(second))}")
        longer = [snapshot async for snapshot in graph.aget_state_history(config)]
        print(f"checkpoints: {len(history)}, then {len(longer)}")


if __name__ == "__main__":
    asyncio.run(main())
