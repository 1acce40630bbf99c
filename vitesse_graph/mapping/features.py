"""Candidate pairs and the numbers that speak for or against each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rapidfuzz.distance import JaroWinkler
from scipy import sparse

from vitesse_graph.mapping.sides import Floats, Ints, Side, kind_compatibility
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import kinds, lexicon, relatedness, text_words

CANDIDATES = 24
"""Source fields looked at for each destination field, after a cheap first ranking."""

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


@dataclass(slots=True)
class Pairs:
    """Candidate pairs: positions in the two sides, and one row of features for each."""

    source: Ints
    dest: Ints
    values: Floats


PAIR_FEATURES = (
    "same_spelling",
    "same_notion",
    "same_term",
    "related",
    "spelling",
    "narrowing_shared",
    "narrowing_extra_source",
    "narrowing_extra_dest",
    "context_shared",
    "context_extra_source",
    "context_extra_dest",
    "context_kinds",
    "text_alike",
    "name_in_dest_text",
    "name_in_source_text",
    "kind_fits",
    "kind_same",
    "kind_never",
    "format_same",
    "enum_overlap",
    "both_lists",
    "list_to_scalar",
    "source_depth",
    "depth_difference",
    "source_arrays",
    "array_difference",
    "dest_required",
    "dest_required_here",
    "dest_depth",
    "dest_arrays",
    "own_id_to_reference",
    "foreign_id_to_reference",
    "into_own_id",
    "unknown_notion",
    "vague_notion",
    "weak_and_far",
    "boolean_mismatch",
    "source_is_id",
    "dest_is_id",
    "dest_is_boolean",
    "dest_is_time",
    "dest_deprecated",
    "example_alike",
    "embedding",
)


def make_pairs(source: Side, dest: Side, embed: Embed | None = None) -> Pairs:
    """The candidate pairs with their features. Deterministic; order of fields does not matter."""
    texts = _text_similarity(source, dest)
    si, di = _shortlist(source, dest, texts)
    values = _values(source, dest, si, di, texts, embed)
    return Pairs(si, di, values)


# the shortlist


def _vectors(rows: list[dict[str, float]], vocabulary: dict[str, int]) -> sparse.csr_matrix:
    data, indices, starts = [], [], [0]
    for row in rows:
        for word, weight in row.items():
            indices.append(vocabulary.setdefault(word, len(vocabulary)))
            data.append(weight)
        starts.append(len(indices))
    return sparse.csr_matrix((data, indices, starts), shape=(len(rows), max(len(vocabulary), 1)))


def _text_similarity(source: Side, dest: Side) -> Floats:
    """Cosine of the descriptions' words, rare words counting more."""
    counts: dict[str, int] = {}
    for words in (*source.desc_words, *dest.desc_words):
        for word in set(words):
            counts[word] = counts.get(word, 0) + 1
    total = len(source.fields) + len(dest.fields)
    weight = {word: float(np.log(1 + total / n)) for word, n in counts.items()}
    vocabulary: dict[str, int] = {word: at for at, word in enumerate(sorted(counts))}

    def normed(side: Side) -> sparse.csr_matrix:
        rows = []
        for words in side.desc_words:
            row = {w: weight[w] for w in dict.fromkeys(words)}
            norm = sum(v * v for v in row.values()) ** 0.5 or 1.0
            rows.append({w: v / norm for w, v in row.items()})
        return _with_width(_vectors(rows, vocabulary), len(vocabulary))

    product = normed(source) @ normed(dest).T
    return np.asarray(product.todense(), dtype=np.float64)


def _with_width(matrix: sparse.csr_matrix, width: int) -> sparse.csr_matrix:
    matrix.resize((matrix.shape[0], max(width, 1)))
    return matrix


@lru_cache(maxsize=1)
def _neighbours() -> dict[str, tuple[tuple[str, float], ...]]:
    near: dict[str, list[tuple[str, float]]] = {}
    for (one, other), strength in lexicon().related.items():
        near.setdefault(one, []).append((other, strength))
    return {word: tuple(found) for word, found in near.items()}


