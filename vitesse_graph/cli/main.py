"""The `vitesse` command: subcommands are imported when they are used, so that it starts at once."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

# name → (module, attribute, one line for the list): the list is printed without importing any.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", "The main job end to end, on local stand-ins for Shopify and Credo CRM."),
    "run": ("run", "run", "From an intent to an active integration; asks at each gate."),
    "review": ("run", "review", "Show the gate that waits, and answer it."),
    "resume": ("run", "resume", "Go on after a crash or a failed step."),
    "ingest": ("ingest", "ingest", "Read an API specification: endpoints, auth, pagination, limits."),
    "map": ("specs", "map_command", "Map one JSON Schema onto another."),
    "sandbox": ("specs", "sandbox", "Serve any specification as a stateful mock."),
    "discover": ("knowledge", "discover", "Find APIs by name or need."),
    "advise": ("knowledge", "advise", "What is known of joining two APIs, with sources."),
    "harvest": ("knowledge", "harvest", "Read specifications into the knowledge store."),
    "integrations": ("manage", "integrations", "List integrations."),
    "status": ("manage", "status", "Where one integration stands."),
    "tests": ("evidence", "tests", "What the last test of an integration found, and its calls."),
    "sync": ("records", "sync", "Run a sync now, or show what it would do."),
    "heal": ("manage", "heal", "Diagnose and repair an active integration."),
    "chaos": ("chaos", "chaos", "Break a pair of APIs on purpose, in sandboxes, and see what heals."),
    "monitor": ("manage", "monitor", "Watch deployed integrations and heal them."),
    "policy": ("care", "policy", "What may be repaired unasked, what is asked about, who is told."),
    "drift": ("care", "drift", "How both APIs differ from what was deployed."),
    "audit": ("care", "audit", "Who did what; each episode of healing as a story."),
    "pause": ("care", "pause", "No more syncs until unpause."),
    "unpause": ("care", "unpause", "Syncs may go on."),
    "logs": ("manage", "logs", "The last log lines of a deployed integration."),
    "explain": ("records", "explain", "What happened to one record."),
    "dead-letters": ("records", "dead_letters", "Records that could not be written: list, retry, drop."),
    "manifests": ("manifests", "manifests", "The Kubernetes objects of an integration, as YAML for GitOps."),
    "delete": ("manage", "delete", "Undeploy and forget an integration."),
    "bundle": ("bundle", "bundle", "All of an integration as one archive that runs by itself."),
    "serve": ("serve", "serve", "The REST API."),
    "doctor": ("doctor", "doctor", "What is on, what is off, why, and how to turn it on."),
}


class LazyGroup(click.Group):
    """A group whose list of commands needs no imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"vitesse_graph.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no command {args[0]!r}{hint} (`vitesse --help` lists them)") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitesse-graph", message="vitesse %(version)s")
def cli() -> None:
    """Vitesse: say what should be synced; get a tested, running, self-healing integration."""


def main() -> None:
    """Runs the command: exit 0 on success, 2 on bad input, 1 on failure; one line on stderr."""
    # Nothing is sent out unless someone asks for it.
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    if not sys.stdout.isatty():
        # A pipe or a file has no width of its own: an id or a command stays on one line there.
        os.environ.setdefault("COLUMNS", "160")
    try:
        code: Any = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"vitesse: {error.format_message()}", err=True)
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - the edge of the process: every error ends as one line
        from vitesse_graph.cli.failure import report_failure

        sys.exit(report_failure(error))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
