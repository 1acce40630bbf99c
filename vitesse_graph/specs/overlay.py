"""Corrections to a vendor's document without touching it: the OpenAPI Overlay format, version 1.0.

https://spec.openapis.org/overlay/v1.0.0.html . Actions run in order; each either removes what its
JSONPath selects or merges `update` into it (objects deeply, arrays appended). What ingest guessed is
corrected by the extensions that it reads: at the root `x-vitesse-auth`, `x-vitesse-rate-limit`; at an
operation `x-vitesse-pagination`, `-rate-limit`, `-auth`, `-role`, `-resource`, `-incremental`,
`-id-field`, `-natural-keys`, `-envelope`.
"""

from __future__ import annotations

import copy
from typing import Any

from vitesse_graph.errors import InputError
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.jsonpath import Query


def apply_overlay(tree: Any, overlay: dict[str, Any], findings: Findings) -> Any:
    """`tree` with the overlay's actions applied (in place). Raises InputError for a malformed overlay.

    An action whose target selects nothing changes nothing and leaves a warning.
    """
    for number, action in enumerate(_actions(overlay)):
        where = f"/actions/{number}"
        target = action.get("target")
        if not isinstance(target, str):
            raise InputError(f"the overlay's action {number} has no `target` (a JSONPath)")
        has_update, removes = "update" in action, action.get("remove") is True
        if not has_update and not removes:
            raise InputError(f"the overlay's action {number} neither updates nor removes anything")
        places = Query(target).places(tree)
        if not places:
            findings.add("overlay_target", f"the overlay's target {target} selects nothing", where)
        if removes:
            _remove(places)
        else:
            for container, key in places:
                container[key] = _merge(container[key], action["update"])
                if container[key] is not tree and target.strip() == "$":
                    tree = container[key]
    return tree


def _actions(overlay: Any) -> list[dict[str, Any]]:
    if not isinstance(overlay, dict) or "overlay" not in overlay:
        raise InputError("this is no overlay: it has no `overlay` version (OpenAPI Overlay 1.0)")
    version = str(overlay["overlay"])
    if not version.startswith("1."):
        raise InputError(f"overlay version {version[:20]} is not known; this reads 1.x")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
        raise InputError("the overlay's `actions` is no list of objects")
    return actions


def _remove(places: list[tuple[Any, Any]]) -> None:
    # From the end, so that indexes of one array stay right while it shrinks.
    for container, key in sorted(
        places, key=lambda place: place[1] if isinstance(place[1], int) else 0, reverse=True
    ):
        if isinstance(container, list) or key in container:
            del container[key]


def _merge(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in new.items():
            old[key] = _merge(old[key], value) if key in old else copy.deepcopy(value)
        return old
    if isinstance(old, list):
        return [*old, *copy.deepcopy(new)] if isinstance(new, list) else [*old, copy.deepcopy(new)]
    return copy.deepcopy(new)
