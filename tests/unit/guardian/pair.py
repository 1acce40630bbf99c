"""A small integration: contacts of one API become customers of another, with both sides as sandboxes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sandbox"))

from small_api import (
    BEARER,
    CURSOR,
    CUSTOMER,
    NEW_CUSTOMER,
    SmallApi,
    answer,
    customers,
    list_schema,
    operation,
)

from vitesse_graph.guardian import AppTarget, run_guardian, shadow_records
from vitesse_graph.sandbox import Sandbox, create_sandbox, parse_faults
from vitesse_graph.state.api_spec import DestShape, SourceShape
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.testing import TestResults

CONTACT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "mail": {"type": "string", "format": "email"},
        "first_name": {"type": "string"},
        "last_name": {"type": "string"},
        "state": {"type": "string", "enum": ["on", "off"]},
        "fee": {"type": "number", "description": "in whole units"},
        "home": {"type": "object", "properties": {"town": {"type": "string"}}},
        "fax": {"type": "string"},
    },
    "required": ["id", "mail", "first_name", "last_name", "state", "fee"],
}
CONTACTS = operation(
    "GET",
    "/contacts",
    "list",
    success=answer("200", list_schema(CONTACT)),
    resource="contact",
    pagination=CURSOR,
)
SOURCE_SHAPE = SourceShape(endpoint=CONTACTS.endpoint, record_schema=CONTACT, items_at="data", id_field="id")
OPERATIONS = {one.endpoint.key: one for one in customers()}
DEST_SHAPE = DestShape(
    endpoint=OPERATIONS["POST /customers"].endpoint,
    request_schema=NEW_CUSTOMER,
    id_at="id",
    natural_keys=["email"],
    update=OPERATIONS["PATCH /customers/{customerId}"].endpoint,
    lookup=OPERATIONS["GET /customers"].endpoint,
    lookup_param="email",
    lookup_id_at="data[0].id",
)


def source_api() -> SmallApi:
    api = SmallApi([CONTACTS])
    api.source_shape = lambda key: SOURCE_SHAPE  # type: ignore[method-assign]
    return api


def dest_api() -> SmallApi:
    return SmallApi(customers(), dest_shapes={"POST /customers": DEST_SHAPE})


def row(source: str | list[str], dest: str, function: str | None = None, **params: Any) -> Transformation:
    config: dict[str, Any] = (
        {"function": function, **({"params": params} if params else {})} if function else {}
    )
    return Transformation(
        source_field=source,
        dest_field=dest,
        transform_type="custom" if function else "mapping",
        transform_config=config,
    )


GOOD = [
    row("mail", "email"),
    row(["first_name", "last_name"], "name", "join"),
    row("state", "status", "enum_map", table={"on": "active", "off": "paused"}),
    row("fee", "balance", "major_to_minor"),
    row("home.town", "address.city"),
]


def mapping(*rows: Transformation, without: str | None = None) -> MappingLogic:
    """The good rows, those given in place of the ones for the same field."""
    given = {one.dest_field: one for one in rows}
    kept = [given.pop(one.dest_field, one) for one in GOOD if one.dest_field != without]
    return MappingLogic(transformations=[*kept, *given.values()])


async def judge(
    logic: MappingLogic, *, source_faults: str = "", dest_faults: str = "", size: int = 100, **options: Any
) -> TestResults:
    records = shadow_records(SOURCE_SHAPE, sample_size=size)
    source = create_sandbox(
        source_api(),
        seed_records={"GET /contacts": [r.value for r in records]},
        faults=parse_faults(source_faults),
    )
    dest = create_sandbox(dest_api(), faults=parse_faults(dest_faults))
    return await run_guardian(
        source=AppTarget(source, BEARER), dest=options.pop("dest", AppTarget(dest, BEARER)), source_shape=SOURCE_SHAPE,
        dest_shape=options.pop("dest_shape", DEST_SHAPE), mapping=logic, synthetic=records, sample_size=size, **options,
    )  # fmt: skip


__all__ = [
    "CUSTOMER",
    "DEST_SHAPE",
    "SOURCE_SHAPE",
    "Sandbox",
    "dest_api",
    "judge",
    "mapping",
    "row",
    "source_api",
]
