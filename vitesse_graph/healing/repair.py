"""The repair of a mapping: as little as possible, and what exactly it changes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field

from vitesse_graph.healing.impact import is_within, source_paths
from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import MappingLogic, Transformation

SURE_RENAME = 0.8
"""Under this confidence a rename is a guess that a person should see."""

SURE_ADDITION = 0.8
"""Under this a newly demanded field stays unfed, so that the guardian refuses the repair and a person sees it."""

RowChangeKind = Literal["added", "removed", "renamed", "retargeted", "transform_changed"]


class RowChange(Model):
    """One row that differs. `renamed`: the same value under the name that the drift found."""

    dest_field: str
    kind: RowChangeKind
    before: str = ""
    after: str = ""
    is_sure: bool = True


class RepairChange(Model):
    """Everything that a repair changes."""

    rows: list[RowChange] = Field(default_factory=list)
    endpoints: list[str] = Field(default_factory=list)
    """`GET /v1/x → GET /v2/x`, in words."""
    addresses: list[str] = Field(default_factory=list)
    """Other hosts that would be called."""

    @property
    def is_empty(self) -> bool:
        return not (self.rows or self.endpoints or self.addresses)

    @property
    def is_risky(self) -> bool:
        """Beyond sure renames and additions: removed or rewired rows, another endpoint or host."""
        harmless = all(row.kind in ("renamed", "added") and row.is_sure for row in self.rows)
        return not harmless or bool(self.endpoints or self.addresses)

    def render(self) -> str:
        """Markdown, one line per change."""
        words = {
            "added": "new",
            "removed": "left empty from now on",
            "renamed": "reads the renamed field",
            "retargeted": "reads another field",
            "transform_changed": "is converted differently",
        }
        lines = []
        for row in self.rows:
            arrow = (
                f": {row.before} → {row.after}"
                if row.before and row.after
                else f": {row.before or row.after}"
            )
            unsure = "" if row.is_sure else " (a guess)"
            lines.append(f"- `{row.dest_field}` {words[row.kind]}{arrow}{unsure}")
        lines += [f"- endpoint: {text}" for text in self.endpoints]
        lines += [f"- another host: {text}" for text in self.addresses]
        return "\n".join(lines) or "Nothing changes."


def follow_renames(
    row: Transformation, drift: Collection[DriftItem], *, min_confidence: float = 0.0
) -> Transformation | None:
    """The row with renamed paths put in and nothing else changed.

    None when something besides renames touches it, when no rename of that confidence does, and when
    the row follows already (what ails it then is something else).
    """
    items = [
        item
        for item in drift
        if item.severity != "safe" and item.kind != "field_ignored" and row.dest_field in item.affects
    ]
    renames = [item for item in items if item.kind == "field_renamed" and item.new_path]
    is_clean = len(renames) == len(items) and all(item.confidence >= min_confidence for item in renames)
    if not renames or not is_clean:
        return None
    source = {item.path: str(item.new_path) for item in renames if item.side == "source"}
    dest = {item.path: str(item.new_path) for item in renames if item.side == "dest"}
    paths = row.source_field
    followed: str | list[str] = (
        _renamed(paths, source) if isinstance(paths, str) else [_renamed(path, source) for path in paths]
    )
    dest_field = _renamed(row.dest_field, dest)
    if (followed, dest_field) == (row.source_field, row.dest_field):
        return None
    return row.evolve(
        source_field=followed,
        dest_field=dest_field,
        origin="heal",
        confidence=min([row.confidence, *(item.confidence for item in renames)]),
        reason=f"{row.reason}; followed a rename" if row.reason else "followed a rename",
    )


def repair_mapping(
    old: MappingLogic, proposed: MappingLogic, drift: Collection[DriftItem], *, also: Collection[str] = ()
) -> MappingLogic:
    """The old mapping with only the broken rows replaced.

    Broken are the rows that breaking or risky drift touches, and the destination fields in `also`
    (what the guardian's findings name). A row that broke by nothing but a sure rename follows it and
    keeps its conversion; another takes the proposal's row, or, where there is none, follows a guess
    or is left out. All other rows stay as a person approved them. Fields that became required and
    that only the proposal feeds are added where it is sure of them: what a vendor begins to demand is
    filled by a guess by nobody but a person.
    """
    broken = broken_fields(old, drift) | set(also)
    proposals = {row.dest_field: row for row in proposed.transformations}
    renamed = _new_names(drift, "dest")
    kept = [
        row if row.dest_field not in broken else _repaired(row, proposals, drift, renamed)
        for row in old.transformations
    ]
    rows = [row for row in kept if row is not None]
    present = {row.dest_field for row in rows}
    demanded = {item.path for item in drift if item.side == "dest" and item.kind == "field_required"}
    rows += [
        row.evolve(origin="heal")
        for row in proposed.transformations
        if row.dest_field not in present
        and (
            (row.confidence >= SURE_ADDITION and any(is_within(row.dest_field, path) for path in demanded))
            or any(is_within(row.dest_field, path) for path in set(also) - demanded)
        )
    ]
    confidences = [row.confidence for row in rows]
    return proposed.evolve(
        transformations=[row.dump() for row in rows],
        confidence=sum(confidences) / len(confidences) if confidences else 0.0,
        version=old.version + 1,
    )


def _repaired(
    row: Transformation,
    proposals: Mapping[str, Transformation],
    drift: Collection[DriftItem],
    renamed: Mapping[str, str],
) -> Transformation | None:
    followed = follow_renames(row, drift, min_confidence=SURE_RENAME)
    if followed is not None:
        return followed
    successor = proposals.get(_renamed(row.dest_field, renamed))
    if successor is not None:
        return successor.evolve(origin="heal")
    return follow_renames(row, drift)


def _new_names(drift: Collection[DriftItem], side: str) -> dict[str, str]:
    return {
        item.path: item.new_path
        for item in drift
        if item.side == side and item.kind == "field_renamed" and item.new_path
    }


def broken_fields(mapping: MappingLogic, drift: Collection[DriftItem]) -> set[str]:
    """Destination fields of rows that drift touches in earnest."""
    rows = {row.dest_field for row in mapping.transformations}
    broken = [item for item in drift if item.severity != "safe" and item.kind != "field_ignored"]
    return {name for item in broken for name in item.affects} & rows


def _renamed(path: str, renamed: Mapping[str, str]) -> str:
    for old, new in renamed.items():
        if is_within(path, old):
            return new + path[len(old) :]
    return path


def compare_mappings(old: MappingLogic, new: MappingLogic, drift: Collection[DriftItem] = ()) -> RepairChange:
    """What differs row by row; with the drift, a row that only follows a rename is told as such."""
    before = {row.dest_field: row for row in old.transformations}
    after = {row.dest_field: row for row in new.transformations}
    source_names = {
        i.path: i for i in drift if i.kind == "field_renamed" and i.side == "source" and i.new_path
    }
    dest_names = {i.path: i for i in drift if i.kind == "field_renamed" and i.side == "dest" and i.new_path}
    changes: list[RowChange] = []
    matched: set[str] = set()
    for name, row in before.items():
        new_name = _renamed(name, _new_names(drift, "dest"))
        other = after.get(new_name) or after.get(name)
        if other is None:
            changes.append(RowChange(dest_field=name, kind="removed", before=_source(row)))
            continue
        matched.add(other.dest_field)
        change = _row_change(row, other, source_names, dest_names)
        if change is not None:
            changes.append(change)
    demanded = [i.path for i in drift if i.kind == "field_required" and i.side == "dest"]
    changes += [
        # what a vendor begins to demand may mean something that its name does not tell
        RowChange(
            dest_field=name,
            kind="added",
            after=_source(row),
            is_sure=not any(is_within(name, path) for path in demanded),
        )
        for name, row in after.items()
        if name not in matched
    ]
    return RepairChange(rows=changes)


def _source(row: Transformation) -> str:
    return ", ".join(source_paths(row)) or "a constant"


def _row_change(
    old: Transformation,
    new: Transformation,
    source_names: Mapping[str, DriftItem],
    dest_names: Mapping[str, DriftItem],
) -> RowChange | None:
    moved = {path: item.new_path or path for path, item in source_names.items()}
    followed = [_renamed(path, moved) for path in source_paths(old)]
    followed_items = [
        item
        for names, paths in ((source_names, list(source_paths(old))), (dest_names, [old.dest_field]))
        for path, item in names.items()
        if any(is_within(own, path) for own in paths)
    ]
    is_same_source = list(source_paths(old)) == list(source_paths(new))
    follows = followed == list(source_paths(new))
    # `mapping` is `direct` under another name: following a rename may turn one into the other
    plain = {"direct", "mapping"}
    is_same_transform = old.transform_config == new.transform_config and (
        old.transform_type == new.transform_type or {old.transform_type, new.transform_type} <= plain
    )
    if is_same_source and is_same_transform and old.dest_field == new.dest_field:
        return None
    is_renamed = bool(followed_items) and follows and is_same_transform
    if is_renamed:
        kind: RowChangeKind = "renamed"
    elif is_same_source or follows:
        kind = "transform_changed"
    else:
        kind = "retargeted"
    before, after = _source(old), _source(new)
    if old.dest_field != new.dest_field:
        before, after = f"{before} into {old.dest_field}", f"{after} into {new.dest_field}"
    elif kind == "transform_changed":
        before, after = old.transform_type, new.transform_type
    is_sure = all(item.confidence >= SURE_RENAME for item in followed_items)
    return RowChange(dest_field=new.dest_field, kind=kind, before=before, after=after, is_sure=is_sure)


def changes_anything(live: IntegrationDefinition, candidate: IntegrationDefinition) -> bool:
    """Whether the candidate would read, map or write anything differently. What is the same is no repair,
    whatever it passes: a document that changed beside the mapping is not what failed."""
    before, after = live.mapping.transformations, candidate.mapping.transformations
    parts = [
        (live.source.model_dump(), candidate.source.model_dump()),
        (live.dest.model_dump(), candidate.dest.model_dump()),
        ([_rule(row) for row in before], [_rule(row) for row in after]),
    ]
    return any(one != other for one, other in parts)


def _rule(row: Transformation) -> tuple[str, tuple[str, ...], str, str]:
    return row.dest_field, tuple(source_paths(row)), row.transform_type, repr(row.transform_config)
