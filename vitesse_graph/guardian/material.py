"""The records of a shadow run: synthetic ones from the source's schema."""

from __future__ import annotations

from vitesse_graph.state.api_spec import SourceShape
from vitesse_graph.synthetic import DEFAULT_MIX, Mix, SyntheticRecord, generate_records


def shadow_records(
    source_shape: SourceShape, *, sample_size: int = 100, seed: int = 0, mix: Mix = DEFAULT_MIX
) -> list[SyntheticRecord]:
    """Records to put into the source's sandbox: 70 % typical, 20 % boundary, 10 % adversarial unless told.

    The same shape, size, seed and mix give the same records. Hand the values to the sandbox
    (`seed_records={key: [record.value for record in records]}`) and the records to `run_guardian`.
    """
    return generate_records(
        source_shape.record_schema, sample_size, seed, mix, name=source_shape.endpoint.resource
    )
