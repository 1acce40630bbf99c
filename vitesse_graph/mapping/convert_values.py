"""Conversions of booleans and of enumerations, by what their values mean."""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.mapping import notation, tables
from vitesse_graph.mapping.conversion import IMPOSSIBLE, Conversion, End, as_is, custom
from vitesse_graph.mapping.schema import Field

_OPPOSITES = frozenset(
    (
        ("active", "inactive"),
        ("inactive", "active"),
        ("published", "draft"),
        ("draft", "published"),
        ("inactive", "published"),
        ("published", "inactive"),
        ("draft", "active"),
        ("active", "draft"),
    )
)


def booleans(source: End, dest: End) -> Conversion | None:
    to_boolean = dest.field.type == "boolean"
    if source.field.type == "boolean":
        if to_boolean:
            if (source.term.notion, dest.term.notion) in _OPPOSITES:
                return Conversion("parse_bool", {"invert": True}, "the opposite statement")
            return as_is(source, dest)
        return _from_boolean(source, dest)
    if not to_boolean:
        return None
    flag = tables.yes_no(source.field)
    if flag is not None:
        config = {"true_values": [flag[0]], "false_values": [flag[1]]}
        return Conversion("parse_bool", config, f"{flag[0]} and {flag[1]} as true and false")
    values = enum_values(source.field)
    if values:
        return _enum_to_boolean(values, dest)
    if notation.time_notation(source.field, source.term) is not None:
        inverted = dest.term.notion in ("active", "draft")
        params = {"invert": True} if inverted else {}
        return custom("is_set", "true where the time is set", 0.2, **params)
    if source.field.type in ("string", "integer", "number", "any"):
        return Conversion("parse_bool", {}, "words or 1/0 as true and false", 0.1)
    return IMPOSSIBLE


def _from_boolean(source: End, dest: End) -> Conversion | None:
    flag = tables.yes_no(dest.field)
    if flag is not None:
        true, false = (int(flag[0]), int(flag[1])) if dest.field.type == "integer" else flag
        return custom("bool_to_enum", f"true becomes {true}, false {false}", true=true, false=false)
    values = enum_values(dest.field)
    if values:
        yes, no = (
            _value_meaning(values, source.term.notion, True),
            _value_meaning(values, source.term.notion, False),
        )
        if yes is None or no is None or yes == no:
            return None if dest.field.type == "boolean" else IMPOSSIBLE
        return custom("bool_to_enum", f"true becomes {yes}, false {no}", 0.1, true=yes, false=no)
    if dest.field.type == "string":
        words = _TRUE_WORDS.get(source.term.notion)
        if words and dest.term.notion in ("status", "stage"):
            return custom(
                "bool_to_enum",
                f"true becomes {words[0]}, false {words[1]}",
                0.4,
                true=words[0],
                false=words[1],
            )
        return Conversion("stringify", {"source_type": "boolean"}, "true and false as text", 0.3)
    if dest.field.type in ("integer", "number"):
        return custom("bool_to_enum", "true becomes 1, false 0", 0.3, true=1, false=0)
    return IMPOSSIBLE if dest.field.type == "object" else None


_TRUE_WORDS = {
    "draft": ("DRAFT", "PUBLISHED"),
    "published": ("PUBLISHED", "DRAFT"),
    "active": ("active", "inactive"),
    "inactive": ("inactive", "active"),
    "completed": ("completed", "open"),
}


def _value_meaning(values: list[Any], about: str, answer: bool) -> Any:
    """The value of a status that best says that the boolean `about` is `answer`."""
    wanted = tables.TRUE_SENSES.get(about, ("active", "inactive"))[0 if answer else 1]
    ranked = sorted(((tables.likeness(wanted, v), -at) for at, v in enumerate(values)), reverse=True)
    if ranked and ranked[0][0] >= 0.5:
        return values[-ranked[0][1]]
    fitting = [v for v in values if tables.truth_of(v, about) is answer]
    return fitting[0] if fitting else None


