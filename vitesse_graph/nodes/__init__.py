"""One module per node, thin: read the whiteboard, call a domain package, write back."""

from vitesse_graph.nodes.deploy import deploy
from vitesse_graph.nodes.discovery import discovery, request_digest
from vitesse_graph.nodes.gates import review_discovery, review_guardian, review_ingest, review_map
from vitesse_graph.nodes.guardian import guardian
from vitesse_graph.nodes.heal import heal
from vitesse_graph.nodes.ingest import ingest
from vitesse_graph.nodes.map import map_step
from vitesse_graph.nodes.retries import STEP_RETRY
from vitesse_graph.nodes.step import on_failure

__all__ = [
    "STEP_RETRY",
    "deploy",
    "discovery",
    "guardian",
    "heal",
    "ingest",
    "map_step",
    "on_failure",
    "request_digest",
    "review_discovery",
    "review_guardian",
    "review_ingest",
    "review_map",
]
