"""The overlay on the documentation page does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.unit.specs.conftest import listing
from vitesse_graph.specs import SpecDocument
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.overlay import apply_overlay

PAGE = Path(__file__).parents[3] / "docs" / "ingest.md"


def test_the_overlay_of_the_page_corrects_every_conclusion() -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    item = {
        "type": "object",
        "properties": {n: {"type": "string"} for n in ("customer_no", "email", "changed_at")},
    }
    paths = {"/customers": listing(item), "/internal": listing(item)}
    findings = Findings()
    tree = apply_overlay({"info": {"title": "T"}, "paths": paths}, yaml.safe_load(found[1]), findings)
    assert findings.list() == []
    document = SpecDocument(tree, spec_format="openapi-3.0.0")
    spec = document.spec
    assert [endpoint.path for endpoint in spec.endpoints] == ["/customers"]
    assert (spec.auth.headers[0].name, spec.rate_limit and spec.rate_limit.requests) == ("X-Acme-Key", 2)
    pagination = spec.endpoints[0].pagination
    assert pagination is not None
    assert (pagination.style, pagination.params, pagination.page_size_param) == ("page", ["p"], "n")
    shape = document.source_shape("GET /customers")
    assert (shape.id_field, shape.natural_keys) == ("customer_no", ["email"])
    assert shape.incremental is not None
    assert (shape.incremental.param, shape.incremental.field) == ("since", "changed_at")
