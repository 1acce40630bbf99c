"""The whole mapping between two schemas: candidates, choice, conversions, what is left open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.mapping.choose import Choice, choose
from vitesse_graph.mapping.complexity import complexity_score
from vitesse_graph.mapping.constants import constant_for
from vitesse_graph.mapping.convert import Conversion, End, convert
from vitesse_graph.mapping.features import Embed, Pairs, make_pairs
from vitesse_graph.mapping.model import Model, default_model
from vitesse_graph.mapping.sides import Side, make_side
from vitesse_graph.mapping.structure import (
    JOIN_CONFIDENCE,
    drop_echoes,
    drop_lonely,
    join_conversion,
    joined_name,
    phone_conversion,
    phone_parts,
    split_names,
)
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import (
    Alternative,
    Finding,
    MappingHint,
    MappingLogic,
    Question,
    Transformation,
)


@dataclass(slots=True)
class Draft:
    """A mapping in the making."""

    source: Side
    dest: Side
    rows: dict[str, Transformation] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ranked: dict[int, Choice] = field(default_factory=dict)
    model: Model = field(default_factory=default_model)

    def convertible(self, source: int, dest: int) -> bool:
        """Whether any conversion leads from one field to the other."""
        return convert(_end(self.source, source), _end(self.dest, dest)) is not None


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
    patterns: Sequence[Any] = (),
    embed: Embed | None = None,
) -> MappingLogic:
    """Which source field feeds which destination field, how, how sure, and why.

    `source_schema` is ONE record, `dest_schema` the whole request body. Pure and deterministic.
    """
    topic = f"{intent} {source_name} {dest_name}"
    source = make_side(source_schema, writable_only=False, topic=topic)
    dest = make_side(dest_schema, writable_only=True, topic=topic)
    draft = Draft(source, dest)
    propose(draft, default_model(embed is not None), embed)
    _add_constants(draft, intent)
    return finish(draft, previous)


def propose(draft: Draft, model: Model, embed: Embed | None, pairs: Pairs | None = None) -> None:
    """Fills the draft with the rows that are likely enough. `pairs` where they are known already."""
    source, dest = draft.source, draft.dest
    pairs = pairs if pairs is not None else make_pairs(source, dest, embed)
    choices = choose(source, dest, pairs, model.probabilities(pairs), draft.convertible)
    draft.model = model
    draft.ranked = {c.dest: c for c in choices}
    likely = {c.dest: c for c in choices if c.probability >= model.threshold}
    kept = drop_lonely(dest, drop_echoes(source, dest, likely))
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


def _end(side: Side, at: int) -> End:
    own = side.fields[at]
    return End(own, side.terms[at], side.beside(own) if own.array_at else ())


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
    conversion = convert(_end(draft.source, source), _end(draft.dest, dest))
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
        conversion = convert(_end(draft.source, source), _end(draft.dest, choice.dest))
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


def _add_constants(draft: Draft, intent: str) -> None:
    filled = set(draft.rows)
    for target in draft.dest.fields:
        if target.path in filled:
            continue
        found = constant_for(target, intent)
        if found is None or not (target.required or _has_company(target.parent, filled)):
            continue
        value, why, confidence = found
        draft.rows[target.path] = Transformation(
            source_field=[],
            dest_field=target.path,
            transform_type="custom",
            transform_config={"function": "constant", "params": {"value": value}},
            confidence=confidence,
            reason=why,
            required=target.required,
        )


def _has_company(parent: str, filled: set[str]) -> bool:
    """Whether anything in the same object, or below it, is filled."""
    return not parent or any(path.startswith((parent + ".", parent + "[")) for path in filled)


def finish(draft: Draft, previous: MappingLogic | None) -> MappingLogic:
    """The mapping out of the draft: rows in the schema's order, questions, what stays empty."""
    order = {f.path: at for at, f in enumerate(draft.dest.fields)}
    rows = sorted(draft.rows.values(), key=lambda r: (order.get(r.dest_field, len(order)), r.dest_field))
    filled = {r.dest_field for r in rows}
    used = {
        s for r in rows for s in ([r.source_field] if isinstance(r.source_field, str) else r.source_field)
    }
    mapping = MappingLogic(
        transformations=rows,
        questions=_questions(draft, filled),
        unmapped_dest=[f.path for f in draft.dest.fields if f.path not in filled and not f.required],
        unmapped_source=[f.path for f in draft.source.fields if f.path not in used],
        confidence=round(sum(r.confidence for r in rows) / len(rows), 3) if rows else 0.0,
        version=previous.version + 1 if previous is not None else 1,
        notes=draft.notes,
    )
    mapping.complexity_score = complexity_score(mapping)
    return mapping


def _questions(draft: Draft, filled: set[str]) -> list[Question]:
    questions = []
    for at, target in enumerate(draft.dest.fields):
        if not target.required or target.path in filled:
            continue
        choice = draft.ranked.get(at)
        offered = (
            alternatives(
                draft, Choice(at, -1, 0.0, [(choice.source, choice.probability), *choice.others][:3])
            )
            if choice
            else []
        )
        text = f"{target.path} is required and nothing in the source clearly feeds it: which field, or which fixed value?"
        questions.append(Question(dest_field=target.path, text=text, required=True, suggestions=offered))
    return questions
