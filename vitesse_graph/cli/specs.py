"""Commands on specifications alone: ingest, map, sandbox, discover. None needs a database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from vitesse_graph.cli.output import console, json_option, print_json, print_table
from vitesse_graph.cli.session import run_async
from vitesse_graph.errors import InputError
from vitesse_graph.settings import get_settings


async def _load(spec: str, overlay: dict[str, Any] | None = None) -> Any:
    from vitesse_graph.specs import SpecCache, load_document

    settings = get_settings()
    cache = SpecCache(settings.data_dir / "specs")
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


@click.command()
@click.argument("spec")
@click.option("--overlay", type=click.Path(), help="OpenAPI Overlay that corrects the document.")
@json_option
def ingest(spec: str, overlay: str | None, as_json: bool) -> None:
    """Read an API specification (URL or file; JSON or YAML; plain or gzip)."""
    correction = read_json_file(overlay, "overlay") if overlay else None
    document = run_async(_load(spec, correction))
    api = document.spec
    if as_json:
        print_json(api.model_dump(mode="json", exclude={"source", "dest", "candidates"}))
        return
    console.print(f"[bold]{api.api_name}[/] {api.version}  {api.base_url}", markup=True)
    console.print(
        f"{api.spec_format}, {api.operation_count} operations, auth {api.auth.type}, digest {api.digest[:12]}",
        markup=False,
    )
    lists = [e for e in api.endpoints if e.pagination is not None]
    print_table(
        f"{len(lists)} lists",
        ["endpoint", "pagination", "parameters", "items at"],
        [[e.key, e.pagination.style, e.pagination.params, e.pagination.items_at] for e in lists[:40]],
    )
    for title, lines in (
        ("guessed", [f"{g.about}: {g.value} ({g.confidence:.2f}; {g.evidence})" for g in api.guesses]),
        ("passed over", [f"{w.pointer}: {w.message}" for w in api.warnings]),
        ("unreadable", api.unreadable_operations),
    ):
        if lines:
            print_table(f"{title}: {len(lines)}", ["what"], [[line] for line in lines[:15]])


@click.command("map")
@click.option("--source-schema", required=True, type=click.Path(), help="JSON Schema of one source record.")
@click.option("--dest-schema", required=True, type=click.Path(), help="JSON Schema of the request body.")
@click.option("--intent", default="", help="What the mapping is for, in a sentence.")
@click.option("--hints", type=click.Path(), help='JSON file: [{"dest_field": …, "source_field": …}].')
@json_option
def map_command(source_schema: str, dest_schema: str, intent: str, hints: str | None, as_json: bool) -> None:
    """Map one JSON Schema onto another: which field feeds which, how, and how sure."""
    from vitesse_graph.mapping import map_fields
    from vitesse_graph.mapping_aids import embed_for, refine
    from vitesse_graph.state.mapping import MappingHint
    from vitesse_graph.transforms import describe

    wishes = [MappingHint.model_validate(h) for h in read_json_file(hints, "hints")] if hints else []
    source, dest = (
        read_json_file(source_schema, "source schema"),
        read_json_file(dest_schema, "destination schema"),
    )
    settings = get_settings()
    mapping = map_fields(source, dest, intent=intent, hints=wishes, embed=embed_for(settings))
    mapping = asyncio.run(refine(mapping, source, dest, settings, intent)).mapping
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

    async def load() -> Any:
        if digest is not None:
            from vitesse_graph.specs import SpecCache

            return await SpecCache(get_settings().data_dir / "specs").open(digest)
        if spec is None:
            raise InputError("give a specification (URL or file), or --digest")
        return await _load(spec)

    document = run_async(load())
    app = create_sandbox(
        document, seed=seed, records=records, faults=parse_faults(faults) if faults else None, control=control
    )

    def on_ready(url: str) -> None:
        click.echo(f"{document.spec.api_name} at {url} (ctrl-c stops it)")

    asyncio.run(serve(app, host, port, on_ready=on_ready))


@click.command()
@click.argument("query")
@click.option("--limit", default=5, show_default=True)
@json_option
def discover(query: str, limit: int, as_json: bool) -> None:
    """Find APIs by name or by need."""
    from vitesse_graph.knowledge import discover as search

    found = search(query, limit=limit)
    if as_json:
        print_json([result.dump() for result in found])
        return
    if not found:
        click.echo("nothing fits; give the API's specification as a URL or file")
        return
    print_table(
        f"{len(found)} found",
        ["API", "sure", "specification", "why"],
        [[r.api_name, f"{r.confidence_score:.2f}", r.spec_url or "(none known)", r.why] for r in found],
    )
