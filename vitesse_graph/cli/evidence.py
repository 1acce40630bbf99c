"""What the guardian found: the evidence behind a health score."""

from __future__ import annotations

from typing import Any

import click

from vitesse_graph.cli.output import console, json_option, print_json, print_table
from vitesse_graph.cli.session import run_async
from vitesse_graph.settings import get_settings

_SHOWN_CALLS = 40


@click.command()
@click.argument("integration_id")
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1, 100), help="How many test runs.")
@click.option("--calls", is_flag=True, help="List the calls, failures first.")
@json_option
def tests(integration_id: str, runs: int, calls: bool, as_json: bool) -> None:
    """What the last test of an integration found: score, issues, findings, latency, calls."""
    from vitesse_graph.services import open_services

    async def work() -> list[dict[str, Any]]:
        async with open_services(get_settings()) as services:
            await services.registry.integration(integration_id)
            return await services.registry.test_runs(integration_id, runs)

    found = run_async(work())
    if as_json:
        print_json([{**run, "created_at": run["created_at"].isoformat()} for run in found])
        return
    if not found:
        click.echo(f"{integration_id} was not tested yet")
    for run in found:
        _show(run, calls)


def _show(run: dict[str, Any], calls: bool) -> None:
    results = run["results"]
    verdict = "passed" if run["passed"] else "not passed"
    console.print(
        f"health {run['health_score']:.0f}, {verdict}: {results['calls_made']} calls ({results['mode']}), "
        f"mapping {run['mapping_version']}, seed {run['seed']}, {run['created_at']:%Y-%m-%d %H:%M}",
        markup=False,
    )
    console.print(
        f"success {results['success_rate']:.0%}, coverage {results['endpoint_coverage']:.0%}, "
        f"data quality {results['data_quality']:.0%}, reliability {results['reliability']:.0%}",
        markup=False,
    )
    lines = [["hard fail", "", line] for line in results["hard_fails"]]
    lines += [
        ["issue", i["side"], f"{i['message']}: {i['remedy']} ({i['count']})"] for i in results["issues"]
    ]
    lines += [[f["kind"], f["dest_field"] or f["source_field"], f["detail"]] for f in results["findings"]]
    lines += [["warning", "", line] for line in results["warnings"]]
    twin = results.get("twin")
    for step in (twin or {}).get("steps", []):
        said = "; ".join(step["differences"]) or f"{step['found']} of {step['expected']} as they should be"
        lines.append([f"twin: {step['name']}", "", said])
    lines += [["twin: skipped", "", line] for line in (twin or {}).get("skipped", [])]
    if lines:
        print_table("found", ["what", "where", "detail"], lines)
    print_table(
        "latency",
        ["endpoint", "calls", "p50 ms", "p95 ms", "p99 ms"],
        [[s["endpoint"], s["calls"], s["p50_ms"], s["p95_ms"], s["p99_ms"]] for s in results["latency"]],
    )
    if calls:
        kept = sorted(results.get("calls", []), key=lambda call: bool(call["success"]))[:_SHOWN_CALLS]
        print_table(
            f"{len(kept)} calls",
            ["endpoint", "status", "ms", "error", "field"],
            [
                [c["endpoint"], c["status"], round(c["seconds"] * 1000, 1), c["error"], c["failing_field"]]
                for c in kept
            ],
        )
