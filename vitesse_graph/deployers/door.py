"""A door into a Postgres server for one container: `python -m vitesse_graph.deployers.door FOLDER PORT ROLE DATABASE`.

It listens on a socket in FOLDER, which is mounted into the container and holds nothing else, and carries
bytes to the server. Before that it reads the first message: only ROLE is let into DATABASE, so that a
container can be nobody else, whatever the server would believe. It also keeps the embedded server alive
while the container runs, and answers any request on PORT for its supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import struct
import sys
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from vitesse_graph.database import database_url
from vitesse_graph.errors import VitesseError
from vitesse_graph.settings import Settings

SOCKET_NAME = ".s.PGSQL.5432"
_SSL_REQUEST, _CANCEL_REQUEST, _GSS_REQUEST = 80877103, 80877102, 80877104
_LONGEST_FIRST_MESSAGE = 10_000
_CHUNK = 65536
_log = logging.getLogger(__name__)


class Refused(Exception):
    """Somebody asked for what is not behind this door."""


def parameters_of(body: bytes) -> dict[str, str]:
    """The parameters of a startup message (without length and version). Raises Refused."""
    parts = body.split(b"\0")
    if len(parts) < 3 or parts[-2:] != [b"", b""]:
        raise Refused("this is no startup message")
    words = [part.decode("utf-8", "replace") for part in parts[:-2]]
    if len(words) % 2:
        raise Refused("this is no startup message")
    return dict(zip(words[::2], words[1::2], strict=True))


class Door:
    """Lets one role into one database."""

    def __init__(self, settings: Settings, role: str, database: str) -> None:
        self._settings = settings
        self._role = role
        self._database = database

    async def server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server; an embedded one that died is started again."""
        target = conninfo_to_dict(await database_url(self._settings))
        host, port = str(target.get("host") or "/var/run/postgresql"), int(target.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its first message to its end."""
        try:
            async with asyncio.timeout(30):
                first = await self._first_message(reader, writer)
                theirs, ours = await self.server()
        except (Refused, VitesseError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            _log.warning("not let in: %s", error or type(error).__name__)
            with contextlib.suppress(OSError):
                writer.write(_refusal(str(error) or "the server does not answer"))
                await writer.drain()
            writer.close()
            return
        ours.write(first)
        async with asyncio.TaskGroup() as both:
            both.create_task(_carry(reader, ours))
            both.create_task(_carry(theirs, writer))

    async def _first_message(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            if not 8 <= length <= _LONGEST_FIRST_MESSAGE:
                raise Refused("this is no startup message")
            body = await reader.readexactly(length - 8)
            if code in (_SSL_REQUEST, _GSS_REQUEST):
                writer.write(b"N")  # the socket does not leave the machine
                await writer.drain()
                continue
            if code == _CANCEL_REQUEST:
                return head + body
            if code >> 16 != 3:
                raise Refused("this protocol is not spoken here")
            given = parameters_of(body)
            user = given.get("user", "")
            if user != self._role or given.get("database", user) != self._database:
                raise Refused("this door is for another role")
            if given.get("replication", "false") not in ("false", "off", "no", "0"):
                raise Refused("this door is not for replication")
            return head + body


def _refusal(reason: str) -> bytes:
    fields = b"SFATAL\0VFATAL\0C28000\0M" + reason.encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(_CHUNK):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass  # one side left: the other one is told by the closing
    finally:
        writer.close()


async def _health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
    writer.close()


async def run(door: Door, port: int) -> None:
    """Until cancelled; the socket lies in the working directory."""
    listening = await asyncio.start_unix_server(door.serve, SOCKET_NAME)
    answering = await asyncio.start_server(_health, "127.0.0.1", port)
    async with listening, answering:
        await asyncio.gather(listening.serve_forever(), answering.serve_forever())


async def _until_told(settings: Settings, role: str, database: str, port: int) -> None:
    await database_url(settings)  # started, and held by this process
    task = asyncio.ensure_future(run(Door(settings, role, database), port))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> int:
    """Serves until SIGTERM."""
    folder, port, role, database = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings()
    # A socket's path must be short: this one is, wherever the folder lies.
    os.chdir(folder)
    Path(SOCKET_NAME).unlink(missing_ok=True)
    os.umask(0o111)  # the container's user is nobody here; the folder above is closed to others
    asyncio.run(_until_told(settings, role, database, int(port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
