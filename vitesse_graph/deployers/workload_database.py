"""How a workload that is no process of ours reaches the database: a role of its own, and a way to the server.

The role sees its own integration's rows only. The server is reached directly where its address means the
same in a container; a server on this machine (the embedded one, loopback, a socket) is reached through a
door: a socket in a folder that is mounted into the container.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vitesse_graph.database import database_url
from vitesse_graph.deployers.base import folder_name
from vitesse_graph.deployers.door import SOCKET_NAME
from vitesse_graph.deployers.names import role_name
from vitesse_graph.deployers.supervisor import ProcessSupervisor, import_path
from vitesse_graph.errors import DeployError, InputError
from vitesse_graph.settings import Settings

MOUNTED_AT = "/run/vitesse"
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1", "[::1]")
_KEY_NAME = "workload.key"


@dataclass(frozen=True, slots=True)
class WorkloadDatabase:
    """What a workload is given."""

    url: str
    """A connection string with the workload's own role and password."""
    socket_folder: Path | None = None
    """Mounted at MOUNTED_AT when the server is reached through a door."""


def needs_door(settings: Settings) -> bool:
    """Whether the server is on this machine only."""
    configured = settings.conninfo()
    if configured is None:
        return True
    host = str(_parts(configured).get("host") or "")
    return host.startswith(("/", "@")) or host.lower() in _LOOPBACK


async def open_database(
    settings: Settings, integration_id: str, home: Path, *, can_mount: bool, has_role: bool = False
) -> WorkloadDatabase:
    """Makes the role, and where it takes one the door (a supervised process under `home`).

    Safe to call again: role and password stay what they were. `has_role`: a workload runs with it already,
    so that only the door is looked after. Raises InputError where the server cannot
    be reached from the workload, DeployError where the role cannot be made.
    """
    from psycopg.conninfo import make_conninfo

    if needs_door(settings) and not can_mount:
        raise InputError(
            "the database is on this machine only, and the workload will not be: set DATABASE_URL to a "
            "Postgres server that both can reach"
        )
    server = await database_url(settings)
    role, password = role_name(integration_id), _password(settings, integration_id)
    if not has_role:
        await _access("grant", url=server, role=role, password=password, integration_id=integration_id)
    if not needs_door(settings):
        return WorkloadDatabase(url=make_conninfo(server, user=role, password=password))
    database = str(_parts(server).get("dbname") or "postgres")
    folder = await _open_door(settings, home, role, database)
    url = make_conninfo(host=MOUNTED_AT, user=role, password=password, dbname=database)
    return WorkloadDatabase(url=url, socket_folder=folder)


async def close_database(settings: Settings, integration_id: str) -> None:
    """Takes the role away. The door goes with the folder it lies in."""
    await _access("revoke", url=await database_url(settings), role=role_name(integration_id))


async def _open_door(settings: Settings, home: Path, role: str, database: str) -> Path:
    supervisor = ProcessSupervisor(home)
    folder = supervisor.folder("database") / "socket"
    running = supervisor.find("database")
    wanted = {"role": role, "database": database}
    if running is not None and running.pid is not None and running.label == wanted:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment["VITESSE_DATA_DIR"] = str(settings.data_dir.expanduser().resolve())
    configured = settings.conninfo()
    if configured is not None:
        environment["DATABASE_URL"] = configured
    argv = [sys.executable, "-W", "ignore", "-m", "vitesse_graph.deployers.door"]
    argv += [str(folder), "{port}", role, database]
    await supervisor.start(
        "database", argv, environment, "http://127.0.0.1:{port}/health", grace_seconds=5.0, label=wanted
    )
    if not (folder / SOCKET_NAME).exists():
        raise DeployError("the door to the database did not open", log_tail=supervisor.logs("database", 20))
    return folder


async def _access(verb: str, **what: str) -> None:
    """The runtime owns its tables, and says who may see them: it is asked by its command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "vitesse_graph.runtime.access", verb),
        env={**os.environ, "PYTHONPATH": import_path(os.environ)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate(json.dumps(what).encode())
    if process.returncode:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise DeployError(
            f"the integration's database role could not be {verb}ed ({lines[-1] if lines else 'no reason given'}); "
            "the database user of DATABASE_URL must own the tables and be allowed to create roles"
        )


def secrets_revision(settings: Settings, integration_id: str, secret: Mapping[str, str]) -> str:
    """Changes when a secret's value does, and tells nothing of it: keyed by what only this side knows."""
    said = {name: value for name, value in secret.items() if name != "DATABASE_URL"}
    key = _password(settings, integration_id).encode()
    return hmac.new(key, json.dumps(said, sort_keys=True).encode(), hashlib.sha256).hexdigest()[:16]


def _password(settings: Settings, integration_id: str) -> str:
    """The same each time: the version that still runs during an update goes on with it."""
    if settings.secret_key is not None:
        key = settings.secret_key.get_secret_value().encode()
    else:
        key = _kept_key(settings.data_dir.expanduser().resolve() / _KEY_NAME)
    return hmac.new(key, b"workload\0" + folder_name(integration_id).encode(), hashlib.sha256).hexdigest()


def _kept_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _parts(conninfo: str) -> dict[str, object]:
    from psycopg.conninfo import conninfo_to_dict

    return dict(conninfo_to_dict(conninfo))
