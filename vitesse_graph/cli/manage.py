"""Commands on integrations that exist: list, status, heal, monitor, logs, delete."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import click

from vitesse_graph.cli.output import json_option, print_json, print_table, progress
from vitesse_graph.cli.run import finish
from vitesse_graph.cli.session import open_service, run_async
from vitesse_graph.errors import UpstreamError
from vitesse_graph.settings import get_settings


@click.command()
@click.option("--status", help="Only those with this status.")
@click.option("--limit", default=50, show_default=True)
@json_option
def integrations(status: str | None, limit: int, as_json: bool) -> None:
    """List integrations, the newest first."""
    from vitesse_graph.services import open_services

    async def work() -> Any:
        async with open_services(get_settings()) as services:
            return await services.registry.integrations(status=status, limit=limit)

    rows, total = run_async(work())
    if as_json:
        print_json({"total": total, "integrations": [row.model_dump(mode="json") for row in rows]})
        return
    if not rows:
        click.echo("no integrations yet; `vitesse run` or `vitesse demo` makes one")
        return
    print_table(
        f"{total} integrations",
        ["id", "from", "to", "status", "health", "updated"],
        [
            [r.id, r.source_api, r.dest_api, r.status,
             None if r.health_score is None else round(r.health_score), r.updated_at]
            for r in rows
        ],
        whole=["id", "status"],
    )  # fmt: skip


@click.command()
@click.argument("integration_id")
@json_option
def status(integration_id: str, as_json: bool) -> None:
    """Where one integration stands, and what its runtime reports."""

    async def work() -> tuple[Any, Any]:
        async with open_service() as service:
            outcome = await service.look(integration_id)
            runtime = None
            if outcome.state.deployment is not None and outcome.state.deployment.status == "running":
                try:
                    runtime = await service.runtime_status(integration_id)
                except UpstreamError as error:
                    runtime = str(error)
            return outcome, runtime

    outcome, runtime = run_async(work())
    if as_json:
        from vitesse_graph.cli.run import summary_of

        report = runtime if isinstance(runtime, str) or runtime is None else runtime.dump()
        print_json({**summary_of(outcome), "runtime": report})
        return
    finish(outcome, as_json=False)
    if isinstance(runtime, str):
        click.echo(runtime, err=True)
    elif runtime is not None:
        print_table(
            "runtime",
            ["state", "version", "health", "success", "p95 ms", "dead letters", "last sync"],
            [[runtime.state, runtime.definition_version, round(runtime.health), f"{runtime.success_rate:.3f}",
              round(runtime.p95_latency_ms), runtime.dead_letters,
              runtime.last_sync_at and datetime.fromisoformat(runtime.last_sync_at)]],
            whole=["last sync"],
        )  # fmt: skip
    print_table(
        "story",
        ["at", "step", "what", "s"],
        [
            [datetime.fromisoformat(e.at), e.step, e.message, e.seconds]
            for e in outcome.state.execution_log[-15:]
        ],
        whole=["at"],
    )


@click.command()
@click.argument("integration_id")
@click.option("--reason", default="requested by a person", show_default=True)
@click.option("--approve-all", is_flag=True, help="Deploy the repair without asking.")
@json_option
def heal(integration_id: str, reason: str, approve_all: bool, as_json: bool) -> int:
    """Diagnose an active integration, repair it, prove the repair, and deploy it."""
    from vitesse_graph.api.monitoring import report_of
    from vitesse_graph.cli.run import answer_gates
    from vitesse_graph.state.context import VitesseContext

    context = VitesseContext(heal_approval="never" if approve_all else None)

    async def work() -> int:
        async with open_service() as service:
            report = await report_of(service, integration_id, reason)
            with progress("healing") as on_event:
                outcome = await service.heal(
                    integration_id, report.dump(), context=context, on_event=on_event
                )
            if outcome.waiting is not None and not as_json:
                outcome = await answer_gates(service, outcome, context)
            if not as_json and outcome.state.healing is not None:
                print_table("repair", ["what"], [[line] for line in outcome.state.healing.log])
            return finish(outcome, as_json)

    return run_async(work())


@click.command()
@click.option("--interval", type=float, help="Seconds between looks (VITESSE_MONITOR_INTERVAL_SECONDS).")
@click.option("--once", is_flag=True, help="Look once and leave.")
def monitor(interval: float | None, once: bool) -> None:
    """Watch every active integration; heal those whose health falls under 60."""
    from vitesse_graph.api.monitoring import Monitoring, watch

    seconds = interval or get_settings().monitor_interval_seconds

    async def work() -> None:
        async with open_service() as service:
            await watch(Monitoring(service, say=click.echo), interval_seconds=seconds, once=once)

    try:
        run_async(work())
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("stopped")


@click.command()
@click.argument("integration_id")
@click.option("--lines", default=100, show_default=True)
def logs(integration_id: str, lines: int) -> None:
    """The last log lines of a deployed integration."""

    async def work() -> str:
        async with open_service() as service:
            text: str = await service.logs(integration_id, lines)
            return text

    click.echo(run_async(work()))


@click.command()
@click.argument("integration_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(integration_id: str, yes: bool) -> None:
    """Undeploy and forget an integration; its audit log stays."""

    async def work() -> None:
        async with open_service() as service:
            await service.look(integration_id)
            if not yes:
                click.confirm(f"undeploy and forget {integration_id}?", abort=True)
            await service.delete(integration_id)

    run_async(work())
    click.echo(f"{integration_id} is gone")
