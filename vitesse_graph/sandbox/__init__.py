"""A server made from a specification: stateful, contract-checking, faulty on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitesse_graph.sandbox.app import Sandbox
from vitesse_graph.sandbox.drift import DriftRule
from vitesse_graph.sandbox.faults import Fault, Faults, Schedule, parse_faults
from vitesse_graph.sandbox.serving import serve
from vitesse_graph.state.ports import SpecReader

__all__ = ["DriftRule", "Fault", "Faults", "Sandbox", "Schedule", "create_sandbox", "parse_faults", "serve"]


def create_sandbox(
    reader: SpecReader,
    *,
    seed: int = 0,
    records: int = 50,
    faults: Faults | None = None,
    require_auth: bool = True,
    seed_records: Mapping[str, list[dict[str, Any]]] | None = None,
    control: bool = False,
) -> Sandbox:
    """An ASGI application that behaves as the specification says, with a store of its own.

    `records` are made for each collection when it is first asked for; `seed_records` puts given ones
    there instead, by endpoint key (`{"GET /v1/customers": [...]}`), each as
    `SourceShape.record_schema` describes it. Any credential of the declared kind is accepted; a
    missing one is answered with 401 unless `require_auth` is off. `control=True` adds
    `POST /__vitesse__/faults` (a line as `parse_faults` reads it), `GET /__vitesse__/stats` and
    `GET /__vitesse__/health`.

    Raises NotFoundError for seed records of an endpoint that the API does not have.
    """
    return Sandbox(
        reader,
        seed=seed,
        records=records,
        faults=faults,
        require_auth=require_auth,
        seed_records=seed_records,
        control=control,
    )
