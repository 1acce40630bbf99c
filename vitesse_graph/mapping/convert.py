"""From a pair of fields to the transform that the runtime executes, with the reason in words."""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.mapping import notation
from vitesse_graph.mapping.conversion import IMPOSSIBLE, Conversion, End, as_is, custom
from vitesse_graph.mapping.convert_lists import fit_lists
from vitesse_graph.mapping.convert_values import booleans, enums
from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.units import measures


def convert(source: End, dest: End) -> Conversion | None:
    """The conversion between two fields; None when no value of one can become the other."""
    found = _scalar(source, dest)
    if found is None:
        return None
    fit_lists(found, source, dest)
    return found


def _scalar(source: End, dest: End) -> Conversion | None:
    for attempt in _ATTEMPTS:
        found = attempt(source, dest)
        if found is not None:
            return None if found is IMPOSSIBLE else found
    return as_is(source, dest)


# time


def _times(source: End, dest: End) -> Conversion | None:
    there = notation.time_notation(dest.field, dest.term)
    here = notation.time_notation(source.field, source.term)
    if there is None or here is None:
        return None
    patterned = _patterns(source, dest, here, there)
    if patterned is not None:
        return patterned
    as_text = dest.field.type == "string" and there.startswith("unix")
    if here == there and (source.field.type == dest.field.type or not there.startswith("unix")):
        return as_is(source, dest, "same notation of time")
    name = _TIME_FUNCTIONS.get((here, there)) if not as_text else None
    if name is not None:
        return custom(name, f"{_WORDS[here]} → {_WORDS[there]}")
    params: dict[str, Any] = {"source": here, "target": there}
    if as_text:
        params["as_string"] = True
    return custom("convert_time", f"{_WORDS[here]} → {_WORDS[there]}", **params)


def _patterns(source: End, dest: End, here: str, there: str) -> Conversion | None:
    """Days in a notation that is not ISO's, on one side or both; None where neither is."""
    from_pattern, to_pattern = notation.day_pattern(source.field), notation.day_pattern(dest.field)
    if from_pattern == to_pattern:
        return None if from_pattern is None else as_is(source, dest, "same notation of days")
    steps: list[dict[str, Any]] = []
    if from_pattern is not None:
        steps.append({"function": "pattern_to_date", "params": {"pattern": from_pattern}})
        here = "date"
    wanted = "date" if to_pattern is not None else there
    if here != wanted:
        steps.append({"function": "convert_time", "params": {"source": here, "target": wanted}})
    if to_pattern is not None:
        steps.append({"function": "date_to_pattern", "params": {"pattern": to_pattern}})
    why = f"{from_pattern or _WORDS[here]} → {to_pattern or _WORDS[there]}"
    return Conversion("custom", steps[0] if len(steps) == 1 else {"steps": steps}, why)


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
    thousandths = [notation.in_thousandths(end.field) for end in (source, dest)]
    if any(thousandths):
        return _thousandths(source, dest, *thousandths)
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
        return custom("minor_to_major", "minor units (cents) → decimal amount", doubt, **text)
    if there and not here:
        return custom("major_to_minor", "decimal amount → minor units (cents)", doubt, **text)
    if _is_signed(source.field) and dest.field.type == "number" and source.field.type == "number":
        return custom("absolute", "amount without its sign", 0.1)
    return None


def _thousandths(source: End, dest: End, here: bool, there: bool) -> Conversion | None:
    """Amounts that count thousandths of the currency's unit, on one side or both."""
    if here and there:
        return None
    other = dest if here else source
    if notation.in_minor_units(other.field, other.term):
        factor = "0.1" if here else "10"
        return custom("scale", "between hundredths and thousandths of the unit", factor=factor, decimals=0)
    text = {"as_string": True} if dest.field.type == "string" else {}
    function = "minor_to_major" if here else "major_to_minor"
    return custom(function, "between whole units and thousandths", decimals=3, **text)


def _is_signed(f: Field) -> bool:
    return bool(re.search(r"positive values? when|negative values? when", f.place.description, re.I))


# names of people


