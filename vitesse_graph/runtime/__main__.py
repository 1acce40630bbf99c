"""`python -m vitesse_graph.runtime DEFINITION.json|BUNDLE.zip [--port N] [--host 127.0.0.1]`."""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import hashlib
import json
import logging
import os
import signal
import sys
import zipfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vitesse_graph.errors import InputError, VitesseError
from vitesse_graph.runtime.secrets import take_secret_files
from vitesse_graph.runtime.tuning import run_tuned
from vitesse_graph.state.definition import IntegrationDefinition


def load_definition(path: str) -> IntegrationDefinition:
    """The definition in a JSON file, in a bundle, or in an unpacked bundle. Raises InputError."""
    file = Path(path)
    if file.is_dir():
        file = file / "definition.json"
    try:
        return IntegrationDefinition.model_validate(json.loads(_definition_text(file)))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{file} is no integration definition: {where}: {first['msg']}") from error
    except ValueError as error:
        raise InputError(f"{file} is no JSON") from error
    except KeyError as error:
        raise InputError(f"{file} is no bundle: it holds no definition.json") from error


def _definition_text(file: Path) -> bytes:
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as bundle:
        body = bundle.read("definition.json")
        wanted = json.loads(bundle.read("manifest.json"))["files"]["definition.json"]
    if hashlib.sha256(body).hexdigest() != wanted:
        raise InputError(f"{file}: the definition is not what the manifest says; make the bundle anew")
    return body


def definition_in(variable: str) -> IntegrationDefinition:
    """The definition in an environment variable, base64 of its gzipped JSON. Raises InputError."""
    try:
        packed = base64.b64decode(os.environ.get(variable, ""), validate=True)
        return IntegrationDefinition.model_validate_json(gzip.decompress(packed))
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"the environment variable {variable} holds no integration definition") from error


async def serve(definition: IntegrationDefinition, host: str, port: int) -> None:
    """Runs the service until SIGTERM or SIGINT; finishes what is in flight, commits, leaves.

    SIGUSR1 says that another version takes over: the run under way comes to its own end first.
    """
    from aiohttp import web

    from vitesse_graph.runtime.logs import configure_logging
    from vitesse_graph.runtime.service import RuntimeService
    from vitesse_graph.runtime.surface import make_app
    from vitesse_graph.settings import get_settings

    settings = get_settings()
    service = RuntimeService(definition, settings)
    configure_logging(
        definition.integration_id, service.redactor, level=settings.log_level, as_json=settings.log_json
    )
    log = logging.getLogger("vitesse_graph.runtime")
    stopping, replaced = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, replaced.set)
    runner = web.AppRunner(
        make_app(service),
        access_log=None,
        handle_signals=False,
        handler_cancellation=False,
        shutdown_timeout=5,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        await service.start()
        log.info("listening on http://%s:%d", host, runner.addresses[0][1])
        await _first(stopping.wait(), replaced.wait())
        if not stopping.is_set():
            log.info("another version takes over: the run under way is finished first")
            await _first(stopping.wait(), service.drain())
        log.info("stopping: what is in flight is finished first")
        await service.stop()
    finally:
        await runner.cleanup()


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Until one of these has ended."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 stopped as asked, 2 bad input, 1 anything else."""
    parser = argparse.ArgumentParser(prog="python -m vitesse_graph.runtime", description=__doc__)
    parser.add_argument("definition", help="the integration's definition (JSON), or its bundle")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--from-environment", metavar="NAME", help="take the definition from this variable, not from the file"
    )
    parser.add_argument(
        "--secrets", metavar="FOLDER", help="a folder with one file for each secret variable, named like it"
    )
    options = parser.parse_args(arguments)
    try:
        if options.secrets:
            take_secret_files(options.secrets)
        if options.from_environment:
            definition = definition_in(options.from_environment)
        else:
            definition = load_definition(options.definition)
        run_tuned(serve(definition, options.host, options.port))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's one line
        return 2
    except (VitesseError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's one line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
