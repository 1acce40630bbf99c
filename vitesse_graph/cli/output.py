"""What commands print: tables and progress for people, one JSON document with `--json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

console = Console(highlight=False)
json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of tables."
)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: Sequence[str] = ()
) -> None:
    """A table; cells are shown as text, never as markup. Columns in `whole` are not broken over lines."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(as_text(cell) for cell in row))
    console.print(table)


def as_text(value: Any) -> Any:
    """A cell as plain text: what a vendor wrote is never read as markup."""
    from rich.text import Text

    if isinstance(value, float):
        return Text(f"{value:g}")
    if isinstance(value, datetime):
        return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S}")
    if isinstance(value, list):
        return Text(", ".join(str(item) for item in value))
    return Text("" if value is None else str(value))


def print_markdown(text: str) -> None:
    console.print(Markdown(text))


@contextmanager
def progress(description: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A progress line fed by the graph's events; silent where the output is no terminal."""
    if not console.is_terminal:
        yield lambda event: None
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(description, total=None)

        def on_event(event: dict[str, Any]) -> None:
            step = event.get("step", "")
            if "done" in event:
                bar.update(task, description=f"{step}", completed=event["done"], total=event["total"])
            else:
                said = event.get("summary") or event.get("message") or ""
                bar.update(task, description=escape(f"{step} {said}"[:100]), total=None)

        yield on_event


@contextmanager
def counted(description: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar over a known number of things, fed with (name, done, of); silent where there is no terminal."""
    if not console.is_terminal:
        yield lambda name, done, of: None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(description, total=None)
        yield lambda name, done, of: bar.update(
            task, description=f"{description} {name}"[:60], completed=done, total=of
        )
