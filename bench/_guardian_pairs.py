"""The labelled field-mapping pairs as runnable integrations: a reader for both sandboxes and a correct mapping.

The labels say which field feeds which; how the value changes is chosen by the mapping package, as it
would be for a person who draws the lines. Fields that no source can fill get a constant that the
destination's schema accepts, as a person would give one.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitesse_graph.errors import NotFoundError, SpecError
from vitesse_graph.guardian.paths import plain
from vitesse_graph.guardian.required import unfed_required
from vitesse_graph.mapping import map_fields
from vitesse_graph.state.api_spec import (
    ApiSpec,
    DestShape,
    Endpoint,
    EndpointCandidate,
    MediaType,
    OperationDetail,
    Pagination,
    Response,
    SourceShape,
)
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingHint, MappingLogic, Transformation
from vitesse_graph.synthetic import TYPICAL, Contract, Draw, RecordGenerator, generate_records
from vitesse_graph.synthetic.schemas import at_path, branches, flatten
from vitesse_graph.transforms import compile_mapping

ROOT = Path(__file__).resolve().parents[2] / "shared" / "bench" / "mapping" / "dev"
PAGING = Pagination(
    style="cursor",
    params=["after"],
    page_size_param="limit",
    next_from="next",
    items_at="data",
    max_page_size=200,
)


class PairApi:
    """One side of a pair as an API of one endpoint. Satisfies `SpecReader`."""

    def __init__(
        self, details: list[OperationDetail], source: SourceShape | None, dest: DestShape | None
    ) -> None:
        self._details = {detail.endpoint.key: detail for detail in details}
        self._source, self._dest = source, dest
        self.spec = ApiSpec(api_name="pair", endpoints=[detail.endpoint for detail in details])

    def operation(self, key: str) -> OperationDetail:
        if key not in self._details:
            raise NotFoundError(key)
        return self._details[key]

    def rank(self, intent: str, role: str, limit: int = 5) -> list[EndpointCandidate]:
        return []

    def source_shape(self, key: str) -> SourceShape:
        if self._source is None:
            raise SpecError(key)
        return self._source

    def dest_shape(self, key: str) -> DestShape:
        if self._dest is None:
            raise SpecError(key)
        return self._dest


@dataclass(slots=True)
class Pair:
    """One labelled pair, ready to run."""

    id: str
    source_api: PairApi
    dest_api: PairApi
    source_shape: SourceShape
    dest_shape: DestShape
    mapping: MappingLogic
    refused: list[str]
    """Rows of the labels for which no correct row could be made, and why."""


def load_pairs(named: str = "*") -> list[Pair]:
    """The pairs of the development set whose file name fits; [] where the set is not there."""
    return [make_pair(json.loads(path.read_text("utf-8"))) for path in sorted(ROOT.glob(f"{named}.json"))]


def make_pair(labelled: dict[str, Any]) -> Pair:
    """One pair from its labels."""
    source_schema, dest_schema = labelled["source"]["schema"], labelled["dest"]["schema"]
    noun = labelled["id"].split("--")[0].partition("-")[2].replace("-", " ")
    listing = Endpoint(method="GET", path="/records", role="list", resource=noun, pagination=PAGING)
    create = Endpoint(method="POST", path="/targets", role="create", content_types=["application/json"])
    source_shape = SourceShape(endpoint=listing, record_schema=source_schema, items_at="data", id_field="id")
    dest_shape = DestShape(endpoint=create, request_schema=dest_schema, id_at="id")
    mapping, refused = correct_mapping(labelled, source_schema, dest_schema)
    return Pair(
        labelled["id"],
        PairApi([_list(listing, source_schema)], source_shape, None),
        PairApi([_create(create, dest_schema)], None, dest_shape),
        source_shape,
        dest_shape,
        mapping,
        refused,
    )


def _list(endpoint: Endpoint, record: JsonSchema) -> OperationDetail:
    body = {
        "type": "object",
        "properties": {"data": {"type": "array", "items": record}, "next": {"type": ["string", "null"]}},
        "required": ["data"],
    }
    media = MediaType(content_type="application/json", json_schema=body)
    return OperationDetail(endpoint=endpoint, responses=[Response(status="200", content=[media])])


def _create(endpoint: Endpoint, request: JsonSchema) -> OperationDetail:
    answer = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    return OperationDetail(
        endpoint=endpoint,
        request_body=[MediaType(content_type="application/json", json_schema=request)],
        request_body_required=True,
        responses=[
            Response(status="201", content=[MediaType(content_type="application/json", json_schema=answer)]),
            Response(status="400"),
        ],
    )


def correct_mapping(
    labelled: dict[str, Any], source_schema: JsonSchema, dest_schema: JsonSchema
) -> tuple[MappingLogic, list[str]]:
    """The labels as a mapping with transforms, and the labels that no transform of ours fulfils."""
    hints = []
    for row in labelled["gold"]:
        if row["source"]:
            hints.append(_hint(row["dest"], row["source"]))
        else:
            hints.append(MappingHint(dest_field=row["dest"], constant=constant_for(dest_schema, row["dest"])))
    for path in labelled["unmappable_required"]:
        hints.append(MappingHint(dest_field=path, constant=constant_for(dest_schema, path)))
    mapped = map_fields(source_schema, dest_schema, intent=labelled["intent"], hints=hints)
    wanted = {plain(hint.dest_field) for hint in hints}
    rows = [row for row in mapped.transformations if row.origin == "hint" and plain(row.dest_field) in wanted]
    lost = sorted(wanted - {plain(row.dest_field) for row in rows})
    mapping = MappingLogic(transformations=rows)
    for path in unfed_required(dest_schema, mapping):
        config = {"function": "constant", "params": {"value": constant_for(dest_schema, path)}}
        rows.append(
            Transformation(
                source_field=[],
                dest_field=path,
                transform_type="custom",
                transform_config=config,
                required=True,
            )
        )
    complete = MappingLogic(transformations=rows)
    return _with_fitting_constants(complete, source_schema, dest_schema), lost


def _hint(dest: str, sources: list[str]) -> MappingHint:
    if len(sources) == 1:
        return MappingHint(dest_field=dest, source_field=sources[0])
    if any("[]" in source for source in sources):
        joined = {"combine": "join", "separator": " "}
        return MappingHint(
            dest_field=dest, source_field=sources, transform_type="mapping", transform_config=joined
        )
    return MappingHint(dest_field=dest, source_field=sources)


def _with_fitting_constants(mapping: MappingLogic, source: JsonSchema, dest: JsonSchema) -> MappingLogic:
    """Constants with alternatives (an enum in several forms of an object) set to the one that fits the rest."""
    contract = Contract(dest, "request")
    records = [record.value for record in generate_records(source, 20, mix=TYPICAL)]
    for index, row in enumerate(mapping.transformations):
        options = _alternatives(dest, row.dest_field) if row.source_field == [] else []
        best: tuple[int, Any] | None = None
        for option in options:
            tried = _with_constant(mapping, index, option)
            run = compile_mapping(tried)
            wrong = sum(not contract.is_valid(run.apply(record).body) for record in records)
            if best is None or wrong < best[0]:
                best = (wrong, option)
        if best is not None:
            mapping = _with_constant(mapping, index, best[1])
    return mapping


def _with_constant(mapping: MappingLogic, index: int, value: Any) -> MappingLogic:
    config = {"function": "constant", "params": {"value": value}}
    rows = list(mapping.transformations)
    rows[index] = rows[index].evolve(transform_type="custom", transform_config=config)
    return MappingLogic(transformations=rows)


def _alternatives(schema: JsonSchema, path: str) -> list[Any]:
    """Values from all enums that any form of the object has at this path."""
    parent, _, name = path.removesuffix("[]").rpartition(".")
    holder = flatten(at_path(schema, parent, schema) or {}, schema)
    forms = [holder, *(flatten(branch, schema) for branch in branches(holder))]
    found: list[Any] = []
    for form in forms:
        found += flatten(form.get("properties", {}).get(name, {}), schema).get("enum") or []
    return list(dict.fromkeys(found))[:8]


def constant_for(schema: JsonSchema, path: str) -> Any:
    """A value that the schema takes at a path, the same each time."""
    found = flatten(at_path(schema, path, schema) or {}, schema)
    name = path.rsplit(".", 1)[-1].removesuffix("[]")
    return RecordGenerator(found, name=name, direction="request").draw(Draw(random.Random(path)))
