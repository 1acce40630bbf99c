"""How a list endpoint is walked, told from its parameters and from what its response carries.

A table of names gives each parameter its part; descriptions overrule the name where they say so
(an `offset` that is "an opaque token" is a cursor); the response says where the next position is
read. What the tables do not know is `none`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.words import squash
from vitesse_graph.state.api_spec import Pagination

Part = Literal["cursor", "back", "offset", "page", "size"]

_NAMES: dict[Part, tuple[str, ...]] = {
    "cursor": (
        "cursor", "pagecursor", "nextcursor", "after", "aftercursor", "startingafter", "startafter", "pageafter",
        "pagetoken", "nextpagetoken", "nexttoken", "token", "continue", "continuation", "continuationtoken",
        "continuetoken", "marker", "nextmarker", "startmarker", "bookmark", "scrollid", "scroll", "skiptoken",
        "paginationtoken", "paginationkey", "nextkey", "starttoken", "startkey", "startcursor", "exclusivestartkey",
        "lastevaluatedkey", "pageinfo", "nextpagecursor", "lastid", "afterid", "sinceid", "position", "nextpage",
        "searchafter", "resumetoken", "nextid", "nextrecordsurl",
    ),
    "back": ("before", "endingbefore", "beforecursor", "pagebefore", "previouscursor", "prevcursor", "endbefore", "beforeid"),
    "offset": (
        "offset", "skip", "pageoffset", "startat", "startindex", "startoffset", "startingindex", "startposition",
        "from", "start", "firstresult", "recordoffset", "startrow", "sysparmoffset",
    ),
    "page": ("page", "pagenumber", "pageno", "pagenum", "pageindex", "currentpage", "pagenr", "paged"),
    "size": (
        "limit", "perpage", "pagesize", "pagelimit", "size", "count", "maxresults", "top", "first", "take", "rows",
        "numresults", "resultsperpage", "itemsperpage", "recordsperpage", "pagecount", "maxitems", "maxpagesize",
        "maxrecords", "batchsize", "results", "max", "num", "fetchlimit", "sysparmlimit",
    ),
}  # fmt: skip
_SIZE_ORDER = {name: i for i, name in enumerate(_NAMES["size"])}
_BY_RECORD = frozenset({"startingafter", "startafter", "after", "afterid", "sinceid", "lastid"})
"""Cursors that are the id of the last record seen."""
_MOVING: tuple[Part, ...] = ("cursor", "back", "page")
_PART_OF: dict[str, Part] = {name: part for part, names in _NAMES.items() for name in names}

_NEXT_VALUES = (
    "nextcursor", "nextpagetoken", "nexttoken", "nextpagecursor", "continuationtoken", "nextcontinuationtoken",
    "nextmarker", "endcursor", "nextkey", "aftercursor", "nextstartkey", "lastevaluatedkey", "scrollid",
    "paginationtoken", "nextid", "nextoffset", "pagetoken", "resumetoken", "continue", "nextpagekey",
)  # fmt: skip
_NEXT_URLS = (
    "nextpageuri", "nextpageurl", "nexturl", "nexturi", "nextlink", "odatanextlink", "nexthref", "nextrecordsurl",
)  # fmt: skip
_VAGUE = ("next", "nextpage")
_HOLDERS = (
    "paging", "pagination", "links", "meta", "metadata", "cursors", "next", "nextpage", "pages", "page", "pageinfo",
    "responsemetadata", "cursor", "listmetadata", "responsemeta", "paginginfo", "data",
    "additionaldata", "result", "response", "d", "listinfo",
)  # fmt: skip
_HAS_MORE = (
    "hasmore",
    "hasmoreitems",
    "moreavailable",
    "moreitemsincollection",
    "hasnext",
    "hasnextpage",
    "hasmorepages",
    "hasmoreresults",
    "more",
    "morerecords",
    "istruncated",
)
_ANNOUNCING = frozenset({*_NEXT_VALUES, *_NEXT_URLS, *_HAS_MORE, "next", "nextpage", "pagelen"}) - {
    "more",
    "continue",
}
_TOTAL = (
    "total",
    "totalcount",
    "totalresults",
    "totalitems",
    "totalrecords",
    "totalsize",
    "totalelements",
    "itemcount",
    "odatacount",
)
_OPAQUE = re.compile(r"\b(opaque|cursor|token|pagination key)\b", re.IGNORECASE)
_NUMBERED = re.compile(r"\bpage (number|index)\b|\bnumber of the page\b|\bwhich page\b", re.IGNORECASE)
_SECRET = re.compile(r"\b(auth\w*|access|api|credentials?|secret|scopes?|login|session)\b", re.IGNORECASE)
_PAGING = re.compile(r"\b(pages?|paging|paginat\w+|next|cursor|continu\w+|results?)\b", re.IGNORECASE)
_FROM_ZERO = re.compile(
    r"\b(?:zero|0)[- ](?:based|indexed)|\b(?:starts?|starting|begins?|counted|counting|numbered) (?:at|from|with) (?:0|zero)\b"
    r"|\(0\.\.N\)|\bfirst page (?:is|has number|being) (?:0|zero)\b",
    re.IGNORECASE,
)
_MAXIMUM = re.compile(
    r"\b(?:max(?:imum)?(?: (?:is|of|value|allowed|page size|number))*|up to|at most|between 1 and|1 to|1\s*[-–]|no more than|limited to)"
    r"[:\s`*]*([1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,4})\b",
    re.IGNORECASE,
)
_DEFAULT = re.compile(r"\bdefault(?:s| value| limit| is| to|:|=|\s|`|\()*([1-9][0-9]{0,4})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter that may have to do with paging. `schema` is its flattened schema."""

    name: str
    schema: dict[str, Any]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Next:
    """Where the next position is found: `at` a dotted path."""

    at: str
    is_url: bool


