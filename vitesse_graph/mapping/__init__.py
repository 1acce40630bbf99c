"""Which source field feeds which destination field, how its value changes, how sure, and why."""

from vitesse_graph.language_model import ModelOptions
from vitesse_graph.mapping.complexity import complexity_score
from vitesse_graph.mapping.edit import MappingDiff, apply_edit, diff_mappings, validate_rows
from vitesse_graph.mapping.engine import map_fields
from vitesse_graph.mapping.likenesses import Embed
from vitesse_graph.mapping.refine import Refined, refine_with_model
from vitesse_graph.mapping.schema import flatten

__all__ = [
    "Embed",
    "MappingDiff",
    "ModelOptions",
    "Refined",
    "apply_edit",
    "complexity_score",
    "diff_mappings",
    "flatten",
    "map_fields",
    "refine_with_model",
    "validate_rows",
]
