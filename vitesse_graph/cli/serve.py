"""`vitesse serve`: the REST API on its own."""

from __future__ import annotations

import asyncio

import click

from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings, get_settings


async def _has_keys(settings: Settings) -> bool:
    from vitesse_graph.registry.keys import ApiKeys
    from vitesse_graph.services import open_services

    if settings.jwt_secret is not None and settings.jwt_secret.get_secret_value():
        return True
    async with open_services(settings) as services:
        return await ApiKeys(services.pool).any_live()


async def _make_key(settings: Settings, name: str, role: str, tenant: str) -> str:
    from typing import cast

    from vitesse_graph.registry.keys import ApiKeys, Role
    from vitesse_graph.services import open_services

    async with open_services(settings) as services:
        text, key = await ApiKeys(services.pool).create(
            name, cast(Role, role), tenant=tenant, created_by="command"
        )
        await services.registry.audit("", "create_key", actor="command", detail={"key": key.id, "role": role})
    return text


def ensure_may_bind(host: str, has_keys: bool) -> None:
    """Raises InputError for an address beyond this machine while nobody needs a key."""
    from vitesse_graph.api.access import is_loopback

    if not has_keys and not is_loopback(host):
        raise InputError(
            f"refusing to bind to {host} while anyone may do anything: make a key first "
            "(vitesse serve --new-key NAME), or set JWT_SECRET"
        )


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65_535))
@click.option("--new-key", metavar="NAME", help="Make an API key, print it (once), and leave.")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "approver", "admin"]),
    default="admin",
    show_default=True,
)
@click.option(
    "--monitor/--no-monitor",
    "with_monitor",
    default=True,
    show_default=True,
    help="Watch deployed integrations and heal them (VITESSE_MONITOR_INTERVAL_SECONDS).",
)
@click.option("--tenant", default="", help="Whose the key is; integrations of other tenants are invisible.")
def serve(host: str, port: int, new_key: str | None, role: str, tenant: str, with_monitor: bool) -> None:
    """Serve the REST API; on this machine only, until there is a key. Deployed integrations are watched."""
    from vitesse_graph.cli.session import configure_logging

    settings = get_settings()
    configure_logging(settings)
    if new_key:
        click.echo(asyncio.run(_make_key(settings, new_key, role, tenant)))
        return
    has_keys = asyncio.run(_has_keys(settings))
    ensure_may_bind(host, has_keys)
    _run(settings, host, port, has_keys, with_monitor)


def _run(settings: Settings, host: str, port: int, has_keys: bool, with_monitor: bool) -> None:
    import uvicorn

    from vitesse_graph.api.access import is_loopback
    from vitesse_graph.api.app import create_app, in_process
    from vitesse_graph.api.steps import PREFIX

    if not is_loopback(host):
        # Strangers may name addresses now: none of them shall lead into this machine.
        settings = settings.model_copy(update={"allow_loopback": False})
    app = create_app(in_process(settings), settings, with_monitor=with_monitor)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=15,
    )
    bound = config.bind_socket()
    where = "needs a key or token" if has_keys else "open to this machine only (no key is configured)"
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"http://{shown}:{bound.getsockname()[1]}{PREFIX} {where}; its document is at {PREFIX}/docs")
    uvicorn.Server(config).run(sockets=[bound])
