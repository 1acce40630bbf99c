"""From features to probabilities, with weights learned from labelled pairs and kept as data.

Two stages. A logistic one weighs each pair by itself. Then every pair is seen against its rivals
(how far ahead of the next source for the same field, of the next field for the same source), and
a small ensemble of trees weighs that together with the pair's features. The probability is last
brought in line with how often such rows were right for APIs that the weights had not seen.
`python -m bench.mapping --fit` learns all of it anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from vitesse_graph.mapping.features import PAIR_FEATURES, Pairs
from vitesse_graph.mapping.sides import Floats, Ints

RIVAL_FEATURES = ("logit", "ahead_for_dest", "ahead_for_source", "behind_for_dest", "behind_for_source")
HOPELESS = -7.0
"""Pairs whose first logit is below this are not looked at again."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Splits of one tree by node number (children of n: 2n+1 below the cut, 2n+2 from it on)."""

    splits: tuple[tuple[int, int, float], ...]
    """(node, feature, cut), parents first."""
    leaves: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """Everything learned. `calibration` holds raw → true probability, to be read between the points."""

    bias: float
    slope: Floats
    base: float
    trees: tuple[Tree, ...]
    threshold: float
    calibration: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))

    def first(self, pairs: Pairs) -> Floats:
        """The first stage's logit: how good each pair is by itself."""
        return np.asarray(self.bias + pairs.values @ self.slope, dtype=np.float64)

    def probabilities(self, pairs: Pairs) -> Floats:
        """The raw probability that each pair is right, to be compared with `threshold`."""
        first = self.first(pairs)
        found = np.zeros(len(first))
        alive = np.flatnonzero(first > HOPELESS)
        if len(alive):
            rivals = rival_features(pairs.source, pairs.dest, first)[alive]
            found[alive] = sigmoid(self.second(np.hstack([rivals, pairs.values[alive]])))
        return found

    def second(self, values: Floats) -> Floats:
        """The second stage's logit for rows of `RIVAL_FEATURES + PAIR_FEATURES`."""
        total = np.full(len(values), self.base)
        columns = np.ascontiguousarray(values.T)
        for tree in self.trees:
            node = np.zeros(len(values), dtype=np.int64)
            for number, feature, cut in tree.splits:
                below = 2 * number + 1
                node = np.where(node == number, below + (columns[feature] >= cut), node)
            scores = np.zeros(2**5)
            for number, score in tree.leaves:
                scores[number] = score
            total += scores[node]
        return total

    def confidence(self, raw: float) -> float:
        """How often rows with this raw probability are right."""
        return float(np.interp(raw, *_curve(self.calibration)))


@lru_cache(maxsize=8)
def _curve(calibration: tuple[tuple[float, float], ...]) -> tuple[Floats, Floats]:
    xs, ys = zip(*calibration, strict=True)
    return np.array(xs, dtype=np.float64), np.array(ys, dtype=np.float64)


def sigmoid(logit: Floats) -> Floats:
    """Logit → probability."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -40, 40))), dtype=np.float64)


def rival_features(source: Ints, dest: Ints, logit: Floats) -> Floats:
    """`RIVAL_FEATURES`: a pair's logit and its distance to the best other one, for dest and source."""
    for_dest, for_source = logit - _best_other(dest, logit), logit - _best_other(source, logit)
    return np.column_stack(
        [
            np.clip(logit, -12, 12),
            np.clip(for_dest, -6, 6),
            np.clip(for_source, -6, 6),
            np.clip(for_dest, -6, 0),
            np.clip(for_source, -6, 0),
        ]
    )


def _best_other(key: Ints, logit: Floats) -> Floats:
    """For each pair the highest logit among the other pairs with the same key; -12 where there are none."""
    others = np.full(len(logit), -12.0)
    if not len(logit):
        return others
    order = np.lexsort((-logit, key))
    sorted_key = key[order]
    starts = np.flatnonzero(np.r_[True, sorted_key[1:] != sorted_key[:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    best = np.repeat(logit[order[starts]], sizes)
    others[order] = best
    alone = sizes == 1
    second = np.where(alone, -12.0, logit[order[np.minimum(starts + 1, len(order) - 1)]])
    others[order[starts]] = second
    return others


def load_model(stored: dict[str, Any]) -> Model:
    """The model from its data. Features are matched by name; unknown ones are left out."""
    names = [*RIVAL_FEATURES, *PAIR_FEATURES]
    index = {name: at for at, name in enumerate(names)}
    trees = tuple(
        Tree(
            tuple((int(n), index[f], float(c)) for n, f, c in tree["splits"]),
            tuple((int(n), float(s)) for n, s in tree["leaves"]),
        )
        for tree in stored["trees"]
    )
    return Model(
        float(stored["bias"]),
        np.array([float(stored["weights"].get(name, 0.0)) for name in PAIR_FEATURES]),
        float(stored["base"]),
        trees,
        float(stored["threshold"]),
        tuple((float(x), float(y)) for x, y in stored["calibration"]),
    )


@lru_cache(maxsize=2)
def default_model(with_embedding: bool = False) -> Model:
    """The model that comes with the package: without, or with, an embedding model at hand."""
    raw = json.loads(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))
    return load_model(raw["with_embedding" if with_embedding and "with_embedding" in raw else "plain"])
