"""The public names exist, and asking for two names loads neither Qdrant nor the model."""

from __future__ import annotations

import subprocess
import sys

import vitesse_graph.knowledge as knowledge


def test_every_public_name_can_be_had() -> None:
    assert len(set(knowledge.__all__)) == len(knowledge.__all__)
    for name in knowledge.__all__:
        assert getattr(knowledge, name) is not None


def test_discovery_loads_no_vector_store_and_no_model() -> None:
    code = (
        "import sys\nfrom vitesse_graph.knowledge import discover\nassert discover('Stripe')\n"
        "heavy = {'qdrant_client', 'qdrant_edge', 'fastembed', 'onnxruntime', 'numpy', 'psycopg'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
