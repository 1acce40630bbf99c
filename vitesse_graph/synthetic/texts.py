"""Generators for strings: by enum, format, pattern, meaning, example; then edges and oddities.

Whatever is drawn from a pool was checked against the field's own length, pattern and format when the
generator was compiled, so that drawing is one index operation.
"""

from __future__ import annotations

import random
import re
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import orjson

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.contract import Contract
from vitesse_graph.synthetic.draw import Draw, Generate, Profile
from vitesse_graph.synthetic.identifiers import address_generator, identifier, like, token
from vitesse_graph.synthetic.material import Pools
from vitesse_graph.synthetic.meaning import Meaning, example_of, meaning_of, words
from vitesse_graph.synthetic.patterns import pattern_sampler
from vitesse_graph.synthetic.times import (
    clock,
    day_generator,
    is_mail_date,
    like_moment,
    mail_date,
    moment_generator,
)

_STRING_RULES = ("type", "minLength", "maxLength", "pattern", "format", "enum", "const", "not")
_EXTREME_SHARE = {"typical": 0.0, "boundary": 0.3, "adversarial": 0.4}

ODD_TEXTS: tuple[str, ...] = (
    "",
    " ",
    "  padded  ",
    'O\'Brien "Bob" <b>&amp;</b>',
    "'; DROP TABLE customers; --",
    "${jndi:ldap://127.0.0.1/x} {{7*7}}",
    "Zoë Łukasz 山田太郎",
    "e\u0301cole nai\u0308ve",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "👩‍👩‍👧‍👦 🇩🇪",
    "zero\u200bwidth\ufeff",
    "line one\nline two\ttabbed\r\n",
    "nul\x00inside",
    "null",
    "true",
    "-0",
    "1e309",
    "undefined",
    "../../etc/passwd",
    "%00%0d%0a",
    "=1+1",
    "A" * 260,
    "ß" * 300,
)
_ODD_EMAILS = (
    "o'connor+tag@example.com",
    "a@example.co.uk",
    "UPPER.Case@EXAMPLE.COM",
    "x" * 60 + "@example.com",
)
_ODD_MOMENTS = (
    "2024-02-29T23:59:59Z", "2026-03-29T02:30:00+01:00", "2025-12-31T23:59:59.999999-11:00", "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2025-06-15T12:00:00+14:00",
)  # fmt: skip
_ODD_DAYS = ("2024-02-29", "2025-12-31", "1970-01-01", "0001-01-01", "9999-12-31")
_QUOTED = r"[`\"']{1,2}[A-Za-z0-9_\-]{1,40}[`\"']{1,2}"
_OPTIONS = re.compile(
    r"(?:one of|can be|either|must be|allowed values?|possible values?|valid values?|options?)\b[^`\"'.]{0,40}"
    rf"((?:{_QUOTED}(?:\s*,\s*(?:or\s+|and\s+)?|\s+or\s+|\s+and\s+|\s*\|\s*)?){{2,}})",
    re.IGNORECASE,
)


_KEPT = 8_192
_made: OrderedDict[tuple[Any, ...], tuple[Pools, Generate]] = OrderedDict()


def text_generator(name: str, parent: str, schema: JsonSchema, profile: Profile, material: Pools) -> Generate:
    """The generator of one string field. It holds no state of its own, so that equal fields share one."""
    try:
        key = (name, parent, profile, id(material), orjson.dumps(schema))
    except TypeError:
        return _text_generator(name, parent, schema, profile, material)
    known = _made.get(key)
    if known is None:
        # The material is kept beside it, so that its number stays its own.
        known = _made[key] = (material, _text_generator(name, parent, schema, profile, material))
        if len(_made) > _KEPT:
            _made.popitem(last=False)
    return known[1]


def _text_generator(
    name: str, parent: str, schema: JsonSchema, profile: Profile, material: Pools
) -> Generate:
    contract = Contract(
        {"type": "string", **{k: schema[k] for k in _STRING_RULES if k in schema and k != "type"}}
    )
    if profile == "typical":
        return _usual(name, parent, schema, material, contract)
    usual = text_generator(name, parent, schema, "typical", material)
    extremes = _extremes(name, schema, profile, contract)
    if not extremes:
        return usual
    share, count = _EXTREME_SHARE[profile], len(extremes)

    def generate(draw: Draw) -> Any:
        if draw.random() < share:
            return extremes[int(draw.random() * count)]
        return usual(draw)

    return generate


