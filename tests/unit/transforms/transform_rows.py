"""Short ways to write rows and to run them."""

from typing import Any

from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.transforms import Transformed, compile_mapping


def row(
    source: Any, dest: str, kind: Any = "direct", required: bool = False, **config: Any
) -> Transformation:
    return Transformation(
        source_field=source, dest_field=dest, transform_type=kind, transform_config=config, required=required
    )


def constant(dest: str, value: Any, required: bool = False) -> Transformation:
    return row([], dest, "custom", required, function="constant", params={"value": value})


def run(record: Any, *rows: Transformation) -> Transformed:
    return compile_mapping(MappingLogic(transformations=list(rows))).apply(record)
