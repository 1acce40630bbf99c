"""Commands that drive the graph: run, review, resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vitesse_graph.cli.output import console, json_option, print_json, print_markdown, print_table, progress
from vitesse_graph.cli.session import open_service, run_async
from vitesse_graph.errors import DecisionError, InputError


def location(spec: str | None) -> str | None:
    """A file as an absolute path (the thread may be resumed from another folder); all else as given."""
    if spec is None or "://" in spec:
        return spec
    path = Path(spec).expanduser()
    if path.exists():
        return str(path.resolve())
    if path.suffix or "/" in spec:
        raise InputError(f"no file {spec}; give a URL, a file that exists, or an API's name")
    return spec


def parameters(given: tuple[str, ...]) -> dict[str, str] | None:
    """`("owner=acme",)` → `{"owner": "acme"}`; None for none. Raises InputError for what has no `=`."""
    pairs = [entry.partition("=") for entry in given]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise InputError(f"a parameter is given as NAME=VALUE, not {name!r}")
    return {name: value for name, _, value in pairs} or None


source_param_option = click.option(
    "--source-param",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the source's endpoint needs in its path, query or headers; repeatable.",
)
dest_param_option = click.option(
    "--dest-param",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the destination's endpoint needs in its path, query or headers; repeatable.",
)
UNMAPPED_SHOWN = 12


def summary_of(outcome: Any) -> dict[str, Any]:
    """What a run gives back with `--json`."""
    values = outcome.values
    return {
        "integration_id": outcome.integration_id,
        "status": outcome.status,
        "next_step": outcome.next_step,
        "waiting": outcome.waiting.dump() if outcome.waiting else None,
        "error": outcome.error,
        "health_score": values.get("health_score"),
        "mapping": values.get("mapping_logic"),
        "deployment": values.get("deployment"),
    }


def print_questions(state: Any) -> None:
    """What is not known and nobody but a person can say."""
    from vitesse_graph.nodes.parameters import as_question, missing_params

    rows = [
        [f"{role}: {', '.join(missing_params(state, role))}", as_question(state, role)]
        for role in ("source", "dest")
        if missing_params(state, role)
    ]
    if state.mapping_logic is not None:
        rows += [[q.dest_field, q.text] for q in state.mapping_logic.questions if q.required]
    if rows:
        print_table("a person must decide", ["what", "question"], rows)


def print_outcome(outcome: Any) -> None:
    """Where it stands, for a person."""
    state = outcome.state
    if state.mapping_logic is not None:
        from vitesse_graph.transforms import describe

        print_table(
            f"mapping, version {state.mapping_logic.version}",
            ["source", "destination", "transform", "sure"],
            [
                [row.source_field, row.dest_field, describe(row), f"{row.confidence:.2f}"]
                for row in state.mapping_logic.transformations
            ],
        )
        if state.mapping_logic.unmapped_dest:
            empty = state.mapping_logic.unmapped_dest
            shown = ", ".join(empty[:UNMAPPED_SHOWN]) + (" …" if len(empty) > UNMAPPED_SHOWN else "")
            console.print(f"left empty ({len(empty)}): {shown}", markup=False)
    print_questions(state)
    line = f"{outcome.integration_id}: {outcome.status}"
    if state.health_score is not None:
        line += f", health {state.health_score:.0f}"
    if state.deployment is not None and state.deployment.status == "running":
        env = state.deployment.environments
        line += f", running at {state.deployment.service_url}"
        line += f" (source {env.get('source', 'live')}, destination {env.get('dest', 'live')})"
    console.print(line, markup=False, soft_wrap=True)
    if outcome.waiting is not None:
        console.print(
            f"{outcome.waiting.gate} waits for an answer: vitesse review {outcome.integration_id}",
            markup=False,
            soft_wrap=True,
        )


def finish(outcome: Any, as_json: bool) -> int:
    """Prints the end of a run; the command's exit code."""
    if as_json:
        print_json(summary_of(outcome))
    else:
        print_outcome(outcome)
    if outcome.status == "failed":
        click.echo(f"vitesse: {outcome.error or 'the run failed'}", err=True)
        if not as_json:
            click.echo(f"go on with: vitesse resume {outcome.integration_id}", err=True)
        kinds = [e["kind"] for e in outcome.values.get("errors") or []]
        return 2 if kinds and kinds[-1] in _MENDABLE else 1
    return 0