def _usual(name: str, parent: str, schema: JsonSchema, material: Pools, contract: Contract) -> Generate:
    options = described_options(schema)
    if options and all(contract.is_valid(option) for option in options):
        return _one_of(options)
    meaning = meaning_of(name, schema, parent)
    candidates: list[Callable[[], Generate | None]] = [
        lambda: _by_format(schema, name, parent, material),
        lambda: _by_meaning(meaning, name, parent, schema, material, contract),
        lambda: _by_pattern(schema, contract),
        lambda: _by_example(schema, contract),
        lambda: _pooled(material.word, contract, crc32(name.encode("utf-8", "surrogatepass"))),
        lambda: _pooled(material.sentence, contract),
    ]
    if "pattern" in schema:
        candidates.insert(2, candidates.pop(3))  # the example shows the pattern better than a random walk
    probe = Draw(random.Random(1))
    for candidate in candidates:
        generate = candidate()
        if generate is not None and all(_fits(generate, probe, contract) for _ in range(4)):
            return generate
    return _last_resort(schema)


def _fits(generate: Generate, probe: Draw, contract: Contract) -> bool:
    probe.next_subject()
    return contract.is_valid(generate(probe))


def _pooled(pool: Sequence[str], contract: Contract, shift: int = 0) -> Generate | None:
    """Entries of the pool that the field takes, still in step with `who`; shifted, so that fields differ."""
    fitting = [entry for entry in pool if contract.is_valid(entry)]
    if not fitting:
        return None
    count, whole = len(fitting), len(pool)
    if count == whole:
        return lambda draw: fitting[(draw.who + shift) % count]
    kept = [entry if contract.is_valid(entry) else fitting[index % count] for index, entry in enumerate(pool)]
    return lambda draw: kept[(draw.who + shift) % whole]


def _one_of(options: Sequence[Any]) -> Generate:
    count = len(options)
    return lambda draw: options[int(draw.random() * count)]


def described_options(schema: JsonSchema) -> list[str]:
    """Values that a description lists in quotes after words such as "one of"; [] when it lists none."""
    found = _OPTIONS.search(str(schema.get("description", ""))[:2_000])
    return re.findall(r"[`\"']([A-Za-z0-9_\-]+)[`\"']", found[1]) if found else []


def _last_resort(schema: JsonSchema) -> Generate:
    low = int(schema.get("minLength", 0) or 0)
    high = int(schema.get("maxLength", 0) or max(low, 12))
    length = max(low, min(high, 12))
    return lambda draw: token(draw, length)


# by format


def _by_format(schema: JsonSchema, name: str, parent: str, material: Pools) -> Generate | None:
    kind = schema.get("format")
    if is_mail_date(schema):
        return mail_date
    if kind in ("date-time", "datetime"):
        return moment_generator(name)
    if kind == "date":
        return day_generator(name)
    if kind in ("email", "idn-email"):
        return _pooled_plain(material.email)
    if kind in ("uri", "url", "iri", "uri-reference", "uri-template", "iri-reference"):
        return address_generator(name, parent, material)
    if kind in _SIMPLE_FORMATS:
        return _SIMPLE_FORMATS[kind]
    if kind in ("hostname", "idn-hostname"):
        return _pooled_plain(material.host)
    if kind == "ipv4":
        return _pooled_plain(material.ipv4)
    return None


def _pooled_plain(pool: Sequence[str]) -> Generate:
    count = len(pool)
    return lambda draw: pool[draw.who % count]


def _uuid(draw: Draw) -> str:
    return str(uuid.UUID(int=draw.rng.getrandbits(128), version=4))


