"""Commands on an integration's records: sync, explain, dead letters."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from vitesse_graph.cli.output import json_option, print_json, print_table, progress
from vitesse_graph.cli.run import print_sync
from vitesse_graph.cli.session import open_service, run_async
from vitesse_graph.errors import NotFoundError
from vitesse_graph.settings import get_settings


@click.command()
@click.argument("integration_id")
@click.option("--full", is_flag=True, help="Read everything, not only what changed.")
@click.option("--since", help="Backfill: only records from this moment on (2026-01-31 or …T10:00:00Z).")
@click.option("--until", help="Backfill: only records before this moment.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, field by field; write nothing.")
@click.option("--records", default=10, show_default=True, help="How many records --dry-run shows.")
@json_option
def sync(
    integration_id: str,
    full: bool,
    since: str | None,
    until: str | None,
    dry_run: bool,
    records: int,
    as_json: bool,
) -> int:
    """Run a sync now and wait for its end."""
    order = {"full": full, "dry_run": dry_run, "since": since, "until": until}

    async def work() -> tuple[Any, Any]:
        from vitesse_graph.state.definition import SyncReport

        async with open_service() as service:
            with progress("syncing"):
                answer = await service.call_runtime(integration_id, "POST", "/sync", order)
                shown = None
                if dry_run:
                    shown = await service.call_runtime(integration_id, "POST", "/preview", {"limit": records})
                return SyncReport.model_validate(answer), shown

    report, shown = run_async(work())
    if as_json:
        print_json(report.dump() if shown is None else {**report.dump(), "preview": shown})
    else:
        print_sync(report)
        if shown is not None:
            print_preview(shown)
    return 0 if report.status == "completed" else 1


def print_preview(shown: dict[str, Any]) -> None:
    """What would become of the first records, field by field."""
    rows: list[list[Any]] = []
    for record in shown["records"]:
        whose = [record["source_key"], record["would"], record["dest_id"]]
        fields = record["fields"] if record["would"] in ("create", "update") else []
        if not fields:
            rows.append([*whose, "", "", record["reason"]])
        for field in fields:
            rows.append([*whose, field["field"], field["source"], field["value"]])
            whose = ["", "", ""]
    print_table(
        f"the first {len(shown['records'])} records; nothing was written",
        ["record", "would", "over there", "field", "from", "value"],
        rows,
    )


@click.command()
@click.argument("integration_id")
@click.argument("key")
@json_option
def explain(integration_id: str, key: str, as_json: bool) -> None:
    """What happened to one record, by its source key or destination id."""
    story = run_async(_story(integration_id, key))
    if as_json:
        print_json(story)
        return
    steps = story.pop("steps", [])
    print_table(key, ["what", "value"], [[name.replace("_", " "), value] for name, value in story.items()])
    print_table(
        f"how mapping version {story['mapping_version']} makes it",
        ["field", "from", "transform", "with"],
        [[s["dest_field"], s["source_field"], s["transform"], s["config"] or ""] for s in steps],
    )


async def _story(integration_id: str, key: str) -> dict[str, Any]:
    """From the ledger in our database; where the runtime keeps its own, from there."""
    from vitesse_graph.runtime import explain as explain_record
    from vitesse_graph.runtime import open_store

    async with open_store(get_settings()) as store:
        try:
            return await explain_record(store, integration_id, key)
        except NotFoundError as error:
            unknown = error
    async with open_service() as service:
        await service.look(integration_id)
        try:
            deployment = await service.deployment(integration_id)
            if deployment.target == "process":
                raise unknown
            told: dict[str, Any] = await service.call_runtime(
                integration_id, "GET", f"/explain/{quote(key, safe='')}"
            )
        except NotFoundError:
            raise unknown from None
        return told


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
def dead_letters(context: click.Context) -> None:
    """Records that could not be written: list, retry or drop them."""
    if context.invoked_subcommand is None:
        raise click.UsageError("say which: `vitesse dead-letters list ID`, `retry ID` or `drop ID`")


@dead_letters.command("list")
@click.argument("integration_id")
@click.option("--status", type=click.Choice(["open", "resolved", "dropped", "all"]), default="open")
@click.option("--limit", default=50, show_default=True)
@json_option
def list_letters(integration_id: str, status: str, limit: int, as_json: bool) -> None:
    """The records with the reason for each, oldest first (--json: with their contents)."""
    path = f"/dead-letters?status={status}&limit={limit}"
    found = run_async(_ask(integration_id, "GET", path))
    letters = found["dead_letters"]
    if as_json:
        print_json(found)
    elif not letters:
        click.echo(f"no {'' if status == 'all' else status + ' '}dead letters")
    else:
        print_table(
            f"{len(letters)} dead letters",
            ["id", "record", "status", "code", "reason", "tries", "last"],
            [
                [x["id"], x["source_key"], x["status"], x["code"], x["reason"], x["attempts"], x["last_at"]]
                for x in letters
            ],
        )


@dead_letters.command("retry")
@click.argument("integration_id")
@click.argument("ids", nargs=-1, type=int)
@json_option
def retry_letters(integration_id: str, ids: tuple[int, ...], as_json: bool) -> int:
    """Try these again with the mapping as it is now; without IDS all that are open."""
    ended = run_async(_ask(integration_id, "POST", "/dead-letters/retry", {"ids": list(ids) or None}))
    if as_json:
        print_json(ended)
    else:
        click.echo(f"{ended['retried']} tried again: {ended['written']} written, {ended['failed']} not")
        if ended.get("read_again"):
            click.echo(f"{ended['read_again']} are too large to be kept: `vitesse sync ID --full` tries them")
    return 1 if ended["failed"] else 0


@dead_letters.command("drop")
@click.argument("integration_id")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All that are open.")
@json_option
def drop_letters(integration_id: str, ids: tuple[int, ...], everything: bool, as_json: bool) -> None:
    """Decide that these need not be written. A record that changes later is tried again."""
    if bool(ids) == everything:
        raise click.UsageError("name the dead letters to drop, or say --all")
    ended = run_async(_ask(integration_id, "POST", "/dead-letters/drop", {"ids": list(ids) or None}))
    if as_json:
        print_json(ended)
    else:
        click.echo(f"{ended['dropped']} dropped")


async def _ask(integration_id: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    async with open_service() as service:
        return await service.call_runtime(integration_id, method, path, body)
