"""How a value changes on its way from one API to the other.

A mapping compiles once (`compile_mapping`) and then turns records into request bodies at about a
microsecond a record. What `transform_config` may say is defined in `plan`; the named functions of
`custom` rows are in `numbers`, `dates`, `text`, `values` and `codes`, and others may add theirs
with `@transform` or an entry point of the group `vitesse.transforms`.
"""

from vitesse_graph.transforms import codes, dates, numbers, text, values
from vitesse_graph.transforms.compiler import CompiledMapping, compile_mapping
from vitesse_graph.transforms.describe import describe, inverse
from vitesse_graph.transforms.registry import NamedTransform, build, named, transform, transform_names
from vitesse_graph.transforms.result import FieldError, Transformed, TransformProblem

__all__ = [
    "CompiledMapping",
    "FieldError",
    "NamedTransform",
    "TransformProblem",
    "Transformed",
    "build",
    "codes",
    "compile_mapping",
    "dates",
    "describe",
    "inverse",
    "named",
    "numbers",
    "text",
    "transform",
    "transform_names",
    "values",
]
