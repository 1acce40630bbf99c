"""What goes into a deployed workload imports nothing of the factory."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "langgraph",
    "langchain_core",
    "langchain_openai",
    "qdrant_client",
    "fastembed",
    "boto3",
    "kubernetes",
    "docker",
)
LIGHT = (
    "vitesse_graph.runtime.engine",
    "vitesse_graph.runtime.__main__",
    "vitesse_graph.transforms",
    "vitesse_graph.state.whiteboard",
)


@pytest.mark.parametrize("module", LIGHT)
def test_a_workload_imports_no_graph_and_no_cloud(module: str) -> None:
    code = f"import sys, {module}; sys.exit(str(sorted(set({HEAVY!r}) & set(sys.modules)) or 0).replace('0', '') or 0)"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_the_public_surface_is_what_is_listed() -> None:
    import vitesse_graph

    for name in vitesse_graph.__all__:
        assert getattr(vitesse_graph, name).__name__ == name
    assert sorted(vitesse_graph._HOME) == vitesse_graph.__all__
    wanted = {"IntegrationRequest", "ReviewDecision", "SharedWhiteboardState", "build_graph", "open_graph"}
    assert wanted | {"Deployer", "DeployerFactory", "transform", "transform_names"} <= set(
        vitesse_graph.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vitesse_graph.nonsense
