"""Vitesse: from one sentence to a running, self-healing integration between two APIs.

The public surface is imported on first use, so that the command starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitesse_graph.graph import build_graph, open_graph
    from vitesse_graph.state.context import VitesseContext
    from vitesse_graph.state.request import IntegrationRequest
    from vitesse_graph.state.review import ReviewDecision
    from vitesse_graph.state.whiteboard import SharedWhiteboardState

_HOME = {
    "IntegrationRequest": "vitesse_graph.state.request",
    "ReviewDecision": "vitesse_graph.state.review",
    "SharedWhiteboardState": "vitesse_graph.state.whiteboard",
    "VitesseContext": "vitesse_graph.state.context",
    "build_graph": "vitesse_graph.graph",
    "open_graph": "vitesse_graph.graph",
}

__all__ = [
    "IntegrationRequest",
    "ReviewDecision",
    "SharedWhiteboardState",
    "VitesseContext",
    "build_graph",
    "open_graph",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
