"""The local target on this machine's engine: build, start to healthy, update, destroy, and the image's size.

Prints Markdown. `python -m bench.deployers [--rounds N]`; needs a Docker Engine. The first build (shared
layers, everything installed anew) is measured once: it happens once for a version of Vitesse.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.deployers.targets import base_image
from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from vitesse_graph.database import database_url
from vitesse_graph.deployers import DeployerFactory, images
from vitesse_graph.deployers.docker import DockerDeployer
from vitesse_graph.settings import Settings

NAME = "bench-deployers"


class Clock:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    async def take(self, name: str, work: Any) -> Any:
        began = time.perf_counter()
        try:
            return await work
        finally:
            self.seconds.setdefault(name, []).append(time.perf_counter() - began)


def forget_shared_layers(client: Any) -> None:
    """So that the first build installs everything."""
    from docker.errors import DockerException

    for image in client.images.list(images.RUNTIME_REPOSITORY):
        for tag in image.tags:
            with contextlib.suppress(DockerException):
                client.images.remove(tag)
    client.images.prune(filters={"dangling": True, "label": [f"{images.LABEL}.stage=build"]})


@contextlib.contextmanager
def data_dir() -> Iterator[Path]:
    """A folder that the user of the embedded Postgres may enter."""
    with tempfile.TemporaryDirectory(prefix="vitesse-bench-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def measure(rounds: int, clock: Clock) -> dict[str, Any]:
    import docker

    client = docker.from_env()
    with data_dir() as folder:
        base = base_image(client)
        settings = Settings(
            data_dir=folder,
            database_url=None,
            _env_file=None,
            image_base=base,
            allow_private_addresses=True,
        )
        await database_url(settings)
        deployer = DeployerFactory.create_deployer("local", {"settings": settings})
        process = DeployerFactory.create_deployer("process", {"settings": settings})
        assert isinstance(deployer, DockerDeployer)
        forget_shared_layers(client)
        made = definition("http://x.test", NAME)
        context = images.build_context(made, base=base)
        reference = images.image_reference(made, context)
        await clock.take("first build, everything installed", images.build_image(client, context, reference))
        size = client.images.get(reference).attrs["Size"] - client.images.get(base).attrs["Size"]
        client.images.remove(reference)
        for number in range(rounds):
            apis = Apis(await deployer.sandbox_host()).start()
            apis.people = [person(n) for n in range(200)]
            made = definition(apis.url, NAME, version=number * 10 + 1)
            try:
                context = images.build_context(made, base=base)
                reference = images.image_reference(made, context)
                await clock.take("build of one integration", images.build_image(client, context, reference))
                await clock.take("start → healthy", deployer.deploy(made))
                await clock.take("the same again (nothing to do)", deployer.deploy(made))
                newer = made.model_copy(update={"version": number * 10 + 2})
                await clock.take("update (build, start → healthy, old one gone)", deployer.update(newer))
            finally:
                await clock.take("destroy", deployer.destroy(NAME))
                apis.stop()
            try:
                await clock.take("process target: start → healthy", process.deploy(made))
            finally:
                await clock.take("process target: destroy", process.destroy(NAME))
        return {"size": size, "base": base, "engine": client.version()["Version"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    clock = Clock()
    try:
        found = asyncio.run(measure(rounds, clock))
    except Exception as error:  # noqa: BLE001 - without an engine there is nothing to measure
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(f"Docker Engine {found['engine']}, base `{found['base']}`, {rounds} rounds.\n")
    print("| | median | least | most |\n|---|---|---|---|")
    for name, values in clock.seconds.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.2f} s | {min(values):.2f} s | {max(values):.2f} s |")
    print(f"\nImage over its base: {found['size'] / 1e6:.0f} MB (build for: under 150 MB).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
