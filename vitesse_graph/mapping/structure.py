"""What single pairs cannot show: values put together from parts, fields that need company."""

from __future__ import annotations

from vitesse_graph.mapping.choose import Choice
from vitesse_graph.mapping.convert import Conversion
from vitesse_graph.mapping.notation import wants_e164
from vitesse_graph.mapping.sides import Side
from vitesse_graph.mapping.words import split_words

_NAME_NOTIONS = frozenset(("name", "full_name"))
_NEEDS_COMPANY = frozenset("currency type status language date unit quantity country".split())
JOIN_CONFIDENCE = 0.9


def drop_lonely(dest: Side, chosen: dict[int, Choice]) -> dict[int, Choice]:
    """Without fields that mean nothing alone: the currency of an amount that nothing fills."""
    telling: set[str] = set()
    for at in chosen:
        if dest.terms[at].notion not in _NEEDS_COMPANY:
            parent = dest.fields[at].parent
            while parent:
                telling.add(parent)
                parent = parent.rpartition(".")[0]
    return {
        at: choice
        for at, choice in chosen.items()
        if dest.terms[at].notion not in _NEEDS_COMPANY
        or dest.fields[at].parent in ("", dest.root)
        or dest.fields[at].parent in telling
    }


def joined_name(
    source: Side, dest: Side, at: int, chosen: dict[int, Choice], threshold: float
) -> list[str] | None:
    """First and last name for a field that wants a person's whole name; None when it wants another.

    Taken from the object that feeds the fields beside it, else from the one nearest to the root.
    A single source that is a name itself, and likely, is better than a join.
    """
    target = dest.fields[at]
    if dest.terms[at].notion not in _NAME_NOTIONS or target.type not in ("string", "any") or target.is_list:
        return None
    choice = chosen.get(at)
    if (
        choice is not None
        and choice.probability >= threshold
        and source.terms[choice.source].notion in _NAME_NOTIONS
    ):
        return None
    found = _name_parts(source)
    if not found:
        return None
    beside = {
        source.fields[c.source].parent
        for d, c in chosen.items()
        if dest.fields[d].parent == target.parent and c.probability >= threshold
    }
    best = min(found, key=lambda p: (p not in beside, p.count("."), p.count("[]"), p))
    if best not in beside and (best.count(".") - source.root.count(".") > 0 or not _about_people(dest, at)):
        return None
    return list(found[best])


def _about_people(dest: Side, at: int) -> bool:
    """Whether the field's object or the record itself is a person (or the names beside it say so)."""
    term = dest.terms[at]
    if "person" in term.context_kinds:
        return True
    beside = {
        t.notion for f, t in zip(dest.fields, dest.terms, strict=True) if f.parent == dest.fields[at].parent
    }
    return bool(beside & {"email", "phone", "first_name", "last_name"})


def _name_parts(source: Side) -> dict[str, tuple[str, str]]:
    firsts = {
        f.parent: f.path for f, t in zip(source.fields, source.terms, strict=True) if t.notion == "first_name"
    }
    lasts = {
        f.parent: f.path for f, t in zip(source.fields, source.terms, strict=True) if t.notion == "last_name"
    }
    return {parent: (firsts[parent], lasts[parent]) for parent in firsts if parent in lasts}


def phone_parts(source: Side, at: int) -> list[str] | None:
    """Country code, area code and number where a phone is kept in parts; None where it is not."""
    own = source.fields[at]
    if source.terms[at].notion not in ("phone", "mobile", "number") or own.depth == 0:
        return None
    parts: dict[str, str] = {}
    for f in source.fields:
        if f.parent == own.parent and f.type in ("string", "integer", "any"):
            words = split_words(f.leaf)
            if "code" in words and "country" in words:
                parts["country"] = f.path
            elif "area" in words:
                parts["area"] = f.path
    if not parts:
        return None
    return [*(parts[name] for name in ("country", "area") if name in parts), own.path]


def join_conversion(separator: str = " ") -> Conversion:
    """Several texts as one."""
    params = {} if separator == " " else {"separator": separator}
    config = {"function": "join", **({"params": params} if params else {})}
    return Conversion("custom", config, "first and last name joined")


def phone_conversion(dest: Side, at: int) -> Conversion:
    """The parts of a phone number as one."""
    if wants_e164(dest.fields[at]):
        return Conversion("custom", {"function": "phone_to_e164"}, "the parts of the number, in E.164")
    return Conversion("custom", {"function": "join"}, "the parts of the number joined")
