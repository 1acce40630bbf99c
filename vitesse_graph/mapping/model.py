"""The weights that turn a pair's features into a probability; learned by `bench/mapping.py --fit`."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from vitesse_graph.mapping.features import PAIR_FEATURES
from vitesse_graph.mapping.sides import Floats


@lru_cache(maxsize=1)
def weights() -> dict[str, Any]:
    """The data file as it is."""
    raw: dict[str, Any] = json.loads(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))
    return raw


@lru_cache(maxsize=1)
def pair_weights() -> tuple[float, Floats]:
    """Bias and one weight for each of `PAIR_FEATURES`."""
    stored = weights()["pair"]
    return float(stored["bias"]), np.array(
        [float(stored["weights"].get(name, 0.0)) for name in PAIR_FEATURES]
    )


def pair_probability(values: Floats) -> Floats:
    """The probability that each pair is right."""
    bias, slope = pair_weights()
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(bias + values @ slope, -40, 40))))
