"""Pairs of real endpoints: whatever is proposed exists, converts and runs. (How good it is: `python -m bench.mapping`.)"""

import json
from pathlib import Path

import pytest

from vitesse_graph.mapping import flatten, map_fields, validate_rows
from vitesse_graph.transforms import compile_mapping

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "bench" / "mapping" / "dev"
FILES = sorted(FOLDER.glob("*.json")) if FOLDER.is_dir() else []
pytestmark = pytest.mark.skipif(not FILES, reason="the labelled pairs are not beside this checkout")

VALUES = {"date-time": "2024-03-17T09:26:53Z", "datetime": "2024-03-17T09:26:53Z", "date": "2024-03-17"}


def sample(field):
    if field.enum:
        return field.enum[0]
    if field.format == "date-time-rfc-2822":
        return "Mon, 16 Aug 2010 03:45:01 +0000"
    if field.type == "string" and field.path.lower().endswith(("_at", "date", "time")):
        return VALUES["date"] if field.path.lower().endswith("date") else VALUES["date-time"]
    if field.type == "string" and field.path.lower().endswith(("quantity", "amount", "price", "percentage")):
        return "12.50"
    plain = {"string": VALUES.get(field.format, "en"), "integer": 1710667613, "number": 12.5, "boolean": True}
    return plain.get(field.type, ["a", "b"] if field.type == "array" else {})


def record_of(schema):
    """A record with a value in every field, two elements in every array."""
    record = {}
    for field in flatten(schema):
        level = [record]
        *way, leaf = field.path.split(".")
        for name in way:
            bare = name.removesuffix("[]")
            if name.endswith("[]"):
                level = [
                    e for v in level for e in v.setdefault(bare, [{}, {}]) if isinstance(v.get(bare), list)
                ]
            else:
                level = [v.setdefault(bare, {}) for v in level]
            level = [v for v in level if isinstance(v, dict)]
        for v in level:
            v.setdefault(leaf, sample(field))
    return record


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_what_is_proposed_for_real_endpoints_exists_and_runs(path):
    pair = json.loads(path.read_text("utf-8"))
    source, dest = pair["source"]["schema"], pair["dest"]["schema"]
    mapping = map_fields(source, dest, intent=pair["intent"])
    validate_rows(mapping.transformations, source, dest)
    made = compile_mapping(mapping).apply(record_of(source))
    assert made.body
    assert len(made.errors) <= len(mapping.transformations) / 3, made.errors
    assert len(mapping.transformations) >= 4
