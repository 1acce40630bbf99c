"""Candidate pairs and the numbers that speak for or against each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rapidfuzz.distance import JaroWinkler
from scipy import sparse

from vitesse_graph.mapping.notation import holds_html
from vitesse_graph.mapping.sides import Floats, Ints, Side, kind_compatibility
from vitesse_graph.mapping.tables import likeness
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import kinds, lexicon, notions, plain_words, relatedness

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
    "notion_in_dest_text",
    "notion_in_source_text",
    "dest_outside",
    "source_outside",
    "vague_far_source",
    "vague_far_dest",
    "split_name",
    "html_mismatch",
    "group_support",
    "group_coverage",
    "group_best_source",
    "group_best_dest",
    "group_best_source_alone",
    "same_parent_name",
    "source_words",
    "words_difference",
    "dest_place_absent",
    "reference_of_same_thing",
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
    columns |= _text_columns(source, dest, si, di)
    columns |= _group_columns(source, dest, si, di, columns["related"])
    columns |= _place_columns(source, dest, si, di)
    columns["vague_far_source"] = columns["vague_notion"] * columns["context_extra_source"]
    columns["vague_far_dest"] = columns["vague_notion"] * columns["context_extra_dest"]
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
    [
        "name",
        "type",
        "id",
        "status",
        "date",
        "number",
        "value",
        "code",
        "key",
        "title",
        "description",
        "url",
        "text",
        "image",
        "amount",
        "count",
        "label",
        "note",
        "state",
    ]
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
    """Which fields are the id of the very object they stand in (`id`, `ContactID` in a contact)."""
    found = []
    for f, t in zip(side.fields, side.terms, strict=True):
        parent_words = set(plain_words(f.names[-2])) if len(f.names) > 1 else set()
        narrowed = t.narrowing - parent_words - set(t.context[:1])
        if f.parent == side.root or not f.parent:
            narrowed -= side.resource
        is_reference = "object" in f.place.types and f.type == "string"
        outward = (t.narrowing | set(t.context[:1])) & OUTWARD
        found.append(t.notion == "id" and not narrowed and not is_reference and not outward)
    return found


def record_ids(side: Side) -> list[bool]:
    """Which of them identify the record itself."""
    return [
        own and (f.parent == side.root or not f.parent)
        for own, f in zip(own_ids(side), side.fields, strict=True)
    ]


OUTWARD = frozenset(
    [
        "external",
        "source",
        "foreign",
        "remote",
        "third",
        "origin",
        "legacy",
        "partner",
        "client",
        "idempotency",
        "integration",
    ]
)
REFERENCE_NOTIONS = frozenset(("external_id", "reference"))


def is_outward(term: Term) -> bool:
    """A destination field that is meant for another system's id."""
    around = term.narrowing | set(term.context[:1])
    return term.notion in REFERENCE_NOTIONS or (term.notion in ("id", "number") and bool(around & OUTWARD))


