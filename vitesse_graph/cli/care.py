"""Looking after integrations: their healing policy, drift, the audit log's stories, pause and unpause."""

from __future__ import annotations

from typing import Any, get_args

import click

from vitesse_graph.cli.output import json_option, print_json, print_markdown, print_table
from vitesse_graph.cli.session import open_service, run_async
from vitesse_graph.healing.policy import ALERTS_KEY, POLICY_KEY, DriftAction
from vitesse_graph.settings import get_settings
from vitesse_graph.state.health import HealStrategy

_ACTION = click.Choice(list(get_args(DriftAction)))


@click.command()
@click.argument("integration_id")
@click.option(
    "--approval", type=click.Choice(["never", "risky", "always"]), help="When a repair waits for a person."
)
@click.option("--breaking", type=_ACTION, help="On changes that break this mapping.")
@click.option("--risky", type=_ACTION, help="On changes that may.")
@click.option("--safe", type=_ACTION, help="On changes that do not.")
@click.option("--new-source-fields", type=_ACTION, help="On fields that the source did not have.")
@click.option(
    "--allow",
    multiple=True,
    type=click.Choice(list(get_args(HealStrategy))),
    help="Only these strategies; repeat it.",
)
@click.option("--alert-webhook", help="Where alerts are posted; empty: nowhere.")
@click.option("--alert-secret", help="Reference of the secret that signs them: env:NAME or file:PATH.")
@click.option("--alert-format", type=click.Choice(["standard", "slack"]))
@json_option
def policy(
    integration_id: str,
    approval: str | None,
    breaking: str | None,
    risky: str | None,
    safe: str | None,
    new_source_fields: str | None,
    allow: tuple[str, ...],
    alert_webhook: str | None,
    alert_secret: str | None,
    alert_format: str | None,
    as_json: bool,
) -> None:
    """Show or set what may be repaired unasked, what is asked about, and who is told."""
    rules = {
        "approval": approval,
        "breaking": breaking,
        "risky": risky,
        "safe": safe,
        "new_source_fields": new_source_fields,
        "allowed": list(allow) or None,
    }
    alerts = {"webhook": alert_webhook, "secret_ref": alert_secret, "format": alert_format}

    async def work() -> tuple[Any, Any]:
        from vitesse_graph.healing import alerts_of, policy_of
        from vitesse_graph.services import open_services

        async with open_services(get_settings()) as services:
            row = await services.registry.integration(integration_id)
            metadata = dict(row.metadata)
            for key, said in ((POLICY_KEY, rules), (ALERTS_KEY, alerts)):
                given = {name: value for name, value in said.items() if value is not None}
                if given:
                    metadata[key] = {**(metadata.get(key) or {}), **given}
            if alert_webhook == "":
                metadata[ALERTS_KEY] = None
            found = policy_of(metadata), alerts_of(metadata)
            if metadata != row.metadata:
                changed = {key: metadata.get(key) for key in (POLICY_KEY, ALERTS_KEY)}
                await services.registry.save_metadata(integration_id, changed)
                await services.registry.audit(integration_id, "policy", actor="command", detail=changed)
            return found

    found, target = run_async(work())
    if as_json:
        print_json({POLICY_KEY: found.dump(), ALERTS_KEY: target and target.dump()})
        return
    print_table("healing", ["what", "setting"], [[name, value] for name, value in found.dump().items()])
    print_table("alerts", ["what", "setting"], [[k, v] for k, v in (target.dump() if target else {}).items()])


@click.command()
@click.argument("integration_id")
@json_option
def drift(integration_id: str, as_json: bool) -> None:
    """How both APIs differ from what was deployed: their documents now, and a few records."""

    async def work() -> Any:
        async with open_service() as service:
            return await service.drift(integration_id)

    items = run_async(work())
    if as_json:
        print_json([item.dump() for item in items])
        return
    from vitesse_graph.healing import render_drift

    print_markdown(render_drift(items))


@click.command()
@click.argument("integration_id")
@click.option("--limit", default=50, show_default=True)
@json_option
def audit(integration_id: str, limit: int, as_json: bool) -> None:
    """Who did what, with which outcome; each episode of healing told as a story."""

    async def work() -> Any:
        from vitesse_graph.services import open_services

        async with open_services(get_settings()) as services:
            return await services.registry.audit_log(integration_id, limit=limit)

    entries = run_async(work())
    if as_json:
        print_json([{**entry, "at": entry["at"].isoformat()} for entry in entries])
        return
    print_table(
        "audit log",
        ["at", "who", "what", "outcome"],
        [[f"{e['at']:%Y-%m-%d %H:%M:%S}", e["actor"], e["action"], e["outcome"]] for e in entries],
    )
    for entry in entries:
        if entry["action"] == "heal.episode":
            told = entry["detail"]
            took = "" if told.get("minutes") is None else f", {told['minutes']} minutes"
            print_table(
                f"episode {told['number']}: {told['cause']} ({told['side']}), {entry['outcome']}{took}",
                ["what"],
                [[line] for line in told["story"]],
            )


@click.command()
@click.argument("integration_id")
@click.option("--reason", default="paused by a person", show_default=True)
def pause(integration_id: str, reason: str) -> None:
    """No more syncs until unpause; what is in flight is finished."""

    async def work() -> None:
        async with open_service() as service:
            await service.pause(integration_id, reason)

    run_async(work())
    click.echo(f"{integration_id} is paused")


@click.command()
@click.argument("integration_id")
def unpause(integration_id: str) -> None:
    """Syncs may go on; records as they are now count as right from here on."""

    async def work() -> None:
        async with open_service() as service:
            await service.unpause(integration_id)

    run_async(work())
    click.echo(f"{integration_id} goes on")
