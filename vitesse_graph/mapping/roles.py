"""What tells twins apart: billing from shipping, home from work, and entries that say what they are.

Poles are words of the vocabulary that exclude each other (`billing`, `shipping`). Entries of an
array may name their own kind beside the value (`phones[].type: mobile`), so that such a value can
feed a field that is called after that kind.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from vitesse_graph.mapping.sides import Floats, Ints, Side
from vitesse_graph.mapping.surroundings import VAGUE
from vitesse_graph.mapping.tables import sense_of
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import poles

_MOST_KINDS = 20


def role_columns(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> dict[str, Floats]:
    """Shared and opposed poles, notions that both sides have just once, kinds named beside a value."""
    offers = [offered_kinds(source, at) for at in range(len(source.fields))]
    wishes = [wished(t) for t in dest.terms]
    axes_s = [frozenset(axis for axis, _ in t.poles) for t in source.terms]
    axes_d = [frozenset(axis for axis, _ in t.poles) for t in dest.terms]
    rows = np.zeros((len(si), 5))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        here, there = source.terms[s].poles, dest.terms[d].poles
        if not here and not there and not offers[s]:
            continue
        named = bool(offers[s] & wishes[d])
        axes_here, axes_there = axes_s[s], axes_d[d]
        shared = here & there
        settled = {axis for axis, _ in shared}
        rows[at, 0] = len(shared)
        rows[at, 1] = 0.0 if named else float(bool((axes_here & axes_there) - settled))
        rows[at, 2] = 0.0 if named else len(axes_there - axes_here)
        rows[at, 3] = len(axes_here - axes_there)
        rows[at, 4] = float(named) + float(dest.terms[d].notion in offers[s])
    names = ("pole_shared", "pole_opposed", "pole_missing_source", "pole_missing_dest", "kind_of_sibling")
    columns = {name: rows[:, at] for at, name in enumerate(names)}
    columns["only_one_each"] = _only_one_each(source, dest, si, di, related)
    return columns


def offered_kinds(side: Side, at: int) -> frozenset[str]:
    """What an entry's neighbours say it may be: senses and words of the enumerations beside it."""
    own = side.fields[at]
    if not own.array_at or own.place.enum:
        return frozenset()
    found: set[str] = set()
    for f in side.beside(own):
        values = [v for v in f.place.enum or () if isinstance(v, str)]
        if f is not own and 1 < len(values) <= _MOST_KINDS:
            found.update(sense_of(v) for v in values)
            found.update(v.lower() for v in values)
    return frozenset(found)


def wished(term: Term) -> frozenset[str]:
    """The kinds of entries that would suit a field: the words and poles of its own name."""
    own = frozenset((*term.words, *term.narrowing, term.notion))
    return own | {pole for _, pole in poles(own)}


def _only_one_each(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> Floats:
    """1 where a telling notion stands just once on each side."""
    count_s = Counter(t.notion for t in source.terms)
    count_d = Counter(t.notion for t in dest.terms)
    once_s = np.array([float(count_s[t.notion] == 1 and t.is_known) for t in source.terms] or [0.0])
    once_d = np.array(
        [float(count_d[t.notion] == 1 and t.is_known and t.notion not in VAGUE) for t in dest.terms] or [0.0]
    )
    return np.asarray(once_s[si] * once_d[di] * (related >= 0.85), dtype=np.float64)