def _shortlist(source: Side, dest: Side, texts: Floats) -> tuple[Ints, Ints]:
    vocabulary: dict[str, int] = {}
    rows_s = [_name_vector(t, widen=False) for t in source.terms]
    rows_d = [_name_vector(t, widen=True) for t in dest.terms]
    left, right = _vectors(rows_s, vocabulary), _vectors(rows_d, vocabulary)
    left, right = _with_width(left, len(vocabulary)), _with_width(right, len(vocabulary))
    score = np.asarray((left @ right.T).todense(), dtype=np.float64) + 0.6 * texts
    score += 0.15 * kind_compatibility()[np.ix_(source.kind_index, dest.kind_index)]
    score -= 0.04 * source.depth[:, None]
    keep = min(CANDIDATES, score.shape[0])
    if not keep or not score.shape[1]:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    best = np.argsort(-score, axis=0, kind="stable")[:keep].T
    si = best.reshape(-1).astype(np.int64)
    di = np.repeat(np.arange(score.shape[1], dtype=np.int64), keep)
    return si, di


def _name_vector(term: Term, widen: bool) -> dict[str, float]:
    row: dict[str, float] = {f"n:{term.notion}": 1.6}
    for word in term.words:
        row[f"w:{word}"] = 0.5
    for word in sorted(term.narrowing):
        row[f"c:{word}"] = 0.5
    for at, word in enumerate(term.context[:4]):
        row.setdefault(f"c:{word}", 0.35 / (1 + at))
    if widen:
        for word, strength in _neighbours().get(term.notion, ()):
            row[f"n:{word}"] = 1.6 * strength
    return row


# the features


def _values(source: Side, dest: Side, si: Ints, di: Ints, texts: Floats, embed: Embed | None) -> Floats:
    columns: dict[str, Floats] = dict(zip(_TERM_COLUMNS, _term_columns(source, dest, si, di), strict=True))
    columns["text_alike"] = texts[si, di]
    columns |= _shape_columns(source, dest, si, di)
    columns |= _identity_columns(source, dest, si, di, columns["related"])
    columns["enum_overlap"], columns["example_alike"] = _value_columns(source, dest, si, di)
    columns["embedding"] = _embedding_column(source, dest, si, di, embed)
    columns["weak_and_far"] = (columns["related"] < 0.5) * (columns["context_extra_source"] + 0.5)
    return (
        np.column_stack([columns[name] for name in PAIR_FEATURES])
        if len(si)
        else np.zeros((0, len(PAIR_FEATURES)))
    )


_TERM_COLUMNS = (
    "same_spelling",
    "same_notion",
    "same_term",
    "related",
    "spelling",
    "narrowing_shared",
    "narrowing_extra_source",
    "narrowing_extra_dest",
    "context_shared",
    "context_extra_source",
    "context_extra_dest",
    "context_kinds",
    "name_in_dest_text",
    "name_in_source_text",
    "unknown_notion",
    "vague_notion",
)
_VAGUE = frozenset(
    ["name", "type", "id", "status", "date", "number", "value", "code", "key", "title", "description", "url", "text", "image", "amount", "count", "label", "note", "state"]
)


def _term_columns(source: Side, dest: Side, si: Ints, di: Ints) -> list[Floats]:
    known: dict[tuple[Term, Term], tuple[float, ...]] = {}
    ignored = source.resource | dest.resource
    words_s = [frozenset(w) for w in source.desc_words]
    words_d = [frozenset(w) for w in dest.desc_words]
    rows = np.empty((len(si), len(_TERM_COLUMNS)))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        one, other = source.terms[s], dest.terms[d]
        found = known.get((one, other))
        if found is None:
            found = known[one, other] = compare_terms(one, other, ignored)
        rows[at, :12] = found
        rows[at, 12] = _share_in(one.words, words_d[d])
        rows[at, 13] = _share_in(other.words, words_s[s])
        rows[at, 14] = float(not (one.is_known and other.is_known))
        rows[at, 15] = float(other.notion in _VAGUE)
    return [rows[:, at] for at in range(rows.shape[1])]