def part_of(knob: Knob) -> Part | None:
    """What this parameter does for paging, or None."""
    name = squash(knob.name)
    part = _PART_OF.get(name)
    if part is None and name.startswith("page") and len(name) > 4:
        part = _PART_OF.get(name[4:])
    if part is None:
        return None
    kind = knob.schema.get("type")
    if kind == "boolean" or kind == "array":
        return None
    if name == "token" and (_SECRET.search(knob.description) or not _PAGING.search(knob.description)):
        return None  # far more often a credential than a position
    if part == "offset" and kind == "string" and _OPAQUE.search(knob.description):
        return "cursor"
    if part == "offset" and name in ("from", "start") and kind == "string":
        return None  # a date or a name, hardly a number
    if part == "page" and kind == "string" and re.search(r"\b(opaque|cursor|token)\b", knob.description):
        return "cursor"
    if part == "cursor" and kind in ("integer", "number") and _NUMBERED.search(knob.description):
        return "page"
    if part == "cursor" and knob.schema.get("format") in ("date-time", "date"):
        return None
    return part


def may_page(name: str) -> bool:
    """A quick look at a parameter's name: whether it is worth a closer one for paging."""
    short = squash(name)
    return short in _PART_OF or short.startswith(("page", "use"))


def announces_more(properties: dict[str, Any]) -> bool:
    """Whether an answer says by itself that there may be further pages (`next`, `has_more`, `pagelen`)."""
    return any(squash(name) in _ANNOUNCING for name in properties)


