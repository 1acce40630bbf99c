"""From a sentence to a running integration in one call, and a first sync."""

from __future__ import annotations

import asyncio

import aiohttp
from _world import new_thread, shop_and_crm

from vitesse_graph import DeployerFactory, open_graph


async def main() -> None:
    config = new_thread()
    async with shop_and_crm() as (request, stands), open_graph() as graph:
        result = await graph.ainvoke(request, config, context={"approvals": "none"})
        deployment = result["deployment"]
        print(f"{result['status']}, health {result['health_score']:.0f}, at {deployment['service_url']}")

        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{deployment['service_url']}/sync") as answer,
        ):
            report = await answer.json()
        print(
            f"{report['fetched']} fetched, {report['written']} written, {report['quarantined']} quarantined"
        )
        print(f"the CRM has {(await stands.stats())['contacts']} contacts")

        await DeployerFactory.create_deployer("process").destroy(config["configurable"]["thread_id"])


if __name__ == "__main__":
    asyncio.run(main())
