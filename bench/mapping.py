"""Measures the field mapping on labelled pairs, as Markdown; `--fit` learns its weights anew.

    python -m bench.mapping [--fit] [--quick] [--embedding FOLDER]

Prints: micro-F1 by the benchmark's own scorer with the weights that come with the package,
leave-one-API-out (weights fitted without the API, then tried on every pair with it), how reliable
the confidences of such unseen rows are, how often the conversion is right, and the time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bench._mapping_data import ROOT, Labelled, load, load_own, scorer
from bench._mapping_fit import TreeSettings, dump, fit, isotonic
from bench._mapping_pairs import FRESH, REAL
from vitesse_graph.mapping import engine, map_fields
from vitesse_graph.mapping.likenesses import Embed
from vitesse_graph.mapping.model import Model, default_model
from vitesse_graph.state.mapping import MappingLogic

THRESHOLD = 0.65
SETTINGS = TreeSettings()
WEIGHTS = Path(engine.__file__).with_name("weights.json")


def mapped(p: Labelled, model: Model | None = None, embed: Embed | None = None) -> MappingLogic:
    """The mapping of one labelled pair, with the given weights or the package's own."""
    if model is None:
        return map_fields(
            p.label["source"]["schema"], p.label["dest"]["schema"], intent=p.label["intent"], embed=embed
        )
    draft = engine.Draft(p.source, p.dest)
    engine.propose(draft, model, None, pairs=p.pairs)
    return engine.finish(draft, None)


def counts(p: Labelled, mapping: MappingLogic, score: Any) -> tuple[int, int, int]:
    """(right, wrong, missed) by the benchmark's rules."""
    return score.score_pair(p.label, mapping.model_dump(mode="json"))[0]  # type: ignore[no-any-return]


def micro(all_counts: Sequence[tuple[int, int, int]], score: Any) -> str:
    p, r, f1 = score.prf(*np.sum(all_counts, axis=0).tolist())
    return f"{f1:.3f} (P {p:.3f}, R {r:.3f})"


Unseen = tuple[str, Labelled, Model]
"""(API, pair, weights fitted without that API)."""


def unseen(pairs: list[Labelled], own: list[Labelled]) -> list[Unseen]:
    """Every API of the benchmark left out in turn, and every pair that it is part of."""
    found = []
    for api in sorted(frozenset().union(*(p.apis for p in pairs))):
        model = fit([p for p in [*pairs, *own] if api not in p.apis], SETTINGS, THRESHOLD)
        found += [(api, p, model) for p in pairs if api in p.apis]
    return found


def unseen_own(pairs: list[Labelled], own: list[Labelled], folds: int = 6) -> list[Unseen]:
    """Our own pairs, a sixth of them left out at a time, with every other pair of their APIs."""
    found = []
    for fold in range(folds):
        out = own[fold::folds]
        apis = frozenset().union(*(p.apis for p in out))
        model = fit([p for p in [*pairs, *own] if not apis & p.apis], SETTINGS, THRESHOLD)
        found += [("", p, model) for p in out]
    return found


def judged_rows(p: Labelled, mapping: MappingLogic, score: Any) -> list[tuple[float, bool]]:
    """(confidence, right) of each row that the labels judge; what they let pass is left out."""
    rows = []
    for row in mapping.transformations:
        if not row.source_field:
            continue
        right, wrong, _ = score.score_pair(p.label, {"transformations": [row.model_dump(mode="json")]})[0]
        alone = {
            "gold": p.label["gold"],
            "acceptable": [],
            "ignore_prefix": p.label.get("ignore_prefix", []),
        }
        is_gold = score.score_pair(alone, {"transformations": [row.model_dump(mode="json")]})[0][0] > 0
        if is_gold or (wrong and not right):
            rows.append((row.confidence, is_gold))
    return rows


