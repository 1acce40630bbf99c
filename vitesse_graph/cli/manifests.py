"""`vitesse manifests`: the objects that a deploy to Kubernetes would apply, as YAML for GitOps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vitesse_graph.cli.session import open_service, run_async
from vitesse_graph.errors import InputError
from vitesse_graph.settings import get_settings
from vitesse_graph.state.definition import IntegrationDefinition


@click.command()
@click.argument("integration_id")
@click.option("--image", help="The image to run (VITESSE_IMAGE, or the one that a deploy would push).")
@click.option("--namespace", help="VITESSE_KUBERNETES_NAMESPACE.")
@click.option("--host-domain", help="Make an Ingress for vitesse-<id>.<domain> (VITESSE_INGRESS_DOMAIN).")
@click.option("--replicas", type=click.IntRange(1, 50), help="Pods, or the fewest with --auto-scale.")
@click.option("--auto-scale", is_flag=True, help="Add a HorizontalPodAutoscaler.")
@click.option("--secret-store", help="Add an ExternalSecret from this ClusterSecretStore.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
def manifests(
    integration_id: str,
    image: str | None,
    namespace: str | None,
    host_domain: str | None,
    replicas: int | None,
    auto_scale: bool,
    secret_store: str | None,
    output: Path | None,
) -> None:
    """The Kubernetes objects of an integration as YAML; secrets by name only."""
    from vitesse_graph.deployers.cloud import environment_names
    from vitesse_graph.deployers.cloud_image import planned_image
    from vitesse_graph.deployers.gitops import render_manifests
    from vitesse_graph.deployers.workload import Workload

    given = {"image": image, "kubernetes_namespace": namespace, "ingress_domain": host_domain}
    settings = get_settings().model_copy(update={k: v for k, v in given.items() if v is not None})
    definition, config = run_async(_definition_of(integration_id))
    wishes = config.model_copy(
        update={"replicas": replicas or config.replicas, "auto_scale": auto_scale or config.auto_scale}
    )
    environment = environment_names(definition, settings)
    workload = Workload.of(definition, wishes, settings, environment, planned_image(definition, settings))
    text = render_manifests(workload, secret_store=secret_store)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output} cannot be written ({error.strerror})") from error
    click.echo(f"wrote {output}", err=True)


async def _definition_of(integration_id: str) -> tuple[IntegrationDefinition, Any]:
    """The live definition, or before the first deploy the one that passed its tests, and the wishes for it."""
    from vitesse_graph.nodes.deploy import next_definition
    from vitesse_graph.nodes.documents import open_pair
    from vitesse_graph.state.deployment import DeploymentConfig

    async with open_service() as service:
        state = (await service.look(integration_id)).state
        config = state.deployment_config or DeploymentConfig()
        live = await service.services.registry.latest_version(integration_id)
        if live is not None:
            return IntegrationDefinition.model_validate(live["definition"]), config
        if state.test_results is None or not state.test_results.passed:
            raise InputError(
                f"{integration_id} has not passed its tests yet; `vitesse review` says what waits"
            )
        pair = await open_pair(service.services, state)
        return await next_definition(service.services, state, pair, {}), config
