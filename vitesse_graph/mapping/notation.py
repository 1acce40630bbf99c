"""How a field writes its values: read from type, format, enum, example, description and name."""

from __future__ import annotations

import re
from typing import Any, Literal

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.sides import MONEY_NOTIONS, is_time
from vitesse_graph.mapping.terms import Term

TimeNotation = Literal["iso8601", "date", "unix_seconds", "unix_milliseconds", "rfc2822"]

_MILLIS = re.compile(r"millisecond|\bms\b|in ms", re.I)
_RFC2822 = re.compile(r"rfc.?(2822|1123|822)", re.I)
_DAY_ONLY = re.compile(r"YYYY-MM-DD(?![T ]?\s?[Hh]{2})|\bdate only\b|full-date", re.I)
_UNIX = re.compile(r"unix|epoch|seconds since", re.I)
_MINOR = re.compile(
    r"\bcents?\b|small(?:est)? (?:common )?(?:currency unit|denomination)|smallest unit|minor (?:currency )?unit|"
    r"lowest denomination|\bpence\b|in cents|fractional (?:currency )?unit|subunit",
    re.I,
)
_DECIMAL_TEXT = re.compile(r"decimal|[0-9]\.[0-9]{2}\b")


def time_notation(f: Field, term: Term) -> TimeNotation | None:
    """How the field writes a point in time; None when it does not hold one."""
    if not is_time(f, term):
        return None
    kind, text = (f.place.format or "").lower(), f.place.description
    if f.type in ("integer", "number"):
        example = f.place.example
        is_long = isinstance(example, (int, float)) and not isinstance(example, bool) and abs(example) > 1e11
        return "unix_milliseconds" if _MILLIS.search(text) or is_long else "unix_seconds"
    if kind == "date":
        return "date"
    if "2822" in kind or "1123" in kind or _RFC2822.search(text):
        return "rfc2822"
    if kind in ("date-time", "datetime", "timestamp"):
        return "iso8601"
    if kind == "unix-time" or (_UNIX.search(text) and f.type == "string"):
        return "unix_milliseconds" if _MILLIS.search(text) else "unix_seconds"
    return _from_text(f, term, text)


def _from_text(f: Field, term: Term, text: str) -> TimeNotation:
    example = f.place.example
    if isinstance(example, str) and re.match(r"\d{4}-\d\d-\d\d", example):
        return "date" if len(example) == 10 else "iso8601"
    if _DAY_ONLY.search(text):
        return "date"
    is_named_day = bool(term.words) and term.words[-1] in ("date", "on", "day", "birthday")
    return "date" if is_named_day and not re.search(r"3339|8601|time", text, re.I) else "iso8601"


def is_money(f: Field, term: Term) -> bool:
    """Whether the field holds an amount of money (by name; never by description alone)."""
    return term.notion in MONEY_NOTIONS and f.type in ("integer", "number", "string", "any")


def in_minor_units(f: Field, term: Term) -> bool:
    """Whether an amount counts cents (or whatever the currency's smallest unit is)."""
    if not is_money(f, term) or f.type == "number" or in_thousandths(f):
        return False
    if f.leaf.lower().endswith(("_cents", "cents", "_minor")):
        return True
    said = " ".join([f.place.description, *(place.description for place in f.ancestors[-1:])])
    if f.leaf.lower().endswith("_decimal"):
        return False
    if _MINOR.search(said):
        return f.type == "integer" or not _DECIMAL_TEXT.search(f.place.description)
    return False


_THOUSANDTHS = re.compile(r"milli-?units?|thousandths? of (?:a |the )?(?:currency )?unit|\bmills\b", re.I)


def in_thousandths(f: Field) -> bool:
    """Whether an amount counts thousandths of the currency's unit."""
    return f.type == "integer" and bool(_THOUSANDTHS.search(f"{f.leaf} {f.place.description}"))


def may_be_minor_units(f: Field, term: Term) -> bool:
    """An integer amount: nobody sells in whole units only, so it is likely to count cents."""
    return is_money(f, term) and f.type == "integer"


def has_fraction(f: Field) -> bool:
    """A number field that can hold cents after the point."""
    if f.type == "number":
        return True
    return f.type == "string"


def decimals_of(f: Field) -> int | None:
    """How many places the field's `multipleOf` allows; None when nothing is said."""
    step = f.place.constraints.get("multipleOf")
    if not isinstance(step, (int, float)) or isinstance(step, bool) or step <= 0:
        return None
    text = format(step, ".12f").rstrip("0")
    return len(text.partition(".")[2]) if set(text) <= set("0.1") else None


