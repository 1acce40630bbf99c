"""Answering a gate in the terminal: approve, edit, retry or reject."""

from __future__ import annotations

import json
from typing import Any

import click

from vitesse_graph.api.service import Outcome
from vitesse_graph.cli.output import console, print_markdown, print_table
from vitesse_graph.errors import InputError

_EDIT_HELP = (
    "N = path   feed row N from another source field      N aK   switch row N to its alternative K\n"
    "N -        drop row N                                 + dest = path   add a row\n"
    "done       take the rows as they are                  quit   leave them as they were"
)


def show_gate(outcome: Outcome) -> None:
    """Prints what the waiting gate proposes."""
    if outcome.waiting is None:
        return
    console.rule(f"{outcome.waiting.gate} · {outcome.integration_id}")
    print_markdown(str(outcome.waiting.proposal.get("summary", "")))


def ask(outcome: Outcome) -> dict[str, Any]:
    """Asks the person at the terminal; the answer in the form that REST takes."""
    show_gate(outcome)
    choice = click.prompt(
        "approve, edit, retry or reject",
        type=click.Choice(["approve", "edit", "retry", "reject"], case_sensitive=False),
        default="approve",
        show_choices=False,
    )
    if choice == "reject":
        return {"type": "reject", "comment": click.prompt("why", default="", show_default=False) or None}
    if choice != "edit":
        return {"type": choice}
    edited = _edit(outcome)
    return {"type": "edit", "edited": edited} if edited is not None else ask(outcome)


def _edit(outcome: Outcome) -> dict[str, Any] | None:
    waiting = outcome.waiting
    if waiting is None:
        return None
    if waiting.gate == "review_map":
        rows = edit_rows(outcome.values["mapping_logic"]["transformations"])
        return None if rows is None else {"transformations": rows}
    args = waiting.proposal["action_requests"][0]["args"]
    text = click.edit(json.dumps(args, indent=2), extension=".json")
    if text is None:
        return None
    try:
        edited = json.loads(text)
    except ValueError as error:
        console.print(f"not JSON: {error}", markup=False)
        return None
    return edited if isinstance(edited, dict) else None


def edit_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Edits a mapping's rows line by line; None when the person leaves them as they were."""
    edited = [dict(row) for row in rows]
    while True:
        print_table(
            "rows",
            ["N", "source", "destination", "transform", "sure", "alternatives"],
            [
                [
                    number, row["source_field"], row["dest_field"], row["transform_type"],
                    f"{row.get('confidence', 1):.2f}",
                    [f"a{k}: {_text(a['source_field'])}" for k, a in enumerate(row.get("alternatives") or [], 1)],
                ]
                for number, row in enumerate(edited, 1)
            ],
        )  # fmt: skip
        click.echo(_EDIT_HELP)
        line = click.prompt("edit", default="done")
        if line == "done":
            return edited
        if line == "quit":
            return None
        try:
            edited = apply_line(edited, line)
        except InputError as error:
            click.echo(str(error))


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else " + ".join(source)


def _row_number(token: str, rows: list[dict[str, Any]]) -> int:
    if not token.isdigit() or not 1 <= int(token) <= len(rows):
        raise InputError(f"no row {token}: rows are 1 to {len(rows)}")
    return int(token) - 1


def apply_line(rows: list[dict[str, Any]], line: str) -> list[dict[str, Any]]:
    """One edit, as `_EDIT_HELP` says. Raises InputError for a line that means nothing."""
    words = line.split()
    if len(words) == 4 and words[0] == "+" and words[2] == "=":
        added = {"source_field": words[3], "dest_field": words[1], "transform_type": "mapping"}
        return [*(row for row in rows if row["dest_field"] != words[1]), added]
    if len(words) == 2 and words[1] == "-":
        number = _row_number(words[0], rows)
        return rows[:number] + rows[number + 1 :]
    if len(words) == 3 and words[1] == "=":
        number = _row_number(words[0], rows)
        changed = {**rows[number], "source_field": words[2]}
        return [*rows[:number], changed, *rows[number + 1 :]]
    if len(words) == 2 and words[1].startswith("a") and words[1][1:].isdigit():
        number = _row_number(words[0], rows)
        alternatives = rows[number].get("alternatives") or []
        which = int(words[1][1:]) - 1
        if not 0 <= which < len(alternatives):
            raise InputError(f"row {words[0]} has {len(alternatives)} alternatives")
        switched = {
            **rows[number],
            **{k: alternatives[which][k] for k in ("source_field", "transform_type", "transform_config")},
        }
        return [*rows[:number], switched, *rows[number + 1 :]]
    raise InputError(f"cannot read {line!r}")
