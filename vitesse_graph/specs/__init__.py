"""Specifications: fetch, parse, resolve, understand. OpenAPI and Swagger → `ApiSpec`.

`load_document` reads one, `SpecCache` keeps them, `SpecDocument` answers questions about one.
"""

from __future__ import annotations

from vitesse_graph.specs.cache import SpecCache
from vitesse_graph.specs.compact import compact_schema
from vitesse_graph.specs.document import SpecDocument
from vitesse_graph.specs.load import load_document

__all__ = ["SpecCache", "SpecDocument", "compact_schema", "load_document"]
