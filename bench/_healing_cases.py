"""What can go wrong, as a table: how it is brought about, and what would be the right answer.

`causes` are the causes that count as right. `answer` is what should come of it: `heal` (it works
again by itself), `person` (rightly handed over), `nothing` (no alarm at all is right).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bench._healing_world import RECORDS, World
from vitesse_graph.errors import InputError
from vitesse_graph.healing.drifting import Change, drift_document
from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.shapes import flatten_schema
from vitesse_graph.sandbox import parse_faults
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.mapping import Transformation

Answer = Literal["heal", "person", "nothing"]


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


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    inject: Callable[[World], Injected]
    causes: tuple[tuple[str, str], ...]
    """Each of (cause, side) must be named; empty: no alarm is right."""
    answer: tuple[Answer, ...]


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


# -- schemas -----------------------------------------------------------------------------------------


def source_renamed(required: bool | None, announced: bool) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        path = str(plain(a_row(world, required=required)))
        new = new_name(path)
        if announced:
            publish(world, Change(kind="rename", side="source", field=path, to=new))
        wire(world, "source", f"drift=rename:{path}:{new}")
        return Injected(is_announced=announced)

    return inject


def source_dropped(world: World) -> Injected:
    path = str(plain(a_row(world, skip=1)))
    publish(world, Change(kind="drop", side="source", field=path))
    wire(world, "source", f"drift=drop:{path}")
    return Injected(excused=fed_by(world, path), is_announced=True)


def source_retyped(world: World) -> Injected:
    path = str(plain(a_row(world)))
    publish(world, Change(kind="retype", side="source", field=path, to="array"))
    wire(world, "source", f"drift=retype:{path}:array")
    return Injected(is_announced=True, excused=fed_by(world, path))


def dest_renamed(announced: bool) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        path = a_row(world).dest_field
        if "[]" in path.split(".")[-1]:
            raise NotHere
        new = new_name(path)
        before = world.documents["dest"]
        publish(world, Change(kind="rename", side="dest", field=path, to=new))
        if not announced:
            world.documents["dest"] = before
        moved = ".".join([*path.split(".")[:-1], new])
        return Injected(renamed={path: moved}, is_announced=announced)

    return inject


def dest_dropped(world: World) -> Injected:
    row = a_row(world, required=False, skip=1)
    publish(world, Change(kind="drop", side="dest", field=row.dest_field))
    return Injected(excused={row.dest_field}, is_announced=True)


def dest_retyped(world: World) -> Injected:
    """A number that is to be sent as a text from now on."""
    shapes = flatten_schema(world.pair.dest.dest_shape(world.pair.dest_key).request_schema)
    for row in world.pair.mapping.transformations:
        shape = shapes.get(row.dest_field)
        if shape is not None and shape.plain_types & {"number", "integer"} and not row.required:
            publish(world, Change(kind="retype", side="dest", field=row.dest_field, to="string"))
            return Injected(excused={row.dest_field}, is_announced=True)
    raise NotHere


def dest_required(world: World) -> Injected:
    envelope = world.pair.dest.dest_shape(world.pair.dest_key).envelope
    path = f"{envelope}.legal_basis_ref" if envelope else "legal_basis_ref"
    publish(world, Change(kind="require", side="dest", field=path))
    return Injected(is_announced=True)


def enum_shrunk(world: World) -> Injected:
    row = a_row(world, required=False)
    publish(world, Change(kind="shrink_enum", side="dest", field=row.dest_field, to="one"))
    return Injected(excused={row.dest_field}, is_announced=True)


def announced_only(world: World) -> Injected:
    """The document of tomorrow is out, the API still behaves as it did."""
    publish(
        world,
        Change(kind="drop", side="dest", field=a_row(world, required=False).dest_field),
        on_the_wire=False,
    )
    return Injected(is_announced=True, excused={a_row(world, required=False).dest_field})


def unmapped_changed(world: World) -> Injected:
    """A field that this mapping does not use goes away."""
    used = {str(row.source_field).split(".")[0] for row in world.pair.mapping.transformations}
    used |= {str(p).split(".")[0] for row in world.pair.mapping.transformations for p in row.source_field}
    shape = world.pair.source.source_shape(world.pair.source_key)
    keep = {shape.id_field, shape.incremental.field if shape.incremental else None}
    free = [name for name in shape.record_schema.get("properties", {}) if name not in used | keep]
    for name in free:
        try:
            publish(world, Change(kind="drop", side="source", field=name))
        except NotHere:
            continue
        return Injected(is_announced=True)
    raise NotHere


def version_bumped(world: World) -> Injected:
    publish(world, Change(kind="version", side="source", to="99.0"))
    return Injected(is_announced=True)


# -- places ------------------------------------------------------------------------------------------


def source_moved(world: World) -> Injected:
    _, _, path = world.pair.source_key.partition(" ")
    new = f"/next{path}"
    publish(world, Change(kind="move", side="source", to=new))
    wire(world, "source", f"drift=moved:{path}:{new}")
    return Injected(is_announced=True)


def dest_moved(world: World) -> Injected:
    _, _, path = world.pair.dest_key.partition(" ")
    new = f"/next{path}"
    publish(world, Change(kind="move", side="dest", to=new))
    world.dest_key = world.pair.dest_key.replace(path, new)
    return Injected(is_announced=True)


def source_host_changed(world: World) -> Injected:
    """The old host is gone; the document names the new one."""
    old, raw = world.documents["source"], copy.deepcopy(world.documents["source"].raw)
    raw["servers"] = [{"url": world.urls["source"]}]
    world.documents["source"] = SpecDocument(
        raw, spec_format=old.spec_format, spec_url=old.spec_url, digest="hosted"
    )
    world.base_urls["source"] = "http://127.0.0.1:9"
    return Injected(is_announced=True)


# -- credentials, limits, outages --------------------------------------------------------------------


def expired(side: Side) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        front = world.fronts[side]
        front.good_credential, front.refusal = "second-credential", "the token expired"
        return Injected(lift=lambda w: w.credential(side, "second-credential"))

    return inject


def revoked(side: Side) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        front = world.fronts[side]
        front.good_credential, front.refusal = "nobody-has-this", "this token was revoked"
        return Injected()

    return inject


def forbidden(world: World) -> Injected:
    wire(world, "dest", "403=1")
    return Injected()


def limited(world: World) -> Injected:
    wire(world, "dest", "429=0.6:0.1")
    return Injected(lift=lambda w: wire(w, "dest", ""))


def down(side: Side, kind: str) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        wire(world, side, f"{kind}=1")
        return Injected(lift=lambda w: wire(w, side, ""))

    return inject


def slow(world: World) -> Injected:
    wire(world, "source", "slow=1:2.1")
    return Injected(lift=lambda w: wire(w, "source", ""))


# -- values ------------------------------------------------------------------------------------------


def wrong_values(world: World) -> Injected:
    """Every record has the first one's value: each is valid, together they are nonsense."""
    row = a_row(world, required=False)
    path = str(plain(row)).split(".")
    records = copy.deepcopy(world.good_records())
    value = next((v for v in (_get(record, path) for record in records) if v), None)
    if value is None:
        raise NotHere
    for record in records:
        _set(record, path, value)
    world.publish("source", world.pair.source, seed=2, seed_records={world.pair.source_key: records})
    return Injected(excused=fed_by(world, ".".join(path)))


