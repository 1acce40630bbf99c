"""What only a person can decide: what the destination demands and nothing feeds."""

from __future__ import annotations

from collections.abc import Collection

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.sides import Side


def open_demands(dest: Side, filled: Collection[str]) -> list[tuple[str, int]]:
    """(path, position of a field) for each demand that no row meets, in the schema's order.

    A field is demanded when it is required all the way from the root, or by an object that will be
    sent because something in it is filled: `Contacts[].Name`, once any field of a contact is.
    Where a required object has nothing in it at all, it is asked about once, as a whole.
    """
    found: dict[str, int] = {}
    for at, f in enumerate(dest.fields):
        if f.path in filled:
            continue
        for path in _demands(f, filled):
            found.setdefault(path, at)
    asked = [path for path in found if not any(other.startswith((path + ".", path + "[")) for other in found)]
    return sorted(((path, found[path]) for path in asked), key=lambda item: item[1])


def _demands(f: Field, filled: Collection[str]) -> list[str]:
    """The outermost thing on the way to this field that is demanded and empty."""
    levels = _levels(f)
    for depth, (path, container) in enumerate(levels):
        if not _is_sent(container, filled):
            return []
        is_last = depth == len(levels) - 1
        must = f.required_here if is_last else f.names[depth] in f.ancestors[depth].required
        if is_last:
            return [path] if must else []
        if not _is_sent(path, filled):
            if not must:
                return []
            needs_below = f.required_here and _all_required(f, depth + 1)
            return [f.path if needs_below else path]
    return []


def _levels(f: Field) -> list[tuple[str, str]]:
    """(path, path of the object around it) for each step on the way, the field itself last."""
    pieces = f.path.split(".")
    if len(pieces) != len(f.names):  # an escaped dot in a name
        return [(f.path, f.parent)]
    found = []
    around = ""
    for piece in pieces:
        here = f"{around}.{piece}" if around else piece
        found.append((here.removesuffix("[]") if here != f.path else here, around))
        around = here
    return found


def _all_required(f: Field, start: int) -> bool:
    return all(f.names[at] in f.ancestors[at].required for at in range(start, len(f.names)))


def _is_sent(path: str, filled: Collection[str]) -> bool:
    return not path or any(row == path or row.startswith((path + ".", path + "[")) for row in filled)
