"""Progress while it runs: the nodes' own events, and what each of them wrote."""

from __future__ import annotations

import asyncio

from _world import new_thread, shop_and_crm

from vitesse_graph import open_graph


async def main() -> None:
    async with shop_and_crm() as (request, _), open_graph() as graph:
        run = graph.astream(
            request,
            new_thread(),
            context={"approvals": "before_deploy"},
            stream_mode=["custom", "updates"],
        )
        async for mode, chunk in run:
            if mode == "custom":
                said = chunk.get("summary") or (
                    f"{chunk['done']} of {chunk['total']}" if "done" in chunk else ""
                )
                print(f"{chunk['event']:32} {chunk['step']:16} {said}")
            elif "__interrupt__" in chunk:
                print(f"waits for an answer: {chunk['__interrupt__'][0].value['gate']}")


if __name__ == "__main__":
    asyncio.run(main())
