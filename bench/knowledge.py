"""How well and how fast knowledge is found. Prints Markdown.

    python bench/knowledge.py [--model FOLDER] [--documents 10000] [--fast]

Retrieval: `knowledge_queries.json`, each query with the documents that answer it. A query counts at
5 when one of them is among the first five; MRR is the mean of one over the place of the first.
Paraphrases are held against the expected documents: `strict` are those that share no word stem with
any of them. Names with slips are made from the catalogue by a seeded generator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitesse_graph.knowledge.catalogue import catalogue
from vitesse_graph.knowledge.discovery import discover
from vitesse_graph.knowledge.documents import CollectionName, Document, Where
from vitesse_graph.knowledge.embedders import Embedder, LexicalEmbedder, ModelEmbedder, choose_embedder
from vitesse_graph.knowledge.engine_edge import EdgeEngine
from vitesse_graph.knowledge.plain import PlainKnowledge
from vitesse_graph.knowledge.qdrant import QdrantKnowledge
from vitesse_graph.knowledge.seed import seed_documents
from vitesse_graph.knowledge.words import fold, terms
from vitesse_graph.settings import Settings

HERE = Path(__file__).resolve().parent
DEFAULT_MODEL = HERE.parent.parent / "shared" / "models" / "all-MiniLM-L6-v2"
Ranker = Callable[[CollectionName, str], list[str]]
"""(collection, query) → keys, best first."""


def load_queries() -> list[dict[str, Any]]:
    queries: list[dict[str, Any]] = json.loads((HERE / "knowledge_queries.json").read_text())
    return queries


def is_strict(query: dict[str, Any]) -> bool:
    """Whether a paraphrase shares no word stem with any document that answers it."""
    held = {d.key: d for d in seed_documents()[query["collection"]]}
    said = set(terms(str(query["query"])))
    return not any(said & set(terms(held[key].searched)) for key in query["expected"] if key in held)


def substring_ranker() -> Ranker:
    """The baseline: documents by how many of the query's words they contain as they stand."""

    def rank(collection: CollectionName, query: str) -> list[str]:
        words = query.lower().split()
        scored = [(sum(w in d.searched.lower() for w in words), d.key) for d in seed_documents()[collection]]
        return [key for score, key in sorted(scored, key=lambda s: -s[0])[:20] if score]

    return rank


def store_ranker(store: QdrantKnowledge | PlainKnowledge, runner: asyncio.Runner) -> Ranker:
    return lambda collection, query: [d.key for d, _ in runner.run(store.search(collection, query, 20))]


def score(rank: Ranker, queries: Sequence[dict[str, Any]]) -> tuple[float, float, list[str]]:
    hits, reciprocal, missed = 0, 0.0, []
    for query in queries:
        keys = rank(query["collection"], str(query["query"]))
        places = [keys.index(key) for key in query["expected"] if key in keys]
        if places and min(places) < 5:
            hits += 1
        else:
            missed.append(str(query["query"]))
        reciprocal += 1 / (1 + min(places)) if places else 0
    return hits / len(queries), reciprocal / len(queries), missed


def is_held_out(query: dict[str, Any]) -> bool:
    """Written before it was seen how they fare, and no phrase of the facts taken from them; README
    says what was chosen by their totals. The others (`before`, `after`, `last`) were developed with."""
    return str(query["written"]).startswith("held out")


def print_retrieval(rankers: dict[str, Ranker], *, show_missed: bool) -> None:
    queries = load_queries()
    developed = [q for q in queries if not is_held_out(q)]
    held = [q for q in queries if is_held_out(q)]
    strict = [q for q in queries if q["kind"] == "paraphrase" and is_strict(q)]
    direct = [q for q in queries if q["kind"] == "direct"]
    groups = {
        "developed with": developed,
        "developed with: half direct, half no word in common": [
            *direct,
            *[q for q in strict if q in developed][: len(direct)],
        ],
        "developed with: no word in common": [q for q in strict if q in developed],
        **{
            name: [q for q in held if q["written"] == name]
            for name in ("held out, easy", "held out", "held out, hard")
        },
        "held out, all": held,
        "held out, sharing words": [q for q in held if q not in strict],
        "held out, no word in common": [q for q in strict if q in held],
        "held out: half direct, half no word in common": [
            *[q for q in held if q not in strict][: len([q for q in strict if q in held])],
            *[q for q in strict if q in held],
        ],
    }
    print("| queries | " + " | ".join(f"{name}: recall@5 | MRR" for name in rankers) + " |")
    print("|---|" + "---|---|" * len(rankers))
    for group, members in groups.items():
        cells = []
        for rank in rankers.values():
            recall, mrr, _ = score(rank, members)
            cells.append(f"{recall:.3f} | {mrr:.3f}")
        print(f"| {group} ({len(members)}) | " + " | ".join(cells) + " |")
    if show_missed:
        for name, rank in rankers.items():
            print(f"\nmissed by {name}:", score(rank, queries)[2])


