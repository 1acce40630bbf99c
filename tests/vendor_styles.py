"""Small documents in the manner of published ones (`tests/unit/specs/vendors`), each with a person's verdict on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vitesse_graph.specs import SpecDocument
from vitesse_graph.specs.recognise import spec_format

FOLDER = Path(__file__).parent / "unit" / "specs" / "vendors"


@dataclass(frozen=True)
class VendorStyle:
    """One document, and `x-truth` taken out of it."""

    title: str
    tree: dict[str, Any]
    truth: dict[str, Any]

    @property
    def key(self) -> str:
        return str(self.truth["endpoint"])

    def document(self) -> SpecDocument:
        name = self.title
        return SpecDocument(
            self.tree, spec_format=spec_format(self.tree, name), spec_url="https://api.example/openapi.json"
        )


def vendor_styles() -> list[VendorStyle]:
    return list(_read())


def _read() -> Iterator[VendorStyle]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for tree in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader):
            truth = tree.pop("x-truth")
            yield VendorStyle(tree["info"]["title"], tree, truth)
