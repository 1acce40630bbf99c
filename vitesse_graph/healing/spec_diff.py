"""What changed between two versions of an API, as far as one integration uses it. Pure.

Beside the record's schema (`schema_diff`) it compares the operation itself: is it still there, or
where did it move; what it demands (parameters, headers, content type); how one authenticates, walks
the pages, how fast one may ask, and where the API lives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from vitesse_graph.errors import NotFoundError, SpecError
from vitesse_graph.healing.impact import Severity, Side
from vitesse_graph.healing.renames import name_similarity
from vitesse_graph.healing.schema_diff import diff_schemas, sort_items
from vitesse_graph.state.api_spec import AuthScheme, Endpoint, Pagination, RateLimit
from vitesse_graph.state.health import DriftItem, DriftKind
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.ports import SpecReader

MIN_SUCCESSOR_SCORE = 0.6
_VERSION_SEGMENT = re.compile(
    r"v?\d+(\.\d+)*([a-z]+\d*)?|\d{4}-\d{2}(-\d{2})?|alpha|beta|stable|latest", re.I
)
_EXTENSION = re.compile(r"\.(json|xml)$", re.I)
_TEMPLATE = re.compile(r"\{[^}]*\}")


def diff_specs(
    old: SpecReader, new: SpecReader, *, mapping: MappingLogic | None, key: str, side: Side
) -> list[DriftItem]:
    """Every difference that can be told between the two specifications, the worst first.

    `key` is the operation that the integration uses on this side (`GET /customers`), of the old
    document. Raises NotFoundError when the old document has no such operation; that the new one
    lacks it is a finding.
    """
    affects = [row.dest_field for row in mapping.transformations] if mapping else []
    api = _Api(side, affects)
    items = list(_api_level(old, new, api))
    items += _endpoints_elsewhere(old, new, api, key)
    new_key: str | None = key
    if not _has(new, key):
        successor = find_successor(_endpoint(old, key), new.spec.endpoints, known=old.spec.endpoints)
        new_key = successor[0].key if successor else None
        items.append(api.moved(key, successor) if successor else api.gone(key))
    if new_key is not None:
        items += _operation(old, new, key, new_key, api)
        items += _record(old, new, key, new_key, mapping, api)
    return sort_items(items)


class _Api:
    """Makes items about the API as a whole; they touch every row of the mapping."""

    def __init__(self, side: Side, affects: list[str]) -> None:
        self.side = side
        self.affects = affects

    def item(
        self,
        kind: DriftKind,
        severity: Severity,
        detail: str,
        *,
        path: str = "",
        new_path: str | None = None,
        confidence: float = 1.0,
    ) -> DriftItem:
        return DriftItem(
            kind=kind,
            side=self.side,
            severity=severity,
            path=path,
            new_path=new_path,
            confidence=confidence,
            detail=detail,
            affects=self.affects if severity != "safe" else [],
        )

    def gone(self, key: str, detail: str = "is no longer in the specification") -> DriftItem:
        return self.item("endpoint_removed", "breaking", detail, path=key)

    def moved(self, key: str, successor: tuple[Endpoint, float]) -> DriftItem:
        endpoint, score = successor
        return self.item(
            "endpoint_moved",
            "breaking",
            f"is {endpoint.key} now",
            path=key,
            new_path=endpoint.key,
            confidence=round(score, 2),
        )


def _endpoint(reader: SpecReader, key: str) -> Endpoint:
    for endpoint in reader.spec.endpoints:
        if endpoint.key == key:
            return endpoint
    return reader.operation(key).endpoint


def _has(reader: SpecReader, key: str) -> bool:
    if any(endpoint.key == key for endpoint in reader.spec.endpoints):
        return True
    try:
        reader.operation(key)
    except NotFoundError:
        return False
    return True


def _plain_path(path: str) -> list[str]:
    """Its segments without versions; parameters lose their names."""
    segments = [_EXTENSION.sub("", _TEMPLATE.sub("{}", segment)) for segment in path.strip("/").split("/")]
    return [segment for segment in segments if segment and not _VERSION_SEGMENT.fullmatch(segment)]


def find_successor(
    gone: Endpoint, endpoints: list[Endpoint], *, known: Collection[Endpoint] = ()
) -> tuple[Endpoint, float] | None:
    """The endpoint that took over, and how sure; None when none is like it.

    The same path under another version counts most, then the same operation id, then the same
    resource in the same role under a like name. What was there before (`known`) has its own
    meaning: it is a successor only as the same path under another version.
    """
    before = {endpoint.key for endpoint in known}
    best: tuple[Endpoint, float] | None = None
    for endpoint in endpoints:
        score = _successor_score(gone, endpoint)
        if endpoint.key in before and _plain_path(endpoint.path) != _plain_path(gone.path):
            continue
        if score >= MIN_SUCCESSOR_SCORE and (best is None or score > best[1]):
            best = (endpoint, score)
    return best


def _successor_score(gone: Endpoint, other: Endpoint) -> float:
    if other.role != gone.role:
        return 0.0
    a, b = _plain_path(gone.path), _plain_path(other.path)
    same_method = gone.method.upper() == other.method.upper()
    if a == b:
        return 0.97 if same_method else 0.75
    score = 0.0
    if a and b:
        names_a, names_b = [s for s in a if s != "{}"], [s for s in b if s != "{}"]
        if a.count("{}") == b.count("{}") and names_a and names_b:
            score = 0.8 * name_similarity(" ".join(names_a[-1:]), " ".join(names_b[-1:]))
            if names_a[:-1] == names_b[:-1]:
                score += 0.1
    if gone.operation_id and gone.operation_id == other.operation_id:
        score = max(score, 0.85)
    if gone.resource and gone.resource == other.resource:
        score = max(score, 0.65) + 0.1
    if gone.summary and gone.summary == other.summary:
        score = max(score, 0.7) + 0.05
    return min(score, 0.95) * (1.0 if same_method else 0.8)


def _api_level(old: SpecReader, new: SpecReader, api: _Api) -> Iterator[DriftItem]:
    before, after = old.spec, new.spec
    if before.version != after.version:
        detail = f"version {before.version or 'unnamed'} became {after.version or 'unnamed'}"
        yield api.item("version_changed", "safe", detail)
    if _address(before.base_url) != _address(after.base_url):
        # the old address may still answer: a probe tells
        yield api.item(
            "base_url_changed",
            "risky",
            f"the API's address was {before.base_url or 'unnamed'}, is {after.base_url or 'unnamed'} now",
            path=before.base_url,
            new_path=after.base_url,
        )


def _address(url: str) -> str:
    return url.rstrip("/").lower()


def _endpoints_elsewhere(old: SpecReader, new: SpecReader, api: _Api, key: str) -> Iterator[DriftItem]:
    """Operations that this integration does not use: told, but safe."""
    before = {endpoint.key for endpoint in old.spec.endpoints}
    after = {endpoint.key for endpoint in new.spec.endpoints}
    for gone in sorted(before - after - {key}):
        yield api.item("endpoint_removed", "safe", "is no longer in the specification", path=gone)
    for come in sorted(after - before):
        yield api.item("endpoint_added", "safe", "is new", path=come)


def _operation(old: SpecReader, new: SpecReader, key: str, new_key: str, api: _Api) -> Iterator[DriftItem]:
    before, after = old.operation(key), new.operation(new_key)
    a, b = before.endpoint, after.endpoint
    if b.deprecated and not a.deprecated:
        yield api.item("deprecated", "risky", "is deprecated", path=key)
    yield from _auth(a.auth or old.spec.auth, b.auth or new.spec.auth, api)
    yield from _rate(a.rate_limit or old.spec.rate_limit, b.rate_limit or new.spec.rate_limit, api)
    if a.base_url and b.base_url and _address(a.base_url) != _address(b.base_url):
        yield api.item(
            "base_url_changed",
            "risky",
            f"the operation's address was {a.base_url}, is {b.base_url} now",
            path=a.base_url,
            new_path=b.base_url,
        )
    yield from _parameters(before.parameters, after.parameters, api)
    old_types = [media.content_type for media in before.request_body]
    new_types = [media.content_type for media in after.request_body]
    lost = [name for name in old_types if name not in new_types]
    if lost and old_types:
        severity: Severity = "breaking" if old_types[0] in lost else "safe"
        yield api.item("content_type_changed", severity, f"no longer takes {', '.join(lost)}", path=key)


def _parameters(before: list[Any], after: list[Any], api: _Api) -> Iterator[DriftItem]:
    old = {(parameter.location, parameter.name): parameter for parameter in before}
    new = {(parameter.location, parameter.name): parameter for parameter in after}
    for where, parameter in new.items():
        was_required = where in old and old[where].required
        if not parameter.required or was_required or parameter.location == "path":
            continue
        is_given = "default" in parameter.json_schema or len(parameter.json_schema.get("enum", ())) == 1
        detail = f"the {parameter.location} parameter {parameter.name} is required now"
        yield api.item("parameter_changed", "risky" if is_given else "breaking", detail, path=parameter.name)
    for where, parameter in old.items():
        if where not in new and parameter.location != "path":
            detail = f"the {parameter.location} parameter {parameter.name} is gone"
            yield api.item("parameter_changed", "safe", detail, path=parameter.name)


def _auth(before: AuthScheme, after: AuthScheme, api: _Api) -> Iterator[DriftItem]:
    def carried(scheme: AuthScheme) -> set[tuple[str, str, str]]:
        return {
            (header.name.lower(), header.location, header.prefix.strip().lower()) for header in scheme.headers
        }

    if before.type != after.type:
        severity: Severity = "risky" if before.type in after.alternatives else "breaking"
        yield api.item("auth_changed", severity, f"authentication was {before.type}, is {after.type} now")
    elif carried(before) != carried(after):
        names = ", ".join(sorted({header.name for header in after.headers})) or "nothing"
        yield api.item("auth_changed", "breaking", f"the credential travels as {names} now")
    elif before.token_url != after.token_url:
        yield api.item("auth_changed", "risky", "the address that issues tokens changed")
    more = sorted(set(after.scopes) - set(before.scopes))
    if before.type == after.type and more and before.scopes:
        yield api.item("auth_changed", "risky", f"asks for more scopes: {', '.join(more[:6])}")


def _rate(before: RateLimit | None, after: RateLimit | None, api: _Api) -> Iterator[DriftItem]:
    if after is None or (before is not None and before == after):
        return
    new_rate = after.requests / after.per_seconds
    if before is None:
        yield api.item("rate_limit_changed", "risky", f"a limit of {new_rate:g} requests per second is new")
        return
    old_rate = before.requests / before.per_seconds
    if new_rate != old_rate:
        severity: Severity = "risky" if new_rate < old_rate else "safe"
        detail = f"the limit was {old_rate:g} requests per second, is {new_rate:g} now"
        yield api.item("rate_limit_changed", severity, detail)


def _record(
    old: SpecReader, new: SpecReader, key: str, new_key: str, mapping: MappingLogic | None, api: _Api
) -> Iterator[DriftItem]:
    """The record's schema, and where it lies in the answer (source) or the body (dest)."""
    before = _shape(old, key, api.side)
    try:
        after = _shape(new, new_key, api.side)
    except SpecError:
        what = "no longer returns records" if api.side == "source" else "no longer takes a body"
        yield api.gone(new_key, what)
        return
    yield from diff_schemas(before[0], after[0], mapping=mapping, side=api.side)
    if api.side == "source":
        yield from _pages(old, new, key, new_key, before[1], after[1], api)
    elif before[1] != after[1]:
        detail = (
            f"the record lay at {before[1] or 'the root'} of the body, lies at {after[1] or 'the root'} now"
        )
        yield api.item("content_type_changed", "breaking", detail, path=new_key)


