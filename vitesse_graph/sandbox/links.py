"""Ids that lead somewhere: `customer_id` of a seeded order names a customer that the same sandbox holds."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vitesse_graph.sandbox.resources import Resource
from vitesse_graph.synthetic.meaning import words

_SUFFIX = re.compile(r"_(id|ids|gid|sid|uid|uuid|uuids)$")
_MAX_DEPTH = 4
_MAX_TARGETS = 8
"""Collections that the records of one collection lead to: each has to be understood first."""

IdsOf = Callable[[str], list[Any]]


def plain_noun(text: str) -> str:
    """`Line Items`, `line_item` and `lineItem` as `lineitem`."""
    joined = words(text).replace("_", "")
    if joined.endswith("ies") and len(joined) > 4:
        return joined[:-3] + "y"
    return joined[:-1] if joined.endswith("s") and not joined.endswith("ss") else joined


def targets_of(resources: Iterable[Resource]) -> dict[str, str]:
    """Collections that ids can lead to, by what one of their records is called."""
    found: dict[str, str] = {}
    for resource in sorted(resources, key=lambda one: len(one.collection)):
        if resource.id_param is None or "{}" in resource.collection:
            continue
        for noun in (resource.noun, resource.collection.rsplit("/", 1)[-1]):
            found.setdefault(plain_noun(noun), resource.collection)
    return found


class Linker:
    """Links the records of one collection."""

    def __init__(self, own: str, id_path: str | None, targets: dict[str, str], ids_of: IdsOf) -> None:
        self._own, self._id_path = own, id_path
        self._targets, self._ids_of = targets, ids_of
        self._used: set[str] = set()

    def linked(self, record: Any, rng: random.Random) -> Any:
        """A copy in which references to other collections name records of theirs."""
        out = copy.deepcopy(record)
        for holder, name, noun in list(self._references(out, "", 0)):
            ids = self._ids(noun)
            value = holder[name]
            if isinstance(value, list):
                many = [one for one in value if _is_id(one)]
                if ids and many and all(type(one) is type(ids[0]) for one in many):
                    holder[name] = rng.sample(ids, min(len(many), len(ids)))
            elif ids and type(value) is type(ids[0]):
                holder[name] = rng.choice(ids)
        return out

    def _ids(self, noun: str) -> list[Any]:
        collection = self._targets.get(noun)
        if collection is None or collection == self._own:
            return []
        if collection not in self._used and len(self._used) >= _MAX_TARGETS:
            return []
        self._used.add(collection)
        return self._ids_of(collection)

    def _references(self, node: Any, path: str, depth: int) -> Iterator[tuple[dict[str, Any], str, str]]:
        """(object, field, what the field refers to) of everything in a record that looks like an id of another."""
        if isinstance(node, list):
            for item in node:
                yield from self._references(item, path, depth + 1)
        if not isinstance(node, dict) or depth > _MAX_DEPTH:
            return
        kind = node.get("type")
        for name, value in node.items():
            inner = f"{path}.{name}" if path else name
            if isinstance(value, dict | list) and not (isinstance(value, list) and any(map(_is_id, value))):
                yield from self._references(value, inner, depth + 1)
            elif inner != self._id_path and (_is_id(value) or isinstance(value, list)):
                noun = _noun_of(name, value, kind if depth else None)
                if noun in self._targets:
                    yield node, name, noun


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _noun_of(name: str, value: Any, kind: Any) -> str:
    """What a field's value names: `customer` for `customerId`, for an expandable `customer: "cus_…"`, for the
    `id` beside `type: customer` (JSON:API); "" for anything else."""
    plain = words(name)
    if plain == "id":
        return plain_noun(kind) if isinstance(kind, str) else ""
    noun = _SUFFIX.sub("", plain)
    if noun != plain:
        return plain_noun(noun)
    first = value[0] if isinstance(value, list) and value else value
    is_ours = isinstance(first, str) and first.startswith(f"{plain[:3]}_")
    return plain_noun(plain) if is_ours else ""