def _get(record: Any, path: list[str]) -> Any:
    for step in path:
        record = record.get(step) if isinstance(record, dict) else None
    return record


def _set(record: Any, path: list[str], value: Any) -> None:
    for step in path[:-1]:
        record = record.get(step) if isinstance(record, dict) else None
    if isinstance(record, dict):
        record[path[-1]] = value


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


SOURCE, DEST = ("source_schema_changed", "source"), ("dest_schema_changed", "dest")
CASES: tuple[Case, ...] = (
    Case(name="source field renamed, announced", inject=source_renamed(None, True), causes=(SOURCE,), answer=("heal",)),
    Case(name="source field renamed, not announced", inject=source_renamed(None, False), causes=(SOURCE,), answer=("heal",)),
    Case(name="optional source field renamed", inject=source_renamed(False, True), causes=(SOURCE,), answer=("heal",)),
    Case(name="source field dropped", inject=source_dropped, causes=(SOURCE,), answer=("heal",)),
    Case(name="source field retyped", inject=source_retyped, causes=(SOURCE,), answer=("heal",)),
    Case(name="destination field renamed, announced", inject=dest_renamed(True), causes=(DEST,), answer=("heal",)),
    Case(name="destination field renamed, not announced", inject=dest_renamed(False), causes=(DEST,), answer=("person",)),
    Case(name="destination field dropped", inject=dest_dropped, causes=(DEST,), answer=("heal",)),
    Case(name="destination field retyped", inject=dest_retyped, causes=(DEST,), answer=("heal",)),
    Case(name="destination field newly required", inject=dest_required, causes=(DEST,), answer=("person",)),
    Case(name="destination takes listed values only", inject=enum_shrunk, causes=(DEST,), answer=("heal", "person")),
    Case(name="announced for tomorrow", inject=announced_only, causes=(DEST,), answer=("heal",)),
    Case(name="unmapped field dropped", inject=unmapped_changed, causes=(), answer=("nothing",)),
    Case(name="version bumped", inject=version_bumped, causes=(), answer=("nothing",)),
    Case(name="source endpoint moved", inject=source_moved, causes=(("endpoint_moved", "source"),), answer=("heal",)),
    Case(name="destination endpoint moved", inject=dest_moved, causes=(("endpoint_moved", "dest"),), answer=("heal",)),
    Case(name="source host changed", inject=source_host_changed, causes=(("base_url_changed", "source"),), answer=("heal",)),
    Case(name="source token expired", inject=expired("source"), causes=(("auth_expired", "source"),), answer=("heal",)),
    Case(name="destination token revoked", inject=revoked("dest"), causes=(("auth_expired", "dest"),), answer=("person",)),
    Case(name="permission lost", inject=forbidden, causes=(("permission_lost", "dest"),), answer=("person",)),
    Case(name="limit lowered", inject=limited, causes=(("rate_limit_lowered", "dest"),), answer=("heal", "nothing")),
    Case(name="destination down (503)", inject=down("dest", "503"), causes=(("outage", "dest"),), answer=("heal",)),
    Case(name="source down (connections cut)", inject=down("source", "dropped"), causes=(("outage", "source"),), answer=("heal",)),
    Case(name="source slow", inject=slow, causes=(), answer=("nothing",)),
    Case(name="wrong values that validate", inject=wrong_values, causes=(("data_quality", "source"),), answer=("person",)),
    Case(
        name="renamed at the source, token expired at the destination",
        inject=both(source_renamed(None, True), expired("dest")),
        causes=(SOURCE, ("auth_expired", "dest")),
        answer=("heal",),
    ),
    Case(
        name="renamed at the destination during an outage there",
        inject=both(dest_renamed(True), down("dest", "503")),
        causes=(DEST, ("outage", "dest")),
        answer=("heal",),
    ),
)  # fmt: skip

assert RECORDS >= 20, "profiles need twenty records"
