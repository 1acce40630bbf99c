"""`vitesse bundle`: all of an integration as one archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vitesse_graph.cli.output import json_option, print_json
from vitesse_graph.cli.session import run_async
from vitesse_graph.errors import NotFoundError
from vitesse_graph.settings import get_settings


@click.command()
@click.argument("integration_id")
@click.option("--version", type=int, help="A version that was deployed; the last one where none is given.")
@click.option(
    "--output", type=click.Path(dir_okay=False), help="Where to write it; BUNDLE_NAME.zip by default."
)
@json_option
def bundle(integration_id: str, version: int | None, output: str | None, as_json: bool) -> None:
    """Write definition, mapping, tests, evidence and bill of materials as one reproducible archive.

    `python -m vitesse_graph.runtime FILE` runs it without the factory; unpacked, it is a build context.
    """
    from vitesse_graph.deployers.bundle import inspect_bundle, make_bundle
    from vitesse_graph.deployers.names import dns_label
    from vitesse_graph.services import open_services
    from vitesse_graph.state.definition import IntegrationDefinition

    settings = get_settings()

    async def work() -> bytes:
        async with open_services(settings) as services:
            registry = services.registry
            kept = await registry.deployed_version(integration_id, version)
            if kept is None:
                await registry.integration(integration_id)  # unknown at all: said as such
                which = "" if version is None else f" as version {version}"
                raise NotFoundError(
                    f"{integration_id} was not deployed{which} yet: there is nothing to bundle"
                )
            definition = IntegrationDefinition.model_validate(kept["definition"])
            results = await registry.test_results(integration_id, definition.mapping.version)
            return make_bundle(
                definition,
                test_results=results,
                evidence={"whiteboard": kept["whiteboard"]},
                base=settings.image_base,
            )

    body = run_async(work())
    manifest: dict[str, Any] = inspect_bundle(body)
    path = Path(output or f"{dns_label(integration_id)}-v{manifest['version']}.zip")
    path.write_bytes(body)
    if as_json:
        print_json({"file": str(path), "bytes": len(body), **manifest})
    else:
        click.echo(
            f"{path}: version {manifest['version']}, {len(body):,} bytes, {len(manifest['files'])} files"
        )
        click.echo(f"run it: python -m vitesse_graph.runtime {path}")
