"""`vitesse ingest`: what was understood of a specification, for a person or as JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from vitesse_graph.cli.output import console, json_option, print_json
from vitesse_graph.cli.session import run_async
from vitesse_graph.cli.specs import load, read_json_file

if TYPE_CHECKING:
    from vitesse_graph.specs import SpecDocument
    from vitesse_graph.state.api_spec import ApiSpec, Endpoint, FieldInfo, Pagination

_WIDEST = 44
"""A longer cell pushes the rest of its own line only."""
SHOWN = 20
"""Rows of a table, beyond which `--json` is pointed to."""


@click.command()
@click.argument("spec")
@click.option("--overlay", type=click.Path(), help="OpenAPI Overlay that corrects the document.")
@click.option("--intent", help="Rank the endpoints for this sentence, as source and as destination.")
@click.option("--endpoint", help='Show one endpoint with its fields, such as "GET /customers".')
@json_option
def ingest(spec: str, overlay: str | None, intent: str | None, endpoint: str | None, as_json: bool) -> None:
    """Read an API specification.

    SPEC is a URL (of the document, of an API, or of its documentation), a file or a folder; JSON or
    YAML; plain or gzip.
    """
    correction = read_json_file(overlay, "overlay") if overlay else None
    document = run_async(load(spec, correction))
    if endpoint:
        show_endpoint(document, endpoint, as_json)
        return
    api: ApiSpec = document.spec
    ranked = {role: document.rank(intent, role) for role in ("source", "dest")} if intent else {}
    if as_json:
        out = api.model_dump(mode="json", exclude={"source", "dest", "candidates"})
        if ranked:
            out["candidates"] = {role: [c.dump() for c in found] for role, found in ranked.items()}
        print_json(out)
        return
    _headline(api)
    for role, found in ranked.items():
        _rows(
            f"for this intent, as {'source' if role == 'source' else 'destination'}",
            ["endpoint", "score", "why"],
            [[c.endpoint.key, c.score, "; ".join(c.reasons)] for c in found],
        )
    if not ranked:
        _lists(api)
    _doubts(api)


def _rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Lines with aligned cells. Names stay whole, to be copied; the last cell is wrapped."""
    console.print(f"\n{title}", style="bold", markup=False)
    cells = [
        [f"{cell:g}" if isinstance(cell, float) else " ".join(str(cell).split()) for cell in row]
        for row in rows
    ]
    widths = [max((len(row[n]) for row in cells), default=0) for n in range(len(columns))]
    if not cells:
        console.print("  none", markup=False)
    for row in cells:
        names = "".join(
            cell.ljust(min(width, _WIDEST)) + "  " for cell, width in zip(row[:-1], widths, strict=False)
        )
        room = max(console.width - len(names) - 2, 24)
        first, *further = textwrap.wrap(row[-1], room) or [""]
        console.print(f"  {names}{first}".rstrip(), markup=False, soft_wrap=True)
        for line in further:
            console.print(" " * (len(names) + 2) + line, markup=False, soft_wrap=True)


def _headline(api: ApiSpec) -> None:
    roles = Counter(endpoint.role for endpoint in api.endpoints)
    counted = ", ".join(f"{count} {role}" for role, count in roles.most_common())
    limit = api.rate_limit
    own_limits = sum(1 for endpoint in api.endpoints if endpoint.rate_limit is not None)
    own_auth = sum(1 for endpoint in api.endpoints if endpoint.auth is not None)
    console.print(f"{api.api_name} {api.version}".strip(), style="bold", markup=False)
    rows = [
        ("read from", api.spec_url),
        ("format", f"{api.spec_format}, digest {api.digest[:12]}"),
        ("address", api.base_url or "not named: it has to be given"),
        ("operations", f"{api.operation_count}" + (f" ({counted})" if counted else "")),
        ("auth", _auth(api) + (f"; {own_auth} operations differ" if own_auth else "")),
    ]
    if limit is not None or own_limits:
        whole = f"{limit.requests:g} calls in {limit.per_seconds:g} s" if limit else "none for the whole API"
        rows.append(("limit", whole + (f"; {own_limits} operations have their own" if own_limits else "")))
    if api.webhooks:
        rows.append(("webhooks", ", ".join(api.webhooks[:8]) + (" …" if len(api.webhooks) > 8 else "")))
    for name, value in rows:
        console.print(f"  {name:<11}{value}", markup=False, soft_wrap=True)