def _share_in(words: tuple[str, ...], text: frozenset[str]) -> float:
    if not words or not text:
        return 0.0
    return sum(w in text for w in words) / len(words)


@lru_cache(maxsize=200_000)
def _spelling(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    return float(JaroWinkler.normalized_similarity("".join(one), "".join(other)))


def compare_terms(one: Term, other: Term, ignored: frozenset[str]) -> tuple[float, ...]:
    """The first twelve term features of a pair, see `PAIR_FEATURES`."""
    related = relatedness(one.notion, other.notion)
    here, there = one.narrowing, other.narrowing
    around_one = set(one.context) - {one.notion}
    around_other = set(other.context) - {other.notion}
    shared = len(here & there) + 0.7 * len(here & around_other) + 0.7 * len(there & around_one)
    extra_one = _unmatched(here, there | around_other | {other.notion}, ignored)
    extra_other = _unmatched(there, here | around_one | {one.notion}, ignored)
    context_extra_one = _unmatched(around_one, around_other | there | {other.notion}, ignored)
    context_extra_other = _unmatched(around_other, around_one | here | {one.notion}, ignored)
    kinds_one, kinds_other = one.context_kinds, other.context_kinds
    return (
        float(one.words == other.words),
        float(one.notion == other.notion),
        float(one.notion == other.notion and here == there),
        related,
        _spelling(one.words, other.words),
        shared,
        extra_one,
        extra_other,
        float(len(around_one & around_other)),
        context_extra_one,
        context_extra_other,
        len(kinds_one & kinds_other) / len(kinds_one | kinds_other) if kinds_one and kinds_other else 0.0,
    )


def _unmatched(
    words: frozenset[str] | set[str], others: set[str] | frozenset[str], ignored: frozenset[str]
) -> float:
    """How many of the words the other side does not have; half for those of a kind it has."""
    missing = 0.0
    kinds_there: set[str] = set()
    for word in others:
        kinds_there |= kinds(word)
    for word in words:
        if word in others or word in ignored:
            continue
        missing += 0.5 if kinds(word) & kinds_there else 1.0
    return missing


def _shape_columns(source: Side, dest: Side, si: Ints, di: Ints) -> dict[str, Floats]:
    fits = kind_compatibility()[source.kind_index[si], dest.kind_index[di]]
    formats_s = np.array([f.place.format or "" for f in source.fields] or [""])
    formats_d = np.array([f.place.format or "" for f in dest.fields] or [""])
    same_format = (
        (formats_s[si] == formats_d[di]) & (formats_s[si] != "") if len(si) else np.zeros(0, dtype=bool)
    )
    kind_d = np.array(dest.kinds or [""])
    kind_s = np.array(source.kinds or [""])
    return {
        "kind_fits": fits,
        "kind_same": (source.kind_index[si] == dest.kind_index[di]).astype(float),
        "kind_never": (fits <= -0.6).astype(float),
        "format_same": same_format.astype(float),
        "both_lists": source.is_list[si] * dest.is_list[di],
        "list_to_scalar": source.is_list[si] * (1 - dest.is_list[di]),
        "source_depth": source.depth[si],
        "depth_difference": np.abs(source.depth[si] - dest.depth[di]),
        "source_arrays": source.arrays[si],
        "array_difference": np.maximum(source.arrays[si] - dest.arrays[di], 0),
        "dest_required": dest.required[di],
        "dest_required_here": dest.required_here[di],
        "dest_depth": dest.depth[di],
        "dest_arrays": dest.arrays[di],
        "boolean_mismatch": ((kind_s[si] == "boolean") != (kind_d[di] == "boolean")).astype(float),
        "dest_is_boolean": (kind_d[di] == "boolean").astype(float),
        "dest_is_time": (kind_d[di] == "time").astype(float),
        "dest_deprecated": np.array([float(f.place.deprecated) for f in dest.fields] or [0.0])[di],
    }


def own_ids(side: Side) -> list[bool]:
    """Which fields are the record's own id: the id-like ones nearest to the root, not narrowed."""
    found = []
    for f, t in zip(side.fields, side.terms, strict=True):
        narrowed = t.narrowing - side.resource
        own = t.notion == "id" and not f.array_at and not t.context
        own = own and (
            not narrowed or (f.depth == 0 and len(narrowed) == 1 and _is_kind_of_record(narrowed, side))
        )
        found.append(own)
    return found


def _is_kind_of_record(narrowed: frozenset[str], side: Side) -> bool:
    """`ContactID` in a contact: other fields at the root carry the same word, or the topic names it."""
    word = next(iter(narrowed))
    return word in side.resource or sum(word in t.narrowing for t in side.terms if not t.context) >= 2


REFERENCE_NOTIONS = frozenset(("external_id", "reference"))


def _identity_columns(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> dict[str, Floats]:
    own_s, own_d = np.array(own_ids(source) or [False]), np.array(own_ids(dest) or [False])
    id_s = np.array([t.notion == "id" for t in source.terms] or [False])
    id_d = np.array([t.notion in ("id",) for t in dest.terms] or [False])
    ref_d = np.array([t.notion in REFERENCE_NOTIONS for t in dest.terms] or [False])
    return {
        "own_id_to_reference": (own_s[si] & ref_d[di]).astype(float),
        "foreign_id_to_reference": (id_s[si] & ~own_s[si] & ref_d[di]).astype(float),
        "into_own_id": own_d[di].astype(float),
        "source_is_id": id_s[si].astype(float),
        "dest_is_id": (id_d[di] & ~own_d[di]).astype(float),
    }


def _value_columns(source: Side, dest: Side, si: Ints, di: Ints) -> tuple[Floats, Floats]:
    enums_s = [_enum_words(f.place.enum) for f in source.fields]
    enums_d = [_enum_words(f.place.enum) for f in dest.fields]
    overlap, alike = np.zeros(len(si)), np.zeros(len(si))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        if enums_s[s] and enums_d[d]:
            overlap[at] = len(enums_s[s] & enums_d[d]) / min(len(enums_s[s]), len(enums_d[d])) - 0.15
        one, other = source.fields[s].place.example, dest.fields[d].place.example
        if isinstance(one, str) and isinstance(other, str):
            alike[at] = float(_shape(one) == _shape(other))
    return overlap, alike


def _enum_words(values: list[object] | None) -> frozenset[str]:
    return frozenset(w for v in values or () if isinstance(v, str) for w in text_words(v))


@lru_cache(maxsize=65536)
def _shape(text: str) -> str:
    """`+12025550123` → `+9`: runs of letters and digits as one sign each."""
    shape = ""
    for character in text[:40]:
        sign = "9" if character.isdigit() else "a" if character.isalpha() else character
        shape += "" if shape.endswith(sign) and sign in "9a" else sign
    return shape


def _embedding_column(source: Side, dest: Side, si: Ints, di: Ints, embed: Embed | None) -> Floats:
    if embed is None or not len(si):
        return np.zeros(len(si))
    left = _unit(
        np.asarray(embed([embedding_text(source, at) for at in range(len(source.fields))]), dtype=np.float64)
    )
    right = _unit(
        np.asarray(embed([embedding_text(dest, at) for at in range(len(dest.fields))]), dtype=np.float64)
    )
    return np.einsum("ij,ij->i", left[si], right[di])


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def embedding_text(side: Side, at: int) -> str:
    """What is embedded of a field: its words with those around it, and how its description begins."""
    f, t = side.fields[at], side.terms[at]
    around = " ".join(word.replace("_", " ") for word in reversed(t.context[:2]))
    return f"{around} {' '.join(t.words)}: {f.place.description[:160]}".strip()
