"""Short ways to write schemas and to look at mappings."""

from typing import Any

from vitesse_graph.mapping import map_fields


def obj(_required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """An object schema; a property given as text is a string with that description."""
    made = {
        name: {"type": "string", "description": p} if isinstance(p, str) else p
        for name, p in properties.items()
    }
    return {"type": "object", "properties": made, **({"required": list(_required)} if _required else {})}


def arr(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def string(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def pairs(mapping: Any) -> dict[str, Any]:
    """Destination → source of every row that has one."""
    return {r.dest_field: r.source_field for r in mapping.transformations if r.source_field != []}


def found(source: Any, dest: Any, **options: Any) -> dict[str, Any]:
    return pairs(map_fields(source, dest, **options))


def row_of(mapping: Any, dest: str) -> Any:
    return next(r for r in mapping.transformations if r.dest_field == dest)


PERSON = obj(
    id=string(description="Unique id of the customer."),
    email=string(format="email"),
    first_name="Given name.",
    last_name="Family name.",
    phone="Phone number.",
    created_at=string(format="date-time", description="When the customer was created."),
    tags=arr(string()),
)
CONTACT = obj(
    ("email",),
    email=string(format="email"),
    first_name="",
    last_name="",
    phone_number="",
    created_date=string(format="date"),
    segments=arr(string()),
)
