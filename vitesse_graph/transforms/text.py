"""Texts: case, joining and splitting, names of people, simple markup."""

from __future__ import annotations

import html
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

import orjson

from vitesse_graph.transforms.numbers import number_writer, to_decimal, to_json_number
from vitesse_graph.transforms.registry import Apply, transform
from vitesse_graph.transforms.result import TransformProblem


def as_text(value: Any) -> str:
    """A scalar as text: texts as they are, numbers without exponent, booleans as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value) if isinstance(value, int) else format(to_decimal(value), "f")
    raise TransformProblem("not a text, number or boolean")


@transform("to_text", returns="string", builder=True, inverse=lambda _: ("to_number", {}))
def to_text(decimals: int | None = None, rounding: str = "half_up") -> Apply:
    """value → text (what `stringify` does, for elements and steps)"""
    if decimals is not None:
        return number_writer(decimals, rounding)

    def write(value: Any) -> str:
        if not isinstance(value, (dict, list)):
            return as_text(value)
        try:
            return orjson.dumps(value).decode()
        except (TypeError, ValueError):
            raise TransformProblem("holds a value that JSON text cannot carry") from None

    return write


@transform("upper", accepts=("string",), returns="string")
def upper(value: Any) -> str:
    """text in upper case"""
    return as_text(value).upper()


@transform("lower", accepts=("string",), returns="string")
def lower(value: Any) -> str:
    """text in lower case"""
    return as_text(value).lower()


@transform("trim", accepts=("string",), returns="string")
def trim(value: Any) -> str | None:
    """text without spaces around it; nothing where only spaces were"""
    return as_text(value).strip() or None


@transform("normalize_text", accepts=("string",), returns="string", builder=True)
def normalize_text(form: str = "NFC") -> Apply:
    """text in one Unicode normal form, control characters removed"""
    if form not in ("NFC", "NFKC"):
        raise ValueError("form must be NFC or NFKC")

    def normalize(value: Any) -> str:
        text = unicodedata.normalize("NFC" if form == "NFC" else "NFKC", as_text(value))
        return "".join(c for c in text if c in "\n\r\t" or unicodedata.category(c) not in ("Cc", "Cs"))

    return normalize


@transform("truncate", accepts=("string",), returns="string", builder=True)
def truncate(length: int) -> Apply:
    """text cut to so many characters"""
    end = int(length)
    if end < 0:
        raise ValueError("length must not be negative")
    return lambda value: as_text(value)[:end]


@transform(
    "affix",
    accepts=("string",),
    returns="string",
    builder=True,
    inverse=lambda params: ("strip_affix", dict(params)),
)
def affix(prefix: str = "", suffix: str = "") -> Apply:
    """text with something put before or after it"""
    return lambda value: f"{prefix}{as_text(value)}{suffix}"


@transform(
    "strip_affix",
    accepts=("string",),
    returns="string",
    builder=True,
    inverse=lambda params: ("affix", dict(params)),
)
def strip_affix(prefix: str = "", suffix: str = "") -> Apply:
    """text without what stands before or after it; refused where that is not there"""

    def strip(value: Any) -> str:
        text = as_text(value)
        fits = text.startswith(prefix) and text.endswith(suffix)
        if not fits or len(text) < len(prefix) + len(suffix):
            raise TransformProblem("not a text with the stated beginning and end")
        return text[len(prefix) : len(text) - len(suffix)]

    return strip


@transform("join", accepts=("any",), returns="string", many=True, whole=True, builder=True)
def join(separator: str = " ", skip_empty: bool = True) -> Apply:
    """several values joined into one text"""
    between = str(separator)

    def put_together(values: Any) -> str | None:
        items = values if isinstance(values, list) else [values]
        texts = [as_text(v).strip() if skip_empty else as_text(v) for v in items if v is not None]
        return between.join(t for t in texts if t or not skip_empty) or None

    return put_together


@transform("split", accepts=("string",), returns="array", builder=True, inverse=lambda p: ("join", dict(p)))
def split(separator: str = ",") -> Apply:
    """one text split into a list, without empty parts"""
    if not separator:
        raise ValueError("separator must not be empty")

    def take_apart(value: Any) -> list[str]:
        return [part.strip() for part in as_text(value).split(separator) if part.strip()]

    return take_apart


@transform("split_part", accepts=("string",), returns="string", builder=True)
def split_part(separator: str = " ", index: int = 0) -> Apply:
    """one part of a text (counted from 0; from the end where negative)"""
    if not separator:
        raise ValueError("separator must not be empty")
    at = int(index)

    def part(value: Any) -> str | None:
        parts = as_text(value).split(separator)
        return parts[at].strip() or None if -len(parts) <= at < len(parts) else None

    return part


@transform("split_name", accepts=("string",), returns="string", builder=True)
def split_name(part: str = "first") -> Apply:
    """the first or last name in a person's full name ("Last, First" is understood)

    Of several words the last one is the last name, together with the particles before it (van,
    de la …); a single word counts as a first name.
    """
    if part not in ("first", "last", "middle"):
        raise ValueError("part must be first, middle or last")

    def take(value: Any) -> str | None:
        return _name_parts(as_text(value))[part] or None

    return take


_PARTICLES = frozenset(
    [
        "van",
        "von",
        "der",
        "den",
        "de",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "das",
        "du",
        "la",
        "le",
        "bin",
        "ibn",
        "al",
        "ter",
        "ten",
        "zu",
        "af",
    ]
)


def _name_parts(text: str) -> dict[str, str]:
    if text.count(",") == 1:
        last, given = (piece.split() for piece in text.split(","))
        return {"first": " ".join(given[:1]), "middle": " ".join(given[1:]), "last": " ".join(last)}
    words = text.split()
    cut = max(len(words) - 1, 1)
    while cut > 1 and words[cut - 1].lower() in _PARTICLES:
        cut -= 1
    return {
        "first": " ".join(words[:1]),
        "middle": " ".join(words[1:cut]),
        "last": " ".join(words[cut:]),
    }


@transform("slugify", accepts=("string",), returns="string")
def slugify(value: Any) -> str | None:
    """text as the readable part of a web address"""
    plain = unicodedata.normalize("NFKD", as_text(value)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or None


class _TextOfHtml(HTMLParser):
    _BREAKS = frozenset(
        ["br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"]
    )
    _SILENT = frozenset(("script", "style"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in self._SILENT
        if tag in self._BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in self._SILENT))
        if tag in self._BREAKS and tag != "br":
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data)


@transform("html_to_text", accepts=("string",), returns="string")
def html_to_text(value: Any) -> str:
    """HTML as plain text"""
    parser = _TextOfHtml()
    parser.feed(as_text(value))
    parser.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(parser.pieces)).strip()


@transform("text_to_html", accepts=("string",), returns="string", inverse=lambda _: ("html_to_text", {}))
def text_to_html(value: Any) -> str:
    """plain text as HTML: escaped, a paragraph for each block of lines"""
    blocks = re.split(r"\n\s*\n", as_text(value).strip())
    return "".join(f"<p>{html.escape(b).replace(chr(10), '<br>')}</p>" for b in blocks if b)


@transform("number_in_text", accepts=("string",), returns="number")
def number_in_text(value: Any) -> int | float:
    """the one number in a text ("12 kg" → 12)"""
    found = re.findall(r"-?\d+(?:\.\d+)?", as_text(value)[:1000], re.ASCII)
    if len(found) != 1:
        raise TransformProblem("not a text with exactly one number")
    return to_json_number(to_decimal(found[0]))
