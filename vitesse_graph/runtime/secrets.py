"""Secrets by reference (`env:NAME`, `file:PATH`, `secret:ID`), and keeping their values out of all text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from vitesse_graph.errors import InputError

SecretResolver = Callable[[str], str]
"""Gives the value of a `secret:ID` (the id without its prefix); raises NotFoundError."""


def resolve_secret(
    reference: str, *, environ: Mapping[str, str] | None = None, resolver: SecretResolver | None = None
) -> str:
    """The value behind a reference. Raises InputError naming the reference, never a value."""
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        value = (os.environ if environ is None else environ).get(name)
        if not value:
            raise InputError(f"the environment variable {name} is not set; the definition refers to it")
        return value
    if kind == "file" and name:
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise InputError(f"the secret file {name} cannot be read ({error.strerror})") from error
    if kind == "secret" and name:
        handed = (os.environ if environ is None else environ).get(secret_variable(reference))
        if handed:
            return handed
        if resolver is None:
            raise InputError(
                f"{reference} names a stored secret, and no store is at hand here; use env: or file:"
            )
        return resolver(name)
    raise InputError("a secret reference must be env:NAME, file:PATH or secret:ID")


def secret_variable(reference: str) -> str:
    """The environment variable by which a deployer hands a stored secret (`secret:ID`) to the runtime."""
    return "VITESSE_SECRET_" + sha256(reference.encode()).hexdigest()[:16].upper()


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def take_secret_files(folder: str) -> None:
    """Puts what a container mounts as files, one for each variable, where the runtime looks for it.

    An engine shows a container's environment to whoever may ask it, and never a file's content. What the
    environment has already stays. Raises InputError for a folder that cannot be read.
    """
    try:
        # Kubernetes keeps its own bookkeeping (`..data`) beside the files.
        files = [path for path in Path(folder).iterdir() if _VARIABLE.fullmatch(path.name)]
        for path in files:
            os.environ.setdefault(path.name, path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the secrets in {folder} cannot be read ({getattr(error, 'strerror', None) or 'not text'})"
        ) from error


class Redactor:
    """Replaces known secret values by `***` in any text that leaves the process."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: list[str] = []
        self.add(*values)

    def add(self, *values: str) -> None:
        """Learn more values (a fresh token). Values under four characters are ignored: they would
        match ordinary text."""
        known = {*self._values, *(value for value in values if len(value) >= 4)}
        self._values = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, "***")
        return text