_ALPHA2 = re.compile(r"two.?letter|2.?letter|alpha.?2|ISO.?3166", re.I)
_SAYS_ALPHA2 = re.compile(r"two.?letter|2.?letter|alpha.?2", re.I)
_ALPHA3 = re.compile(r"three.?letter|3.?letter|alpha.?3", re.I)


def country_form(f: Field, term: Term) -> Literal["alpha2", "alpha3", "name", "unknown"]:
    """Whether a country is written as a code or by name."""
    values = [v for v in f.place.enum or () if isinstance(v, str)]
    if values:
        sizes = {len(v) for v in values if v}
        return "alpha2" if sizes == {2} else "alpha3" if sizes == {3} else "name"
    text, example = f.place.description, f.place.example
    longest = f.place.constraints.get("maxLength")
    if _ALPHA3.search(text) and not _SAYS_ALPHA2.search(text):
        return "alpha3"
    if (
        longest == 2
        or _ALPHA2.search(text)
        or (isinstance(example, str) and re.fullmatch("[A-Z]{2}", example))
    ):
        return "alpha2"
    if longest == 3:
        return "alpha3"
    if "code" in term.words or "iso" in term.words:
        return "alpha2"
    if isinstance(example, str) and len(example) > 3:
        return "name"
    return (
        "name"
        if re.search(r"country name|name of the country", text, re.I) or "letter" in text.lower()
        else ("name" if re.search(r"\[A-Z\]", text) else "unknown")
    )


def letter_case(f: Field) -> Literal["lower", "upper", "unknown"]:
    """Which letters the field's codes are written in, when something says so."""
    values: list[Any] = [v for v in f.place.enum or () if isinstance(v, str)]
    if not values and isinstance(f.place.example, str):
        values = [f.place.example]
    if values and all(v == v.upper() and v != v.lower() for v in values):
        return "upper"
    if values and all(v == v.lower() and v != v.upper() for v in values):
        return "lower"
    if re.search(r"lower.?case", f.place.description, re.I):
        return "lower"
    if re.search(r"upper.?case|capital letters|ISO.?4217", f.place.description, re.I):
        return "upper"
    return "unknown"


def holds_html(f: Field) -> bool | None:
    """True: HTML; False: plain text for certain; None: nothing is said."""
    name, text = f.leaf.lower(), f.place.description
    if "html" in name or "richtext" in name.replace("_", "") or re.search(r"\bHTML\b", text):
        return not re.search(
            r"(no|not|without|strip\w*|plain[^.]*) HTML|HTML (is|are) (not|stripped)", text, re.I
        )
    if "plain" in name or re.search(r"plain.?text", text, re.I):
        return False
    return None


def wants_e164(f: Field) -> bool:
    """Whether phone numbers are stated to be in E.164."""
    return bool(re.search(r"E\.?164", f.place.description, re.I))


_DAY_PATTERNS = re.compile(
    r"(?<![A-Za-z])((?:MM?([/.-])DD?|DD?([/.-])MM?)[/.-](?:YYYY|CCYY)|(?:YYYY|CCYY)[/.]MM[/.]DD|(?:YYYY|CCYY)MMDD)(?![A-Za-z:])",
    re.I,
)
_WITH_TIME = re.compile(r"\bHH|T\d\d:|\bhh[:.]?mm", re.I)


def day_pattern(f: Field) -> str | None:
    """The notation of a day that is stated and is not ISO's: `MM/DD/YYYY`; None where nothing is, or several are."""
    if f.type != "string" or f.place.format in ("date", "date-time"):
        return None
    said = f"{f.place.description} {f.place.constraints.get('pattern') or ''}"
    if _WITH_TIME.search(said):
        return None
    found = {m[0].upper().replace("CCYY", "YYYY") for m in _DAY_PATTERNS.findall(said)}
    if found:
        return found.pop() if len(found) == 1 and not _DAY_ONLY.search(said) else None
    return _pattern_of(f.place.example)


def _pattern_of(example: Any) -> str | None:
    """What an example shows beyond doubt: 17.03.2024, 03/17/2024, but not 03/04/2024."""
    shown = re.fullmatch(r"(\d\d)([/.-])(\d\d)\2(\d{4})", example) if isinstance(example, str) else None
    if shown is None:
        return None
    one, mark, two = int(shown[1]), shown[2], int(shown[3])
    if one > 12 >= two or (mark == "." and max(one, two) <= 12):
        return f"DD{mark}MM{mark}YYYY"
    return f"MM{mark}DD{mark}YYYY" if two > 12 >= one else None