def _shape(reader: SpecReader, key: str, side: Side) -> tuple[JsonSchema, str]:
    """The schema and the place of the record."""
    if side == "source":
        source = reader.source_shape(key)
        return source.record_schema, ".".join(filter(None, (source.items_at, source.record_at)))
    dest = reader.dest_shape(key)
    return dest.request_schema, dest.envelope


def _pages(
    old: SpecReader, new: SpecReader, key: str, new_key: str, before_at: str, after_at: str, api: _Api
) -> Iterator[DriftItem]:
    if before_at != after_at:
        detail = (
            f"records lay at {before_at or 'the root'} of the answer, lie at {after_at or 'the root'} now"
        )
        yield api.item("pagination_changed", "breaking", detail, path=new_key)
    before = _endpoint(old, key).pagination or Pagination()
    after = _endpoint(new, new_key).pagination or Pagination()

    def walk(pagination: Pagination) -> tuple[Any, ...]:
        return (pagination.style, pagination.params[:1], pagination.next_from, pagination.next_is_url)

    if walk(before) != walk(after):
        detail = f"pages were walked by {before.style}, are walked by {after.style} now"
        if before.style == after.style:
            detail = "the way to the next page changed"
        yield api.item("pagination_changed", "breaking", detail, path=new_key)
    elif before.page_size_param != after.page_size_param:
        yield api.item(
            "pagination_changed", "risky", "the parameter for the page's size changed", path=new_key
        )
    elif before.max_page_size and after.max_page_size and after.max_page_size < before.max_page_size:
        detail = f"a page holds {after.max_page_size} records at most, held {before.max_page_size}"
        yield api.item("pagination_changed", "risky", detail, path=new_key)
