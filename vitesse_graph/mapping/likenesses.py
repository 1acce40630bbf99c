"""What is known of a pair's values: enumerations, examples, and vectors of what they are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from vitesse_graph.mapping.sides import Floats, Ints, Side
from vitesse_graph.mapping.tables import likeness

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts → one vector each."""


def value_columns(source: Side, dest: Side, si: Ints, di: Ints) -> tuple[Floats, Floats]:
    overlap, alike = np.zeros(len(si)), np.zeros(len(si))
    enums_s = [_enum_of(f.place.enum) for f in source.fields]
    enums_d = [_enum_of(f.place.enum) for f in dest.fields]
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        if enums_s[s] and enums_d[d]:
            overlap[at] = _share_translated(enums_s[s], enums_d[d]) - 0.15
        one, other = source.fields[s].place.example, dest.fields[d].place.example
        if isinstance(one, str) and isinstance(other, str):
            alike[at] = float(_shape(one) == _shape(other))
    return overlap, alike


def _enum_of(values: list[object] | None) -> tuple[str, ...]:
    return tuple(v for v in (values or ())[:40] if isinstance(v, str))


@lru_cache(maxsize=16384)
def _share_translated(given: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    """How many of one enumeration's values have a counterpart in the other, by meaning."""
    return sum(any(likeness(v, w) >= 0.5 for w in wanted) for v in given) / len(given)


@lru_cache(maxsize=65536)
def _shape(text: str) -> str:
    """`+12025550123` → `+9`: runs of letters and digits as one sign each."""
    shape = ""
    for character in text[:40]:
        sign = "9" if character.isdigit() else "a" if character.isalpha() else character
        shape += "" if shape.endswith(sign) and sign in "9a" else sign
    return shape


def embedding_column(source: Side, dest: Side, si: Ints, di: Ints, embed: Embed | None) -> Floats:
    if embed is None or not len(si):
        return np.zeros(len(si))
    left = _unit(
        np.asarray(embed([embedding_text(source, at) for at in range(len(source.fields))]), dtype=np.float64)
    )
    right = _unit(
        np.asarray(embed([embedding_text(dest, at) for at in range(len(dest.fields))]), dtype=np.float64)
    )
    near = np.einsum("ij,ij->i", left[si], right[di])
    # Short texts are all somewhat alike: what counts is being nearer than the field's other candidates.
    usual = np.bincount(di, weights=near) / np.maximum(np.bincount(di), 1)
    return np.asarray(near - usual[di], dtype=np.float64)


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def embedding_text(side: Side, at: int) -> str:
    """What is embedded of a field: its words with those around it, and how its description begins."""
    f, t = side.fields[at], side.terms[at]
    around = " ".join(word.replace("_", " ") for word in reversed(t.context[:2]))
    return f"{around} {' '.join(t.words)}: {f.place.description[:160]}".strip()
