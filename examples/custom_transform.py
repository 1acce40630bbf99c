"""A transform of your own.

A package registers its transforms for every process by the entry-point group `vitesse.transforms`;
a script may do with the decorator alone, as long as it does not deploy: the workload is a process
of its own, and knows the transforms of installed packages only.
"""

from __future__ import annotations

import asyncio

from _world import new_thread, shop_and_crm

from vitesse_graph import TransformProblem, open_graph, transform


@transform("masked_phone", accepts=("string",), returns="string")
def masked_phone(value: str, shown: int = 2) -> str:
    """all but the last digits hidden"""
    digits = [character for character in value if character.isdigit()]
    if len(digits) <= shown:
        raise TransformProblem("too few digits to hide any")
    return "*" * (len(digits) - shown) + "".join(digits[-shown:])


async def main() -> None:
    async with shop_and_crm() as (request, _), open_graph() as graph:
        hint = {
            "dest_field": "phone_number",
            "source_field": "phone",
            "transform_type": "custom",
            "transform_config": {"function": "masked_phone", "params": {"shown": 3}},
        }
        result = await graph.ainvoke(
            {**request, "mapping_hints": [hint]}, new_thread(), context={"approvals": "before_deploy"}
        )
        row = next(
            r for r in result["mapping_logic"]["transformations"] if r["dest_field"] == hint["dest_field"]
        )
        print(f"{row['source_field']} → {row['dest_field']} by {row['transform_config']['function']}")
        print(f"health {result['health_score']:.0f}")


if __name__ == "__main__":
    asyncio.run(main())
