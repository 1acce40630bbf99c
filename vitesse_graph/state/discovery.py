"""What discovery concluded: which two APIs, where their specifications are, how sure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vitesse_graph.state.base import Model


class DiscoveryResult(Model):
    api_name: str
    description: str = ""
    base_url: str = ""
    documentation_url: str = ""
    spec_url: str = ""
    """URL or file of its specification; empty when none is known."""
    confidence_score: float = 0.0
    source: Literal["given", "catalogue", "probed", "ingested", "directory"] = "given"
    why: str = ""


class DiscoveredApis(Model):
    source: DiscoveryResult | None = None
    dest: DiscoveryResult | None = None
    alternatives: list[DiscoveryResult] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    """For what was not found: what to give instead, in one line each."""
