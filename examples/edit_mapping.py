"""Rows changed by a person at the gate; what they decided survives every later mapping."""

from __future__ import annotations

import asyncio

from _world import new_thread, shop_and_crm
from langgraph.types import Command

from vitesse_graph import open_graph


async def main() -> None:
    config = new_thread()
    async with shop_and_crm() as (request, _), open_graph() as graph:
        await graph.ainvoke(request, config)
        await graph.ainvoke(Command(resume="approve"), config)
        result = await graph.ainvoke(Command(resume="approve"), config)

        rows = result["mapping_logic"]["transformations"]
        for row in rows:
            print(
                f"{row['source_field']!s:24} → {row['dest_field']:16} {row['confidence']:.2f} {row['origin']}"
            )

        # Leave one field out, fill another from somewhere else.
        edited = [row for row in rows if row["dest_field"] != "segments"]
        edited = [
            {"source_field": "note", "dest_field": "last_name"} if row["dest_field"] == "last_name" else row
            for row in edited
        ]
        answer = {"type": "edit", "by": "ada", "edited": {"transformations": edited}}
        result = await graph.ainvoke(Command(resume=answer), config)

        mapping = result["mapping_logic"]
        mine = [row["dest_field"] for row in mapping["transformations"] if row["origin"] == "person"]
        print(
            f"version {mapping['version']}: {len(mapping['transformations'])} rows, decided by a person: {mine}"
        )
        print(f"tested with them: health {result['health_score']:.0f}")


if __name__ == "__main__":
    asyncio.run(main())
