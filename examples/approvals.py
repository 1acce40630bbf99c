"""A person answers after every step; the last answer comes days later, from another process."""

from __future__ import annotations

import asyncio
from typing import Any

from _world import new_thread, shop_and_crm
from langgraph.types import Command

from vitesse_graph import DeployerFactory, ReviewDecision, open_graph


def show(result: dict[str, Any]) -> str:
    """Prints the proposal that waits; the name of its gate."""
    proposal = result["__interrupt__"][0].value
    print(f"\n{proposal['gate']}\n{proposal['summary'].splitlines()[0]}")
    return str(proposal["gate"])


async def main() -> None:
    config = new_thread()
    async with shop_and_crm() as (request, _):
        async with open_graph() as graph:
            result = await graph.ainvoke(request, config)
            while show(result) != "review_guardian":
                decision = ReviewDecision(type="approve", by="ada")
                result = await graph.ainvoke(Command(resume=decision.dump()), config)

        # The process may end here: the thread waits in Postgres.
        async with open_graph() as graph:
            waiting = await graph.aget_state(config)
            print(f"\nstill waiting: {waiting.next[0]}, health {waiting.values['health_score']:.0f}")
            result = await graph.ainvoke(Command(resume="approve"), config)
            print(f"{result['status']} at {result['deployment']['service_url']}")

        await DeployerFactory.create_deployer("process").destroy(config["configurable"]["thread_id"])


if __name__ == "__main__":
    asyncio.run(main())
