"""Vitesse: from one sentence to a running, self-healing integration between two APIs.

The public surface is imported on first use, so that the command starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitesse_graph.deployers.base import Deployer
    from vitesse_graph.deployers.factory import DeployerFactory
    from vitesse_graph.graph import build_graph, open_graph
    from vitesse_graph.state.context import VitesseContext
    from vitesse_graph.state.request import IntegrationRequest
    from vitesse_graph.state.review import ReviewDecision
    from vitesse_graph.state.whiteboard import SharedWhiteboardState
    from vitesse_graph.transforms.registry import transform, transform_names
    from vitesse_graph.transforms.result import TransformProblem

_HOME = {
    "Deployer": "vitesse_graph.deployers.base",
    "DeployerFactory": "vitesse_graph.deployers.factory",
    "IntegrationRequest": "vitesse_graph.state.request",
    "ReviewDecision": "vitesse_graph.state.review",
    "SharedWhiteboardState": "vitesse_graph.state.whiteboard",
    "TransformProblem": "vitesse_graph.transforms",
    "VitesseContext": "vitesse_graph.state.context",
    "build_graph": "vitesse_graph.graph",
    "open_graph": "vitesse_graph.graph",
    "transform": "vitesse_graph.transforms",
    "transform_names": "vitesse_graph.transforms",
}

__all__ = [
    "Deployer",
    "DeployerFactory",
    "IntegrationRequest",
    "ReviewDecision",
    "SharedWhiteboardState",
    "TransformProblem",
    "VitesseContext",
    "build_graph",
    "open_graph",
    "transform",
    "transform_names",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
