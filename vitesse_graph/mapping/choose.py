"""Which candidates become rows: one source for each destination field, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitesse_graph.mapping.features import Pairs
from vitesse_graph.mapping.identity import SECRETS, is_outward, own_ids, record_ids
from vitesse_graph.mapping.sides import Floats, Side, kind_compatibility

ALTERNATIVES = 3
_NEVER = -0.65
SPELLING_BONUS = 1.06
_THINGS = frozenset(
    ["tags", "category", "assignee", "owner", "author", "manager", "department", "organization", "location"]
)


@dataclass(slots=True)
class Choice:
    """One destination field: the source chosen with its raw probability, and the next best ones."""

    dest: int
    source: int
    probability: float
    others: list[tuple[int, float]]


def choose(
    source: Side,
    dest: Side,
    pairs: Pairs,
    probability: Floats,
    merit: Floats,
    convertible: Callable[[int, int], bool],
) -> list[Choice]:
    """The best convertible source of each destination field. Nothing is left out for being unlikely yet.

    `probability` (among rivals) decides, `merit` (each pair by itself) ranks the others.

    Left out for certain: a destination object's own id (the destination gives it), kinds of value
    that never fit, pairs for which `convertible(source, dest)` says no.
    """
    possible = _allowed(source, dest, pairs)
    allowed = np.minimum(probability * possible * _spelling_bonus(source, dest, pairs), 1.0)
    ranking = np.where(possible > 0, merit, -np.inf)
    order = np.lexsort((pairs.source, -ranking, pairs.dest))
    dests = pairs.dest[order]
    found: list[Choice] = []
    at = 0
    while at < len(order):
        end = int(np.searchsorted(dests, dests[at], side="right"))
        choice = _choice(int(dests[at]), pairs, allowed, possible, order[at:end].tolist(), convertible)
        if choice is not None:
            found.append(choice)
        at = end
    return found


def _choice(
    dest: int,
    pairs: Pairs,
    allowed: Floats,
    possible: Floats,
    ranked: list[int],
    convertible: Callable[[int, int], bool],
) -> Choice | None:
    """`ranked` holds the positions of the pairs by merit."""
    surest = sorted(ranked, key=lambda at: -allowed[at])
    best = next((at for at in surest if possible[at] and convertible(int(pairs.source[at]), dest)), None)
    if best is None:
        return None
    others: list[tuple[int, float]] = []
    for at in ranked:
        if len(others) == ALTERNATIVES or not possible[at]:
            break
        if at != best and convertible(int(pairs.source[at]), dest):
            others.append((int(pairs.source[at]), float(allowed[at])))
    return Choice(dest, int(pairs.source[best]), float(allowed[best]), others)


def _spelling_bonus(source: Side, dest: Side, pairs: Pairs) -> Floats:
    """Settles near ties: of two emails the one that is called just so."""
    alike = [
        source.terms[s].words == dest.terms[d].words
        for s, d in zip(pairs.source.tolist(), pairs.dest.tolist(), strict=True)
    ]
    return np.where(alike, SPELLING_BONUS, 1.0)


def _allowed(source: Side, dest: Side, pairs: Pairs) -> Floats:
    fits = kind_compatibility()[source.kind_index[pairs.source], dest.kind_index[pairs.dest]]
    return (fits > _NEVER).astype(np.float64) * _ids_allowed(source, dest, pairs)


def _ids_allowed(source: Side, dest: Side, pairs: Pairs) -> Floats:
    """Ids of one system mean nothing in another, unless the field is made for foreign ids.

    A record's own id may go where the destination asks for the id of just such a thing that is not
    its own (`transactionId` of a statement line).
    """
    own_d, own_s = own_ids(dest), record_ids(source)
    allowed = [
        _id_fits(source, dest, s, d, own_s[s], own_d[d])
        for s, d in zip(pairs.source.tolist(), pairs.dest.tolist(), strict=True)
    ]
    return np.array(allowed, dtype=np.float64)


def may_receive_id(source: Side, dest: Side, s: int, d: int) -> bool:
    """Whether the rule about ids lets this one pair be."""
    return _id_fits(source, dest, s, d, record_ids(source)[s], own_ids(dest)[d])


def _id_fits(source: Side, dest: Side, s: int, d: int, is_record_id: bool, is_own_id: bool) -> bool:
    one, other = source.terms[s], dest.terms[d]
    if one.notion in SECRETS and one.notion != other.notion:
        return False
    target = dest.fields[d]
    if other.notion in _THINGS and target.type == "integer" and not target.place.enum:
        return False  # a number for a person or a thing is the destination's own id of it
    if one.notion in _THINGS and source.fields[s].type == "integer" and target.type == "string":
        return is_outward(other)
    if other.notion != "id" or source.kinds[s] not in ("id", "text", "number", "any") or is_outward(other):
        return True
    if is_own_id:
        return False
    named_alike = bool(other.narrowing & (one.narrowing | source.resource))
    return source.kinds[s] != "id" or (is_record_id and named_alike)