def _enum_to_boolean(values: list[Any], dest: End) -> Conversion | None:
    answers = {str(v): tables.truth_of(v, dest.term.notion) for v in values}
    yes = [v for v, answer in answers.items() if answer is True]
    no = [v for v, answer in answers.items() if answer is False]
    if not yes or not no:
        return IMPOSSIBLE
    return Conversion(
        "parse_bool",
        {"true_values": yes},
        f"true for {', '.join(yes)}",
        0.1 if len(yes) + len(no) == len(values) else 0.3,
    )


def enum_values(f: Field) -> list[Any]:
    """The values that the field may have: its enum, or those that its description names in quotes."""
    if f.place.enum:
        return list(f.place.enum)
    if f.type == "string":
        return list(tables.values_in_text(f.place.description))
    return []


_OTHER_TABLES = ("country", "currency", "language", "timezone")
"""Notions whose codes are standards', with transforms of their own."""


def enums(source: End, dest: End) -> Conversion | None:
    if dest.term.notion in _OTHER_TABLES or dest.field.is_list:
        return None
    codes = tables.codes_in_text(dest.field.place.description)
    wanted = _wanted(dest.field, codes)
    if not wanted:
        return None
    here = tables.codes_in_text(source.field.place.description)
    given = enum_values(source.field) or [_typed(code, source.field.type) for code in here]
    if not given:
        return _number_to_enum(source, dest, wanted) if dest.field.place.enum else None
    if set(map(str, given)) <= set(map(str, wanted)) and source.field.place.enum and here == codes:
        return as_is(source, dest, "same values") if source.field.type == dest.field.type else None
    table, left = tables.value_table(given, wanted, here, codes)
    if not table:
        return IMPOSSIBLE if len(wanted) > 1 and dest.field.place.enum else None
    params: dict[str, Any] = {"table": table}
    if source.field.type in ("integer", "number", "boolean"):
        params["keys"] = source.field.type
    why = ", ".join(f"{a} → {b}" for a, b in list(table.items())[:4])
    fallback = _fallback_value(wanted, table, left)
    if not dest.field.place.enum or dest.field.type not in ("string", "any"):
        # What a description lists need not be all: text stays as it is, numbers would mislead.
        params["unmatched"] = "keep" if dest.field.type == source.field.type == "string" else "skip"
    elif left and fallback is not None:
        params |= {"unmatched": "otherwise", "otherwise": fallback}
    elif left:
        params["unmatched"] = "skip"
    return custom("enum_map", f"values by meaning: {why}", 0.25 * len(left) / len(given), **params)


def _wanted(dest: Field, codes: dict[str, str]) -> list[Any]:
    """The values that the destination may have; numbers only where a text says what they mean."""
    if dest.type in ("string", "any"):
        return list(dest.place.enum or codes)
    if dest.type in ("integer", "number") and codes:
        return list(dest.place.enum or [_typed(code, dest.type) for code in codes])
    return []


def _typed(code: str, kind: str) -> Any:
    return int(code) if kind in ("integer", "number") and code.isdecimal() else code


def _fallback_value(wanted: list[Any], table: dict[str, Any], left: list[Any]) -> Any:
    """With two values to choose from, what is not the one that was found is the other."""
    used = set(map(str, table.values()))
    if left and len(wanted) == 2 and len(used) == 1:
        return next(v for v in wanted if str(v) not in used)
    return None


def _number_to_enum(source: End, dest: End, wanted: list[Any]) -> Conversion | None:
    """The sign of an amount as a direction (debit or credit)."""
    if not notation.is_money(source.field, source.term):
        return None if source.field.type == "string" else IMPOSSIBLE
    out = next((v for v in wanted if tables.sense_of(v) == "outbound"), None)
    back = next((v for v in wanted if tables.sense_of(v) == "inbound"), None)
    if out is None or back is None:
        return IMPOSSIBLE
    text = source.field.place.description.lower()
    is_out = bool(re.search(r"positive[^.]*(out of|leav|debit|spent|withdraw|purchase)", text))
    positive, negative = (out, back) if is_out else (back, out)
    return custom(
        "sign_to_enum",
        f"positive becomes {positive}, negative {negative}",
        0.2 if is_out else 0.4,
        positive=positive,
        negative=negative,
    )
