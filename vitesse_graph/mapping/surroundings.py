"""What surrounds a pair: descriptions, the objects that the fields stand in, the fields beside them."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from vitesse_graph.mapping.identity import is_outward, record_ids
from vitesse_graph.mapping.notation import holds_html
from vitesse_graph.mapping.sides import Floats, Ints, Side
from vitesse_graph.mapping.words import kinds, lexicon, notions, plain_words, relatedness

VAGUE = frozenset(
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


_SPLITS = frozenset(
    (("name", "first_name"), ("name", "last_name"), ("full_name", "first_name"), ("full_name", "last_name"))
)


def text_columns(source: Side, dest: Side, si: Ints, di: Ints) -> dict[str, Floats]:
    said_s = [frozenset(notions(words[:14])) for words in source.desc_words]
    said_d = [frozenset(notions(words[:14])) for words in dest.desc_words]
    html_s, html_d = [holds_html(f) for f in source.fields], [holds_html(f) for f in dest.fields]
    head_s = [_said(f.place.description) for f in source.fields]
    head_d = [_said(f.place.description) for f in dest.fields]
    rows = np.zeros((len(si), 6))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        one, other = source.terms[s].notion, dest.terms[d].notion
        rows[at, 0] = one in said_d[d] and one not in _UNTELLING
        rows[at, 1] = other in said_s[s] and other not in _UNTELLING
        rows[at, 2] = (one, other) in _SPLITS
        rows[at, 3] = html_s[s] is not html_d[d] and bool(html_s[s] or html_d[d])
        rows[at, 4] = max((relatedness(one, said) for said in head_d[d]), default=0.0)
        rows[at, 5] = max((relatedness(other, said) for said in head_s[s]), default=0.0)
    names = (
        "notion_in_dest_text",
        "notion_in_source_text",
        "split_name",
        "html_mismatch",
        "dest_said_to_be",
        "source_said_to_be",
    )
    columns = {name: rows[:, at] for at, name in enumerate(names)}
    columns["dest_outside"] = 1 - dest.inside[di] if len(di) else np.zeros(0)
    columns["source_outside"] = 1 - source.inside[si] if len(si) else np.zeros(0)
    return columns


_FIRST_WORDS = re.compile(r"[A-Za-z][A-Za-z'-]*|[.,;:(]")
_ENDS = frozenset(
    [
        "of",
        "for",
        "that",
        "which",
        "who",
        "when",
        "where",
        "to",
        "in",
        "on",
        "at",
        "as",
        "is",
        "are",
        "was",
        "used",
        "associated",
        "and",
        "or",
        "with",
        "from",
        "by",
    ]
)
_LEADS = frozenset(
    [
        "the",
        "a",
        "an",
        "this",
        "your",
        "their",
        "its",
        "our",
        "optional",
        "required",
        "unique",
        "current",
        "given",
    ]
)


@lru_cache(maxsize=65536)
def _said(description: str) -> tuple[str, ...]:
    """What a description says first that the field is: `Title of the event` → title; () for no known notion."""
    words: list[str] = []
    for word in _FIRST_WORDS.findall(description[:120].lower()):
        if word in _LEADS and not words:
            continue
        if word in _ENDS or not word[0].isalpha() or len(words) == 5:
            break
        words.append(word)
    found = notions(plain_words("_".join(words)))[-1:] if words else ()
    return tuple(n for n in found if n in lexicon().concepts and n not in _UNTELLING)


def place_columns(source: Side, dest: Side, si: Ints, di: Ints) -> dict[str, Floats]:
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


def group_columns(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> dict[str, Floats]:
    """How well the other fields of the source's object suit the other fields of the destination's."""
    telling = np.array([0.3 if t.notion in VAGUE or not t.is_known else 1.0 for t in dest.terms] or [0.0])
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
    telling_s = np.array([0.3 if t.notion in VAGUE or not t.is_known else 1.0 for t in source.terms] or [0.0])
    sizes_s = (
        np.bincount(source.parent_of, weights=telling_s[: len(source.fields)], minlength=len(source.parents))
        if source.fields
        else np.zeros(1)
    )
    top_d: dict[int, float] = {}
    top_s: dict[int, float] = {}
    for (ps, pd), w in support.items():
        top_d[pd] = max(top_d.get(pd, 0.0), w)
        top_s[ps] = max(top_s.get(ps, 0.0), w)
    inside = _better_inside(source, dest, support, si, di, related)
    rows = np.zeros((len(si), 8))
    for at, (ps, pd, d) in enumerate(zip(parents_s, parents_d, di.tolist(), strict=True)):
        whole = support.get((ps, pd), 0.0)
        others = whole - best.get((ps, d), 0.0)
        rows[at, 0] = np.log1p(others)
        rows[at, 1] = others / max(sizes[pd] - telling[d], 1.0)
        rows[at, 2] = whole / top_d[pd] if top_d.get(pd) else 0.5
        rows[at, 3] = whole / top_s[ps] if top_s.get(ps) else 0.5
        rows[at, 5] = rows[at, 2] * rows[at, 3] * (others > 0)
        rows[at, 6] = min(others / max(min(sizes[pd], sizes_s[ps]) - 0.5, 0.5), 1.5)
    rows[:, 4] = rows[:, 2] * (related > 0.5)
    rows[:, 7] = inside
    names = (
        "group_support",
        "group_coverage",
        "group_best_source",
        "group_best_dest",
        "group_best_source_alone",
        "group_mutual",
        "group_overlap",
        "outside_aligned_array",
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


def outer_column(source: Side, dest: Side, si: Ints, di: Ints, related: Floats) -> Floats:
    """How well the object around the source's object suits the one around the destination's.

    A share of the best that any source object has for it: of two addresses the one beside which
    stand the name and the phone that the destination's object wants as well. 1 at the root.
    """
    outer_s, outer_d = _outers(source), _outers(dest)
    near = np.flatnonzero(related >= 0.85)
    if not len(near):
        return np.ones(len(si))
    suited: dict[tuple[int, int], set[int]] = {}
    for s, d in zip(si[near].tolist(), di[near].tolist(), strict=True):
        if dest.terms[d].notion in VAGUE:
            continue
        for there in outer_d[d]:
            for here in outer_s[s]:
                suited.setdefault((here, there), set()).add(d)
    top: dict[int, int] = {}
    for (_, there), fields in suited.items():
        top[there] = max(top.get(there, 0), len(fields))
    found = np.ones(len(si))
    for at, (s, d) in enumerate(zip(si.tolist(), di.tolist(), strict=True)):
        there = outer_d[d][-1] if outer_d[d] else -1
        if there in top:
            best = max((len(suited.get((here, there), ())) for here in outer_s[s]), default=0)
            found[at] = best / top[there]
    return found


def _outers(side: Side) -> list[tuple[int, ...]]:
    """For each field the objects that hold it or its object, the record itself left out; outermost last."""
    numbers: dict[str, int] = {}
    known: dict[str, tuple[int, ...]] = {}
    found = []
    for f in side.fields:
        levels = known.get(f.parent)
        if levels is None:
            paths = [f.parent, f.parent.rpartition(".")[0]]
            inside = [p for p in dict.fromkeys(paths) if p and p != side.root and len(p) > len(side.root)]
            levels = known[f.parent] = tuple(numbers.setdefault(p, len(numbers)) for p in inside)
        found.append(levels)
    return found


def _better_inside(
    source: Side,
    dest: Side,
    support: dict[tuple[int, int], float],
    si: Ints,
    di: Ints,
    related: Floats,
) -> Floats:
    """1 for a source outside the array that holds the destination's entries, where one inside suits too."""
    root_s, root_d = [_array_of(p) for p in source.parents], [_array_of(p) for p in dest.parents]
    together = {
        (root_s[ps], root_d[pd])
        for (ps, pd), weight in support.items()
        if weight >= 1.0 and root_s[ps] and root_d[pd]
    }
    homes = [
        (root_s[ps], root_d[pd]) for ps, pd in zip(source.parent_of[si], dest.parent_of[di], strict=True)
    ]
    suited = {
        d
        for home, d, near in zip(homes, di.tolist(), related.tolist(), strict=True)
        if home in together and near >= 0.6
    }
    return np.array([float(d in suited and not home[0]) for home, d in zip(homes, di.tolist(), strict=True)])


def _array_of(parent: str) -> str:
    """The innermost array that an object lies in."""
    head, found, _ = parent.rpartition("[]")
    return head + found


def _last_name(path: str) -> str:
    path = path.removesuffix(".value")
    return "_".join(notions(plain_words(path.rpartition(".")[2].replace("[]", "")))) if path else ""
