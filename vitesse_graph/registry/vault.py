"""Credentials at rest: encrypted on the way in, named by `secret:ID`, read only where they are used.

Fernet with keys made from `SECRET_KEY` (several, separated by commas, for rotation: the first
encrypts, all decrypt). Unset: a key is made once and kept in the data directory with mode 0600.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from psycopg import sql

from vitesse_graph.errors import InputError, NotFoundError, VitesseError
from vitesse_graph.registry.queries import Pool, Queries
from vitesse_graph.settings import Settings

KEY_FILE = "secret.key"
PREFIX = "secret:"


def _fernet_key(text: str) -> bytes:
    """A Fernet key as it is; any other text is stretched to one."""
    try:
        if len(base64.urlsafe_b64decode(text.encode())) == 32:
            return text.encode()
    except ValueError:
        pass
    derived = hashlib.scrypt(text.encode(), salt=b"vitesse.secrets", n=2**14, r=8, p=1, dklen=32)
    return base64.urlsafe_b64encode(derived)


def _kept_key(data_dir: Path) -> str:
    """The key in the data directory, made on first use."""
    path = data_dir / KEY_FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    made = Fernet.generate_key().decode()
    try:
        # linked into place whole: another process never reads half a key
        temporary = data_dir / f".{KEY_FILE}.{secrets.token_hex(8)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made)
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()
    except FileExistsError:
        pass
    return path.read_text("utf-8").strip()


def master_keys(settings: Settings) -> list[str]:
    """The configured keys, the one to encrypt with first; or the kept one. May touch the disk."""
    if settings.secret_key is not None:
        keys = [key.strip() for key in settings.secret_key.get_secret_value().split(",") if key.strip()]
        if keys:
            return keys
    try:
        return [_kept_key(settings.data_dir.expanduser())]
    except OSError as error:
        raise VitesseError(
            f"no key to encrypt credentials with: {settings.data_dir / KEY_FILE} cannot be used "
            f"({error.strerror}); set SECRET_KEY"
        ) from error


class Vault(Queries):
    """Encrypted credentials in `vitesse.secrets`. Open with `open_vault`."""

    def __init__(self, pool: Pool, keys: Iterable[str], *, patience_seconds: float = 60.0) -> None:
        super().__init__(pool, patience_seconds=patience_seconds)
        chosen = [_fernet_key(key) for key in keys]
        self._cipher = MultiFernet([Fernet(key) for key in chosen])
        self._mark = hashlib.sha256(b"vitesse.fingerprint" + chosen[0]).digest()

    def fingerprint(self, text: str) -> str:
        """A digest by which equal requests are known without keeping what they hold."""
        return hashlib.blake2b(text.encode(), key=self._mark, digest_size=20).hexdigest()

    async def put(
        self,
        value: str,
        *,
        tenant: str = "",
        created_by: str = "",
        integration_id: str = "",
        purpose: str = "",
    ) -> str:
        """Encrypts and keeps a value; returns its reference `secret:ID`."""
        name = secrets.token_hex(16)
        await self._run(
            sql.SQL(
                "INSERT INTO vitesse.secrets (id, tenant, created_by, integration_id, purpose, ciphertext) "
                "VALUES (%(id)s, %(tenant)s, %(by)s, %(integration)s, %(purpose)s, %(ciphertext)s)"
            ),
            {
                "id": name,
                "tenant": tenant,
                "by": created_by,
                "integration": integration_id,
                "purpose": purpose,
                "ciphertext": self._cipher.encrypt(value.encode()),
            },
        )
        return PREFIX + name

    async def belongs_to(self, reference: str, tenant: str) -> bool:
        """Whether this tenant keeps a secret of that name."""
        rows = await self._run(
            sql.SQL("SELECT 1 AS there FROM vitesse.secrets WHERE id = %(id)s AND tenant = %(tenant)s"),
            {"id": reference.removeprefix(PREFIX), "tenant": tenant},
        )
        return bool(rows)

    async def reveal(self, reference: str) -> str:
        """The value behind `secret:ID`. Raises NotFoundError, or InputError when the key does not fit."""
        rows = await self._run(
            sql.SQL("SELECT ciphertext FROM vitesse.secrets WHERE id = %(id)s"),
            {"id": reference.removeprefix(PREFIX)},
        )
        if not rows:
            raise NotFoundError(f"{reference} names no stored secret; give the credential again")
        try:
            return self._cipher.decrypt(bytes(rows[0]["ciphertext"])).decode()
        except InvalidToken as error:
            raise InputError(
                f"{reference} was encrypted with another key: add that key to SECRET_KEY, after a comma"
            ) from error

    async def reader(self, references: Iterable[str | None]) -> Callable[[str], str]:
        """A plain function from these references to their values, for code that cannot wait.

        References of other kinds (`env:`, `file:`) and None are passed over.
        """
        wanted = {ref for ref in references if ref and ref.startswith(PREFIX)}
        values = {ref: await self.reveal(ref) for ref in wanted}

        def read(reference: str) -> str:
            full = reference if reference.startswith(PREFIX) else PREFIX + reference
            if full not in values:
                raise NotFoundError(f"{full} names no stored secret; give the credential again")
            return values[full]

        return read


async def open_vault(settings: Settings, pool: Pool) -> Vault:
    """The vault with the keys of the settings. Raises VitesseError when no key can be had."""
    keys = await asyncio.to_thread(master_keys, settings)
    return await asyncio.to_thread(
        lambda: Vault(pool, keys, patience_seconds=settings.database_patience_seconds)
    )
