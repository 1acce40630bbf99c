"""Fields that change: renamed, dropped, retyped, demanded, listed; at either side, announced or not."""

from __future__ import annotations

import copy
from collections.abc import Callable

from vitesse_graph.chaos.breaks import (
    Injected,
    NotHere,
    a_row,
    fed_by,
    new_name,
    plain,
    publish,
    put_value,
    wire,
)
from vitesse_graph.chaos.world import World
from vitesse_graph.healing.drifting import Change
from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.shapes import flatten_schema
from vitesse_graph.state.mapping import Transformation

NEW_VALUE = "vitesse_new_value"


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


def source_required(world: World) -> Injected:
    """The source promises from now on what it always sent: good news, and no reason for an alarm."""
    publish(world, Change(kind="require", side="source", field=str(plain(a_row(world, required=False)))))
    return Injected(is_announced=True)


def source_enum_grown(world: World) -> Injected:
    """A listed field has values that nobody knew, in half of the records."""
    row, path = _listed(world, "source")
    publish(world, Change(kind="grow_enum", side="source", field=path, to=NEW_VALUE))
    records = copy.deepcopy(world.good_records())
    for record in records[::2]:
        put_value(record, path.split("."), NEW_VALUE)
    world.publish("source", world.documents["source"], seed=2, seed_records={world.pair.source_key: records})
    return Injected(is_announced=True, excused={row.dest_field})


def dest_enum_grown(world: World) -> Injected:
    """The destination takes one value more: nothing that this mapping writes is touched."""
    row, _ = _listed(world, "dest")
    publish(world, Change(kind="grow_enum", side="dest", field=row.dest_field, to=NEW_VALUE))
    return Injected(is_announced=True)


def _listed(world: World, side: Side) -> tuple[Transformation, str]:
    """A mapped row whose field has listed values at this side."""
    pair = world.pair
    schema = (
        pair.source.source_shape(pair.source_key).record_schema
        if side == "source"
        else pair.dest.dest_shape(pair.dest_key).request_schema
    )
    shapes = flatten_schema(schema)
    for row in pair.mapping.transformations:
        path = plain(row) if side == "source" else row.dest_field
        shape = shapes.get(path) if path else None
        if path and shape is not None and shape.enum and (side == "dest" or row.transform_type != "direct"):
            return row, path
    raise NotHere


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
