"""From a pair of fields to the transform that the runtime executes, with the reason in words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.mapping import notation, tables
from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.terms import Term
from vitesse_graph.state.mapping import TransformType


@dataclass(slots=True)
class Conversion:
    """`config` is what `vitesse_graph.transforms` understands. `doubt` (0..1) lowers the row's confidence."""

    type: TransformType
    config: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pair."""

    field: Field
    term: Term
    side_fields: tuple[Field, ...] = ()
    """The fields of the same object, for what stands beside (`type`, `primary`)."""


def convert(source: End, dest: End) -> Conversion | None:
    """The conversion between two fields; None when no value of one can become the other."""
    found = _scalar(source, dest)
    if found is None:
        return None
    _fit_lists(found, source, dest)
    return found


def same_name(source: Field, dest: Field) -> bool:
    """Whether the last names are the same but for case and separators."""
    return _bare(source.leaf) == _bare(dest.leaf)


def _bare(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _as_is(source: End, dest: End, why: str = "") -> Conversion:
    if same_name(source.field, dest.field):
        return Conversion("direct", {}, why or "same name, same kind of value")
    return Conversion("mapping", {}, why or "same kind of value under another name")


def _custom(function: str, why: str, doubt: float = 0.0, **params: Any) -> Conversion:
    config: dict[str, Any] = {"function": function}
    if params:
        config["params"] = params
    return Conversion("custom", config, why, doubt)


def _scalar(source: End, dest: End) -> Conversion | None:
    for attempt in (_booleans, _enums, _times, _money, _names, _codes, _markup, _plain_types):
        found = attempt(source, dest)
        if found is not None:
            return found if found.type != "direct" or found.why != "impossible" else None
    return _as_is(source, dest)


_IMPOSSIBLE = Conversion("direct", {}, "impossible")


# booleans

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


def _booleans(source: End, dest: End) -> Conversion | None:
    to_boolean = dest.field.type == "boolean"
    if source.field.type == "boolean":
        if to_boolean:
            if (source.term.notion, dest.term.notion) in _OPPOSITES:
                return Conversion("parse_bool", {"invert": True}, "the opposite statement")
            return _as_is(source, dest)
        return _from_boolean(source, dest)
    if not to_boolean:
        return None
    values = enum_values(source.field)
    if values:
        return _enum_to_boolean(values, dest)
    if notation.time_notation(source.field, source.term) is not None:
        inverted = dest.term.notion in ("active", "draft")
        params = {"invert": True} if inverted else {}
        return _custom("is_set", "true where the time is set", 0.2, **params)
    if source.field.type in ("string", "integer", "number", "any"):
        return Conversion("parse_bool", {}, "words or 1/0 as true and false", 0.1)
    return _IMPOSSIBLE


def _from_boolean(source: End, dest: End) -> Conversion | None:
    values = enum_values(dest.field)
    if values:
        yes, no = (
            _value_meaning(values, source.term.notion, True),
            _value_meaning(values, source.term.notion, False),
        )
        if yes is None or no is None or yes == no:
            return None if dest.field.type == "boolean" else _IMPOSSIBLE
        return _custom("bool_to_enum", f"true becomes {yes}, false {no}", 0.1, true=yes, false=no)
    if dest.field.type == "string":
        words = _TRUE_WORDS.get(source.term.notion)
        if words and dest.term.notion in ("status", "stage"):
            return _custom(
                "bool_to_enum",
                f"true becomes {words[0]}, false {words[1]}",
                0.4,
                true=words[0],
                false=words[1],
            )
        return Conversion("stringify", {}, "true and false as text", 0.3)
    if dest.field.type in ("integer", "number"):
        return _custom("bool_to_enum", "true becomes 1, false 0", 0.3, true=1, false=0)
    return _IMPOSSIBLE if dest.field.type == "object" else None


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
        return _IMPOSSIBLE
    return Conversion(
        "parse_bool",
        {"true_values": yes},
        f"true for {', '.join(yes)}",
        0.1 if len(yes) + len(no) == len(values) else 0.3,
    )


# enumerations


def enum_values(f: Field) -> list[Any]:
    """The values that the field may have: its enum, or those that its description names in quotes."""
    if f.place.enum:
        return list(f.place.enum)
    if f.type == "string":
        return list(tables.values_in_text(f.place.description))
    return []


def _enums(source: End, dest: End) -> Conversion | None:
    if dest.term.notion in ("country", "currency", "language", "timezone") or dest.field.type not in (
        "string",
        "any",
    ):
        return None
    wanted = list(dest.field.place.enum or [])
    if not wanted:
        return None
    given = enum_values(source.field)
    if not given:
        return _number_to_enum(source, dest, wanted)
    if set(map(str, given)) <= set(map(str, wanted)) and source.field.place.enum:
        return _as_is(source, dest, "same values")
    table, left = tables.value_table(given, wanted)
    if not table:
        return _IMPOSSIBLE if len(wanted) > 1 else None
    params: dict[str, Any] = {"table": table}
    why = ", ".join(f"{a} → {b}" for a, b in list(table.items())[:4])
    fallback = _fallback_value(wanted, table, left)
    if left:
        params |= (
            {"unmatched": "otherwise", "otherwise": fallback}
            if fallback is not None
            else {"unmatched": "skip"}
        )
    return _custom("enum_map", f"values by meaning: {why}", 0.25 * len(left) / len(given), **params)


def _fallback_value(wanted: list[Any], table: dict[str, Any], left: list[Any]) -> Any:
    """With two values to choose from, what is not the one that was found is the other."""
    used = set(map(str, table.values()))
    if left and len(wanted) == 2 and len(used) == 1:
        return next(v for v in wanted if str(v) not in used)
    return None


def _number_to_enum(source: End, dest: End, wanted: list[Any]) -> Conversion | None:
    """The sign of an amount as a direction (debit or credit)."""
    if not notation.is_money(source.field, source.term):
        return None if source.field.type == "string" else _IMPOSSIBLE
    out = next((v for v in wanted if tables.sense_of(v) == "outbound"), None)
    back = next((v for v in wanted if tables.sense_of(v) == "inbound"), None)
    if out is None or back is None:
        return _IMPOSSIBLE
    text = source.field.place.description.lower()
    is_out = bool(re.search(r"positive[^.]*(out of|leav|debit|spent|withdraw|purchase)", text))
    positive, negative = (out, back) if is_out else (back, out)
    return _custom(
        "sign_to_enum",
        f"positive becomes {positive}, negative {negative}",
        0.2 if is_out else 0.4,
        positive=positive,
        negative=negative,
    )


# time


def _times(source: End, dest: End) -> Conversion | None:
    there = notation.time_notation(dest.field, dest.term)
    here = notation.time_notation(source.field, source.term)
    if there is None or here is None:
        return None
    as_text = dest.field.type == "string" and there.startswith("unix")
    if here == there and (source.field.type == dest.field.type or not there.startswith("unix")):
        return _as_is(source, dest, "same notation of time")
    name = _TIME_FUNCTIONS.get((here, there)) if not as_text else None
    if name is not None:
        return _custom(name, f"{_WORDS[here]} → {_WORDS[there]}")
    params: dict[str, Any] = {"source": here, "target": there}
    if as_text:
        params["as_string"] = True
    return _custom("convert_time", f"{_WORDS[here]} → {_WORDS[there]}", **params)


_WORDS = {
    "iso8601": "ISO 8601 time",
    "date": "day",
    "unix_seconds": "Unix seconds",
    "unix_milliseconds": "Unix milliseconds",
    "rfc2822": "RFC 2822 date",
}
_TIME_FUNCTIONS = {
    ("iso8601", "date"): "parse_iso8601_to_date",
    ("iso8601", "unix_seconds"): "iso8601_to_unix",
    ("iso8601", "unix_milliseconds"): "iso8601_to_unix_ms",
    ("unix_seconds", "iso8601"): "unix_to_iso8601",
    ("unix_milliseconds", "iso8601"): "unix_ms_to_iso8601",
    ("unix_seconds", "date"): "unix_to_date",
    ("unix_milliseconds", "date"): "unix_ms_to_date",
    ("date", "iso8601"): "date_to_iso8601",
    ("date", "unix_seconds"): "date_to_unix",
    ("rfc2822", "iso8601"): "rfc2822_to_iso8601",
    ("rfc2822", "date"): "rfc2822_to_date",
}


# money


def _money(source: End, dest: End) -> Conversion | None:
    if not (notation.is_money(source.field, source.term) and notation.is_money(dest.field, dest.term)):
        return None
    here, there = (
        notation.in_minor_units(source.field, source.term),
        notation.in_minor_units(dest.field, dest.term),
    )
    doubt = 0.0
    if not here and not there:
        if notation.may_be_minor_units(source.field, source.term) and notation.has_fraction(dest.field):
            here, doubt = True, 0.05
        elif notation.may_be_minor_units(dest.field, dest.term) and notation.has_fraction(source.field):
            there, doubt = True, 0.05
    text = {"as_string": True} if dest.field.type == "string" else {}
    if here and not there:
        return _custom("minor_to_major", "minor units (cents) → decimal amount", doubt, **text)
    if there and not here:
        return _custom("major_to_minor", "decimal amount → minor units (cents)", doubt, **text)
    if _is_signed(source.field) and dest.field.type == "number" and source.field.type == "number":
        return _custom("absolute", "amount without its sign", 0.1)
    return None


def _is_signed(f: Field) -> bool:
    return bool(re.search(r"positive values? when|negative values? when", f.place.description, re.I))


# names of people


def _names(source: End, dest: End) -> Conversion | None:
    if source.term.notion in ("name", "full_name") and dest.term.notion in ("first_name", "last_name"):
        part = "first" if dest.term.notion == "first_name" else "last"
        return _custom("split_name", f"the {part} name out of the full name", 0.05, part=part)
    return None


# codes


def _codes(source: End, dest: End) -> Conversion | None:
    pair = {source.term.notion, dest.term.notion}
    if pair == {"country"}:
        return _country(source, dest)
    if pair == {"currency"}:
        return _currency(source, dest)
    if pair == {"language"}:
        return _language(source, dest)
    if (
        pair <= {"phone", "mobile"}
        and notation.wants_e164(dest.field)
        and not notation.wants_e164(source.field)
    ):
        return _custom("phone_to_e164", "phone number in E.164")
    return None


def _country(source: End, dest: End) -> Conversion | None:
    here = notation.country_form(source.field, source.term)
    there = notation.country_form(dest.field, dest.term)
    if there == here or (there == "unknown" and here != "name"):
        return None
    if there in ("alpha2", "alpha3"):
        return _custom(f"country_to_{there}", "country as its ISO 3166 code")
    if there == "unknown":
        return _custom("country_to_alpha2", "country as its ISO 3166 code", 0.1, unmatched="keep")
    if here in ("alpha2", "alpha3"):
        return _custom("country_to_name", "country by its name", unmatched="keep")
    return None


def _currency(source: End, dest: End) -> Conversion | None:
    here, there = notation.letter_case(source.field), notation.letter_case(dest.field)
    if there == "lower" and here != "lower":
        return _custom("lower", "currency code in lower case")
    if there != "lower" and (
        here == "lower" or (here == "unknown" and there == "upper" and dest.field.place.enum)
    ):
        return _custom("upper", "currency code in upper case")
    return None


def _language(source: End, dest: End) -> Conversion | None:
    allowed = [v for v in dest.field.place.enum or () if isinstance(v, str)]
    if allowed:
        return _custom(
            "locale_to_language", "the closest language that the destination knows", allowed=allowed
        )
    said = f"{dest.field.place.description} {dest.field.place.example or ''}"
    short = re.search(r"ISO.?639|two.?letter|\b[a-z]{2}$", said) and not re.search(
        r"BCP|[a-z]{2}[-_][A-Z]{2}", said
    )
    from_tag = source.term.words[-1:] == ("locale",) or re.search(
        r"BCP|[a-z]{2}[-_][A-Z]{2}", source.field.place.description
    )
    if short and from_tag:
        return _custom("locale_to_language", "the language of the locale")
    return None


# markup

_PROSE = frozenset(["body", "text", "description", "note", "comment", "summary", "bio"])


def _markup(source: End, dest: End) -> Conversion | None:
    if source.term.notion not in _PROSE or dest.field.type != "string" or source.field.type != "string":
        return None
    here, there = notation.holds_html(source.field), notation.holds_html(dest.field)
    if here and there is False:
        return _custom("html_to_text", "HTML as plain text")
    if there and not here and here is False:
        return _custom("text_to_html", "plain text as HTML")
    if there and here is None and source.term.notion in ("body", "text") and not _may_be_html(source.field):
        return _custom("text_to_html", "text as HTML", 0.1)
    return None


def _may_be_html(f: Field) -> bool:
    return bool(re.search(r"html|markup|rich", f.place.description, re.I)) or (
        isinstance(f.place.example, str) and "<" in f.place.example
    )


# JSON types


def _plain_types(source: End, dest: End) -> Conversion | None:
    here, there = source.field.type, dest.field.type
    if here == there or "any" in (here, there) or (here, there) == ("integer", "number"):
        return None
    if "object" in (here, there):
        return (
            Conversion("stringify", {}, "the object as JSON text", 0.5) if there == "string" else _IMPOSSIBLE
        )
    if there == "string":
        return Conversion("stringify", {}, f"{here} → text")
    if there in ("number", "integer") and here in ("string", "number", "integer"):
        config: dict[str, Any] = {"to": there}
        places = notation.decimals_of(dest.field)
        if there == "number" and places is not None:
            config["decimals"] = places
        if here == "number" and there == "integer":
            config["decimals"] = 0
        return Conversion("parse", config, f"{here} → {there}", 0.1 if here == "number" else 0.0)
    return None


# lists


def _fit_lists(found: Conversion, source: End, dest: End) -> None:
    """Adapts a conversion of single values to lists and to arrays of objects on either side."""
    from_list, to_list = source.field.is_list, dest.field.is_list
    if to_list:
        _into_list(found, source)
    elif from_list:
        _out_of_list(found, source, dest)
    elif source.field.array_at:
        _out_of_objects(found, source, dest)


def _into_list(found: Conversion, source: End) -> None:
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
    if found.type == "stringify":
        return {"function": "affix", "params": {}}
    if found.type == "parse":
        return {"function": "scale", "params": {"factor": "1"}}
    return {"function": "enum_map", "params": {"table": {}, "unmatched": "keep"}}


def _out_of_list(found: Conversion, source: End, dest: End) -> None:
    if source.term.notion == "tags" and found.type in ("direct", "mapping"):
        found.type, found.config, found.why = "collect", {"separator": ", "}, "list joined with commas"
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
    prefer = _preference(source)
    if prefer:
        found.config["prefer"] = prefer
        found.why += ", the primary entry"
    where = _condition(source, dest)
    if where:
        found.config["where"] = where
        found.why += f", only where {next(iter(where))} is {next(iter(where.values()))}"


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


def _condition(source: End, dest: End) -> dict[str, Any]:
    """`tax_ids[].value` → `eu_vat`: the sibling type's value that is the destination's own name."""
    for f in source.side_fields:
        if f.place.enum and f is not source.field:
            named = [v for v in f.place.enum if isinstance(v, str) and _bare(v) == _bare(dest.field.leaf)]
            if named:
                return {f.leaf: named[0]}
    return {}
