"""Our side of `bench.sync`: one run of the engine over the mock API, as a process of its own.

usage: python -m bench._sync_ours BASE BATCH CONCURRENCY ID [RATE]
Prints {"elapsed": seconds inside, "records": n, "status": …}.
"""

from __future__ import annotations

import json
import sys
import time

import vitesse_graph.http.with_aiohttp
import vitesse_graph.settings  # noqa: F401 - imports are no part of the peer's time either
from vitesse_graph.runtime.engine import run_sync
from vitesse_graph.runtime.tuning import run_tuned
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, SourceSide
from vitesse_graph.state.mapping import MappingLogic, Transformation


def rows(prefix: str) -> list[Transformation]:
    """The seven transforms that every peer of this measurement does."""
    plain = {"email": "email", "first_name": "first_name", "last_name": "last_name", "phone": "phone_number"}
    found = [Transformation(source_field=s, dest_field=prefix + d) for s, d in plain.items()]
    found.append(
        Transformation(
            source_field="created_at",
            dest_field=prefix + "created_date",
            transform_type="custom",
            transform_config={"function": "parse_iso8601_to_date"},
        )
    )
    found.append(
        Transformation(
            source_field="total_spent",
            dest_field=prefix + "lifetime_value",
            transform_type="parse",
            transform_config={"decimals": 2},
        )
    )
    found.append(
        Transformation(
            source_field="tags", dest_field=prefix + "segments", transform_config={"reduce": "all"}
        )
    )
    return found


def definition(base: str, batch: int, concurrency: int, integration_id: str) -> IntegrationDefinition:
    """Idempotency keys on, as the hand-written peer has them; ledger and cursor always."""
    return IntegrationDefinition(
        integration_id=integration_id,
        source=SourceSide(
            api_name="mock source",
            base_url=base,
            read=Call(method="GET", path="/customers.json"),
            pagination=Pagination(
                style="cursor",
                params=["cursor"],
                page_size_param="limit",
                max_page_size=250,
                next_from="next_cursor",
                items_at="customers",
            ),
            id_field="id",
        ),
        dest=DestSide(
            api_name="mock destination",
            base_url=base,
            create=Call(method="POST", path="/contacts/batch" if batch > 1 else "/contacts"),
            envelope="contacts[]" if batch > 1 else "",
            batch_size=batch if batch > 1 else None,
            id_at="id" if batch == 1 else None,
            idempotency_header="Idempotency-Key",
        ),
        mapping=MappingLogic(transformations=rows("contacts[]." if batch > 1 else "")),
        batch_size=batch,
        concurrency=concurrency,
    )


async def main() -> None:
    base, batch, concurrency, integration_id = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    started = time.perf_counter()
    report = await run_sync(definition(base, batch, concurrency, integration_id))
    elapsed = time.perf_counter() - started
    print(json.dumps({"elapsed": elapsed, "records": report.fetched, "status": report.status}))


if __name__ == "__main__":
    run_tuned(main())