def detect(
    knobs: list[Knob],
    flattener: Flattener,
    response: Any,
    *,
    items_at: str,
    has_link_header: bool,
    id_field: str | None,
    in_body: bool = False,
) -> Pagination:
    """The pagination of one list endpoint. `response` is the raw schema of a successful answer."""
    parts: dict[Part, list[Knob]] = {}
    for knob in knobs:
        part = part_of(knob)
        if part is not None:
            parts.setdefault(part, []).append(knob)
    _demote_switched(parts, knobs)
    properties = flattener.properties(response) if items_at else {}
    following = _next_in(flattener, properties) or _echoed(flattener, properties, parts.get("cursor", []))
    fields: dict[str, Any] = {
        "items_at": items_at,
        "params_in": "body" if in_body else "query",
        "has_more_from": _named(flattener, properties, _HAS_MORE, "boolean"),
        "total_from": _named(flattener, properties, _TOTAL, "integer"),
        **_size(parts),
    }
    _promote_token(parts, following)
    if parts.get("cursor"):
        fields["style"] = "cursor"
        fields["params"] = [k.name for part in _MOVING for k in parts.get(part, [])]
        fields |= _cursor_source(parts["cursor"][0], following, id_field, has_link_header)
    elif parts.get("page") or parts.get("offset"):
        counted = parts.get("page") or parts["offset"]
        fields["style"] = "page" if parts.get("page") else "offset"
        fields["params"] = [k.name for k in counted]
        if parts.get("page") and _starts_at_zero(counted[0]):
            fields["first_page"] = 0
        fields |= _link(following, has_link_header)
    elif has_link_header:
        fields |= {"style": "link_header", **_link(following, has_link_header)}
    elif following is not None and (following.is_url or squash(following.at).endswith(_VAGUE)):
        # No parameter could carry it: then what stands under `next` is followed as it is.
        fields |= {"style": "cursor", "next_from": following.at, "next_is_url": True}
    return Pagination(**fields)


def _echoed(flattener: Flattener, properties: dict[str, Any], cursors: list[Knob]) -> Next | None:
    """An answer's property that is called exactly as the parameter it is for (`Marker`)."""
    called = {squash(knob.name) for knob in cursors}
    for name, child in properties.items():
        if squash(name) in called and flattener.type_of(child) == "string":
            return Next(name, is_url=False)
    return None


def _promote_token(parts: dict[Part, list[Knob]], following: Next | None) -> None:
    """An `offset` that is a text and comes back in the answer (`next_offset`) is a cursor."""
    counted = parts.get("offset")
    if not counted or parts.get("cursor") or parts.get("page") or following is None or following.is_url:
        return
    if counted[0].schema.get("type") == "string":
        parts["cursor"] = parts.pop("offset")


def _starts_at_zero(knob: Knob) -> bool:
    if knob.schema.get("default") == 1 or knob.schema.get("minimum") == 1:
        return False
    if any(type(knob.schema.get(word)) is int and knob.schema[word] == 0 for word in ("default", "minimum")):
        return True
    return _FROM_ZERO.search(knob.description[:600]) is not None


def declared(operation: dict[str, Any], found: Pagination) -> Pagination:
    """What an extension states outright: `x-ms-pageable` names the property with the next page's URL."""
    stated = operation.get("x-ms-pageable")
    name = stated.get("nextLinkName") if type(stated) is dict else None
    if type(name) is not str or not name:
        return found
    at = name if found.next_from is None or not found.next_from.endswith(name) else found.next_from
    params = found.params if found.style == "cursor" else []
    return found.evolve(style="cursor", params=params, next_from=at, next_is_url=True)


def _link(following: Next | None, has_link_header: bool) -> dict[str, Any]:
    """A whole URL of the next page, where the answer gives one; it is surer than counting."""
    if has_link_header:
        return {"next_from": "header:Link", "next_is_url": True}
    if following is not None and following.is_url:
        return {"next_from": following.at, "next_is_url": True}
    return {}


def _demote_switched(parts: dict[Part, list[Knob]], knobs: list[Knob]) -> None:
    """A cursor that must be switched on by a flag (`usemarker`) yields to plain counting beside it."""
    if not (parts.get("cursor") and (parts.get("offset") or parts.get("page"))):
        return
    flags = [squash(k.name) for k in knobs if k.schema.get("type") == "boolean"]
    kept = [k for k in parts["cursor"] if not any(squash(k.name) in flag for flag in flags)]
    if not kept:
        del parts["cursor"]


def _cursor_source(
    knob: Knob, following: Next | None, id_field: str | None, has_link_header: bool
) -> dict[str, Any]:
    """Where the cursor's next value is read."""
    if following is not None:
        return {"next_from": following.at, "next_is_url": following.is_url}
    if has_link_header:
        return {"next_from": "header:Link", "next_is_url": True}
    if id_field is not None and squash(knob.name) in _BY_RECORD:
        return {"next_from": f"last_item:{id_field}"}
    return {}


