"""How a list endpoint is walked, told from its parameters and from what its response carries.

A table of names gives each parameter its part; descriptions overrule the name where they say so
(an `offset` that is "an opaque token" is a cursor); the response says where the next position is
read. What the tables do not know is `none`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.paging_answer import AnswerReader, Next, header_token
from vitesse_graph.specs.paging_words import (
    ANNOUNCING,
    BY_RECORD,
    DEFAULT,
    FROM_ONE,
    FROM_ZERO,
    HOLDS_KNOBS,
    MAXIMUM,
    NUMBERED,
    OPAQUE,
    PAGING,
    PART_OF,
    SECRET,
    SIZE_ORDER,
    VAGUE,
    Part,
)
from vitesse_graph.specs.words import squash
from vitesse_graph.state.api_spec import Pagination

_MOVING: tuple[Part, ...] = ("cursor", "back", "page")
_REPLACED = re.compile(r"\b(deprecated|instead)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter that may have to do with paging. `schema` is its flattened schema."""

    name: str
    schema: dict[str, Any]
    description: str = ""


def part_of(knob: Knob) -> Part | None:
    """What this parameter does for paging, or None."""
    name = _short(knob.name)
    part = PART_OF.get(name)
    if part is None and name.startswith("page") and len(name) > 4:
        part = PART_OF.get(name[4:])
    if part is None and name.endswith(("perpage", "pagesize")):
        part = "size"
    if part is None:
        return None
    kind = knob.schema.get("type")
    if kind == "boolean" or (kind == "array" and name != "searchafter"):
        return None
    if name == "per" and kind not in ("integer", "number"):
        return None  # `per=day`
    if name == "token" and (SECRET.search(knob.description) or not PAGING.search(knob.description)):
        return None  # far more often a credential than a position
    if part == "offset" and kind == "string" and OPAQUE.search(knob.description):
        return "cursor"
    if part == "offset" and name in ("from", "start") and kind == "string":
        # A date or a name, hardly a number; or the id of the record to begin with.
        return "cursor" if re.search(r"\bID\b", knob.description) else None
    if part == "page" and kind == "string" and re.search(r"\b(opaque|cursor|token)\b", knob.description):
        return "cursor" if not _REPLACED.search(knob.description) else part
    if part == "cursor" and kind in ("integer", "number") and NUMBERED.search(knob.description):
        return "page"
    if part == "cursor" and knob.schema.get("format") in ("date-time", "date"):
        return None
    return part


def _short(name: str) -> str:
    """The squashed name; of `pagination.page` and `paging[limit]` what stands behind the holder."""
    short = squash(name)
    if short in PART_OF:
        return short
    if "." in name or "[" in name:
        holder, _, last = name.replace("[", ".").rstrip("]").rpartition(".")
        if squash(holder.rpartition(".")[2]) in HOLDS_KNOBS and squash(last) in PART_OF:
            return squash(last)
    return short


def may_page(name: str) -> bool:
    """A quick look at a parameter's name: whether it is worth a closer one for paging."""
    short = squash(name)
    return (
        short in PART_OF
        or short.startswith(("page", "use", "pagin"))
        or short.endswith(("perpage", "pagesize"))
    )


def announces_more(properties: dict[str, Any]) -> bool:
    """Whether an answer says by itself that there may be further pages (`next`, `has_more`, `pagelen`)."""
    return any(squash(name) in ANNOUNCING for name in properties)


def detect(
    knobs: list[Knob],
    flattener: Flattener,
    response: Any,
    *,
    items_at: str,
    item: Any,
    headers: list[str],
    id_field: str | None,
    in_body: bool = False,
) -> Pagination:
    """The pagination of one list endpoint.

    `response` is the raw schema of a successful answer, `item` that of one record, `headers` the names
    of the headers that the answer declares.
    """
    parts: dict[Part, list[Knob]] = {}
    for knob in knobs:
        part = part_of(knob)
        if part is not None:
            parts.setdefault(part, []).append(knob)
    _demote_switched(parts, knobs)
    if "cursor" in parts:  # a token comes before `since_id`, which is a filter as well
        parts["cursor"].sort(key=lambda k: squash(k.name) in BY_RECORD)
    answer = AnswerReader(flattener, response, items_at)
    following = answer.next() or answer.echoed(k.name for k in parts.get("cursor", []))
    _promote_token(parts, following, answer)
    if following is None or not following.is_sure:
        following = answer.echoed(k.name for k in parts.get("cursor", [])) or following
    if following is None and parts.get("cursor"):
        following = answer.next(may_be_number=True)
    has_link_header = any(squash(name) == "link" for name in headers)
    fields: dict[str, Any] = {
        "items_at": items_at,
        "params_in": "body" if in_body else "query",
        "has_more_from": answer.has_more(),
        "total_from": answer.total(),
        **_size(parts),
    }
    if parts.get("cursor"):
        fields["style"] = "cursor"
        fields["params"] = [k.name for part in _MOVING for k in parts.get(part, [])]
        source = _cursor_source(parts["cursor"][0], following, headers, has_link_header)
        fields |= source or _by_record(parts["cursor"][0], flattener, item, id_field)
    elif parts.get("page") or parts.get("offset"):
        fields |= _counted(parts, following, has_link_header)
    elif backwards := _backwards(parts, following, id_field) if not has_link_header else {}:
        fields |= backwards
    elif has_link_header:
        fields |= {"style": "link_header", **_link(following, has_link_header)}
    elif following is not None and (following.is_url or squash(following.at).endswith(VAGUE)):
        # No parameter could carry it: then what stands under `next` is followed as it is.
        fields |= {"style": "cursor", "next_from": following.at, "next_is_url": True}
    return Pagination(**fields)


