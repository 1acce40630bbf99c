"""`vitesse chaos`: the matrix of everything that breaks integrations, on a pair of one's own."""

from __future__ import annotations

from dataclasses import asdict
from importlib import resources
from typing import Any

import click

from vitesse_graph.cli.output import json_option, print_json, print_table
from vitesse_graph.cli.run import location
from vitesse_graph.cli.session import run_async
from vitesse_graph.errors import InputError
from vitesse_graph.settings import get_settings


@click.command()
@click.option("--source", help="Specification of the API to read from; without: the demo's shop.")
@click.option("--dest", help="Specification of the API to write to; without: the demo's CRM.")
@click.option("--source-endpoint", help='Which list to read, such as "GET /customers".')
@click.option("--dest-endpoint", help='Which create call to make, such as "POST /contacts".')
@click.option("--intent", default="", help="What is synced, in a sentence: finds the endpoints.")
@click.option("--case", "case", default="", help="Only cases whose name has this text.")
@click.option("--list", "only_list", is_flag=True, help="List the cases and leave.")
@json_option
def chaos(
    source: str | None,
    dest: str | None,
    source_endpoint: str | None,
    dest_endpoint: str | None,
    intent: str,
    case: str,
    only_list: bool,
    as_json: bool,
) -> int:
    """Break a pair of APIs in thirty ways, on sandboxes of both, and see what is noticed and healed.

    Nothing that is deployed is touched. Exit 0 when every case ended as it should, else 1.
    """
    from vitesse_graph.chaos import Asked, cases_named, run_matrix, summary

    cases = cases_named(case)
    if only_list:
        _list(cases, as_json)
        return 0
    if (source is None) != (dest is None):
        raise InputError("give both --source and --dest, or neither for the demo's two APIs")
    demo = resources.files("vitesse_graph.demo")
    asked = Asked(
        source=location(source) or str(demo / "shopify_like.json"),
        dest=location(dest) or str(demo / "credo_like.json"),
        source_endpoint=source_endpoint or (None if source else "GET /customers.json"),
        dest_endpoint=dest_endpoint or (None if dest else "POST /contacts"),
        intent=intent or ("" if source else "Sync customers into contacts"),
    )

    def told(outcome: Any) -> None:
        mark = "as it should" if outcome.is_right else "NOT as it should"
        click.echo(f"{outcome.case}: {outcome.cause or 'no alarm'} → {outcome.end}, {mark}", err=True)

    outcomes = run_async(
        run_matrix([asked], settings=get_settings(), cases=cases, on_outcome=None if as_json else told)
    )
    if as_json:
        print_json({"summary": summary(outcomes), "outcomes": [asdict(one) for one in outcomes]})
    else:
        print_table(
            "chaos",
            ["what broke", "noticed after", "cause", "ended", "", "wrong", "lost", "s"],
            [
                [
                    one.case,
                    one.noticed_after,
                    one.cause,
                    one.end,
                    "✓" if one.is_right else "✗",
                    one.wrong,
                    one.lost,
                    f"{one.seconds:.1f}",
                ]
                for one in outcomes
            ],
        )
        for line in summary(outcomes):
            click.echo(line)
        for one in outcomes:
            if not one.is_right:
                click.echo(one.line())
    return 0 if all(one.is_right for one in outcomes) else 1


def _list(cases: Any, as_json: bool) -> None:
    if as_json:
        print_json([{"case": one.name, "right": list(one.answer)} for one in cases])
    else:
        print_table(
            "cases", ["what breaks", "right end"], [[one.name, " or ".join(one.answer)] for one in cases]
        )
