"""Which candidates become rows: one source for each destination field, or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitesse_graph.mapping.features import Pairs
from vitesse_graph.mapping.sides import Floats

ALTERNATIVES = 3


@dataclass(slots=True)
class Choice:
    """One destination field: the source chosen with its probability, and the next best ones."""

    dest: int
    source: int
    probability: float
    others: list[tuple[int, float]]


def choose(pairs: Pairs, probability: Floats) -> list[Choice]:
    """The best source of each destination field, the surest field first. Nothing is left out yet."""
    order = np.lexsort((pairs.source, -probability, pairs.dest))
    found: list[Choice] = []
    at = 0
    dests = pairs.dest[order]
    while at < len(order):
        end = int(np.searchsorted(dests, dests[at], side="right"))
        ranked = [(int(pairs.source[i]), float(probability[i])) for i in order[at:end]]
        found.append(Choice(int(dests[at]), ranked[0][0], ranked[0][1], ranked[1 : 1 + ALTERNATIVES]))
        at = end
    return sorted(found, key=lambda c: (-c.probability, c.dest))
