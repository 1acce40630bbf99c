"""Conversions adapted to lists and arrays on either side."""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.mapping import notation
from vitesse_graph.mapping.conversion import Conversion, End, bare
from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.words import plain_words, poles, singular, split_words


def fit_lists(found: Conversion, source: End, dest: End) -> None:
    """Adapts a conversion of single values to lists and to arrays of objects on either side."""
    from_list, to_list = source.field.is_list, dest.field.is_list
    if to_list:
        _into_list(found, source)
    elif from_list:
        _out_of_list(found, source, dest)
    elif source.field.array_at:
        _out_of_objects(found, source, dest)


_SEPARATED = re.compile(
    r"(comma|semicolon|pipe|space|newline)s?.?(?:separated|delimited)|separated by (comma|semicolon|pipe|space|newline)s?",
    re.I,
)
_MARKS = {"comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "newline": "\n"}
_SINGLE = frozenset(
    ["email", "phone", "mobile", "url", "website", "image", "id", "language", "country", "currency"]
)


def _mark(f: Field) -> str | None:
    """What separates the entries of a list that is written as one text; None where nothing says that it is one."""
    said = _SEPARATED.search(f.place.description)
    if said is not None:
        return _MARKS[(said[1] or said[2]).lower()]
    example = f.place.example
    return "," if isinstance(example, str) and re.fullmatch(r"[\w-]+(, ?[\w-]+)+", example) else None


def _into_list(found: Conversion, source: End) -> None:
    mark = _mark(source.field) if source.field.type == "string" and not source.field.is_list else None
    if mark is not None and found.type in ("direct", "mapping") and not source.field.array_at:
        found.type, found.why = "custom", "one text split into a list"
        found.config = {"function": "split", "params": {"separator": mark}}
        return
    if found.type in ("direct", "mapping"):
        found.config = {}
    elif found.type == "custom":
        found.config = {"item": {k: v for k, v in found.config.items() if k in ("function", "params")}}
    else:
        found.config = {"item": _as_function(found)}
    is_many = source.field.is_list or bool(source.field.array_at)
    found.type = "collect"
    found.why = "all values as a list" if is_many else "one value as a list"


def _as_function(found: Conversion) -> dict[str, Any]:
    names = {"stringify": "to_text", "parse": "to_number", "parse_bool": "to_boolean"}
    params = {k: v for k, v in found.config.items() if k != "source_type"}
    return {"function": names[found.type], "params": params}


def _out_of_list(found: Conversion, source: End, dest: End) -> None:
    mark = _mark(dest.field)
    if found.type in ("direct", "mapping") and dest.field.type == "string" and _joins(source, dest, mark):
        between = ", " if mark in (None, ",") else mark
        found.type, found.config, found.why = "collect", {"separator": between}, "the list as one text"
        return
    found.config["reduce"] = "first"
    if found.type == "direct":
        found.type = "mapping"
    found.why += ", the first of the list"


def _out_of_objects(found: Conversion, source: End, dest: End) -> None:
    """More arrays around the source than around the destination: one element, or their sum."""
    spare = len(source.field.array_at) - len(dest.field.array_at)
    if spare <= 0:
        return
    if notation.is_money(source.field, source.term) and dest.field.array_at and spare > 0:
        found.config["reduce"] = "sum"
        found.why += ", summed up"
        return
    called = _called(source, dest)
    prefer = {} if called else _preference(source)
    if called:
        at_home = dest.term.poles & _USUAL
        found.config["prefer" if at_home else "where"] = called
        found.why += f", {'first' if at_home else 'only'} where {next(iter(called))} says so"
        return
    if prefer:
        found.config["prefer"] = prefer
        found.why += ", the primary entry"
    where = _condition(source, dest)
    if where:
        found.config["where"] = where
        found.why += f", only where {next(iter(where))} is {next(iter(where.values()))}"


def _joins(source: End, dest: End, mark: str | None) -> bool:
    """Whether the text takes all entries: it says so, or it is for several of a thing that are no addresses."""
    if source.field.type not in ("string", "any") or dest.field.place.enum:
        return False
    if mark is not None or source.term.notion == "tags":
        return True
    last = split_words(dest.field.leaf)[-1:]
    return dest.term.notion not in _SINGLE and bool(last) and singular(last[0]) != last[0]


_FLAGS = (
    "primary",
    "is_primary",
    "isPrimary",
    "default",
    "is_default",
    "isDefault",
    "Primary",
    "IsDefault",
    "main",
)


def _preference(source: End) -> dict[str, Any]:
    for f in source.side_fields:
        if f.leaf in _FLAGS and f.type == "boolean":
            return {f.leaf: True}
    for f in source.side_fields:
        if f.leaf.lower().endswith("type") and f.place.enum:
            best = next((v for v in f.place.enum if str(v).lower() in ("default", "primary", "main")), None)
            if best is not None:
                return {f.leaf: best}
    return {}


_USUAL = frozenset((("place", "home"), ("rank", "primary")))
"""Poles that what has no other mark belongs to as well."""
_MOST_KINDS = 20


def _called(source: End, dest: End) -> dict[str, Any]:
    """`phones[].number` → `mobile_phone`: the kinds beside the value that stand where the destination does."""
    for f in source.side_fields:
        values = [v for v in f.place.enum or () if isinstance(v, str)]
        if f is source.field or not 1 < len(values) <= _MOST_KINDS:
            continue
        for axis in ("place", "party"):
            wanted = {pole for pole in dest.term.poles if pole[0] == axis}
            found = [v for v in values if wanted & poles(frozenset(plain_words(v)))]
            if wanted and found and len(found) < len(values):
                return {f.leaf: found[0] if len(found) == 1 else found}
    return {}


def _condition(source: End, dest: End) -> dict[str, Any]:
    """`tax_ids[].value` → `eu_vat`: the sibling type's value that is the destination's own name."""
    for f in source.side_fields:
        if f.place.enum and f is not source.field:
            named = [v for v in f.place.enum if isinstance(v, str) and bare(v) == bare(dest.field.leaf)]
            if named:
                return {f.leaf: named[0]}
    return {}
