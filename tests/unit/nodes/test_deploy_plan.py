"""What a person sees of a deployment before it is done: the whole plan, none of it read as markup."""

from __future__ import annotations

from vitesse_graph.nodes.proposals import build_proposal
from vitesse_graph.state.deployment import DeploymentConfig, DeploymentPlan
from vitesse_graph.state.whiteboard import SharedWhiteboardState


def test_the_gate_before_deploying_shows_image_resources_routes_environment_and_changes() -> None:
    plan = DeploymentPlan(
        target="local",
        actions=["build the image vitesse/shop:v2", "wait until it is ready"],
        environment=["DATABASE_URL", "SHOP_TOKEN"],
        resources={
            "image": "vitesse/shop:v2",
            "memory_mb": 512,
            "cpu_cores": 0.5,
            "long": "x" * 150,
            "last": "seen",
        },
        routes=["http://localhost/vitesse-shop", "http://vitesse-shop.localhost"],
        changes=["version: 1 → 2", "mapping of a|b: changed"],
        warnings=["no Traefik was found"],
    )
    state = SharedWhiteboardState(
        workflow_id="shop",
        user_intent="x",
        deployment_plan=plan,
        deployment_config=DeploymentConfig(memory_mb=512),
    )
    proposal = build_proposal("review_guardian", state)
    for words in (
        "Plan for local",
        "- no Traefik was found",
        "- build the image vitesse/shop:v2",
        "- change: version: 1 → 2",
        "- change: mapping of a\\|b: changed",
        "answers at: http://localhost/vitesse-shop, http://vitesse-shop.localhost",
        "resources: image vitesse/shop:v2, memory_mb 512, cpu_cores 0.5",
        "last seen",
        "environment: DATABASE_URL, SHOP_TOKEN",
    ):
        assert words in proposal["summary"]
    assert proposal["action_requests"][0]["args"]["memory_mb"] == 512