def reliability(rows: Sequence[tuple[float, bool]]) -> list[str]:
    lines = ["| confidence | rows | right |", "|---|---|---|"]
    edges = [0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01]
    for low, high in itertools.pairwise(edges):
        own = [right for confidence, right in rows if low <= confidence < high]
        if own:
            lines.append(f"| {low:.1f}–{min(high, 1.0):.1f} | {len(own)} | {sum(own) / len(own):.3f} |")
    return lines


def calibrated(models: list[Unseen], score: Any) -> list[tuple[float, float]]:
    """Raw → true probability, from rows of APIs that the weights had not seen."""
    rows = []
    for _, p, model in models:
        low = replace(model, threshold=0.05, calibration=((0.0, 0.0), (1.0, 1.0)))
        draft = engine.Draft(p.source, p.dest)
        engine.propose(draft, low, None, pairs=p.pairs)
        for at, choice in draft.ranked.items():
            row = draft.rows.get(p.dest.fields[at].path)
            if row is None or not isinstance(row.source_field, str):
                continue
            row.confidence = choice.probability
            rows += judged_rows(p, MappingLogic(transformations=[row]), score)
    raw, right = np.array([c for c, _ in rows]), np.array([float(r) for _, r in rows])
    return isotonic(raw, right)


_KIND_TYPES = {
    "direct": {"direct", "mapping"},
    "rename": {"direct", "mapping"},
    "convert": {"parse", "stringify", "parse_bool", "custom", "collect"},
    "collect": {"collect", "custom"},
}


def conversions(
    pairs: list[Labelled], mappings: list[MappingLogic], score: Any
) -> tuple[int, int, list[str]]:
    """Of rows whose fields are right: how many have a conversion of the labelled kind; and the others."""
    right = total = 0
    misses = []
    for p, mapping in zip(pairs, mappings, strict=True):
        prefixes = p.label.get("ignore_prefix", [])
        gold = {score.norm(g["dest"], prefixes): g for g in p.label["gold"] if g["kind"] != "constant"}
        for row in mapping.transformations:
            label = gold.get(score.norm(row.dest_field, prefixes))
            if label is None or score.sources(row.source_field, prefixes) != score.sources(
                label["source"], prefixes
            ):
                continue
            total += 1
            ok = (
                row.transform_type in _KIND_TYPES[label["kind"]]
                or bool(row.transform_config.get("reduce") and label["kind"] == "convert")
                or bool(row.transform_config.keys() & {"prefer", "where"} and label["kind"] == "convert")
            )
            right += ok
            if not ok:
                misses.append(
                    f"{p.name}: {row.dest_field} is {label['kind']} ({label.get('note', '')}), got {row.transform_type} {row.transform_config.get('function', '')}"
                )
    return right, total, misses


def big_schema(objects: int, seed: int) -> dict[str, Any]:
    """A schema of `objects` × 20 fields with everyday names."""
    words = [
        "name",
        "email",
        "phone",
        "city",
        "country",
        "amount",
        "status",
        "created_at",
        "due_date",
        "note",
        "sku",
        "price",
        "tax_id",
        "url",
        "type",
        "quantity",
        "currency",
        "title",
        "owner",
    ]
    properties = {
        f"{'group_' + str(at) if at % 3 else 'address' + str(at)}": {
            "type": "object",
            "properties": {
                f"{word if (at + seed) % 2 else 'the_' + word}": {
                    "type": "string",
                    "description": f"The {word} of part {at}, as people see it.",
                }
                for word in [*words, f"extra_{at}"]
            },
        }
        for at in range(objects)
    }
    return {"type": "object", "properties": properties}


