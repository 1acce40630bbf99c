"""What a field is about: its notion, what narrows it, and what surrounds it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.words import kinds, lexicon, notions, plain_words, poles, whole_notion

_CARRIERS = frozenset(
    [
        "value",
        "data",
        "amount",
        "raw",
        "text",
        "string",
        "content",
        "id",
        "object",
        "attribute",
        "rendered",
        "formatted",
        "canonical",
        "form",
        "utc",
        "local",
        "iso",
        "plain",
        "html",
        "markdown",
        "display",
        "detail",
        "reference",
    ]
)
"""Leaves that say nothing themselves: `emails[].data`, `tax_money.amount`."""
_CARRIED = {
    "number": frozenset(("phone", "mobile", "fax", "home_phone", "account_number", "tracking_number")),
    "address": frozenset(("email", "from_email", "reply_to")),
    "code": frozenset(("currency", "country", "region", "language", "postcode")),
    "id": frozenset(("country", "currency", "language", "timezone")),
    "url": frozenset(("image", "video", "website", "attachment", "tracking_url", "resume_url")),
    "date": frozenset(("start_time", "end_time", "due_date", "birth_date", "value_date", "posted_date")),
    "type": frozenset(("status",)),
    "name": frozenset(
        ("assignee", "owner", "author", "organizer", "manager", "provider", "carrier", "merchant")
    ),
}
"""Leaves that say only how a thing is written, where the object around is that thing: `phone.number`."""
_NAMERS = frozenset(("name", "value", "label", "title", "full_name", "display", "summary", "text", "tags"))
_ATTRIBUTES = frozenset(
    [
        "tags",
        "category",
        "status",
        "priority",
        "type",
        "stage",
        "department",
        "country",
        "currency",
        "region",
        "city",
        "language",
        "industry",
        "source",
        "channel",
        "role",
        "gender",
        "brand",
        "carrier",
        "job_title",
        "timezone",
        "milestone",
        "payment_method",
        "organization",
    ]
)
"""Notions whose name is the thing itself: `status.name`, `labels[].name`."""
_WRAPPERS = frozenset(
    [
        "data",
        "attribute",
        "attributes",
        "item",
        "record",
        "object",
        "payload",
        "body",
        "result",
        "relationship",
        "relationships",
        "properties",
        "property",
        "detail",
        "details",
        "info",
        "envelope",
        "input",
        "request",
        "information",
        "metadata",
        "meta",
        "node",
        "edge",
        "element",
        "entry",
        "list",
        "collection",
        "group",
        "dimension",
        "general",
        "basic",
        "core",
        "common",
        "fields",
        "field",
        "section",
        "component",
        "identification",
        "reference",
        "merge",
        "summary",
        "pricing",
        "overview",
        "step",
        "instruction",
    ]
)
_MARKUP = frozenset(
    [
        "money",
        "html",
        "markdown",
        "plain",
        "raw",
        "md",
        "plaintext",
        "richtext",
        "rendered",
        "formatted",
        "utc",
        "inctax",
        "iso",
        "code",
        "string",
        "value",
        "local",
        "kg",
        "kilogram",
        "gram",
        "kgs",
        "lb",
        "lbs",
        "pound",
        "oz",
        "ounce",
        "cm",
        "mm",
        "inch",
        "km",
        "ms",
        "millisecond",
        "cent",
    ]
)
"""How a value is written, not what it is about: `description_html`, `total_money`, `gender_code`."""
_QUALIFIERS = frozenset(("extax", "1", "2", "3", "4", "primary", "secondary", "default"))
"""Words that narrow though they stand last: `telephone2`, `total_ex_tax`."""
_PLACE_SIGNS = frozenset(("city", "postcode", "country", "street1", "street2", "latitude"))


@dataclass(frozen=True, slots=True)
class Term:
    """`notion` is the head, `narrowing` the words beside it in the leaf's name (`billing` email).

    `context` holds the notions of the objects around, the nearest first, wrappers left out.
    """

    notion: str
    narrowing: frozenset[str]
    words: tuple[str, ...]
    """The leaf's plain words, for spelling comparisons."""
    context: tuple[str, ...]
    context_kinds: frozenset[str]
    is_known: bool
    """The notion is one of the vocabulary's."""
    poles: frozenset[tuple[str, str]] = frozenset()
    """Where the whole path stands on the vocabulary's axes (party: billing, rank: primary …)."""