def _backwards(parts: dict[Part, list[Knob]], following: Next | None, id_field: str | None) -> dict[str, Any]:
    """A list with the newest first and nothing but `before` the id of a record to go on by."""
    for knob in parts.get("back", []) if following is None and id_field is not None else ():
        if squash(knob.name) in ("maxid", "beforeid") or re.search(
            r"\bids?\b", knob.description, re.IGNORECASE
        ):
            return {"style": "cursor", "params": [knob.name], "next_from": f"last_item:{id_field}"}
    return {}


def _counted(parts: dict[Part, list[Knob]], following: Next | None, has_link_header: bool) -> dict[str, Any]:
    """Pages or records are counted; where the answer gives the next page's URL, that is followed."""
    is_page = bool(parts.get("page"))
    counted = parts["page"] if is_page else parts["offset"]
    fields: dict[str, Any] = {"style": "page" if is_page else "offset", "params": [k.name for k in counted]}
    if is_page and _starts_at_zero(counted[0]):
        fields["first_page"] = 0
    if not is_page and _starts_at_one(counted[0]):
        fields["first_offset"] = 1
    return fields | _link(following if following is not None and following.is_sure else None, has_link_header)


def _promote_token(parts: dict[Part, list[Knob]], following: Next | None, answer: AnswerReader) -> None:
    """An `offset` that is a text and comes back in the answer (`next_offset`, `offset`) is a cursor."""
    counted = parts.get("offset")
    if not counted or parts.get("cursor") or parts.get("page") or counted[0].schema.get("type") != "string":
        return
    if following is not None and following.is_sure:
        is_vague = squash(following.at.rpartition(".")[2]) in VAGUE
        is_token = not following.is_url and not (is_vague and answer.total())
    else:
        is_token = answer.echoed([counted[0].name]) is not None
    if is_token:
        parts["cursor"] = parts.pop("offset")


def _starts_at_one(knob: Knob) -> bool:
    """SCIM's `startIndex`, and its like."""
    if knob.schema.get("default") == 0 or knob.schema.get("minimum") == 0:
        return False
    said = knob.schema.get("default") == 1 or knob.schema.get("minimum") == 1
    return said or FROM_ONE.search(knob.description[:600]) is not None


def _starts_at_zero(knob: Knob) -> bool:
    if knob.schema.get("default") == 1 or knob.schema.get("minimum") == 1:
        return False
    if any(type(knob.schema.get(word)) is int and knob.schema[word] == 0 for word in ("default", "minimum")):
        return True
    return FROM_ZERO.search(knob.description[:600]) is not None


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
    knob: Knob, following: Next | None, headers: list[str], has_link_header: bool
) -> dict[str, Any]:
    """Where the cursor's next value is read."""
    if following is not None:
        return {"next_from": following.at, "next_is_url": following.is_url}
    if has_link_header:
        return {"next_from": "header:Link", "next_is_url": True}
    token = header_token(headers)
    return {"next_from": f"header:{token}"} if token is not None else {}


def _by_record(knob: Knob, flattener: Flattener, item: Any, id_field: str | None) -> dict[str, Any]:
    """A cursor that no answer gives: the id of the last record (also of what that wraps), or its sort values."""
    short = squash(knob.name)
    properties = flattener.properties(item)
    if short == "searchafter" and "sort" in properties:
        return {"next_from": "last_item:sort"}
    if short not in BY_RECORD:
        return {}
    if id_field is None:
        inner = [
            f"{name}.id"
            for name, child in properties.items()
            if flattener.type_of(child) == "object" and "id" in flattener.properties(child)
        ]
        id_field = inner[0] if len(inner) == 1 else None
    return {"next_from": f"last_item:{id_field}"} if id_field is not None else {}


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
            SIZE_ORDER.get(squash(k.name), 99),
        ),
    )
    return {
        "page_size_param": knob.name,
        "default_page_size": _positive(knob.schema.get("default")) or _said(DEFAULT, knob.description[:600]),
        "max_page_size": _positive(knob.schema.get("maximum")) or _said(MAXIMUM, knob.description[:600]),
    }


def _positive(value: Any) -> int | None:
    return (
        int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6
        else None
    )


@lru_cache(maxsize=2048)  # a shared parameter says the same at a thousand operations
def _said(pattern: re.Pattern[str], description: str) -> int | None:
    if not description:
        return None
    numbers = (int(found.group(1).replace(",", "")) for found in pattern.finditer(description))
    return next((number for number in numbers if number > 1), None)
