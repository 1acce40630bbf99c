"""The mapping's rows: its versions, their differences, changes by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from vitesse_graph.api.answers import Answer, answer
from vitesse_graph.api.bodies import TransformationChanges, UpdateIntegration
from vitesse_graph.api.doors import Api, ApiDep, Caller, Door, IntegrationId, context_for, problems
from vitesse_graph.api.principals import Principal
from vitesse_graph.errors import ConflictError, InputError
from vitesse_graph.state.mapping import MappingLogic, Transformation

router = APIRouter(route_class=Door, tags=["mapping"])
Version = Annotated[int, Query(ge=1, le=2_000_000_000)]


def changed(rows: list[Transformation], changes: TransformationChanges) -> list[Transformation]:
    """The rows with a person's changes. Raises InputError for a field to drop that is not fed."""
    by_dest = {row.dest_field: row for row in rows}
    for name in changes.drop:
        if by_dest.pop(name, None) is None:
            raise InputError(f"transformations.drop: no row feeds {name}")
    for row in changes.set:
        by_dest[row.dest_field] = row
    return list(by_dest.values())


async def change_rows(api: Api, caller: Principal, integration_id: str, body: UpdateIntegration) -> None:
    """Puts the changed rows, or those of an earlier version, in the mapping's place."""
    outcome = await api.service.look(integration_id)
    mapping = outcome.state.mapping_logic
    if mapping is None:
        raise ConflictError(f"there is no mapping to change yet (status {outcome.status}); call map first")
    reason = body.reason
    if body.rollback_to is not None:
        rows = await api.service.rows_at(integration_id, body.rollback_to)
        reason = reason or f"back to version {body.rollback_to}"
    else:
        rows = changed(mapping.transformations, body.transformations or TransformationChanges())
    await api.service.change_mapping(
        integration_id,
        rows,
        context=context_for(caller),
        reason=reason,
        on_event=api.publisher(integration_id),
    )


@router.get(
    "/integrations/{integration_id}/transformations",
    summary="The mapping's versions, the newest first",
    response_model=Answer,
    responses=problems(404),
)
async def versions(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> dict[str, Any]:
    await api.row(integration_id, caller)
    kept = await api.service.versions.list(integration_id, limit=limit)
    return answer(
        {
            "versions": [
                {
                    "version": entry.version,
                    "changed_by": entry.changed_by,
                    "reason": entry.reason,
                    "created_at": entry.created_at.isoformat(),
                    "transformations": entry.mapping.get("transformations", []),
                }
                for entry in kept
            ],
            "count": len(kept),
        },
        integration_id=integration_id,
    )


@router.get(
    "/integrations/{integration_id}/transformations/diff",
    summary="What differs between two versions",
    response_model=Answer,
    responses=problems(404),
)
async def diff(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    older: Version,
    newer: Version,
) -> dict[str, Any]:
    """By destination field: rows added, removed and changed, and one line for each."""
    from vitesse_graph.mapping import diff_mappings

    await api.row(integration_id, caller)
    before = await api.service.versions.get(integration_id, older)
    after = await api.service.versions.get(integration_id, newer)
    found = diff_mappings(
        MappingLogic.model_validate(before.mapping), MappingLogic.model_validate(after.mapping)
    )
    return answer(
        {
            "older": older,
            "newer": newer,
            "added": [row.dump() for row in found.added],
            "removed": [row.dump() for row in found.removed],
            "changed": [{"before": a.dump(), "after": b.dump()} for a, b in found.changed],
            "lines": found.lines(),
        },
        integration_id=integration_id,
    )