def _auth(api: ApiSpec) -> str:
    also = f"; or {', '.join(api.auth.alternatives)}" if api.auth.alternatives else ""
    return api.auth.type + (f": {api.auth.detail}" if api.auth.detail else "") + also


def _lists(api: ApiSpec) -> None:
    lists = [endpoint for endpoint in api.endpoints if endpoint.pagination is not None]
    if not lists:
        return
    # What needs no path parameter can be read outright: it comes first.
    first = sorted(lists, key=lambda endpoint: (endpoint.deprecated, endpoint.path.count("{")))[:SHOWN]
    rows = [[e.key, *_walk(e.pagination)] for e in first if e.pagination is not None]
    _rows(f"{len(lists)} lists", ["endpoint", "pages by", "records at"], rows)
    if len(lists) > SHOWN:
        console.print(
            f"and {len(lists) - SHOWN} more lists; --json has them all, --endpoint shows one, --intent ranks",
            markup=False,
        )


def _walk(pagination: Pagination) -> list[str]:
    how: str = pagination.style
    if pagination.params:
        how += f" {', '.join(pagination.params)}"
    if pagination.next_from:
        how += f" ← {pagination.next_from}"
    if pagination.page_size_param:
        how += f"; {pagination.page_size_param}"
        how += f" ≤ {pagination.max_page_size}" if pagination.max_page_size else ""
    return [how, pagination.items_at or "the answer itself"]


def _doubts(api: ApiSpec) -> None:
    guesses = [[g.about, g.value, g.confidence, g.evidence] for g in api.guesses]
    warnings = [[w.pointer or "–", w.message] for w in api.warnings]
    unread = [[key] for key in api.unreadable_operations]
    for title, columns, rows in (
        ("guessed (an overlay corrects any of it)", ["what", "taken for", "sure", "evidence"], guesses),
        ("passed over", ["where", "what"], warnings),
        ("could not be read", ["operation"], unread),
    ):
        if rows:
            _rows(f"{len(rows)} {title}", columns, rows[:SHOWN])
            if len(rows) > SHOWN:
                console.print(f"and {len(rows) - SHOWN} more; --json has them all", markup=False)


def show_endpoint(document: SpecDocument, key: str, as_json: bool) -> None:
    """One endpoint with the fields of its record (what is read) or of its body (what is written)."""
    from vitesse_graph.mapping.schema import flatten

    endpoint: Endpoint = document.operation(key).endpoint
    facts: dict[str, Any]
    fields: list[FieldInfo]
    if endpoint.role in ("list", "read"):
        source = document.source_shape(endpoint.key)
        facts, fields = (
            source.model_dump(mode="json", exclude={"record_schema"}),
            flatten(source.record_schema),
        )
    elif endpoint.content_types:
        dest = document.dest_shape(endpoint.key)
        facts, fields = dest.model_dump(mode="json", exclude={"request_schema"}), flatten(dest.request_schema)
    else:
        facts, fields = {"endpoint": endpoint.dump()}, []
    if as_json:
        print_json({**facts, "fields": [field.dump() for field in fields]})
        return
    console.print(endpoint.key, style="bold", markup=False)
    told = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
    for name, value in told.items():
        shown = value.get("key") or _brief(value) if isinstance(value, dict) else value
        console.print(f"  {name:<19}{shown}", markup=False, soft_wrap=True)
    _rows(
        f"{len(fields)} fields",
        ["field", "type", "description"],
        [[f.path, _type(f), f.description[:60]] for f in fields],
    )


def _brief(value: dict[str, Any]) -> str:
    """An endpoint by its key; anything else as what is set of it."""
    if "method" in value and "path" in value:
        return f"{value['method']} {value['path']}"
    return ", ".join(f"{name} {item}" for name, item in value.items() if item not in (None, "", [], {}))


def _type(field: FieldInfo) -> str:
    words = [f"{field.type} ({field.format})" if field.format else field.type]
    marks = {
        "required": field.required,
        "read-only": field.read_only,
        "write-only": field.write_only,
        "nullable": field.nullable,
        f"one of {len(field.enum or [])}": bool(field.enum),
    }
    return ", ".join(words + [mark for mark, holds in marks.items() if holds])
