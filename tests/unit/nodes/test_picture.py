"""The README shows the graph that runs."""

from __future__ import annotations

import re
from pathlib import Path

from vitesse_graph.graph import graph, picture

ROOT = Path(__file__).parent.parent.parent.parent


def test_the_readme_shows_the_graph_as_it_is() -> None:
    shown = re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    assert shown is not None
    assert shown.group(1).strip() == picture()


def test_the_picture_has_six_steps_four_gates_and_the_loop_back() -> None:
    drawn = graph.get_graph()
    names = set(drawn.nodes) - {"__start__", "__end__"}
    assert names == {
        "discovery", "ingest", "map", "guardian", "deploy", "heal",
        "review_discovery", "review_ingest", "review_map", "review_guardian",
    }  # fmt: skip
    assert all((drawn.nodes[name].metadata or {}).get("description") for name in names)
    edges = {(edge.source, edge.target) for edge in drawn.edges}
    assert {
        ("guardian", "map"),
        ("__start__", "heal"),
        ("heal", "ingest"),
        ("heal", "map"),
        ("heal", "guardian"),
    } <= edges
