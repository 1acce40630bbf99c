"""`vitesse demo`: the main job end to end, on two local servers that stand in for Shopify and Credo CRM.

Nothing here knows the pair: the same discovery, mapping, guardian, runtime and healing run as for
any other two APIs. Only the two servers, and the change made to one of them, belong to the demo.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from vitesse_graph.cli.output import console, json_option, print_json, print_table, progress
from vitesse_graph.cli.run import print_sync
from vitesse_graph.cli.session import open_service, run_async
from vitesse_graph.errors import VitesseError

INTENT = "Sync Shopify customers into our Credo CRM contacts"
SHOP_TOKEN = "VITESSE_DEMO_SHOPIFY_TOKEN"
CRM_KEY = "VITESSE_DEMO_CREDO_KEY"
FORMERLY_SECONDS = 11 * 60
"""What such an integration used to take, as a run of conversing agents."""
MONITOR_LOOKS, MONITOR_SECONDS = 20, 0.25
RENAMED = {"email": "email_address"}
DROPPED = ["tags"]


class Stopwatch:
    """Names and seconds of what was done, in order."""

    def __init__(self) -> None:
        self.laps: list[tuple[str, float]] = []

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.laps.append((name, time.monotonic() - began))

    @property
    def total(self) -> float:
        return sum(seconds for _, seconds in self.laps)


class Demo:
    """One performance. `quiet` prints nothing (for `--json`)."""

    def __init__(self, service: Any, stands: Any, *, is_interactive: bool, quiet: bool) -> None:
        self._service = service
        self._stands = stands
        self._is_interactive = is_interactive
        self._quiet = quiet
        self.watch = Stopwatch()
        self.facts: dict[str, Any] = {}

    def say(self, text: str) -> None:
        if not self._quiet:
            console.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, columns: list[str], rows: list[list[Any]]) -> None:
        if not self._quiet:
            print_table(title, columns, rows)

    async def build(self) -> Any:
        """From the intent to an active integration."""
        from vitesse_graph.cli.run import answer_gates
        from vitesse_graph.state.context import VitesseContext

        self.say(f'\n"{INTENT}"\n')
        approvals = "every_step" if self._is_interactive else "none"
        context = VitesseContext(approvals=approvals, actor="demo")
        request = {
            "user_intent": INTENT,
            "source": self._stands.shopify_spec_url,
            "dest": self._stands.credo_spec_url,
            "source_auth": f"env:{SHOP_TOKEN}",
            "dest_auth": f"env:{CRM_KEY}",
            "deployment_target": "process",
        }
        with self.watch.lap("intent to active"):
            with self._progress("building") as on_event:
                outcome = await self._service.start(request, context=context, on_event=on_event)
            outcome = await answer_gates(self._service, outcome, context)
        if outcome.status != "active":
            raise VitesseError(
                f"the demo's integration is {outcome.status}: {outcome.error or ('nobody answered its gate' if outcome.waiting else 'it was rejected')} ({outcome.integration_id})"
            )
        return outcome

    @contextmanager
    def _progress(self, what: str) -> Iterator[Any]:
        if self._quiet:
            yield lambda event: None
            return
        with progress(what) as on_event:
            yield on_event

    def show_build(self, outcome: Any) -> None:
        """What was found, as tables."""
        from vitesse_graph.transforms import describe

        state = outcome.state
        self.table(
            "how it was made",
            ["step", "what", "s"],
            [[e.step, e.message, e.seconds] for e in state.execution_log if e.seconds is not None],
        )
        self.table(
            "the mapping that was found",
            ["source", "destination", "transform", "how", "sure"],
            [
                [row.source_field, row.dest_field, row.transform_type, describe(row), f"{row.confidence:.2f}"]
                for row in state.mapping_logic.transformations
            ],
        )
        self.say(f"health {state.health_score:.0f} after {state.test_results.calls_made} shadow calls")
        self.say(f"running at {state.deployment.service_url}\n")

    async def sync(self, integration_id: str, title: str) -> tuple[Any, dict[str, int]]:
        """One full sync, and what the destination says it received."""
        with self.watch.lap(title), self._progress(title):
            report = await self._service.sync(integration_id, full=True)
        stats = await self._stands.stats()
        if not self._quiet:
            print_sync(report)
        self.say(
            f"the CRM now holds {stats['contacts']} contacts: {stats['creates']} created, "
            f"{stats['updates']} updated, {stats['doubles']} doubled\n"
        )
        self.facts[title] = {**report.dump(), "destination": stats}
        return report, stats

    async def sync_all(self, integration_id: str, title: str) -> None:
        """A sync that must move everything: fails the demo when a record is lost or doubled."""
        report, stats = await self.sync(integration_id, title)
        customers = (await self._stands.shop_stats())["customers"]
        moved = report.written + report.unchanged
        if (
            report.status != "completed"
            or moved != customers
            or stats["contacts"] != customers
            or stats["doubles"]
        ):
            raise VitesseError(
                f"{title}: {customers} customers, {moved} moved, {stats['contacts']} contacts, "
                f"{stats['doubles']} doubled; the run {report.status}{': ' + report.error if report.error else ''}"
            )

    async def break_and_heal(self, outcome: Any) -> Any:
        """The source renames a field and drops another; the monitor notices; heal mends it."""
        from vitesse_graph.api.monitoring import report_of
        from vitesse_graph.state.context import VitesseContext

        integration_id = outcome.integration_id
        version = await self._stands.drift(rename=RENAMED, drop=DROPPED)
        self.say(f"the shop publishes version {version}: it renames and drops fields, and tells nobody\n")
        await self.sync(integration_id, "sync after the change")
        await self._noticed(integration_id)
        context = VitesseContext(approvals="none", heal_approval="never", actor="monitor")
        with self.watch.lap("heal"), self._progress("healing") as on_event:
            report = await report_of(self._service, integration_id, "health fell")
            healed = await self._service.heal(
                integration_id, report.dump(), context=context, on_event=on_event
            )
        episode = healed.state.healing
        if episode is not None:
            self.table(
                f"the repair: {episode.diagnosis.cause}, {episode.outcome}",
                ["what"],
                [[line] for line in episode.log],
            )
        if healed.status != "active":
            raise VitesseError(f"the repair did not hold: {healed.error or healed.status}")
        before = {r.dest_field: r for r in outcome.state.mapping_logic.transformations}
        after = {r.dest_field: r for r in healed.state.mapping_logic.transformations}
        self.table(
            "what changed in the mapping",
            ["destination", "before", "after"],
            [
                [dest, _source(before.get(dest)), _source(after.get(dest))]
                for dest in [*before, *(d for d in after if d not in before)]
                if _source(before.get(dest)) != _source(after.get(dest))
            ],
        )
        return healed

    async def _noticed(self, integration_id: str) -> None:
        """Looks as the monitor does until it would start a heal run."""
        from vitesse_graph.healing import Monitor

        monitor = Monitor()
        with self.watch.lap("noticed by the monitor"):
            for _ in range(MONITOR_LOOKS):
                decision = monitor.observe(
                    await self._service.runtime_status(integration_id), time.monotonic()
                )
                if decision.action == "start_heal":
                    self.say(f"the monitor: {decision.reason}")
                    return
                await asyncio.sleep(MONITOR_SECONDS)
        raise VitesseError("the monitor saw nothing wrong")

    def finish(self, outcome: Any) -> None:
        """The time of every step beside what it used to take, and where to look further."""
        self.table(
            "time",
            ["what", "s"],
            [[name, f"{seconds:.1f}"] for name, seconds in self.watch.laps]
            + [
                ["all of it", f"{self.watch.total:.1f}"],
                ["making such an integration used to take", f"{FORMERLY_SECONDS:.0f}"],
            ],
        )
        self.say(f"The thread is {outcome.integration_id}. To open it in LangGraph Studio:")
        self.say("  .venv/bin/langgraph dev --port 2024")
        self.say(f"  then choose the graph vitesse and the thread {outcome.integration_id}")


def _source(row: Any) -> str:
    if row is None:
        return "(not fed)"
    return ", ".join(row.source_field) if isinstance(row.source_field, list) else row.source_field


@click.command()
@click.option("--interactive", is_flag=True, help="Stop at each gate: approve, edit the mapping, or reject.")
@click.option("--keep", is_flag=True, help="Leave the deployment and the two servers running until ctrl-c.")
@json_option
def demo(interactive: bool, keep: bool, as_json: bool) -> None:
    """Watch an integration being made, proven, deployed, run, broken and healed."""
    if interactive and as_json:
        raise click.UsageError("--interactive asks and --json prints one document: choose one")

    async def work() -> dict[str, Any]:
        from vitesse_graph.demo.stands import run_stands

        async with run_stands() as stands, open_service() as service:
            os.environ[SHOP_TOKEN], os.environ[CRM_KEY] = stands.shopify_token, stands.credo_api_key
            act = Demo(service, stands, is_interactive=interactive, quiet=as_json)
            outcome = await act.build()
            try:
                if not as_json:
                    act.show_build(outcome)
                await act.sync_all(outcome.integration_id, "first sync")
                healed = await act.break_and_heal(outcome)
                await act.sync_all(outcome.integration_id, "sync after the repair")
                act.finish(healed)
                if keep:
                    await _wait(act, healed)
            finally:
                # The two servers end with the demo: what syncs between them must not outlive them.
                await service.undeploy(outcome.integration_id)
            return {
                "integration_id": outcome.integration_id,
                "mapping": outcome.values["mapping_logic"]["transformations"],
                "health_score": outcome.values["health_score"],
                "seconds": dict(act.watch.laps),
                **act.facts,
            }

    document = run_async(work())
    if as_json:
        print_json(document)


async def _wait(act: Demo, outcome: Any) -> None:
    import signal

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)
    act.say(f"kept running: vitesse status {outcome.integration_id}; ctrl-c ends it")
    await stopped.wait()