_MENDABLE = frozenset(
    {"InputError", "SpecError", "MappingError", "NotFoundError", "ValidationError", "NotPassed"}
)


async def answer_gates(service: Any, outcome: Any, context: Any) -> Any:
    """Asks at each gate until the run ends. A refused answer is asked again; where nobody answers
    (end of input, ctrl-c) the gate goes on waiting."""
    from vitesse_graph.cli.gates import ask

    while outcome.waiting is not None:
        try:
            answer = ask(outcome)
        except click.Abort:
            click.echo()
            return outcome
        try:
            with progress("going on") as on_event:
                outcome = await service.answer(
                    outcome.integration_id, answer, context=context, on_event=on_event
                )
        except DecisionError as error:
            click.echo(str(error), err=True)
            outcome = await service.look(outcome.integration_id)
    return outcome


def _overlay(path: str | None) -> Any:
    from vitesse_graph.cli.specs import read_json_file

    return read_json_file(path, "overlay") if path else None


@click.command()
@click.option("--intent", default="", help="What should happen, in a sentence.")
@click.option("--source", help="API to read from: specification URL or file, or a name.")
@click.option("--dest", help="API to write to: specification URL or file, or a name.")
@click.option("--source-endpoint", help='Which list to read, such as "GET /customers".')
@click.option("--dest-endpoint", help='Which call to make, such as "POST /contacts".')
@source_param_option
@dest_param_option
@click.option(
    "--source-auth",
    help="Where the credential is: env:NAME, file:PATH, or none for an open API; without: a sandbox.",
)
@click.option(
    "--dest-auth",
    help="Where the credential is: env:NAME, file:PATH, or none for an open API; without: a sandbox.",
)
@click.option("--source-overlay", help="OpenAPI Overlay (file) that corrects the source's specification.")
@click.option("--dest-overlay", help="OpenAPI Overlay (file) that corrects the destination's specification.")
@click.option("--approve-all", is_flag=True, help="Ask nobody: from intent to active in one go.")
@click.option("--before-deploy", is_flag=True, help="Ask only before deploying.")
@click.option("--no-ask", is_flag=True, help="Stop at the first gate instead of asking here.")
@click.option("--target", help="Where to deploy: process (default) or another installed target.")
@click.option("--samples", type=click.IntRange(1, 10_000), help="Shadow calls of the test (100).")
@click.option(
    "--shadow-mode",
    type=click.Choice(["sandbox", "live-read", "live"]),
    help="Where shadow calls go; without: real APIs are read where there is a credential, never written to.",
)
@click.option(
    "--allow-writes", is_flag=True, help="With --shadow-mode live: test by writing to the real destination."
)
@click.option("--twin", is_flag=True, help="Also test the deployable runtime itself against two sandboxes.")
@click.option("--schedule", help='How often to sync: hourly, "every 30 minutes", or cron.')
@click.option(
    "--sync/--no-sync", "sync_after", default=True, show_default=True, help="Run a first sync when active."
)
@json_option
def run(
    approve_all: bool, before_deploy: bool, no_ask: bool, sync_after: bool, as_json: bool, **given: Any
) -> int:
    """From an intent to an active integration; asks at each gate unless told not to."""
    from vitesse_graph.state.context import VitesseContext

    request = {
        "user_intent": given["intent"] or "",
        "source": location(given["source"]),
        "dest": location(given["dest"]),
        "source_endpoint": given["source_endpoint"],
        "dest_endpoint": given["dest_endpoint"],
        "source_params": parameters(given["source_param"]),
        "dest_params": parameters(given["dest_param"]),
        "source_auth": given["source_auth"],
        "dest_auth": given["dest_auth"],
        "source_overlay": _overlay(given["source_overlay"]),
        "dest_overlay": _overlay(given["dest_overlay"]),
        "deployment_target": given["target"],
        "schedule": given["schedule"],
        "test_sample_size": given["samples"],
        "shadow_mode": given["shadow_mode"],
        "skip_destructive": False if given["allow_writes"] else None,
        "run_twin": True if given["twin"] else None,
    }
    request = {key: value for key, value in request.items() if value is not None}
    if not request["user_intent"] and not ("source" in request and "dest" in request):
        raise InputError("say what should happen with --intent, or name both sides with --source and --dest")
    approvals = "none" if approve_all else "before_deploy" if before_deploy else "every_step"
    context = VitesseContext(approvals=approvals)

    async def work() -> int:
        async with open_service() as service:
            with progress("starting") as on_event:
                outcome = await service.start(request, context=context, on_event=on_event)
            if outcome.waiting is not None and not no_ask and not as_json:
                outcome = await answer_gates(service, outcome, context)
            code = finish(outcome, as_json)
            if code == 0 and outcome.status == "active" and sync_after and not as_json:
                with progress("first sync"):
                    report = await service.sync(outcome.integration_id)
                print_sync(report)
            return code

    return run_async(work())


