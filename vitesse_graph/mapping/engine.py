"""The whole mapping between two schemas: candidates, choice, conversions, what is left open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vitesse_graph.errors import MappingError
from vitesse_graph.mapping.choose import Choice, choose
from vitesse_graph.mapping.complexity import complexity_score
from vitesse_graph.mapping.conversion import Conversion
from vitesse_graph.mapping.convert import convert
from vitesse_graph.mapping.edit import sources_of, sources_text
from vitesse_graph.mapping.features import Pairs, make_pairs
from vitesse_graph.mapping.fixed import GUESSED, add_constants
from vitesse_graph.mapping.likenesses import Embed
from vitesse_graph.mapping.lookup import Paths
from vitesse_graph.mapping.model import Model, default_model
from vitesse_graph.mapping.parts import empty_lists, incomplete_parts
from vitesse_graph.mapping.questions import open_demands
from vitesse_graph.mapping.rework import (
    STICKY,
    concerned,
    end_at,
    from_hints,
    mended,
    note_for,
    pair_conversion,
    still_valid,
)
from vitesse_graph.mapping.sides import Side, make_side
from vitesse_graph.mapping.structure import (
    JOIN_CONFIDENCE,
    drop_echoes,
    drop_lonely,
    drop_twins,
    join_conversion,
    joined_name,
    phone_conversion,
    phone_parts,
    split_names,
)
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import (
    TRANSFORM_TYPES,
    Alternative,
    Finding,
    MappingHint,
    MappingLogic,
    Question,
    Transformation,
    TransformType,
)
from vitesse_graph.transforms import compile_mapping


class Pattern(Protocol):
    """A row that proved good before; `knowledge.LearnedPattern` is one."""

    source_fields: list[str]
    dest_field: str
    transform_type: str
    transform_config: dict[str, Any]
    is_complete: bool
    weight: float


@dataclass(slots=True)
class Draft:
    """A mapping in the making."""

    source: Side
    dest: Side
    rows: dict[str, Transformation] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ranked: dict[int, Choice] = field(default_factory=dict)
    model: Model = field(default_factory=default_model)
    left_empty: set[str] = field(default_factory=set)

    def convertible(self, source: int, dest: int) -> bool:
        """Whether any conversion leads from one field to the other."""
        return convert(end_at(self.source, source), end_at(self.dest, dest)) is not None


def map_fields(
    source_schema: JsonSchema,
    dest_schema: JsonSchema,
    *,
    intent: str = "",
    source_name: str = "",
    dest_name: str = "",
    hints: Sequence[MappingHint] = (),
    previous: MappingLogic | None = None,
    findings: Sequence[Finding] = (),
    patterns: Sequence[Pattern] = (),
    embed: Embed | None = None,
) -> MappingLogic:
    """Which source field feeds which destination field, how, how sure, and why.

    `source_schema` is ONE record, `dest_schema` the whole request body. Hints are obeyed, or
    refused with a note. Of a `previous` mapping the rows of people and hints are kept; with
    `findings` everything is kept but what they concern. `patterns` are rows that proved good
    before; `embed` turns texts into vectors, an extra signal. Pure, deterministic, synchronous.
    """
    topic = f"{intent} {source_name} {dest_name}"
    draft = Draft(
        make_side(source_schema, writable_only=False, topic=topic),
        make_side(dest_schema, writable_only=True, topic=topic),
    )
    propose(draft, default_model(embed is not None), embed)
    add_patterns(draft, patterns)
    add_constants(draft, intent)
    paths = Paths(source_schema), Paths(dest_schema)
    if previous is not None:
        carry_over(draft, previous, findings, *paths)
    hinted, empty, notes = from_hints(hints, draft.source, draft.dest, source_schema, dest_schema)
    for path in {*empty, *(draft.left_empty - set(hinted))}:
        draft.rows.pop(path, None)
    draft.left_empty = (draft.left_empty | empty) - set(hinted)
    draft.rows |= {path: _with_alternatives(draft, row) for path, row in hinted.items()}
    draft.notes += notes
    _without_conflicts(draft)
    left_out, notes = incomplete_parts(draft.rows, draft.dest, findings)
    draft.rows = {path: row for path, row in draft.rows.items() if path not in left_out}
    draft.notes += notes
    draft.rows |= {row.dest_field: row for row in empty_lists(draft.rows, draft.dest, paths[1], findings)}
    return finish(draft, previous)


def add_patterns(draft: Draft, patterns: Sequence[Pattern]) -> None:
    """Rows that proved good before, where they are surer than what was found; paths must exist."""
    for pattern in patterns:
        at = draft.dest.by_path.get(pattern.dest_field)
        known = (
            at is not None
            and pattern.source_fields
            and all(p in draft.source.by_path for p in pattern.source_fields)
        )
        if at is None or not known:
            continue
        row = _from_pattern(draft, at, pattern)
        found = draft.rows.get(pattern.dest_field)
        if row is not None and (found is None or found.confidence < row.confidence):
            draft.rows[pattern.dest_field] = row


def _from_pattern(draft: Draft, at: int, pattern: Pattern) -> Transformation | None:
    fields = list(pattern.source_fields)
    conversion: Conversion | None
    if pattern.is_complete:
        conversion = Conversion(_kind(pattern.transform_type), dict(pattern.transform_config))
    elif len(fields) == 1:
        conversion = pair_conversion(draft.source, draft.dest, fields[0], pattern.dest_field)
    else:
        conversion = join_conversion()
    if conversion is None:
        return None
    conversion.why = "so mapped before, and it worked"
    row = _row_of(draft, at, fields if len(fields) > 1 else fields[0], conversion, pattern.weight)
    row = row.evolve(origin="pattern")
    try:
        compile_mapping(MappingLogic(transformations=[row]))
    except MappingError as error:
        draft.notes.append(f"pattern not used: {error}")
        return None
    return row


def _kind(name: str) -> TransformType:
    return next((kind for kind in TRANSFORM_TYPES if kind == name), "mapping")


def carry_over(
    draft: Draft, previous: MappingLogic, findings: Sequence[Finding], source: Paths, dest: Paths
) -> None:
    """What of the previous mapping stays. Without findings: only what people decided."""
    fresh, draft.rows = draft.rows, {}
    draft.left_empty = {path for path in previous.left_empty if dest.find(path) is not None}
    again: dict[str, Transformation] = {}
    for row in previous.transformations:
        own = concerned(row, findings)
        if not findings and row.origin not in STICKY:
            continue
        kept = _kept(draft, row, own, source, dest)
        if kept is None:
            again[row.dest_field] = row
        else:
            draft.rows[row.dest_field] = kept
    asked = {f.dest_field for f in findings if f.dest_field}
    lost = {
        f.source_field for f in findings if f.kind in ("source_removed", "source_missing") and f.source_field
    }
    for path, row in fresh.items():
        wanted = not findings or path in again or path in asked or row.required
        if not row.required and path in again and _is_same(row, again[path]):
            continue  # what was at fault would be at fault again
        if path not in draft.rows and wanted and not lost & set(sources_of(row)):
            draft.rows[path] = row.evolve(origin="heal") if findings else row


def _is_same(row: Transformation, before: Transformation) -> bool:
    return (sources_of(row), row.transform_type) == (sources_of(before), before.transform_type)


def _kept(
    draft: Draft, row: Transformation, own: list[Finding], source: Paths, dest: Paths
) -> Transformation | None:
    after = mended(row, own, draft.source, draft.dest) if own else row
    if after is not None and not still_valid(after, source, dest):
        draft.notes.append(f"{row.dest_field}: {sources_text(row)} is not in the schemas any more")
        return None
    if own:
        draft.notes.append(note_for(row, after, own))
    return after


def _with_alternatives(draft: Draft, row: Transformation) -> Transformation:
    choice = draft.ranked.get(draft.dest.by_path.get(row.dest_field, -1))
    if choice is not None:
        offered = Choice(choice.dest, -1, 0.0, [(choice.source, choice.probability), *choice.others])
        row.alternatives = [a for a in alternatives(draft, offered) if a.source_field != row.source_field][:3]
    return row


def _without_conflicts(draft: Draft) -> None:
    """A field filled as a whole and a part of it cannot both be: what people decided wins, then the whole."""
    inside: dict[str, list[str]] = {}
    for path in draft.rows:
        for outer in _around(path):
            if outer in draft.rows:
                inside.setdefault(outer, []).append(path)
    for outer in sorted(inside, key=len):
        parts = [p for p in inside[outer] if p in draft.rows]
        if outer not in draft.rows or not parts:
            continue
        people_want_parts = any(draft.rows[p].origin in STICKY for p in parts)
        if people_want_parts and draft.rows[outer].origin not in STICKY:
            draft.rows.pop(outer)
        else:
            for p in parts:
                draft.rows.pop(p, None)


def _around(path: str) -> list[str]:
    """The objects and arrays around a field: `a[].b.c` → a, a[], a[].b."""
    found = []
    while "." in path:
        path = path.rpartition(".")[0]
        found += [path, path.removesuffix("[]")]
    return found


def propose(draft: Draft, model: Model, embed: Embed | None, pairs: Pairs | None = None) -> None:
    """Fills the draft with the rows that are likely enough. `pairs` where they are known already."""
    source, dest = draft.source, draft.dest
    pairs = pairs if pairs is not None else make_pairs(source, dest, embed)
    choices = choose(source, dest, pairs, model.probabilities(pairs), model.first(pairs), draft.convertible)
    draft.model = model
    draft.ranked = {c.dest: c for c in choices}
    likely = {c.dest: c for c in choices if c.probability >= model.threshold}
    kept = drop_lonely(dest, drop_twins(dest, drop_echoes(source, dest, likely)))
    kept = split_names(source, dest, kept, draft.ranked)
    for at in range(len(dest.fields)):
        names = joined_name(source, dest, at, kept, model.threshold)
        if names is not None:
            _put(draft, _row_of(draft, at, names, join_conversion(), JOIN_CONFIDENCE), at)
        elif at in kept:
            _add_row(draft, kept[at])


def _put(draft: Draft, row: Transformation, at: int) -> None:
    choice = draft.ranked.get(at)
    if choice is not None:
        row.alternatives = alternatives(
            draft, Choice(at, -1, 0.0, [(choice.source, choice.probability), *choice.others][:3])
        )
    draft.rows[row.dest_field] = row


def _add_row(draft: Draft, choice: Choice) -> None:
    confidence = draft.model.confidence(choice.probability)
    parts = phone_parts(draft.source, choice.source)
    if parts is not None and draft.dest.terms[choice.dest].notion in ("phone", "mobile"):
        row: Transformation | None = _row_of(
            draft, choice.dest, parts, phone_conversion(draft.dest, choice.dest), confidence
        )
    else:
        row = make_row(draft, choice.dest, choice.source, confidence)
    if row is not None:
        row.alternatives = alternatives(draft, choice)
        draft.rows[row.dest_field] = row


def make_row(draft: Draft, dest: int, source: int, probability: float) -> Transformation | None:
    """The row for a pair; None where no conversion exists."""
    conversion = convert(end_at(draft.source, source), end_at(draft.dest, dest))
    if conversion is None:
        return None
    return _row_of(draft, dest, draft.source.fields[source].path, conversion, probability)


def _row_of(
    draft: Draft, dest: int, source_field: str | list[str], conversion: Conversion, probability: float
) -> Transformation:
    target = draft.dest.fields[dest]
    return Transformation(
        source_field=source_field,
        dest_field=target.path,
        transform_type=conversion.type,
        transform_config=conversion.config,
        confidence=round(min(max(probability * (1 - 0.3 * conversion.doubt), 0.0), 1.0), 3),
        reason=conversion.why,
        required=target.required,
    )


def alternatives(draft: Draft, choice: Choice) -> list[Alternative]:
    """The next best sources, each with its own conversion."""
    found = []
    for source, probability in choice.others:
        conversion = convert(end_at(draft.source, source), end_at(draft.dest, choice.dest))
        if conversion is not None:
            found.append(
                Alternative(
                    source_field=draft.source.fields[source].path,
                    transform_type=conversion.type,
                    transform_config=conversion.config,
                    confidence=round(draft.model.confidence(probability), 3),
                    reason=conversion.why,
                )
            )
    return found


def finish(draft: Draft, previous: MappingLogic | None) -> MappingLogic:
    """The mapping out of the draft: rows in the schema's order, questions, what stays empty."""
    order = {f.path: at for at, f in enumerate(draft.dest.fields)}
    rows = sorted(draft.rows.values(), key=lambda r: (order.get(r.dest_field, len(order)), r.dest_field))
    filled = {r.dest_field for r in rows}
    used = {
        s for r in rows for s in ([r.source_field] if isinstance(r.source_field, str) else r.source_field)
    }
    questions = _questions(draft, filled)
    asked = {q.dest_field for q in questions}
    mapping = MappingLogic(
        transformations=rows,
        questions=questions,
        unmapped_dest=[f.path for f in draft.dest.fields if f.path not in filled | asked and not f.required],
        unmapped_source=[f.path for f in draft.source.fields if f.path not in used],
        confidence=round(sum(r.confidence for r in rows) / len(rows), 3) if rows else 0.0,
        left_empty=sorted(draft.left_empty),
        version=previous.version + 1 if previous is not None else 1,
        notes=draft.notes,
    )
    mapping.complexity_score = complexity_score(mapping)
    return mapping


def _questions(draft: Draft, filled: set[str]) -> list[Question]:
    """Demands that nothing meets, first; then fixed values that were only guessed."""
    asked = []
    for path, at in open_demands(draft.dest, filled):
        choice = draft.ranked.get(at) if draft.dest.fields[at].path == path else None
        offered = [(choice.source, choice.probability), *choice.others][:3] if choice else []
        text = f"{path} is required and nothing in the source clearly feeds it: which field, or which fixed value?"
        suggestions = alternatives(draft, Choice(at, -1, 0.0, offered))
        asked.append(Question(dest_field=path, text=text, required=True, suggestions=suggestions))
    for row in draft.rows.values():
        if row.source_field == [] and row.confidence < GUESSED and row.origin in ("found", "heal"):
            value = row.transform_config.get("params", {}).get("value")
            text = f"{row.dest_field} is always set to {value!r} ({row.reason}): is that right?"
            asked.append(Question(dest_field=row.dest_field, text=text, required=False))
    return asked
