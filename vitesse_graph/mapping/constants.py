"""Values for fields that have no source: an enum of one, a `const`, a default, or the intent's words."""

from __future__ import annotations

from typing import Any

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.words import plain_words


def constant_for(f: Field, intent: str) -> tuple[Any, str, float] | None:
    """The value, why, and how sure; None when nothing says what it could be."""
    place = f.place
    if place.has_const:
        return place.const, "the only value allowed", 0.99
    if place.enum is not None and len(place.enum) == 1 and (f.required_here or f.required):
        return place.enum[0], "the only value allowed", 0.97
    if not f.required_here:
        return None
    if place.default is not None:
        return place.default, "the schema's default", 0.8
    if place.enum and intent:
        said = set(plain_words(intent.replace(" ", "_")))
        named = [v for v in place.enum if isinstance(v, str) and set(plain_words(v)) & said]
        if len(named) == 1:
            return named[0], "named in the intent", 0.6
    return None
