"""Candidate pairs and the numbers that speak for or against each of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import JaroWinkler

from vitesse_graph.mapping.identity import identity_columns
from vitesse_graph.mapping.likenesses import Embed, embedding_column, value_columns
from vitesse_graph.mapping.roles import role_columns
from vitesse_graph.mapping.shortlist import shortlist, text_similarity
from vitesse_graph.mapping.sides import Floats, Ints, Side, kind_compatibility
from vitesse_graph.mapping.surroundings import (
    VAGUE,
    group_columns,
    outer_column,
    place_columns,
    text_columns,
)
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import kinds, relatedness


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
    "pole_shared",
    "pole_opposed",
    "pole_missing_source",
    "pole_missing_dest",
    "only_one_each",
    "kind_of_sibling",
    "group_mutual",
    "group_overlap",
    "context_unaligned",
    "both_arrays_aligned",
    "same_term_aligned",
    "outside_aligned_array",
    "dest_said_to_be",
    "source_said_to_be",
    "outer_best_source",
    "dest_share_known",
)


def make_pairs(source: Side, dest: Side, embed: Embed | None = None) -> Pairs:
    """The candidate pairs with their features. Deterministic; order of fields does not matter."""
    texts = text_similarity(source, dest)
    si, di = shortlist(source, dest, texts)
    values = _values(source, dest, si, di, texts, embed)
    return Pairs(si, di, values)


def _values(source: Side, dest: Side, si: Ints, di: Ints, texts: Floats, embed: Embed | None) -> Floats:
    columns: dict[str, Floats] = dict(zip(_TERM_COLUMNS, _term_columns(source, dest, si, di), strict=True))
    columns["text_alike"] = texts[si, di]
    columns |= _shape_columns(source, dest, si, di)
    columns |= identity_columns(source, dest, si, di)
    columns["enum_overlap"], columns["example_alike"] = value_columns(source, dest, si, di)
    columns |= text_columns(source, dest, si, di)
    columns |= group_columns(source, dest, si, di, columns["related"])
    columns["outer_best_source"] = outer_column(source, dest, si, di, columns["related"])
    columns |= place_columns(source, dest, si, di)
    columns |= role_columns(source, dest, si, di, columns["related"])
    columns |= _aligned_columns(columns)
    columns["vague_far_source"] = columns["vague_notion"] * columns["context_extra_source"]
    columns["vague_far_dest"] = columns["vague_notion"] * columns["context_extra_dest"]
    columns["embedding"] = embedding_column(source, dest, si, di, embed)
    columns["weak_and_far"] = (columns["related"] < 0.5) * (columns["context_extra_source"] + 0.5)
    return (
        np.column_stack([columns[name] for name in PAIR_FEATURES])
        if len(si)
        else np.zeros((0, len(PAIR_FEATURES)))
    )


def _aligned_columns(columns: dict[str, Floats]) -> dict[str, Floats]:
    """Objects that hold the same things are the same place, whatever they are called."""
    aligned = columns["group_mutual"] * np.minimum(columns["group_overlap"], 1.0)
    extra = columns["context_extra_source"] + columns["context_extra_dest"]
    in_arrays = (columns["source_arrays"] > 0) & (columns["dest_arrays"] > 0)
    return {
        "context_unaligned": extra * (1 - aligned),
        "both_arrays_aligned": in_arrays * aligned,
        "same_term_aligned": (columns["related"] >= 0.85) * aligned,
    }


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


def _term_columns(source: Side, dest: Side, si: Ints, di: Ints) -> list[Floats]:
    known: dict[tuple[int, int], tuple[float, ...]] = {}
    same_s, same_d = _numbered(source.terms), _numbered(dest.terms)
    ignored = source.resource | dest.resource
    spoken_s, spoken_d = [_spoken(t) for t in source.terms], [_spoken(t) for t in dest.terms]
    words_s = [frozenset(w) for w in source.desc_words]
    words_d = [frozenset(w) for w in dest.desc_words]
    rows = np.empty((len(si), len(_TERM_COLUMNS)))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        one, other = source.terms[s], dest.terms[d]
        key = (same_s[s], same_d[d])
        found = known.get(key)
        if found is None:
            found = known[key] = compare_terms(one, other, spoken_s[s], spoken_d[d], ignored)
        rows[at, :12] = found
        rows[at, 12] = _share_in(one.words, words_d[d])
        rows[at, 13] = _share_in(other.words, words_s[s])
        rows[at, 14] = float(not (one.is_known and other.is_known))
        rows[at, 15] = float(other.notion in VAGUE)
    return [rows[:, at] for at in range(rows.shape[1])]


def _numbered(terms: list[Term]) -> list[int]:
    """The same number for equal terms: hashing a term for every pair would cost more than comparing it."""
    numbers: dict[Term, int] = {}
    return [numbers.setdefault(term, len(numbers)) for term in terms]


def _share_in(words: tuple[str, ...], text: frozenset[str]) -> float:
    if not words or not text:
        return 0.0
    return sum(w in text for w in words) / len(words)


_MOST_CONTEXT = 2.0
"""How many levels around may count against a pair: deep documents wrap a value many times."""


@lru_cache(maxsize=200_000)
def _spelling(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    return float(JaroWinkler.normalized_similarity("".join(one), "".join(other)))


class Spoken(NamedTuple):
    """A term's words as sets: around it (without its notion), all of them, and the kinds of all."""

    around: frozenset[str]
    all: frozenset[str]
    kinds: frozenset[str]


def _spoken(term: Term) -> Spoken:
    around = frozenset(term.context) - {term.notion}
    every = around | term.narrowing | {term.notion}
    return Spoken(around, every, frozenset().union(*map(kinds, every)))


def compare_terms(
    one: Term, other: Term, here: Spoken, there: Spoken, ignored: frozenset[str]
) -> tuple[float, ...]:
    """The first twelve term features of a pair, see `PAIR_FEATURES`."""
    narrow_one, narrow_other = one.narrowing, other.narrowing
    shared = 0.0
    if narrow_one:
        shared += len(narrow_one & narrow_other) + 0.7 * len(narrow_one & there.around)
    if narrow_other:
        shared += 0.7 * len(narrow_other & here.around)
    kinds_one, kinds_other = one.context_kinds, other.context_kinds
    return (
        float(one.words == other.words),
        float(one.notion == other.notion),
        float(one.notion == other.notion and narrow_one == narrow_other),
        relatedness(one.notion, other.notion),
        _spelling(one.words, other.words),
        shared,
        _unmatched(narrow_one, there, ignored),
        _unmatched(narrow_other, here, ignored),
        float(len(here.around & there.around)),
        min(_unmatched(here.around, there, ignored), _MOST_CONTEXT),
        min(_unmatched(there.around, here, ignored), _MOST_CONTEXT),
        len(kinds_one & kinds_other) / len(kinds_one | kinds_other) if kinds_one and kinds_other else 0.0,
    )


def _unmatched(words: frozenset[str], there: Spoken, ignored: frozenset[str]) -> float:
    """How many of the words the other side does not have; half for those of a kind it has."""
    alone = words - there.all - ignored if words else words
    return sum([0.5 if kinds(word) & there.kinds else 1.0 for word in alone]) if alone else 0.0


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
        "dest_share_known": np.full(len(si), sum(t.is_known for t in dest.terms) / max(len(dest.terms), 1)),
        "dest_is_boolean": (kind_d[di] == "boolean").astype(float),
        "dest_is_time": (kind_d[di] == "time").astype(float),
        "dest_deprecated": np.array([float(f.place.deprecated) for f in dest.fields] or [0.0])[di],
    }
