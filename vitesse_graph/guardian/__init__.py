"""Proof before anyone deploys: shadow calls, a health score, and findings for the next mapping."""

from vitesse_graph.guardian.health import health_score
from vitesse_graph.guardian.material import shadow_records
from vitesse_graph.guardian.run import run_guardian
from vitesse_graph.guardian.targets import (
    Answer,
    AppTarget,
    Call,
    DestructiveCallError,
    HttpTarget,
    Target,
    credential_headers,
)
from vitesse_graph.guardian.twin import TwinReport, TwinStep, TwinStore, run_twin

__all__ = [
    "Answer",
    "AppTarget",
    "Call",
    "DestructiveCallError",
    "HttpTarget",
    "Target",
    "TwinReport",
    "TwinStep",
    "TwinStore",
    "credential_headers",
    "health_score",
    "run_guardian",
    "run_twin",
    "shadow_records",
]