def _identity_columns(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> dict[str, Floats]:
    own_s, own_d = np.array(record_ids(source) or [False]), np.array(own_ids(dest) or [False])
    id_s = np.array([t.notion == "id" for t in source.terms] or [False])
    id_d = np.array([t.notion in ("id",) for t in dest.terms] or [False])
    ref_d = np.array([is_outward(t) for t in dest.terms] or [False])
    return {
        "own_id_to_reference": (own_s[si] & ref_d[di]).astype(float),
        "foreign_id_to_reference": (id_s[si] & ~own_s[si] & ref_d[di]).astype(float),
        "into_own_id": own_d[di].astype(float),
        "source_is_id": id_s[si].astype(float),
        "dest_is_id": (id_d[di] & ~own_d[di]).astype(float),
    }


_SPLITS = frozenset(
    (("name", "first_name"), ("name", "last_name"), ("full_name", "first_name"), ("full_name", "last_name"))
)


def _text_columns(source: Side, dest: Side, si: Ints, di: Ints) -> dict[str, Floats]:
    said_s = [frozenset(notions(words[:14])) for words in source.desc_words]
    said_d = [frozenset(notions(words[:14])) for words in dest.desc_words]
    html_s, html_d = [holds_html(f) for f in source.fields], [holds_html(f) for f in dest.fields]
    rows = np.zeros((len(si), 4))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        one, other = source.terms[s].notion, dest.terms[d].notion
        rows[at, 0] = one in said_d[d] and one not in _UNTELLING
        rows[at, 1] = other in said_s[s] and other not in _UNTELLING
        rows[at, 2] = (one, other) in _SPLITS
        rows[at, 3] = html_s[s] is not html_d[d] and bool(html_s[s] or html_d[d])
    names = ("notion_in_dest_text", "notion_in_source_text", "split_name", "html_mismatch")
    columns = {name: rows[:, at] for at, name in enumerate(names)}
    columns["dest_outside"] = 1 - dest.inside[di] if len(di) else np.zeros(0)
    columns["source_outside"] = 1 - source.inside[si] if len(si) else np.zeros(0)
    return columns


def _place_columns(source: Side, dest: Side, si: Ints, di: Ints) -> dict[str, Floats]:
    """Sizes of names; destination objects of which the source knows nothing; ids of the same thing."""
    words_s = np.array([len(t.words) for t in source.terms] or [0], dtype=np.float64)
    words_d = np.array([len(t.words) for t in dest.terms] or [0], dtype=np.float64)
    spoken = {w for t in source.terms for w in t.context} | {w for t in source.terms for w in t.narrowing}
    spoken_kinds = {k for w in spoken for k in kinds(w)}
    absent = [
        float(bool(t.context) and t.context[0] not in spoken and not kinds(t.context[0]) & spoken_kinds)
        for t in dest.terms
    ]
    own_s, ids_s = record_ids(source), [t.notion == "id" for t in source.terms]
    things_s = [frozenset(k for w in t.narrowing for k in kinds(w)) for t in source.terms]
    things_d = [frozenset(k for w in (*t.narrowing, *t.context[:1]) for k in kinds(w)) for t in dest.terms]
    outward = [is_outward(t) for t in dest.terms]
    same_thing = np.zeros(len(si))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        if ids_s[s] and not own_s[s] and outward[d] and dest.fields[d].parent != dest.root:
            same_thing[at] = 1.0 if things_s[s] & things_d[d] else -1.0
    return {
        "source_words": words_s[si],
        "words_difference": np.abs(words_s[si] - words_d[di]),
        "dest_place_absent": np.array(absent or [0.0])[di],
        "reference_of_same_thing": same_thing,
    }


_UNTELLING = frozenset(
    ["type", "id", "number", "name", "status", "date", "value", "text", "description", "url", "order"]
)


def _group_columns(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> dict[str, Floats]:
    """How well the other fields of the source's object suit the other fields of the destination's."""
    telling = np.array([0.3 if t.notion in _VAGUE or not t.is_known else 1.0 for t in dest.terms] or [0.0])
    worth = np.where(related >= 0.85, 1.0, np.where(related >= 0.6, 0.5, 0.0)) * telling[di]
    best: dict[tuple[int, int], float] = {}
    parents_s, parents_d = (
        source.parent_of[si].tolist() if len(si) else [],
        dest.parent_of[di].tolist() if len(di) else [],
    )
    for ps, d, w in zip(parents_s, di.tolist(), worth.tolist(), strict=True):
        if w and w > best.get((ps, d), 0.0):
            best[ps, d] = w
    support: dict[tuple[int, int], float] = {}
    for (ps, d), w in best.items():
        key = (ps, int(dest.parent_of[d]))
        support[key] = support.get(key, 0.0) + w
    sizes = (
        np.bincount(dest.parent_of, weights=telling[: len(dest.fields)], minlength=len(dest.parents))
        if dest.fields
        else np.zeros(1)
    )
    top_d: dict[int, float] = {}
    top_s: dict[int, float] = {}
    for (ps, pd), w in support.items():
        top_d[pd] = max(top_d.get(pd, 0.0), w)
        top_s[ps] = max(top_s.get(ps, 0.0), w)
    rows = np.zeros((len(si), 5))
    for at, (ps, pd, d) in enumerate(zip(parents_s, parents_d, di.tolist(), strict=True)):
        whole = support.get((ps, pd), 0.0)
        others = whole - best.get((ps, d), 0.0)
        rows[at, 0] = np.log1p(others)
        rows[at, 1] = others / max(sizes[pd] - telling[d], 1.0)
        rows[at, 2] = whole / top_d[pd] if top_d.get(pd) else 0.5
        rows[at, 3] = whole / top_s[ps] if top_s.get(ps) else 0.5
    rows[:, 4] = rows[:, 2] * (related > 0.5)
    names = (
        "group_support",
        "group_coverage",
        "group_best_source",
        "group_best_dest",
        "group_best_source_alone",
    )
    columns = {name: rows[:, at] for at, name in enumerate(names)}
    leaf_s = [_last_name(p) for p in source.parents]
    leaf_d = [_last_name(p) for p in dest.parents]
    columns["same_parent_name"] = np.array(
        [
            float(leaf_s[ps] == leaf_d[pd] and leaf_s[ps] != "")
            for ps, pd in zip(parents_s, parents_d, strict=True)
        ]
    )
    return columns


def _last_name(path: str) -> str:
    return "_".join(notions(plain_words(path.rpartition(".")[2].replace("[]", "")))) if path else ""


def _value_columns(source: Side, dest: Side, si: Ints, di: Ints) -> tuple[Floats, Floats]:
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


def _embedding_column(source: Side, dest: Side, si: Ints, di: Ints, embed: Embed | None) -> Floats:
    if embed is None or not len(si):
        return np.zeros(len(si))
    left = _unit(
        np.asarray(embed([embedding_text(source, at) for at in range(len(source.fields))]), dtype=np.float64)
    )
    right = _unit(
        np.asarray(embed([embedding_text(dest, at) for at in range(len(dest.fields))]), dtype=np.float64)
    )
    return np.asarray(np.einsum("ij,ij->i", left[si], right[di]), dtype=np.float64)


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def embedding_text(side: Side, at: int) -> str:
    """What is embedded of a field: its words with those around it, and how its description begins."""
    f, t = side.fields[at], side.terms[at]
    around = " ".join(word.replace("_", " ") for word in reversed(t.context[:2]))
    return f"{around} {' '.join(t.words)}: {f.place.description[:160]}".strip()
