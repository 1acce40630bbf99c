"""Commands on specifications alone: map, sandbox, discover. None needs a database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from vitesse_graph.cli.output import json_option, print_json, print_table
from vitesse_graph.cli.session import run_async
from vitesse_graph.errors import InputError
from vitesse_graph.settings import get_settings


async def load(spec: str, overlay: dict[str, Any] | None = None) -> Any:
    from vitesse_graph.specs import SpecCache, load_document

    settings = get_settings()
    cache = SpecCache(settings.data_dir / "specs", max_ref_depth=settings.max_ref_depth)
    return await load_document(spec, settings=settings, cache=cache, overlay=overlay)


def read_json_file(path: str, what: str) -> Any:
    """A JSON or YAML file's content. Raises InputError in one line."""
    import yaml

    try:
        text = Path(path).read_text("utf-8")
        return json.loads(text) if text.lstrip()[:1] in ("{", "[") else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"{what} {path} is neither JSON nor YAML: {str(error).splitlines()[0]}") from error


@click.command("map")
@click.option("--source-schema", required=True, type=click.Path(), help="JSON Schema of one source record.")
@click.option("--dest-schema", required=True, type=click.Path(), help="JSON Schema of the request body.")
@click.option("--intent", default="", help="What the mapping is for, in a sentence.")
@click.option("--hints", type=click.Path(), help='JSON file: [{"dest_field": …, "source_field": …}].')
@json_option
def map_command(source_schema: str, dest_schema: str, intent: str, hints: str | None, as_json: bool) -> None:
    """Map one JSON Schema onto another: which field feeds which, how, and how sure."""
    from vitesse_graph.nodes.proposing import propose_mapping
    from vitesse_graph.settings import get_settings
    from vitesse_graph.state.mapping import MappingHint
    from vitesse_graph.transforms import describe

    wishes = [MappingHint.model_validate(h) for h in read_json_file(hints, "hints")] if hints else []
    refined = asyncio.run(
        propose_mapping(
            get_settings(),
            read_json_file(source_schema, "source schema"),
            read_json_file(dest_schema, "destination schema"),
            intent=intent,
            hints=wishes,
        )
    )
    mapping = refined.mapping
    if as_json:
        print_json(mapping.dump())
        return
    print_table(
        f"{len(mapping.transformations)} rows, complexity {mapping.complexity_score:g} of 10",
        ["source", "destination", "transform", "sure", "why"],
        [
            [row.source_field, row.dest_field, describe(row), f"{row.confidence:.2f}", row.reason]
            for row in sorted(mapping.transformations, key=lambda row: row.confidence)
        ],
    )
    if refined.note:
        click.echo(refined.note)
    if mapping.questions:
        print_table("to decide", ["field", "question"], [[q.dest_field, q.text] for q in mapping.questions])


@click.command()
@click.argument("spec", required=False)
@click.option("--digest", help="Serve the cached document with this digest instead of SPEC.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, show_default=True, help="0 takes a free one.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same records.")
@click.option("--records", default=50, show_default=True, help="Records in each collection.")
@click.option("--faults", default="", help="Faults on demand, such as 429=0.05,500=0.02,slow=0.1:0.5.")
@click.option("--control", is_flag=True, help="Serve /__vitesse__/ to change faults and read counts.")
def sandbox(
    spec: str | None,
    digest: str | None,
    host: str,
    port: int,
    seed: int,
    records: int,
    faults: str,
    control: bool,
) -> None:
    """Serve any specification as a stateful, contract-checking mock."""
    from vitesse_graph.sandbox import create_sandbox, parse_faults, serve

    async def opened() -> Any:
        if digest is not None:
            from vitesse_graph.specs import SpecCache

            return await SpecCache(get_settings().data_dir / "specs").open(digest)
        if spec is None:
            raise InputError("give a specification (URL or file), or --digest")
        return await load(spec)

    document = run_async(opened())
    app = create_sandbox(
        document, seed=seed, records=records, faults=parse_faults(faults) if faults else None, control=control
    )

    def on_ready(url: str) -> None:
        click.echo(f"{document.spec.api_name} at {url} (ctrl-c stops it)")

    asyncio.run(serve(app, host, port, on_ready=on_ready))