def _size(parts: dict[Part, list[Knob]]) -> dict[str, Any]:
    """The parameter for the page size, its default and its maximum."""
    sizes = parts.get("size")
    if not sizes:
        return {}
    # `page[size]` goes with `page[after]`, even where a `per_page` stands beside them.
    family = {k.name.split("[", 1)[0] for part in _MOVING for k in parts.get(part, []) if "[" in k.name}
    knob = min(
        sizes,
        key=lambda k: (
            "[" not in k.name or k.name.split("[", 1)[0] not in family,
            _SIZE_ORDER.get(squash(k.name), 99),
        ),
    )
    return {
        "page_size_param": knob.name,
        "default_page_size": _positive(knob.schema.get("default")) or _said(_DEFAULT, knob.description),
        "max_page_size": _positive(knob.schema.get("maximum")) or _said(_MAXIMUM, knob.description),
    }


def _positive(value: Any) -> int | None:
    return (
        int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6
        else None
    )


def _said(pattern: re.Pattern[str], description: str) -> int | None:
    found = pattern.search(description[:600]) if description else None
    return int(found.group(1).replace(",", "")) if found else None


def _next_in(
    flattener: Flattener, properties: dict[str, Any], prefix: str = "", depth: int = 0
) -> Next | None:
    """Looks for the next position among response properties, two holders deep; values before URLs.

    A bare `next` or `next_page` that does not say whether it is one or the other comes last.
    """
    url: Next | None = None
    vague: Next | None = None
    for name, child in properties.items():
        found = _as_next(flattener, name, child, prefix)
        if found is None:
            continue
        if found.is_url:
            url = url or found
        elif squash(name) in _VAGUE:
            vague = vague or found
        else:
            return found
    if url is None and depth < 3:
        for name, child in properties.items():
            if squash(name) in _HOLDERS and flattener.type_of(child) in ("object", ""):
                found = _next_in(flattener, _deep(flattener, child), f"{prefix}{name}.", depth + 1)
                if found is not None:
                    return found
    return url or vague


def _as_next(flattener: Flattener, name: str, child: Any, prefix: str) -> Next | None:
    """The property as a next position, if its name (and what holds it) says so."""
    short, holder = squash(name), squash(prefix)
    kind = flattener.type_of(child)
    if kind in ("array", "boolean", "object"):
        return None
    if short in _NEXT_VALUES or (short == "cursor" and not prefix):
        return Next(f"{prefix}{name}", is_url=False)
    in_next = holder.endswith(("next", "nextpage"))
    if short in ("after", "startingafter", "offset", "token") and (
        in_next or (short == "after" and holder.endswith(("cursors", "paging", "pagination")))
    ):
        return Next(f"{prefix}{name}", is_url=False)
    if short in _NEXT_URLS or (short in ("uri", "href", "url") and in_next):
        return Next(f"{prefix}{name}", is_url=True)
    if short in _VAGUE and kind not in ("integer", "number"):
        return Next(f"{prefix}{name}", is_url=_is_url(flattener, child, prefix))
    return None


def _deep(flattener: Flattener, node: Any) -> dict[str, Any]:
    properties = flattener.properties(node)
    if properties:
        return properties
    for choice in flattener.choices(node):
        properties = flattener.properties(choice)
        if properties:
            return properties
    return {}


def _is_url(flattener: Flattener, node: Any, prefix: str) -> bool:
    flat = flattener.flat(node)
    said = f"{flat.get('format', '')} {flat.get('description', '')} {flat.get('example', '')}".lower()
    return "links" in squash(prefix) or any(word in said for word in ("uri", "url", "link", "http"))


def _named(flattener: Flattener, properties: dict[str, Any], names: tuple[str, ...], kind: str) -> str | None:
    """Dotted path of a property with one of these names, at the top or in a holder."""
    for name, child in properties.items():
        if squash(name) in names and flattener.type_of(child) in (kind, "number", ""):
            return name
    for holder, node in properties.items():
        if squash(holder) in _HOLDERS and flattener.type_of(node) == "object":
            for name, child in flattener.properties(node).items():
                if squash(name) in names and flattener.type_of(child) in (kind, "number", ""):
                    return f"{holder}.{name}"
    return None
