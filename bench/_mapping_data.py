"""The labelled pairs of endpoints, as the fit and the measurement need them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench._mapping_pairs import FOLDER, read_pairs
from vitesse_graph.mapping.features import Pairs, make_pairs
from vitesse_graph.mapping.likenesses import Embed
from vitesse_graph.mapping.sides import Side, make_side

ROOT = Path(__file__).resolve().parents[2] / "shared" / "bench" / "mapping"
"""Where the labelled pairs lie, beside the checkout."""


def scorer() -> ModuleType:
    """The benchmark's own scorer."""
    spec = importlib.util.spec_from_file_location("mapping_score", ROOT / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Labelled:
    """One pair: its candidate pairs, each with truth 1 (gold), 0.5 (let pass) or 0, and a weight."""

    label: dict[str, Any]
    source: Side
    dest: Side
    pairs: Pairs
    truth: np.ndarray
    weight: np.ndarray
    apis: frozenset[str]

    @property
    def name(self) -> str:
        return str(self.label["id"])


def load(folder: Path, embed: Embed | None = None) -> list[Labelled]:
    """Every labelled pair of a folder, by file name."""
    score = scorer()
    return [
        _labelled(json.loads(path.read_text("utf-8")), score, embed) for path in sorted(folder.glob("*.json"))
    ]


def load_own(embed: Embed | None = None, folder: Path = FOLDER) -> list[Labelled]:
    """The pairs of `_mapping_pairs`."""
    score = scorer()
    return [_labelled(label, score, embed) for label in read_pairs(folder)]


def _labelled(label: dict[str, Any], score: ModuleType, embed: Embed | None) -> Labelled:
    source = make_side(label["source"]["schema"], writable_only=False, topic=label["intent"])
    dest = make_side(label["dest"]["schema"], writable_only=True, topic=label["intent"])
    pairs = make_pairs(source, dest, embed)
    prefixes = label.get("ignore_prefix", [])
    norm: Callable[..., str] = score.norm
    gold = {
        norm(g["dest"], prefixes): score.sources(g["source"], prefixes)
        for g in label["gold"]
        if g["kind"] != "constant"
    }
    passed: dict[str, list[frozenset[str]]] = {}
    for a in label["acceptable"]:
        passed.setdefault(norm(a["dest"], prefixes), []).append(score.sources(a["source"], prefixes))
    free = [norm(f, prefixes) for f in label.get("ignore_dest", [])]
    names_s = [norm(f.path, prefixes) for f in source.fields]
    names_d = [norm(f.path, prefixes) for f in dest.fields]
    truth, weight = np.zeros(len(pairs.source)), np.ones(len(pairs.source))
    for at, (s, d) in enumerate(zip(pairs.source.tolist(), pairs.dest.tolist(), strict=True)):
        one, other = names_s[s], names_d[d]
        if gold.get(other) == frozenset((one,)):
            truth[at] = 1.0
        elif one in gold.get(other, ()) or any(one in sources for sources in passed.get(other, ())):
            truth[at] = 0.5
        if any(other == f or other.startswith((f + ".", f + "[]")) for f in free):
            weight[at] = 0.0
    apis = frozenset((label["source"]["api"], label["dest"]["api"]))
    return Labelled(label, source, dest, pairs, truth, weight, apis)