def slip(name: str, rng: random.Random) -> str:
    """One slip of the pen: a letter lost, doubled, swapped or replaced; never the first."""
    place = rng.randrange(1, len(name))
    kind = rng.choice(("lost", "doubled", "swapped", "replaced"))
    if kind == "swapped" and place + 1 < len(name):
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    if kind == "doubled":
        return name[:place] + name[place] + name[place:]
    if kind == "replaced":
        return name[:place] + rng.choice("aeiounrst") + name[place + 1 :]
    return name[:place] + name[place + 1 :]


def print_calibration() -> None:
    """How often discovery is right when it says how sure it is."""
    rng = random.Random(7)
    said: list[tuple[float, bool]] = []
    for facts in catalogue():
        for name in (facts.name, *facts.aliases):
            found = discover(name)
            said.append(
                (found[0].confidence_score, found[0].api_name == facts.name) if found else (0.0, False)
            )
        if len(fold(facts.name)) >= 5:
            for _ in range(2):
                found = discover(slip(facts.name, rng))
                if found:
                    said.append((found[0].confidence_score, found[0].api_name == facts.name))
    print_said("names, aliases and slips", said)
    needs = [q for q in load_queries() if q["collection"] == "api_specifications"]
    for label, chosen in (
        ("needs, developed with", [q for q in needs if not is_held_out(q)]),
        ("needs, held out", [q for q in needs if is_held_out(q)]),
    ):
        answers = [(discover(str(q["query"])), q["expected"]) for q in chosen]
        among = sum(any(f"api:{r.api_name}" in expected for r in found) for found, expected in answers)
        print_said(
            label,
            [
                (found[0].confidence_score, f"api:{found[0].api_name}" in expected)
                for found, expected in answers
                if found
            ],
        )
        print(f"Right among the first five: {among / len(chosen):.3f} of {len(chosen)}\n")


def print_said(label: str, said: Sequence[tuple[float, bool]]) -> None:
    print(f"| {label}: said | answers | right |\n|---|---|---|")
    for low, high in ((0.95, 1.01), (0.86, 0.95), (0.7, 0.86), (0.5, 0.7), (0.35, 0.5), (0.2, 0.35)):
        rows = [right for confidence, right in said if low <= confidence < high]
        if rows:
            print(f"| {low:.2f}–{min(high, 1):.2f} | {len(rows)} | {sum(rows) / len(rows):.2f} |")
    print()


def many_documents(count: int) -> list[Document]:
    """Distinct documents with the vocabulary of the real ones: sentences of several facts, mixed."""
    rng = random.Random(3)
    sentences = [
        s for docs in seed_documents().values() for d in docs for s in d.text.split(";") if len(s) > 20
    ]
    phrases = [phrase for docs in seed_documents().values() for d in docs for phrase in d.asked]
    return [
        Document(
            key=f"made:{i}",
            kind="spec" if i % 3 else "resource",
            text=". ".join(rng.sample(sentences, 3)),
            asked=[] if i % 10 else rng.sample(phrases, 8),  # the built-in ones are a part of a store
        )
        for i in range(count)
    ]