def describe_fields(fields: list[Field], root: str = "") -> list[Term]:
    """One term for each field. Prefixes that an API gives to all its fields are dropped first.

    What lies around the record (`root`, its path) is no context.
    """
    envelope = root.count(".") + 1 if root else 0
    prefixes = _common_prefixes(fields)
    leaf_notions = {f.path: _leaf(f, prefixes) for f in fields}
    by_parent: dict[str, set[str]] = {}
    for f in fields:
        found = leaf_notions[f.path]
        by_parent.setdefault(f.parent, set()).update(found[-1:])
    return [
        _term(
            f, leaf_notions[f.path], by_parent[f.parent], prefixes, envelope if f.path.startswith(root) else 0
        )
        for f in fields
    ]


def _common_prefixes(fields: list[Field]) -> dict[str, str]:
    """Parent → the first word that at least 60 % of its (four or more) fields share."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for f in fields:
        groups.setdefault(f.parent, []).append(plain_words(f.leaf))
    found = {}
    for parent, names in groups.items():
        if len(names) < 4:
            continue
        word, count = (
            Counter(words[0] for words in names if len(words) > 1).most_common(1)[0]
            if any(len(words) > 1 for words in names)
            else ("", 0)
        )
        if word and count >= 0.6 * len(names):
            found[parent] = word
    return found


def _leaf(f: Field, prefixes: dict[str, str]) -> tuple[str, ...]:
    words = plain_words(f.leaf)
    prefix = prefixes.get(f.parent)
    if prefix is not None and len(words) > 1 and words[0] == prefix:
        words = words[1:]
    found = notions(words)
    if len(found) > 1 and found[-1] in _QUALIFIERS:
        found = (found[-1], *found[:-1])
    return found[:-1] if len(found) > 1 and found[-1] in _MARKUP and found[-2] != "id" else found


def _term(
    f: Field, leaf: tuple[str, ...], siblings: set[str], prefixes: dict[str, str], envelope: int
) -> Term:
    around = [plain_words(name) for name in reversed(f.names[envelope:-1])]
    words = plain_words(f.leaf)
    prefix = prefixes.get(f.parent)
    if prefix is not None and len(words) > 1 and words[0] == prefix:
        words = words[1:]
    notion, rest, used = _head(words, leaf, around, siblings)
    if notion in ("id", "number", "code", "key", "order_number") and _OUTWARD_TEXT.search(
        f.place.description
    ):
        notion = "external_id"
    if leaf[1:] == ("id",) and leaf[0] in _CARRIED["id"] and f.type == "string" and f.place.format != "uuid":
        notion, rest = leaf[0], ()  # `countryId`, a text: the country by its code
    if _is_reference(f, leaf):
        notion, rest = "id", tuple(leaf)
    context = [n for level in around[used:] for n in reversed(notions(_unwrapped(level)))]
    if prefix is not None:
        context.insert(0, prefix)
    context_kinds = frozenset(k for n in (*rest, *context) for k in kinds(n))
    if used:
        words = _unwrapped(around[used - 1]) or words
    spoken = frozenset((*words, *rest, *context, *(word for level in around for word in level)))
    return Term(
        notion,
        frozenset(rest),
        words,
        tuple(context),
        context_kinds,
        notion in lexicon().concepts,
        poles(spoken),
    )


def _unwrapped(level: tuple[str, ...]) -> tuple[str, ...]:
    """The words around without those that only say that here is a bundle of values."""
    return tuple(word for word in level if word not in _WRAPPERS)


_OUTWARD_TEXT = re.compile(
    r"external|another system|other systems?|third.?party|your own|in your (system|database|application|platform|app)|"
    r"from your (system|database|application|platform|app)|(originating|source|client'?s?) (system|platform)|"
    r"financial institution'?s",
    re.I,
)
_ID_TEXT = re.compile(r"\b(id|identifier|gid|guid|uuid)\b( of| for|$|\.)", re.I)


def _is_reference(f: Field, leaf: tuple[str, ...]) -> bool:
    """`customer`, a text: the id of a customer, where an object could stand as well or the text says so."""
    if f.type != "string" or f.place.enum or len(leaf) != 1 or not kinds(leaf[0]) or f.is_list:
        return False
    if leaf[0] in lexicon().concepts and not kinds(leaf[0]) & {"person", "company"}:
        return False
    return "object" in f.place.types or bool(_ID_TEXT.search(f.place.description[:120]))


Head = tuple[str, tuple[str, ...], int]
"""The notion, what narrows it, and how many of the levels around were used for it."""


def _head(
    words: tuple[str, ...], leaf: tuple[str, ...], around: list[tuple[str, ...]], siblings: set[str]
) -> Head:
    if not leaf:
        return ("", (), 0)
    if around:
        found = _joined(words, around, siblings) or _carried(leaf, around) or _carrying(leaf, around)
        found = found or _named(leaf, around)
        if found is not None:
            return found
    head = leaf[-1]
    if words and words[-1] == "state" and siblings & _PLACE_SIGNS:
        head = "region"
    elif head == "state":
        head = "status"
    return (head, leaf[:-1], 0)


def _joined(words: tuple[str, ...], around: list[tuple[str, ...]], siblings: set[str]) -> Head | None:
    """`tax.id`: the leaf and the object around it are one notion together."""
    if words[-1] in ("primary", "default", "verified") or siblings & _PLACE_SIGNS:
        return None
    for joined in (around[0] + words, words + around[0]):
        merged = whole_notion(joined)
        if merged == "region" and around[0] == ("state",):
            merged = "status"  # of a thing that is no address: its parts would be beside it
        if merged is not None:
            return (merged, (), 1)
    return None


def _carried(leaf: tuple[str, ...], around: list[tuple[str, ...]]) -> Head | None:
    """`phone.number`, `currency.code`: the leaf says how the thing around it is written."""
    if not all(word in _CARRIERS or word == "free" for word in leaf[:-1]):
        return None
    outer = notions(_unwrapped(around[0]))
    if outer and outer[-1] in _CARRIED.get(leaf[-1], ()):
        return (outer[-1], outer[:-1], 1)
    return None


def _carrying(leaf: tuple[str, ...], around: list[tuple[str, ...]]) -> Head | None:
    """`emails[].value`, `title.rendered`: the leaf says nothing itself."""
    if not all(word in _CARRIERS for word in leaf):
        return None
    level = 0
    while level + 1 < len(around) and (
        notions(around[level])[-1:] == ("id",) or not _unwrapped(around[level])
    ):
        level += 1  # `sender.identifier.value`, `labels.nodes[].value`
    outer = notions(_unwrapped(around[level]))
    known = bool(outer) and outer[-1] in lexicon().concepts and outer[-1] not in ("id", "type", "metadata")
    if known and leaf[0] != "id" and (not kinds(outer[-1]) - {"message"} or level):
        return (outer[-1], outer[:-1], level + 1)
    return None


def _named(leaf: tuple[str, ...], around: list[tuple[str, ...]]) -> Head | None:
    """`status.name`, `labels[].name`: the name of the thing is the thing."""
    if len(leaf) != 1 or leaf[0] not in _NAMERS:
        return None
    level = 0
    while level + 1 < len(around) and not _unwrapped(around[level]):
        level += 1
    outer = notions(_unwrapped(around[level]))
    if outer and outer[-1] in _ATTRIBUTES and (leaf[0], outer[-1]) != ("title", "organization"):
        return (outer[-1], outer[:-1], level + 1)
    return None
