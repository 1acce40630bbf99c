"""How a failed command ends: one line on stderr and the right exit code."""

from __future__ import annotations

import logging

import click
from pydantic import ValidationError

from vitesse_graph.errors import DeployError, InputError, NotFoundError, VitesseError

_log = logging.getLogger(__name__)


def exit_code(error: BaseException) -> int:
    """2 when the caller can mend it, 1 otherwise."""
    return 2 if isinstance(error, InputError | NotFoundError) else 1


def report_failure(error: BaseException) -> int:
    """Prints the one line; returns the exit code. Unexpected errors are logged with their trace."""
    if isinstance(error, VitesseError):
        click.echo(f"vitesse: {error}", err=True)
        if isinstance(error, DeployError) and error.log_tail:
            click.echo(error.log_tail, err=True)
        return exit_code(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        click.echo(f"vitesse: {error.title}: {where}: {first['msg']}", err=True)
        return 2
    if isinstance(error, OSError) and error.filename:
        click.echo(f"vitesse: {error.filename}: {error.strerror}", err=True)
        return 2 if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError) else 1
    _log.error("unexpected", exc_info=error)
    click.echo(
        f"vitesse: this is our fault: {type(error).__name__}; "
        "run again with VITESSE_LOG_LEVEL=DEBUG for the details",
        err=True,
    )
    return 1
