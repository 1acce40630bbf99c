"""Learns the mapping's weights from labelled pairs; used by `python -m bench.mapping --fit`.

Deterministic: the same pairs give the same weights. Nothing here knows an API's name except to
leave it out in cross-validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from bench._mapping_data import Labelled
from vitesse_graph.mapping.features import PAIR_FEATURES
from vitesse_graph.mapping.model import HOPELESS, RIVAL_FEATURES, Model, Tree, rival_features

NEUTRAL_WEIGHT = 0.25
"""Of pairs that a careful engineer would let pass."""


FAVOURS = frozenset(
    [
        "same_spelling",
        "same_notion",
        "same_term",
        "related",
        "spelling",
        "narrowing_shared",
        "context_shared",
        "context_kinds",
        "text_alike",
        "name_in_dest_text",
        "name_in_source_text",
        "kind_fits",
        "kind_same",
        "format_same",
        "enum_overlap",
        "both_lists",
        "own_id_to_reference",
        "example_alike",
        "notion_in_dest_text",
        "notion_in_source_text",
        "group_support",
        "group_coverage",
        "group_best_source",
        "group_best_dest",
        "group_best_source_alone",
        "same_parent_name",
        "reference_of_same_thing",
        "split_name",
        "embedding",
        "pole_shared",
        "only_one_each",
        "kind_of_sibling",
        "group_mutual",
        "group_overlap",
        "both_arrays_aligned",
        "same_term_aligned",
        "dest_said_to_be",
        "source_said_to_be",
        "dest_required",
        "dest_required_here",
        "outer_best_source",
    ]
)
OPPOSES = frozenset(
    [
        "narrowing_extra_source",
        "narrowing_extra_dest",
        "context_extra_source",
        "context_extra_dest",
        "kind_never",
        "list_to_scalar",
        "source_depth",
        "source_arrays",
        "array_difference",
        "words_difference",
        "source_words",
        "html_mismatch",
        "foreign_id_to_reference",
        "into_own_id",
        "source_outside",
        "dest_outside",
        "boolean_mismatch",
        "weak_and_far",
        "vague_far_source",
        "vague_far_dest",
        "depth_difference",
        "dest_deprecated",
        "pole_opposed",
        "pole_missing_source",
        "pole_missing_dest",
        "context_unaligned",
        "dest_place_absent",
        "outside_aligned_array",
    ]
)
"""Features that can only speak for, or only against, a pair: a few hundred labels must not teach otherwise."""


def _bounds() -> list[tuple[float | None, float | None]]:
    limits: list[tuple[float | None, float | None]] = [(None, None)]
    for name in PAIR_FEATURES:
        limits.append((0.0 if name in FAVOURS else None, 0.0 if name in OPPOSES else None))
    return limits


@dataclass(frozen=True)
class TreeSettings:
    count: int = 120
    depth: int = 3
    rate: float = 0.1
    ridge: float = 3.0
    bins: int = 24
    least: float = 0.3


def fit(pairs: Sequence[Labelled], settings: TreeSettings, threshold: float) -> Model:
    """Both stages. The second sees first-stage logits of pairs that the first stage was not fitted on."""
    bias, slope = logistic(*_stack(pairs))
    values, truths, weights = [], [], []
    for fold in range(4):
        rest = [p for at, p in enumerate(pairs) if at % 4 != fold]
        fold_bias, fold_slope = logistic(*_stack(rest))
        for at, p in enumerate(pairs):
            if at % 4 == fold:
                first = fold_bias + p.pairs.values @ fold_slope
                kept = (first > HOPELESS) | (p.truth > 0)
                rivals = rival_features(p.pairs.source, p.pairs.dest, first)
                values.append(np.hstack([rivals, p.pairs.values])[kept])
                truth, weight = _targets(p)
                truths.append(truth[kept])
                weights.append(weight[kept])
    base, trees = boost(np.vstack(values), np.concatenate(truths), np.concatenate(weights), settings)
    return Model(bias, slope, base, trees, threshold)


def _targets(p: Labelled) -> tuple[np.ndarray, np.ndarray]:
    neutral = p.truth == 0.5
    return np.where(neutral, 1.0, p.truth), np.where(neutral, p.weight * NEUTRAL_WEIGHT, p.weight)


def _stack(pairs: Sequence[Labelled]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    targets = [_targets(p) for p in pairs]
    return (
        np.vstack([p.pairs.values for p in pairs]),
        np.concatenate([t for t, _ in targets]),
        np.concatenate([w for _, w in targets]),
    )


def logistic(
    values: np.ndarray, truth: np.ndarray, weight: np.ndarray, ridge: float = 1.0
) -> tuple[float, np.ndarray]:
    """Logistic regression on standardised features: bias and slope for the features as they are."""
    centre, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread < 1e-9, 1.0, spread)
    scaled = (values - centre) / spread

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        logit = v[0] + scaled @ v[1:]
        error = weight * (1 / (1 + np.exp(-logit)) - truth)
        value = np.sum(weight * (np.logaddexp(0, logit) - truth * logit)) + 0.5 * ridge * v[1:] @ v[1:]
        return float(value), np.r_[error.sum(), scaled.T @ error + ridge * v[1:]]

    found = minimize(
        loss,
        np.zeros(values.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=_bounds(),
        options={"maxiter": 300},
    )
    slope = found.x[1:] / spread
    return float(found.x[0] - slope @ centre), slope


def boost(
    values: np.ndarray, truth: np.ndarray, weight: np.ndarray, settings: TreeSettings
) -> tuple[float, tuple[Tree, ...]]:
    """Gradient-boosted trees on binned features (Newton steps, logistic loss)."""
    shares = np.linspace(0, 1, settings.bins + 1)[1:-1]
    cuts = [np.unique(np.quantile(column, shares)) for column in values.T]
    binned = np.column_stack(
        [np.searchsorted(c, column, side="right") for c, column in zip(cuts, values.T, strict=True)]
    )
    mean = np.average(truth, weights=weight)
    base = float(np.log(mean / (1 - mean)))
    score = np.full(len(truth), base)
    trees = []
    for _ in range(settings.count):
        share = 1 / (1 + np.exp(-score))
        slope, bend = weight * (share - truth), weight * share * (1 - share)
        splits, node = _grow(binned, cuts, slope, bend, settings)
        leaves = []
        for number in np.unique(node):
            here = node == number
            step = -settings.rate * slope[here].sum() / (bend[here].sum() + settings.ridge)
            leaves.append((int(number), round(float(step), 5)))
            score[here] += step
        trees.append(Tree(tuple(splits), tuple(leaves)))
    return base, tuple(trees)


def _grow(
    binned: np.ndarray, cuts: list[np.ndarray], slope: np.ndarray, bend: np.ndarray, settings: TreeSettings
) -> tuple[list[tuple[int, int, float]], np.ndarray]:
    node = np.zeros(len(binned), dtype=np.int64)
    splits: list[tuple[int, int, float]] = []
    frontier = [0]
    for _ in range(settings.depth):
        below = []
        for number in frontier:
            rows = np.flatnonzero(node == number)
            found = _best_split(binned[rows], cuts, slope[rows], bend[rows], settings)
            if found is None:
                continue
            feature, at = found
            splits.append((number, feature, float(cuts[feature][at])))
            node[rows] = 2 * number + 1 + (binned[rows, feature] > at)
            below += [2 * number + 1, 2 * number + 2]
        frontier = below
    return splits, node


def _best_split(
    binned: np.ndarray, cuts: list[np.ndarray], slope: np.ndarray, bend: np.ndarray, settings: TreeSettings
) -> tuple[int, int] | None:
    features, bins = binned.shape[1], settings.bins + 1
    index = (binned + np.arange(features) * bins).ravel()

    def sums(v: np.ndarray) -> np.ndarray:
        counted = np.bincount(index, weights=np.repeat(v, features), minlength=features * bins)
        return counted.reshape(features, bins).cumsum(axis=1)

    left_slope, left_bend = sums(slope), sums(bend)
    all_slope, all_bend = left_slope[0, -1], left_bend[0, -1]
    ridge = settings.ridge
    gain = left_slope**2 / (left_bend + ridge) + (all_slope - left_slope) ** 2 / (
        all_bend - left_bend + ridge
    )
    gain -= all_slope**2 / (all_bend + ridge)
    gain[(left_bend < settings.least) | (all_bend - left_bend < settings.least)] = -1.0
    for feature, own in enumerate(cuts):
        gain[feature, len(own) :] = -1.0
    feature, at = divmod(int(np.argmax(gain)), bins)
    return (feature, at) if gain[feature, at] > 1e-3 else None


def isotonic(raw: np.ndarray, right: np.ndarray) -> list[tuple[float, float]]:
    """Raw probability → share that was right, never falling (pool adjacent violators), as a few points.

    Each block counts with the lower end of its Wilson interval (1.3 standard errors): a confidence
    is what can be promised, not what happened once.
    """
    order = np.argsort(raw, kind="stable")
    blocks: list[list[float]] = []  # sum of right, count, sum of raw
    for at in order:
        blocks.append([float(right[at]), 1.0, float(raw[at])])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    points = [(total / n, _wilson(ok / n, n)) for ok, n, total in blocks if n >= 4]
    rising: list[tuple[float, float]] = [(0.0, 0.0)]
    for x, y in points:
        rising.append((round(x, 4), round(max(y, rising[-1][1]), 4)))
    if rising[-1][0] < 1.0:
        rising.append((1.0, rising[-1][1]))
    return rising


def _wilson(share: float, n: float) -> float:
    z = 1.3
    middle = share + z * z / 2 / n
    width = z * (share * (1 - share) / n + z * z / 4 / n**2) ** 0.5
    return float((middle - width) / (1 + z * z / n))


def dump(model: Model) -> dict[str, Any]:
    """The model as the data that `vitesse_graph.mapping.model` loads."""
    names = [*RIVAL_FEATURES, *PAIR_FEATURES]
    return {
        "threshold": model.threshold,
        "bias": round(model.bias, 5),
        "weights": {name: round(float(w), 5) for name, w in zip(PAIR_FEATURES, model.slope, strict=True)},
        "base": round(model.base, 5),
        "calibration": [list(point) for point in model.calibration],
        "trees": [
            {
                "splits": [[n, names[f], round(c, 5)] for n, f, c in t.splits],
                "leaves": [list(leaf) for leaf in t.leaves],
            }
            for t in model.trees
        ],
    }
