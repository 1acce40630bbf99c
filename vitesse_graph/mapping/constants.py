"""Values for fields that have no source.

An enum of one, a `const`, a default, the intent's words, or what stands beside: a type that says what its
neighbour is (`HS_PHONE_NUMBER` beside a phone number), the one of a line that only has a price.
"""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.sides import MONEY_NOTIONS
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import plain_words, poles, singular, text_words

Constant = tuple[Any, str, float]
"""The value, why, and how sure."""
Beside = tuple[Term, Term, str]
"""A filled field: its term, its source's term, its source's description."""
_ONLY_ONE = re.compile(r"""only ['"`]?(\S+?)['"`]? is (?:currently )?(?:supported|allowed)""", re.I)
_KINDS = frozenset(("type", "channel"))
_USUAL = frozenset((("rank", "primary"),))


def constant_for(f: Field, intent: str) -> Constant | None:
    """The value that the field's own schema or the intent gives; None when nothing says what it could be."""
    place = f.place
    if place.has_const:
        return place.const, "the only value allowed", 0.99
    if place.enum is not None and len(place.enum) == 1 and (f.required_here or _is_stated(f)):
        return place.enum[0], "the only value allowed", 0.97
    if _is_stated(f):
        return place.default, "the only value supported", 0.9
    if not f.required_here:
        return None
    if place.default is not None:
        return place.default, "the schema's default", 0.8
    named = _named_in(intent, place.enum or [])
    return None if named is None else (named, "named in the intent", 0.6)


def _is_stated(f: Field) -> bool:
    """Whether the default is all that may be sent anyway."""
    default = f.place.default
    if default is None:
        return False
    only = _ONLY_ONE.search(f.place.description)
    return f.place.enum == [default] or (only is not None and only[1] == str(default))


def kind_in_intent(f: Field, term: Term, intent: str) -> Constant | None:
    """For an optional type or channel: the one value that the intent names in full."""
    if term.notion not in _KINDS or term.narrowing or f.type != "string":
        return None
    named = _named_in(intent, f.place.enum or [])
    return None if named is None else (named, "named in the intent", 0.55)


def _named_in(intent: str, values: list[Any]) -> Any:
    """The one value all of whose words are in the intent; None where none or several are."""
    said = {_stem(word) for word in plain_words(intent.replace(" ", "_"))}
    # Two letters are a code, or a word like "as".
    texts = [v for v in values if isinstance(v, str) and len(v) > 2]
    named = [v for v in texts if {_stem(w) for w in plain_words(v)} <= said]
    return named[0] if len(named) == 1 else None


def _stem(word: str) -> str:
    """`received`, `receiving`, `receives` → receiv."""
    word = singular(word)
    for end in ("ing", "ed", "e"):
        if word.endswith(end) and len(word) - len(end) > 3:
            return word[: -len(end)]
    return word


def type_beside(f: Field, term: Term, filled: list[Beside]) -> Constant | None:
    """What a type among other fields says of them.

    The value that names what the neighbour is; else, beside a phone, an email or an address, the usual one.
    """
    values = [v for v in f.place.enum or () if isinstance(v, str)]
    if term.notion != "type" or not 1 < len(values) <= 12 or not filled:
        return None
    for about in _things(filled):
        named = [v for v in values if about in plain_words(v)]
        if len(named) == 1:
            return named[0], f"says that it is a {about}", 0.65
    usual = [v for v in values if poles(frozenset(plain_words(v))) & _USUAL]
    if len(usual) == 1 and {"phone", "email", "street"} & set(_things(filled)):
        return usual[0], "the usual kind", 0.6
    return None


_THINGS = ("mobile", "fax", "email", "phone", "street", "url")


def _things(filled: list[Beside]) -> list[str]:
    """The words for what the neighbours hold, the narrower first; what is only described comes last."""
    named = {
        n.rstrip("1234").partition("_")[0] for dest, source, _ in filled for n in (source.notion, dest.notion)
    }
    told = {word for _, _, text in filled for word in text_words(text[:120])}
    return [thing for words in (named, told) for thing in _THINGS if thing in words]


def one_of_a_line(f: Field, term: Term, filled: list[Beside]) -> Constant | None:
    """A line with a price and nothing that says how many: one."""
    priced = any(dest.notion in MONEY_NOTIONS for dest, _, _ in filled)
    if term.notion != "quantity" or f.type not in ("integer", "number") or not f.array_at or not priced:
        return None
    return 1, "a line with a price and no quantity is for one", 0.6
