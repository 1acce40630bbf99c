"""What a field is about: its notion, what narrows it, and what surrounds it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.words import kinds, lexicon, notions, plain_words, whole_notion

_CARRIERS = frozenset(
    ["value", "data", "amount", "raw", "text", "string", "content", "id", "object", "attribute"]
)
"""Leaves that say nothing themselves: `emails[].data`, `tax_money.amount`."""
_NAMERS = frozenset(("name", "value", "label", "title", "full_name", "display"))
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
    ]
)
_MARKUP = frozenset(("money", "html", "markdown", "plain", "raw", "md", "plaintext", "richtext"))
"""How a value is written, not what it is about: `description_html`, `total_money`."""
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
    return found[:-1] if len(found) > 1 and found[-1] in _MARKUP else found


def _term(
    f: Field, leaf: tuple[str, ...], siblings: set[str], prefixes: dict[str, str], envelope: int
) -> Term:
    around = [plain_words(name) for name in reversed(f.names[envelope:-1])]
    words = plain_words(f.leaf)
    prefix = prefixes.get(f.parent)
    if prefix is not None and len(words) > 1 and words[0] == prefix:
        words = words[1:]
    notion, rest, used = _head(words, leaf, around, siblings)
    if notion in ("id", "number", "code", "key") and _OUTWARD_TEXT.search(f.place.description):
        notion = "external_id"
    if _is_reference(f, leaf):
        notion, rest = "id", tuple(leaf)
    context = [n for level in around[used:] for n in reversed(notions(level)) if n not in _WRAPPERS]
    if prefix is not None:
        context.insert(0, prefix)
    context_kinds = frozenset(k for n in (*rest, *context) for k in kinds(n))
    return Term(notion, frozenset(rest), words, tuple(context), context_kinds, notion in lexicon().concepts)


_OUTWARD_TEXT = re.compile(
    r"external|another system|other systems?|third.?party|your own|in your (system|database|application|platform|app)|"
    r"from your (system|database|application|platform|app)",
    re.I,
)
_ID_TEXT = re.compile(r"\b(id|identifier|gid|guid|uuid)\b( of| for|$|\.)", re.I)


def _is_reference(f: Field, leaf: tuple[str, ...]) -> bool:
    """`customer`, a text: the id of a customer, where an object could stand as well or the text says so."""
    if f.type != "string" or f.place.enum or len(leaf) != 1 or not kinds(leaf[0]) or f.is_list:
        return False
    return "object" in f.place.types or bool(_ID_TEXT.search(f.place.description[:120]))


def _head(
    words: tuple[str, ...], leaf: tuple[str, ...], around: list[tuple[str, ...]], siblings: set[str]
) -> tuple[str, tuple[str, ...], int]:
    """The notion, what narrows it, and how many of the levels around were used for it."""
    if not leaf:
        return ("", (), 0)
    if around and words[-1] not in ("primary", "default", "verified"):
        for joined in (around[0] + words, words + around[0]):
            merged = whole_notion(joined)
            if merged is not None:
                return (merged, (), 1)
    if len(leaf) == 1 and leaf[0] in _CARRIERS and around:
        level = 0
        while level + 1 < len(around) and notions(around[level])[-1:] == ("id",):
            level += 1  # `sender.identifier.value`
        outer = notions(around[level])
        known = (
            bool(outer) and outer[-1] in lexicon().concepts and outer[-1] not in ("id", "type", "metadata")
        )
        if known and leaf[0] != "id" and (not kinds(outer[-1]) - {"message"} or level):
            return (outer[-1], outer[:-1], level + 1)
    if len(leaf) == 1 and leaf[0] in _NAMERS and around:
        outer = notions(around[0])
        if outer and outer[-1] in _ATTRIBUTES:
            return (outer[-1], outer[:-1], 1)
    head = leaf[-1]
    if words and words[-1] == "state" and siblings & _PLACE_SIGNS:
        head = "region"
    elif head == "state":
        head = "status"
    return (head, leaf[:-1], 0)