_SIMPLE_FORMATS: dict[Any, Generate] = {
    "uuid": _uuid,
    "guid": _uuid,
    "time": clock,
    "duration": lambda draw: f"P{int(draw.random() * 30) + 1}D",
    "ipv6": lambda draw: f"2001:db8::{int(draw.random() * 65_535):x}",
    "byte": lambda draw: "dml0ZXNzZQ==",
    "json-pointer": lambda draw: f"/items/{int(draw.random() * 9)}",
    "regex": lambda draw: "^[a-z]+$",
    "decimal": lambda draw: f"{draw.random() * 900:.2f}",
}


# by meaning

_POOL_OF: dict[Meaning, str] = {
    "country": "country_code", "token": "", "sku": "", "id": "", "plain": "",
}  # fmt: skip


_SHIFTED = frozenset(("sentence", "paragraph", "title", "label", "product"))
"""Of these a record may hold several, and no two of them belong together."""


def _shift(meaning: Meaning, name: str, parent: str) -> int:
    """How far a field stands from the others of its record in the pool; 0 for what belongs together."""
    if meaning in _SHIFTED or (meaning == "phone" and _OTHER_END.match(words(name))):
        return crc32(f"{parent}.{name}".encode("utf-8", "surrogatepass"))
    return 0


_OTHER_END = re.compile(r"(to|recipient|callee|called|destination)(_|$)")


def _by_meaning(
    meaning: Meaning, name: str, parent: str, schema: JsonSchema, material: Pools, contract: Contract
) -> Generate | None:
    made = _MADE.get(meaning)
    if meaning in ("id", "url"):
        generate = (
            identifier(name, parent, schema) if meaning == "id" else address_generator(name, parent, material)
        )
        return generate if all(_fits(generate, Draw(random.Random(2)), contract) for _ in range(4)) else None
    if made is not None:
        generate = made(name, schema)
        probe = Draw(random.Random(2))
        if all(_fits(generate, probe, contract) for _ in range(4)):
            return generate
        return None
    pool_name = _POOL_OF.get(meaning, meaning)
    pool = getattr(material, pool_name, None) if pool_name else None
    if pool is None:
        return None
    fitting = _pooled(pool, contract, _shift(meaning, name, parent))
    if fitting is None and meaning == "country_name":
        return _pooled(material.country_code, contract)
    if fitting is None and meaning == "paragraph":
        return _pooled(material.sentence, contract) or _pooled(material.title, contract)
    is_lower = str(example_of(schema) or "X").islower() or "lowercase" in str(schema.get("description", ""))
    if meaning == "currency" and is_lower:
        return _pooled([code.lower() for code in pool], contract)
    return fitting


def _money(name: str, schema: JsonSchema) -> Generate:
    if re.search(r"\bcents?\b|smallest|minor unit", str(schema.get("description", "")).lower()):
        return lambda draw: str(int(draw.random() * 90_000) + 100)
    return lambda draw: f"{draw.random() * 900 + 1:.2f}"


_MADE: dict[Meaning, Callable[[str, JsonSchema], Generate]] = {
    "token": lambda name, schema: lambda draw: token(draw, 24),
    "dial_code": lambda name, schema: (
        lambda draw: ("1", "44", "49", "33", "48", "55", "81")[int(draw.random() * 7)]
    ),
    "area_code": lambda name, schema: lambda draw: str(200 + int(draw.random() * 780)),
    "sku": lambda name, schema: lambda draw: f"SKU-{int(draw.random() * 90_000) + 10_000}",
    "moment": lambda name, schema: moment_generator(name),
    "day": lambda name, schema: day_generator(name),
    "unix_seconds": lambda name, schema: lambda draw: str(draw.created),
    "unix_milliseconds": lambda name, schema: lambda draw: str(draw.created * 1000),
    "amount": _money,
    "minor_amount": _money,
    "percent": lambda name, schema: lambda draw: f"{draw.random() * 30:.1f}",
    "quantity": lambda name, schema: lambda draw: str(int(draw.random() * 20) + 1),
    "latitude": lambda name, schema: lambda draw: f"{draw.random() * 120 - 60:.6f}",
    "longitude": lambda name, schema: lambda draw: f"{draw.random() * 340 - 170:.6f}",
    "year": lambda name, schema: lambda draw: str(2010 + int(draw.random() * 16)),
    "age": lambda name, schema: lambda draw: str(18 + int(draw.random() * 60)),
}


