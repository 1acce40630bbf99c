"""Drift for people: one line per destination field affected. Pure."""

from __future__ import annotations

from collections.abc import Collection

from vitesse_graph.healing.impact import SEVERITY_ORDER
from vitesse_graph.state.health import DriftItem

_SIDE = {"source": "source", "dest": "destination"}


def render_drift(items: Collection[DriftItem]) -> str:
    """Markdown: a table with one line per destination field affected, then the count of the rest.

    What touches every field (an endpoint that moved) is one line, `(all)`.
    """
    alerts = [item for item in items if item.severity != "safe"]
    rest = len(items) - len(alerts)
    if not alerts:
        return "No change touches this mapping." + (f" {_others(rest)}" if rest else "")
    lines = ["| Destination field | Change | Class | Sure |", "|---|---|---|---|"]
    everywhere = [item for item in alerts if not _is_field(item)]
    for item in everywhere:
        lines.append(_line("(all)", [item]))
    by_field: dict[str, list[DriftItem]] = {}
    for item in alerts:
        if _is_field(item):
            for dest_field in item.affects or [item.path]:
                by_field.setdefault(dest_field, []).append(item)
    for dest_field, found in by_field.items():
        lines.append(_line(f"`{dest_field}`", found))
    if rest:
        lines += ["", _others(rest)]
    return "\n".join(lines)


def _is_field(item: DriftItem) -> bool:
    return item.kind.startswith(("field_", "enum_", "format_", "constraint_")) or (
        item.kind == "deprecated" and " " not in item.path
    )


def _others(count: int) -> str:
    return f"{count} other change{'s do' if count != 1 else ' does'} not touch it."


def _line(subject: str, items: list[DriftItem]) -> str:
    items = sorted(items, key=lambda item: SEVERITY_ORDER[item.severity])
    changes = "; ".join(_sentence(item) for item in items)
    sure = min(item.confidence for item in items)
    return f"| {subject} | {changes} | {items[0].severity} | {sure:.0%} |"


def _sentence(item: DriftItem) -> str:
    subject = f"{_SIDE[item.side]} `{item.path}` " if item.path else f"{_SIDE[item.side]}: "
    return (subject + item.detail).replace("|", "\\|")
