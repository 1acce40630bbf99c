"""Which removed field lives on under which new name: a likely rename, and how sure.

No single sign decides. A rename usually keeps the type, the format, the description and the place
among its siblings, and often a word of the name; the score is the weighted mean of those signs that
can be read on both sides, and pairs are taken best first, each field once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

from vitesse_graph.healing.shapes import FieldShape

MIN_SCORE = 0.58
MIN_NAME_SIMILARITY = 0.4
AMBIGUITY_MARGIN = 0.08
_WEIGHTS = {
    "name": 0.40,
    "type": 0.12,
    "format": 0.10,
    "enum": 0.15,
    "description": 0.22,
    "place": 0.18,
    "required": 0.04,
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_ENDINGS = ("ing", "ed", "es", "s", "d")


@dataclass(frozen=True, slots=True)
class Rename:
    """`old` is called `new` now; `confidence` 0..1."""

    old: str
    new: str
    confidence: float
    reason: str


def words_of(name: str) -> list[str]:
    """`emailAddress`, `email_address` → `email`, `address`."""
    return [word.lower() for word in _WORD.findall(name)]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def name_similarity(old: str, new: str) -> float:
    """0..1 for two names without their parents; 1 where only the spelling differs."""
    a, b = words_of(old), words_of(new)
    if not a or not b:
        return 0.0
    if a == b:
        return 1.0
    letters = fuzz.ratio("".join(a), "".join(b)) / 100
    stems_a, stems_b = {_stem(word) for word in a}, {_stem(word) for word in b}
    shared = len(stems_a & stems_b)
    overlap = shared / min(len(stems_a), len(stems_b))
    jaccard = shared / len(stems_a | stems_b)
    return max(letters * 0.9, 0.55 * overlap + 0.45 * jaccard)


def find_renames(old: dict[str, FieldShape], new: dict[str, FieldShape]) -> list[Rename]:
    """Likely renames between two flattened schemas; a renamed parent carries its children.

    Only the topmost renamed field is named: of `address` → `postal_address`, not `address.city`.
    """
    renames: list[Rename] = []
    moved: dict[str, str] = {}
    # Level by level, so that children are compared after their parents have found their new name.
    for depth in range(max((_depth(path) for path in old), default=0) + 1):
        gone = [
            shape
            for path, shape in old.items()
            if _depth(path) == depth
            and translate(path, moved) not in new
            and (not shape.parent or translate(shape.parent, moved) in new)
            and not path.endswith("[]")
        ]
        taken = {translate(path, moved) for path in old}
        come = [shape for path, shape in new.items() if path not in taken and not path.endswith("[]")]
        for rename in _pair(gone, come, old, new, moved):
            renames.append(rename)
            moved[rename.old] = rename.new
    return renames


def translate(path: str, moved: dict[str, str]) -> str:
    """The path with its renamed parents (or itself) put in, the longest that fits."""
    for old in sorted(moved, key=len, reverse=True):
        if path == old or path.startswith((f"{old}.", f"{old}[]")):
            return moved[old] + path[len(old) :]
    return path


def _depth(path: str) -> int:
    return path.count(".")


def _pair(
    gone: list[FieldShape],
    come: list[FieldShape],
    old: dict[str, FieldShape],
    new: dict[str, FieldShape],
    moved: dict[str, str],
) -> Iterable[Rename]:
    places = _places(gone, come, old, new, moved)
    scored = []
    for a in gone:
        for b in come:
            parent = translate(a.parent, moved)
            if not _is_near(parent, b.parent):
                continue
            score, reasons = _score(a, b, parent == b.parent, places)
            if score >= MIN_SCORE:
                scored.append((score, a.path, b.path, reasons))
    scored.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    used_old: set[str] = set()
    used_new: set[str] = set()
    for score, a_path, b_path, reasons in scored:
        if a_path in used_old or b_path in used_new:
            continue
        used_old.add(a_path)
        used_new.add(b_path)
        rivals = [
            s for s, x, y, _ in scored if (x == a_path) != (y == b_path) and s > score - AMBIGUITY_MARGIN
        ]
        confidence = min(score, 0.99) * (0.8 if rivals else 1.0)
        yield Rename(a_path, b_path, round(confidence, 2), ", ".join(reasons))


def _is_near(old_parent: str, new_parent: str) -> bool:
    """A field moves into an object or out of one, not across to a distant part of the record."""
    outer, inner = sorted((old_parent, new_parent), key=len)
    return not outer or inner == outer or inner.startswith((f"{outer}.", f"{outer}[]"))


def _places(
    gone: list[FieldShape],
    come: list[FieldShape],
    old: dict[str, FieldShape],
    new: dict[str, FieldShape],
    moved: dict[str, str],
) -> dict[str, tuple[str, str | None, int]]:
    """Where each field stands: its parent, the last sibling before it that stayed, its rank after that.

    Keys are `-path` for old fields and `+path` for new ones, so that both lie in one table; parents
    and siblings go by their new names.
    """
    places: dict[str, tuple[str, str | None, int]] = {}
    gone_paths, come_paths = {shape.path for shape in gone}, {shape.path for shape in come}
    for sign, fields, loose in (("-", old, gone_paths), ("+", new, come_paths)):
        anchors: dict[str, tuple[str | None, int]] = {}
        for path, shape in fields.items():
            if path.endswith("[]"):
                continue
            parent = translate(shape.parent, moved) if sign == "-" else shape.parent
            anchor, rank = anchors.get(parent, (None, 0))
            if path in loose:
                places[sign + path] = (parent, anchor, rank)
                anchors[parent] = (anchor, rank + 1)
            else:
                anchors[parent] = (translate(path, moved) if sign == "-" else path, 0)
    return places


def _score(
    a: FieldShape, b: FieldShape, same_parent: bool, places: dict[str, tuple[str, str | None, int]]
) -> tuple[float, list[str]]:
    type_score = _type_score(a, b)
    if type_score is None:
        return 0.0, []
    signs: dict[str, float] = {"name": name_similarity(a.leaf, b.leaf), "type": type_score}
    signs["required"] = float(a.is_required == b.is_required)
    if a.format:
        # a format that only the new one has may have been there all along, unsaid
        signs["format"] = float(a.format == b.format)
    if a.enum is not None or b.enum is not None:
        x, y = set(map(str, a.enum or ())), set(map(str, b.enum or ()))
        signs["enum"] = len(x & y) / len(x | y) if x | y else 0.0
    if a.description and b.description:
        signs["description"] = fuzz.token_sort_ratio(a.description.lower(), b.description.lower()) / 100
    if same_parent:
        signs["place"] = _place_score(places.get(f"-{a.path}"), places.get(f"+{b.path}"))
    elif signs["name"] < 0.9:
        # another name at another place is another field
        return 0.0, []
    has_ground = (
        signs["name"] >= MIN_NAME_SIMILARITY
        or signs.get("description", 0.0) >= 0.8
        or (signs.get("enum", 0.0) >= 0.8)
        or (signs.get("place", 0.0) == 1.0 and signs.get("format") == 1.0)
    )
    if not has_ground:
        return 0.0, []
    # The same list of values is as good as a name: few fields share one.
    weights = {**_WEIGHTS, "enum": 0.4} if signs.get("enum", 0.0) >= 0.8 else _WEIGHTS
    total = sum(weights[sign] for sign in signs)
    score = sum(weights[sign] * value for sign, value in signs.items()) / total
    reasons = [
        f"{'same' if value == 1.0 else 'similar'} {sign}"
        for sign, value in signs.items()
        if value >= 0.6 and sign not in ("type", "required")
    ]
    return score - (0.0 if same_parent else 0.08), reasons


def _type_score(a: FieldShape, b: FieldShape) -> float | None:
    """None where the two cannot be the same field: one holds fields, the other a value."""
    x, y = a.plain_types, b.plain_types
    if x == y:
        return 1.0
    if a.is_container != b.is_container and x and y:
        return None
    if not x or not y or x & y:
        return 0.8
    if x | y <= {"integer", "number"}:
        return 0.8
    return 0.0 if a.is_container else 0.3


def _place_score(a: tuple[str, str | None, int] | None, b: tuple[str, str | None, int] | None) -> float:
    if a is None or b is None or a[:2] != b[:2]:
        return 0.0
    return 1.0 if a[2] == b[2] else 0.6
