"""What breaking a world has in common: what was done, a row to do it to, and publishing a changed document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.chaos.world import World
from vitesse_graph.errors import InputError
from vitesse_graph.healing.drifting import Change, drift_document
from vitesse_graph.healing.impact import Side
from vitesse_graph.sandbox import parse_faults
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.mapping import Transformation


class NotHere(Exception):
    """The pair has nothing that this could happen to."""


@dataclass(kw_only=True)
class Injected:
    """What was done, for those who judge the outcome."""

    renamed: dict[str, str] = field(default_factory=dict)
    """Destination paths that have another name now."""
    excused: set[str] = field(default_factory=set)
    """Destination fields of which nobody can know the value any more."""
    lift: Callable[[World], None] | None = None
    """Ends the fault, where that is not ours to do: the vendor is back, a person gave a new token."""
    is_announced: bool = False
    """The published document changed."""


def plain(row: Transformation) -> str | None:
    """The one source path of a row that is no array element; None for others."""
    path = row.source_field
    return path if isinstance(path, str) and path and "[]" not in path else None


def a_row(world: World, *, required: bool | None = None, skip: int = 0) -> Transformation:
    """A mapped row to break: an address or another telling text first, and only plain fields."""
    rows = [
        row
        for row in world.pair.mapping.transformations
        if plain(row) and row.transform_type != "collect" and (required is None or row.required is required)
        and plain(row) != world.pair.source.source_shape(world.pair.source_key).id_field
    ]  # fmt: skip
    rows.sort(key=lambda row: (not row.required, "mail" not in str(row.source_field).lower()))
    if len(rows) <= skip:
        raise NotHere
    return rows[skip]


_USUAL = {
    "email": "email_address",
    "email_address": "email",
    "first_name": "given_name",
    "given_name": "first_name",
    "last_name": "family_name",
    "phone": "phone_number",
    "phone_number": "phone",
    "created_at": "creation_time",
    "created": "created_at",
    "name": "full_name",
    "EmailAddress": "Email",
}


def new_name(path: str) -> str:
    """What a vendor might call this field next."""
    leaf = path.rsplit(".", 1)[-1]
    return _USUAL.get(leaf, f"{leaf}_value" if "_" in leaf or leaf.islower() else f"{leaf}Value")


def fed_by(world: World, path: str) -> set[str]:
    return {
        row.dest_field
        for row in world.pair.mapping.transformations
        if path in (row.source_field, *row.source_field)
    }


def publish(world: World, change: Change, *, on_the_wire: bool = True) -> SpecDocument:
    """The vendor changes the document; the API follows, unless told otherwise."""
    pair, side = world.pair, change.side
    old = world.documents[side]
    items_at = pair.source.source_shape(pair.source_key).items_at or "" if side == "source" else ""
    record_at = pair.source.source_shape(pair.source_key).record_at if side == "source" else ""
    if record_at and change.field:
        change = Change(kind=change.kind, side=side, field=f"{record_at}.{change.field}", to=change.to)
    try:
        raw = drift_document(old.raw, change, key=pair.key(side), items_at=items_at)
    except InputError as error:
        raise NotHere from error
    new = SpecDocument(
        raw, spec_format=old.spec_format, spec_url=old.spec_url, digest=f"drifted-{change.kind}"
    )
    world.documents[side] = new
    if on_the_wire and side == "dest":
        world.publish("dest", new, seed=2)
    return new


def wire(world: World, side: Side, line: str) -> None:
    world.faults(side, parse_faults(line))


def both(
    first: Callable[[World], Injected], second: Callable[[World], Injected]
) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        a, b = first(world), second(world)
        return Injected(
            renamed={**a.renamed, **b.renamed},
            excused=a.excused | b.excused,
            lift=b.lift or a.lift,
            is_announced=a.is_announced or b.is_announced,
        )

    return inject


def get_value(record: Any, path: list[str]) -> Any:
    for step in path:
        record = record.get(step) if isinstance(record, dict) else None
    return record


def put_value(record: Any, path: list[str], value: Any) -> None:
    for step in path[:-1]:
        record = record.get(step) if isinstance(record, dict) else None
    if isinstance(record, dict):
        record[path[-1]] = value