def print_sync(report: Any) -> None:
    """One sync run as a table that adds up."""
    print_table(
        f"sync {report.status} in {report.duration_seconds:.1f} s",
        ["fetched", "created", "updated", "unchanged", "filtered", "quarantined", "deleted"],
        [
            [
                report.fetched, report.created, report.updated, report.unchanged,
                report.filtered, report.quarantined, report.deleted,
            ]
        ],
    )  # fmt: skip
    if report.error:
        click.echo(report.error, err=True)


@click.command()
@click.argument("integration_id")
@click.option(
    "--decision", type=click.Choice(["approve", "edit", "retry", "reject"]), help="Answer without asking."
)
@click.option("--answer", "answer_file", type=click.Path(), help="JSON file with the whole decision.")
@click.option("--by", default="", help="Who decides, for the audit log.")
@click.option("--show", is_flag=True, help="Only show what waits.")
@json_option
def review(
    integration_id: str, decision: str | None, answer_file: str | None, by: str, show: bool, as_json: bool
) -> int:
    """Show the gate that waits, and answer it."""
    from vitesse_graph.cli.specs import read_json_file
    from vitesse_graph.state.context import VitesseContext

    context = VitesseContext(actor=by)

    async def work() -> int:
        async with open_service() as service:
            outcome = await service.look(integration_id)
            if outcome.waiting is None and not (decision or answer_file):
                click.echo(f"no gate waits; status {outcome.status}")
                return 0
            if show:
                if as_json:
                    print_json(outcome.waiting.dump())
                else:
                    print_markdown(str(outcome.waiting.proposal.get("summary", "")))
                return 0
            if answer_file or decision:
                answer = read_json_file(answer_file, "answer") if answer_file else {"type": decision}
                outcome = await service.answer(integration_id, answer, context=context)
            else:
                outcome = await answer_gates(service, outcome, context)
            return finish(outcome, as_json)

    return run_async(work())


@click.command()
@click.argument("integration_id")
@click.option("--source", help="A better source specification or name.")
@click.option("--dest", help="A better destination specification or name.")
@click.option("--intent", help="A better intent.")
@source_param_option
@dest_param_option
@click.option("--approve-all", is_flag=True)
@json_option
def resume(
    integration_id: str,
    source: str | None,
    dest: str | None,
    intent: str | None,
    source_param: tuple[str, ...],
    dest_param: tuple[str, ...],
    approve_all: bool,
    as_json: bool,
) -> int:
    """Go on after a crash or a failed step, with better input where it is given."""
    from vitesse_graph.state.context import VitesseContext

    context = VitesseContext(approvals="none" if approve_all else "every_step")
    better: dict[str, Any] = {
        "source": location(source),
        "dest": location(dest),
        "user_intent": intent,
        "source_params": parameters(source_param),
        "dest_params": parameters(dest_param),
    }
    better = {key: value for key, value in better.items() if value is not None}

    async def work() -> int:
        async with open_service() as service:
            with progress("resuming") as on_event:
                outcome = await service.resume(
                    integration_id, better=better, context=context, on_event=on_event
                )
            if outcome.waiting is not None and not as_json:
                outcome = await answer_gates(service, outcome, context)
            return finish(outcome, as_json)

    return run_async(work())