def _by_pattern(schema: JsonSchema, contract: Contract) -> Generate | None:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return None
    sample = pattern_sampler(pattern, int(schema.get("minLength", 0) or 0), schema.get("maxLength"))
    if sample is None:
        return None
    rng = random.Random(pattern)
    drawn = [sample(rng) for _ in range(12)]
    if all(contract.is_valid(text) for text in drawn):
        return _retrying(sample, contract, drawn)
    # The expression says less than the whole contract (a length, a look-ahead): keep what fits.
    drawn += [sample(rng) for _ in range(200)]
    unsteered = pattern_sampler(pattern)
    if unsteered is not None:
        drawn += [unsteered(rng) for _ in range(200)]
    fitting = [text for text in drawn if contract.is_valid(text)]
    return _one_of(list(dict.fromkeys(fitting))) if fitting else None


def _retrying(sample: Callable[[random.Random], str], contract: Contract, spare: Sequence[str]) -> Generate:
    """Texts of a sampler that nearly always keeps the contract, and for certain with these to spare."""

    def generate(draw: Draw) -> str:
        for _ in range(4):
            text = sample(draw.rng)
            if contract.is_valid(text):
                return text
        return spare[int(draw.random() * len(spare))]

    return generate


def _by_example(schema: JsonSchema, contract: Contract) -> Generate | None:
    example = example_of(schema)
    if not isinstance(example, str) or not contract.is_valid(example):
        return None
    written = like_moment(example)
    if written is not None:
        return written
    if re.search(r"\d", example) and len(example) <= 64 and "://" not in example:
        return like(example)
    return lambda draw: example


# edges and oddities


def _extremes(name: str, schema: JsonSchema, profile: Profile, contract: Contract) -> list[str]:
    """Texts at the edge of what the field's contract allows; all of them are valid."""
    if "enum" in schema or "const" in schema or (profile == "boundary" and is_mail_date(schema)):
        return []
    kind = schema.get("format")
    meaning = meaning_of(name, schema)
    if kind in ("date-time", "datetime") or (kind is None and meaning == "moment"):
        texts: Sequence[str] = _ODD_MOMENTS if profile == "adversarial" else _ODD_MOMENTS[:3]
    elif kind == "date" or (kind is None and meaning == "day"):
        texts = _ODD_DAYS if profile == "adversarial" else _ODD_DAYS[:2]
    elif kind in ("email", "idn-email") or (kind is None and meaning == "email" and profile == "boundary"):
        texts = _ODD_EMAILS
    elif profile == "boundary" and (meaning in _STRUCTURED or _KIND.search(words(name))):
        texts = ()
    elif profile == "adversarial":
        texts = ODD_TEXTS
    else:
        texts = ("Zoë Łukasz 山田太郎", *_edge_lengths(schema))
    return [text for text in texts if contract.is_valid(text)]


# A boundary record stays a plausible one: an id, a currency or a phone number is not stretched.
_STRUCTURED: frozenset[Meaning] = frozenset(
    ("id", "phone", "country", "country_code", "country_name", "language", "language_short", "time_zone",
     "currency", "url", "host", "ipv4", "unix_seconds", "unix_milliseconds", "amount", "minor_amount", "percent",
     "quantity", "latitude", "longitude", "age", "year", "token", "colour", "postcode", "state", "clock", "sku",
     "tax_number", "version")
)  # fmt: skip
# Words that a program reads: `type`, `status`, `resource_type`.
_KIND = re.compile(
    r"(^|_)(type|kind|object|status|state|role|mode|code|class|event|action|source|format|scope|method)$"
)


def _edge_lengths(schema: JsonSchema) -> list[str]:
    longest = schema.get("maxLength")
    shortest = int(schema.get("minLength", 0) or 0)
    long_length = int(longest) if isinstance(longest, int) and longest <= 4_000 else 120
    texts = ["".join("Long text "[i % 10] for i in range(max(long_length, shortest)))]
    if shortest:
        texts.append("x" * shortest)
    return texts
