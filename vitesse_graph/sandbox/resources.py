"""Which operations speak of the same records: the collections of an API, from its paths alone.

`/v1/customers`, `/v1/customers/{customer}`, `/v1/customers/search` and `/v1/customers/batch/create`
are one collection. Parameters before the last segment are its *scope*: each value has records of
its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from vitesse_graph.state.api_spec import Endpoint

_VERBS = re.compile(
    r"^(get|list|search|query|sync|find.*|create|new|add|update|edit|upsert|batch|bulk|bulk_?update|bulk_?create|batch[-_].*|"
    r"delete|remove|archive|read|fetch|all|filter|lookup)$",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"^\{([^{}]+)\}$")
_BEYOND_PATH = re.compile(r"[?#]")
_SUFFIX = re.compile(r"\.(json|xml)$")


@dataclass(frozen=True, slots=True)
class Place:
    """What an operation's path says: its collection, the parameters of its scope, the record's own."""

    collection: str
    scope: tuple[str, ...]
    id_param: str | None
    is_bulk: bool = False
    trailing: str = ""
    """What follows the record's own parameter: `cancel` in `/orders/{id}/cancel`."""


def place_of(endpoint: Endpoint) -> Place:
    """The collection an operation works on."""
    path = _BEYOND_PATH.split(endpoint.path, maxsplit=1)[0]
    segments = [_SUFFIX.sub("", part) for part in path.strip("/").split("/")]
    bulk = False
    while len(segments) > 1 and _VERBS.match(segments[-1]) and endpoint.role != "action":
        bulk = bulk or bool(re.match(r"batch|bulk", segments[-1], re.IGNORECASE))
        segments.pop()
    parameter = _PARAMETER.match(segments[-1])
    trailing = ""
    if (
        endpoint.role == "action"
        and parameter is None
        and len(segments) > 1
        and _PARAMETER.match(segments[-2])
    ):
        trailing = segments.pop()
        parameter = _PARAMETER.match(segments[-1])
    id_param = None
    if parameter is not None and (endpoint.role not in ("list", "create") or len(segments) == 1 or trailing):
        id_param = parameter[1]
        segments = segments[:-1]
    scope = tuple(found[1] for part in segments if (found := _PARAMETER.match(part)))
    collection = "/" + "/".join("{}" if "{" in part else part for part in segments)
    return Place(collection, scope, id_param, bulk, trailing)


@dataclass(slots=True)
class Resource:
    """One collection: its name and the operations on it, by what they do."""

    collection: str
    noun: str = ""
    endpoints: list[tuple[Endpoint, Place]] = field(default_factory=list)

    def first(self, *roles: str) -> Endpoint | None:
        """The operation to learn from: the first role that is there, the shortest path of it."""
        for role in roles:
            found = [
                endpoint for endpoint, place in self.endpoints if endpoint.role == role and not place.is_bulk
            ]
            if found:
                return min(found, key=lambda endpoint: (endpoint.method != "GET", len(endpoint.path)))
        return None

    @property
    def id_param(self) -> str | None:
        """The name that item paths give to the record's id: of several, the one by which records are changed."""
        weights: Counter[str] = Counter()
        for endpoint, place in self.endpoints:
            if place.id_param:
                weights[place.id_param] += 3 if endpoint.role in ("update", "replace", "delete") else 1
        return weights.most_common(1)[0][0] if weights else None


def resources_of(endpoints: Iterable[Endpoint]) -> dict[str, Resource]:
    """All collections by their normalised path."""
    found: dict[str, Resource] = {}
    for endpoint in endpoints:
        place = place_of(endpoint)
        resource = found.setdefault(place.collection, Resource(place.collection))
        resource.endpoints.append((endpoint, place))
        resource.noun = resource.noun or endpoint.resource
    for resource in found.values():
        if not resource.noun:
            last = [part for part in resource.collection.split("/") if part and part != "{}"]
            resource.noun = last[-1].rstrip("s") if last else ""
    return found
