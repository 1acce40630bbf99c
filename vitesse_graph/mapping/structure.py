"""What single pairs cannot show: values put together from parts, fields that need company."""

from __future__ import annotations

from vitesse_graph.mapping.choose import Choice
from vitesse_graph.mapping.conversion import Conversion
from vitesse_graph.mapping.notation import wants_e164
from vitesse_graph.mapping.roles import offered_kinds, wished
from vitesse_graph.mapping.sides import Side
from vitesse_graph.mapping.words import kinds, relatedness, split_words

_PLACES = frozenset(("city", "street1", "postcode", "region", "address"))
_NAME_NOTIONS = frozenset(("name", "full_name"))
_NEEDS_COMPANY = frozenset(["currency", "type", "status", "language", "date", "unit", "quantity", "country"])
JOIN_CONFIDENCE = 0.85
SPLIT_PROBABILITY = 0.75
_MOSTLY = 0.7
"""An object so much of which repeats another is its echo, whatever else is in it."""


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


def drop_twins(dest: Side, chosen: dict[int, Choice]) -> dict[int, Choice]:
    """One of two notations of a point in time that stand side by side (`start.date`, `start.dateTime`)."""
    surest: dict[tuple[str, str, frozenset[str]], int] = {}
    for at in sorted(chosen):
        if dest.kinds[at] != "time" or not dest.fields[at].parent:
            continue
        key = (dest.fields[at].parent, dest.terms[at].notion, dest.terms[at].narrowing)
        rival = surest.get(key)
        if rival is None or _says_more(dest, chosen, at, rival):
            surest[key] = at
    dropped = {
        at
        for at in chosen
        if dest.kinds[at] == "time"
        and dest.fields[at].parent
        and surest[dest.fields[at].parent, dest.terms[at].notion, dest.terms[at].narrowing] != at
    }
    return {at: choice for at, choice in chosen.items() if at not in dropped}


def _says_more(dest: Side, chosen: dict[int, Choice], at: int, rival: int) -> bool:
    def rank(one: int) -> tuple[bool, bool, float]:
        f = dest.fields[one]
        return (f.required, f.place.format == "date-time", chosen[one].probability)

    return rank(at) > rank(rival)


def drop_echoes(source: Side, dest: Side, chosen: dict[int, Choice]) -> dict[int, Choice]:
    """Without what only repeats surer rows.

    An object all of whose rows have the same source as a surer row of the same notion elsewhere
    (the shipping address filled from the billing address, a sub-contact from the contact itself);
    and a field of another notion fed by a source that already feeds a field of its own notion.
    """
    surest: dict[tuple[int, str], float] = {}
    well_placed: set[int] = set()
    for at, choice in chosen.items():
        key = (choice.source, dest.terms[at].notion)
        surest[key] = max(surest.get(key, 0.0), choice.probability)
        if relatedness(source.terms[choice.source].notion, dest.terms[at].notion) >= 0.85:
            well_placed.add(choice.source)
    by_parent: dict[str, list[int]] = {}
    for at in chosen:
        by_parent.setdefault(dest.fields[at].parent, []).append(at)
    dropped: set[int] = set()
    for parent, members in by_parent.items():
        repeats = [
            surest[chosen[at].source, dest.terms[at].notion] > chosen[at].probability
            and not _told_apart(source, dest, chosen[at].source, at)
            for at in members
        ]
        if parent in ("", dest.root):
            continue
        if all(repeats):
            dropped.update(members)
        elif sum(repeats) >= _MOSTLY * len(members) and sum(repeats) > 2:
            dropped.update(at for at, repeated in zip(members, repeats, strict=True) if repeated)
    for at, choice in chosen.items():
        near = relatedness(source.terms[choice.source].notion, dest.terms[at].notion)
        if near < 0.2 and choice.source in well_placed and not dest.fields[at].required:
            dropped.add(at)
    return {at: choice for at, choice in chosen.items() if at not in dropped}


