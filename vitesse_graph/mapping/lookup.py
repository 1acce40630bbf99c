"""Whether a path exists in a schema, and what lies there."""

from __future__ import annotations

from difflib import get_close_matches

from vitesse_graph.errors import MappingError
from vitesse_graph.mapping.schema import Merged, SchemaReader
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.transforms.paths import parse_path


class Paths:
    """The paths of one schema. A field of an object without declared properties always exists."""

    def __init__(self, schema: JsonSchema) -> None:
        self._reader = SchemaReader(schema)

    def find(self, path: str) -> Merged | None:
        """What lies at the path; None when the schema does not have it. Raises MappingError for no path."""
        place = self._reader.root()
        for step in parse_path(path):
            below = self._below(place, step.name)
            if below is None:
                return None
            place = below
        return place

    def _below(self, place: Merged, name: str | None) -> Merged | None:
        if name is None:
            if place.items:
                return self._reader.merge(place.items, frozenset(), {})
            return Merged() if "array" in place.types or not place.types else None
        if name in place.properties:
            return self._reader.merge(place.properties[name], frozenset(), {})
        is_open = not place.properties and not place.items and (not place.types or "object" in place.types)
        return Merged() if is_open else None

    def require(self, path: str, side: str, known: list[str]) -> Merged:
        """What lies at the path. Raises MappingError, naming near spellings, when it does not exist."""
        found = self.find(path)
        if found is not None:
            return found
        near = get_close_matches(path, known, n=1, cutoff=0.6)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise MappingError(f"the {side} has no field '{path}'{hint}")
