"""Definitions over the test APIs."""

from __future__ import annotations

from typing import Any

from vitesse_graph.state.api_spec import Incremental, Pagination
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, Lookup, SourceSide
from vitesse_graph.state.mapping import MappingLogic, Transformation


def rows(prefix: str = "", **extra: str) -> list[Transformation]:
    """The mapping's rows; `prefix` is the envelope."""
    pairs = {"email": "email", "first_name": "first_name", "last_name": "last_name", **extra}
    found = [Transformation(source_field=s, dest_field=prefix + d) for s, d in pairs.items()]
    found.append(
        Transformation(
            source_field="total_spent", dest_field=prefix + "lifetime_value", transform_type="parse"
        )
    )
    return found


def definition(url: str, integration_id: str, **changes: Any) -> IntegrationDefinition:
    """One by one, idempotency keys, updates; no lookup, no batches."""
    source = SourceSide(
        api_name="people",
        base_url=url,
        read=Call(method="GET", path="/people"),
        pagination=Pagination(
            style="cursor",
            params=["cursor"],
            page_size_param="limit",
            max_page_size=changes.pop("page_size", 50),
            next_from="next",
            items_at="people",
        ),
        id_field="id",
        timeout_seconds=5.0,
    )
    dest = DestSide(
        api_name="crm",
        base_url=url,
        create=Call(method="POST", path="/contacts"),
        update=Call(method="PUT", path="/contacts/{id}"),
        update_id_param="id",
        id_at="id",
        idempotency_header="Idempotency-Key",
        timeout_seconds=5.0,
    )
    made = IntegrationDefinition(
        integration_id=integration_id,
        source=source,
        dest=dest,
        mapping=MappingLogic(transformations=rows()),
        concurrency=8,
    )
    return made.model_copy(update=changes)


def with_lookup(made: IntegrationDefinition) -> IntegrationDefinition:
    """The destination finds records by email, and takes no idempotency key."""
    lookup = Lookup(
        call=Call(method="GET", path="/contacts"),
        param="email",
        key="email",
        items_at="contacts",
        match_field="email",
        id_field="id",
    )
    dest = made.dest.model_copy(update={"lookup": lookup, "idempotency_header": None})
    return made.model_copy(update={"dest": dest})


def batched(made: IntegrationDefinition, size: int = 20) -> IntegrationDefinition:
    """Several records in a call, at `contacts[]`."""
    dest = made.dest.model_copy(
        update={
            "create": Call(method="POST", path="/contacts/batch"),
            "envelope": "contacts[]",
            "update_envelope": "",
            "id_at": "contacts[0].id",
            "batch_size": size,
        }
    )
    return made.model_copy(
        update={"dest": dest, "mapping": MappingLogic(transformations=rows("contacts[]."))}
    )


def incremental(made: IntegrationDefinition) -> IntegrationDefinition:
    """The source can be asked for what changed."""
    source = made.source.model_copy(
        update={"incremental": Incremental(param="updated_since", field="updated_at")}
    )
    return made.model_copy(update={"source": source})