def _told_apart(source: Side, dest: Side, s: int, d: int) -> bool:
    """Whether one entry of the source's array can be taken for this field by what stands beside it."""
    spare = len(source.fields[s].array_at) - len(dest.fields[d].array_at)
    return spare > 0 and bool(offered_kinds(source, s) & wished(dest.terms[d]))


def split_names(
    source: Side, dest: Side, chosen: dict[int, Choice], ranked: dict[int, Choice]
) -> dict[int, Choice]:
    """First and last name out of a whole name, where the destination has no other place for it.

    Only in an object that has rows already, and only from a name beside the sources of those.
    """
    added: dict[int, Choice] = {}
    for at, (f, term) in enumerate(zip(dest.fields, dest.terms, strict=True)):
        if term.notion not in ("first_name", "last_name") or at in chosen or f.is_list:
            continue
        beside = [chosen[d] for d in chosen if dest.fields[d].parent == f.parent]
        homes = {source.fields[c.source].parent for c in beside}
        if not homes or not _about_people(dest, at):
            continue
        names = [
            s
            for s, (own, t) in enumerate(zip(source.fields, source.terms, strict=True))
            if own.parent in homes
            and t.notion in _NAME_NOTIONS
            and all("person" in kinds(word) for word in t.narrowing)
            and own.type == "string"
            and _about_people(source, s)
        ]
        has_parts = any(
            t.notion == term.notion and own.parent in homes
            for own, t in zip(source.fields, source.terms, strict=True)
        )
        if len(names) == 1 and not has_parts:
            others = ranked[at].others if at in ranked else []
            added[at] = Choice(at, names[0], SPLIT_PROBABILITY, others)
    return chosen | added


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
    wanted = dest.terms[at].poles
    found = {parent: parts for parent, parts in found.items() if not _opposed(source, parts, wanted)}
    if not found:
        return None
    best = min(
        found,
        key=lambda p: (
            p not in beside,
            not _shared(source, found[p], wanted),
            p.count("."),
            p.count("[]"),
            p,
        ),
    )
    if any(
        f.parent == best and t.notion in _NAME_NOTIONS
        for f, t in zip(source.fields, source.terms, strict=True)
    ):
        return None  # the object has a name of its own beside its parts
    nested = dest.terms[at].context[:1]
    if nested and "person" not in kinds(nested[0]) and (best not in beside or best == source.root):
        return None
    if not _about_people(dest, at) or (best not in beside and best.count(".") > source.root.count(".")):
        return None
    return list(found[best])


def _poles_of(source: Side, parts: tuple[str, str]) -> frozenset[tuple[str, str]]:
    return source.terms[source.by_path[parts[0]]].poles


def _shared(source: Side, parts: tuple[str, str], wanted: frozenset[tuple[str, str]]) -> bool:
    return bool(_poles_of(source, parts) & wanted)


def _opposed(source: Side, parts: tuple[str, str], wanted: frozenset[tuple[str, str]]) -> bool:
    """The name of the payer for the sender: the same axis, another pole."""
    here = _poles_of(source, parts)
    return bool({axis for axis, _ in here} & {axis for axis, _ in wanted}) and not here & wanted


def _about_people(side: Side, at: int) -> bool:
    """Whether the field stands in a person: its object is called so, or has what only people have."""
    term = side.terms[at]
    if any("person" not in kinds(word) for word in term.narrowing):
        return False
    if term.context and "person" in kinds(term.context[0]):
        return True
    beside = {
        t.notion for f, t in zip(side.fields, side.terms, strict=True) if f.parent == side.fields[at].parent
    }
    return bool(beside & {"email", "phone", "first_name", "last_name"}) and not (
        term.context and "address" in kinds(term.context[0])
    )


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
    if any(
        t.notion in _PLACES
        for f, t in zip(source.fields, source.terms, strict=True)
        if f.parent == own.parent
    ):
        return None  # the country code of an address
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