def _names(source: End, dest: End) -> Conversion | None:
    if source.term.notion in ("name", "full_name") and dest.term.notion in ("first_name", "last_name"):
        part = "first" if dest.term.notion == "first_name" else "last"
        return custom("split_name", f"the {part} name out of the full name", 0.05, part=part)
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
        return custom("phone_to_e164", "phone number in E.164")
    return None


def _country(source: End, dest: End) -> Conversion | None:
    here = notation.country_form(source.field, source.term)
    there = notation.country_form(dest.field, dest.term)
    if there == here or (there == "unknown" and here != "name"):
        return None
    known: dict[str, Any] = {"source": here} if here != "unknown" else {}
    if there in ("alpha2", "alpha3"):
        return custom(f"country_to_{there}", "country as its ISO 3166 code", **known)
    if there == "unknown":
        return custom("country_to_alpha2", "country as its ISO 3166 code", 0.1, unmatched="keep")
    if here in ("alpha2", "alpha3"):
        return custom("country_to_name", "country by its name", unmatched="keep", **known)
    return None


def _currency(source: End, dest: End) -> Conversion | None:
    here, there = notation.letter_case(source.field), notation.letter_case(dest.field)
    if there == "lower" and here != "lower":
        return custom("lower", "currency code in lower case")
    if there != "lower" and (
        here == "lower" or (here == "unknown" and there == "upper" and dest.field.place.enum)
    ):
        return custom("upper", "currency code in upper case")
    return None


def _language(source: End, dest: End) -> Conversion | None:
    allowed = [v for v in dest.field.place.enum or () if isinstance(v, str)]
    if allowed:
        return custom(
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
        return custom("locale_to_language", "the language of the locale")
    return None


# markup

_PROSE = frozenset(["body", "text", "description", "note", "comment", "summary", "bio"])


def _markup(source: End, dest: End) -> Conversion | None:
    if source.term.notion not in _PROSE or dest.field.type != "string" or source.field.type != "string":
        return None
    here, there = notation.holds_html(source.field), notation.holds_html(dest.field)
    if here and there is False:
        return custom("html_to_text", "HTML as plain text")
    if there and not here and here is False:
        return custom("text_to_html", "plain text as HTML")
    if there and here is None and source.term.notion in ("body", "text") and not _may_be_html(source.field):
        return custom("text_to_html", "text as HTML", 0.1)
    return None


def _may_be_html(f: Field) -> bool:
    return bool(re.search(r"html|markup|rich", f.place.description, re.I)) or (
        isinstance(f.place.example, str) and "<" in f.place.example
    )


# JSON types


_WORDED = frozenset(
    [
        "name",
        "title",
        "full_name",
        "first_name",
        "last_name",
        "description",
        "body",
        "text",
        "note",
        "comment",
        "summary",
        "subject",
        "email",
        "url",
        "website",
        "address",
        "milestone",
        "category",
        "status",
        "stage",
        "type",
        "tags",
        "username",
        "location",
        "country",
        "currency",
        "language",
    ]
)
"""Notions whose texts are words: no number can be read from them."""
_CODED = frozenset(("type", "status", "stage", "category", "role", "gender", "condition", "channel"))
"""Notions whose numbers are one API's own codes: as text they mean nothing to another."""


def _meaningless(source: End, dest: End) -> Conversion | None:
    """Values that could be written as the other type and would say nothing there."""
    here, there = source.field.type, dest.field.type
    notion = source.term.notion
    is_word = notion in _WORDED and notation.time_notation(source.field, source.term) is None
    if there in ("integer", "number") and here == "string" and is_word and not dest.field.place.enum:
        return IMPOSSIBLE
    if there == "string" and here in ("integer", "number") and dest.term.notion in _CODED:
        return IMPOSSIBLE
    return None


def _plain_types(source: End, dest: End) -> Conversion | None:
    here, there = source.field.type, dest.field.type
    if here == there or "any" in (here, there) or (here, there) == ("integer", "number"):
        return None
    if "object" in (here, there):
        return (
            Conversion("stringify", {"source_type": "object"}, "the object as JSON text", 0.5)
            if there == "string"
            else IMPOSSIBLE
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


_ATTEMPTS = (
    booleans,
    enums,
    _times,
    _money,
    measures,
    _names,
    _codes,
    _markup,
    _meaningless,
    _plain_types,
)