def timing(objects: int, repeat: int) -> float:
    source, dest = big_schema(objects, 0), big_schema(objects, 1)
    spent = []
    for _ in range(repeat):
        start = time.perf_counter()
        map_fields(source, dest, intent="copy records")
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def embedder(folder: str) -> Embed:
    """A local sentence embedding model through fastembed (optional)."""
    from fastembed import TextEmbedding

    model = TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=folder)
    known: dict[str, Any] = {}

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        new = [t for t in dict.fromkeys(texts) if t not in known]
        known.update(zip(new, model.embed(new), strict=True))
        return [known[t] for t in texts]

    return embed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="learn the weights anew and write them")
    parser.add_argument(
        "--quick", action="store_true", help="without leaving APIs out (a fit keeps the calibration)"
    )
    parser.add_argument("--embedding", help="folder of a sentence embedding model")
    options = parser.parse_args()
    folder = ROOT / "dev"
    if not folder.is_dir():
        print("The labelled pairs are not here: nothing to measure.")
        return
    score = scorer()
    embed = embedder(options.embedding) if options.embedding else None
    pairs, own = load(folder, embed), load_own(embed)
    models = [] if options.quick else unseen(pairs, own)
    models_own = [] if options.quick else unseen_own(pairs, own)
    if options.fit:
        unseen_models = [*models, *models_own]
        calibration = (
            tuple(calibrated(unseen_models, score)) if unseen_models else default_model().calibration
        )
        model = replace(fit([*pairs, *own], SETTINGS, THRESHOLD), calibration=calibration)
        stored = json.loads(WEIGHTS.read_text("utf-8")) if WEIGHTS.exists() else {}
        stored["with_embedding" if embed else "plain"] = dump(model)
        WEIGHTS.write_text(json.dumps(stored, indent=None, separators=(",", ":")) + "\n", "utf-8")
        default_model.cache_clear()
    report(pairs, own, models, models_own, score, embed)


def report(
    pairs: list[Labelled],
    own: list[Labelled],
    models: list[Unseen],
    models_own: list[Unseen],
    score: Any,
    embed: Embed | None,
) -> None:
    calibration = default_model(embed is not None).calibration
    mappings = [mapped(p, embed=embed) for p in pairs]
    print(f"### {'With' if embed else 'Without'} an embedding model\n")
    print("| measure | pairs | F1 |\n|---|---|---|")
    seen = [counts(p, m, score) for p, m in zip(pairs, mappings, strict=True)]
    print(f"| dev set, the package's weights | {len(pairs)} | {micro(seen, score)} |")
    for name, folder in (("fresh pairs", FRESH), ("excerpts of public documents", REAL)):
        apart = load_own(folder=folder)
        unfitted = [counts(p, mapped(p, embed=embed), score) for p in apart]
        print(f"| {name}, never fitted to | {len(apart)} | {micro(unfitted, score)} |")
    tried: list[tuple[Labelled, MappingLogic]] = []
    for name, tests in (("dev set, leave one API out", models), ("our own pairs, left out", models_own)):
        if tests:
            those = [(p, mapped(p, replace(model, calibration=calibration))) for _, p, model in tests]
            print(f"| {name} | {len(those)} | {micro([counts(p, m, score) for p, m in those], score)} |")
            tried += those
    if models:
        print("\n| threshold | dev set, leave one API out |\n|---|---|")
        for threshold in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65):
            at = [
                counts(p, mapped(p, replace(model, calibration=calibration, threshold=threshold)), score)
                for _, p, model in models
            ]
            print(f"| {threshold} | {micro(at, score)} |")
    if tried:
        print("\nConfidence of rows between APIs that the weights had not seen:\n")
        print("\n".join(reliability([row for p, m in tried for row in judged_rows(p, m, score)])))
    for name, those_pairs, those_mappings in (
        ("dev set", pairs, mappings),
        ("our own pairs", own, [mapped(p, embed=embed) for p in own]),
    ):
        right, total, misses = conversions(those_pairs, those_mappings, score)
        print(
            f"\nConversion of the labelled kind, {name}: {right} of {total} ({right / max(total, 1):.3f})\n"
        )
        print("\n".join(f"- {line}" for line in misses))
    print("\n| schemas | seconds |\n|---|---|")
    print(f"| 200 × 200 fields | {timing(10, 5):.3f} |\n| 2,000 × 2,000 fields | {timing(100, 3):.3f} |")


if __name__ == "__main__":
    main()