class Blended:
    """Vectors for made-up documents: blends of real documents' vectors, so that none need embedding.

    Only the time of the engine is measured with them; queries are embedded for real.
    """

    keeps_meaning_in_bits = False

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self._embedder = embedder
        real = [d.searched for docs in seed_documents().values() for d in docs]
        self._rows = np.concatenate([embedder.embed(real[i : i + 64]) for i in range(0, len(real), 64)])
        self._rng = np.random.default_rng(5)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if len(texts) == 1:
            return self._embedder.embed(texts)
        shares = self._rng.dirichlet((0.6, 0.6, 0.6), size=len(texts))[:, :, None]
        rows = (self._rows[self._rng.integers(0, len(self._rows), (len(texts), 3))] * shares).sum(axis=1)
        blended: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return blended


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def print_latency(embedder: Embedder, count: int) -> None:
    documents = many_documents(count)
    queries = [str(q["query"]) for q in load_queries()]
    blended = Blended(embedder)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        store = QdrantKnowledge(EdgeEngine(Path(folder)), blended)
        started = time.perf_counter()
        runner.run(store.add_documents("api_specifications", documents))
        loading = time.perf_counter() - started
        started = time.perf_counter()
        runner.run(store.optimize("api_specifications"))
        indexing = time.perf_counter() - started
        filters: tuple[Where | None, ...] = (None, {"kind": "resource"})
        for where in filters:
            taken = []
            for query in queries:
                started = time.perf_counter()
                runner.run(store.search("api_specifications", query, 5, where=where))
                taken.append((time.perf_counter() - started) * 1000)
            label = "with a filter" if where else "hybrid search"
            print(
                f"| {embedder.name}, {label} | {count} | {statistics.median(taken):.1f} | {percentile(taken, 0.95):.1f} |"
            )
        print(f"| {embedder.name}, adding {loading:.1f} s, indexing {indexing:.1f} s | {count} | | |")
        runner.run(store.aclose())


def print_quantization(embedder: Embedder, count: int) -> None:
    """Binary quantization with rescoring, computed exactly: the first ten kept against its ratio."""
    queries = np.concatenate([embedder.embed([str(q["query"])]) for q in load_queries()])
    blended = Blended(embedder)
    rows = np.concatenate([blended.embed([""] * 1_000) for _ in range(count // 1_000)])
    bits = rows > 0
    best = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    for oversampling in (1, 3, 10):
        kept = []
        for query, wanted in zip(queries, best, strict=True):
            differing = (bits != (query > 0)).sum(axis=1)
            candidates = np.argpartition(differing, 10 * oversampling)[: 10 * oversampling]
            top = candidates[np.argsort(-(rows[candidates] @ query))][:10]
            kept.append(len(set(top) & set(wanted)) / 10)
        print(f"| {embedder.name} | 32 | {oversampling} | {statistics.mean(kept):.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--fast", action="store_true", help="retrieval only")
    parser.add_argument("--missed", action="store_true", help="name the queries that were missed")
    options = parser.parse_args()
    embedders: list[Embedder] = [LexicalEmbedder()]
    if options.model.exists():
        chosen = choose_embedder(
            Settings(data_dir=Path(tempfile.gettempdir()), embedding_model_path=options.model)
        )
        embedders.append(chosen.embedder)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        rankers: dict[str, Ranker] = {"substring": substring_ranker()}
        plain = PlainKnowledge(None)
        stores: list[QdrantKnowledge] = []
        for collection, documents in seed_documents().items():
            runner.run(plain.add_documents(collection, documents))
        rankers["words only"] = store_ranker(plain, runner)
        seeding = []
        for embedder in embedders:
            store = QdrantKnowledge(EdgeEngine(Path(folder) / embedder.name), embedder)
            started = time.perf_counter()
            for collection, documents in seed_documents().items():
                runner.run(store.add_documents(collection, documents))
            seeding.append(f"{embedder.name} {time.perf_counter() - started:.1f} s")
            stores.append(store)
            rankers["model" if isinstance(embedder, ModelEmbedder) else "lexical"] = store_ranker(
                store, runner
            )
        print("## Retrieval\n")
        print_retrieval(rankers, show_missed=options.missed)
        total = sum(len(docs) for docs in seed_documents().values())
        print(f"\nSeeding {total} documents: {', '.join(seeding)}.\n")
        for store in stores:
            runner.run(store.aclose())
    print("## Confidence of discovery\n")
    print_calibration()
    if not options.fast:
        print("\n## Search latency\n")
        print("| embedder | documents | p50 ms | p95 ms |\n|---|---|---|---|")
        for embedder in embedders:
            print_latency(embedder, options.documents)
        print("\n## One bit a dimension\n")
        print("| embedder | ratio | candidates rescored, × | recall@10 |\n|---|---|---|---|")
        for embedder in embedders:
            print_quantization(embedder, options.documents)


if __name__ == "__main__":
    main()
