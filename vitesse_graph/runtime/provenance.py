"""Where a record came from and what was done with it: for any record, any day."""

from __future__ import annotations

from typing import Any

from vitesse_graph.errors import NotFoundError
from vitesse_graph.runtime.store import Store


async def explain(store: Store, integration_id: str, key: str) -> dict[str, Any]:
    """One record by its source key or destination id: outcome, run, page, versions, approver, steps.

    The steps are those of the mapping that the record was last written (or refused) by, whatever is
    deployed now. Raises NotFoundError when the ledger has no such record.
    """
    row = await store.one("explain", {"id": integration_id, "key": key})
    if row is None:
        raise NotFoundError(f"the ledger of {integration_id} has no record with the source key or id {key!r}")
    told: dict[str, Any] = {
        "source_key": row["source_key"],
        "dest_id": row["dest_id"],
        "outcome": row["outcome"],
        "reason": row["reason"],
        "run_id": row["written_run_id"] or row["run_id"],
        "page": row["written_page"] if row["written_page"] is not None else row["page"],
        "last_seen_run_id": row["run_id"],
        "mapping_version": row["mapping_version"],
        "definition_version": row["definition_version"],
        "definition_digest": row["definition_digest"],
        "source_spec_digest": row["source_spec_digest"],
        "dest_spec_digest": row["dest_spec_digest"],
        "approved_by": row["approved_by"],
        "written_at": row["written_at"].isoformat() if row["written_at"] else None,
        "seen_at": row["seen_at"].isoformat(),
    }
    told["steps"] = [
        {
            "dest_field": step["dest_field"],
            "source_field": step["source_field"],
            "transform": step["transform_type"],
            "config": step["transform_config"],
            "reason": step["reason"],
        }
        for step in row["mapping"] or ()
    ]
    return told
