"""The content-addressed store of documents, and the few parsed ones that a process keeps at hand.

On disk: `<digest>` (the bundled document's bytes) and `<digest>.meta` (where it came from);
`by-url/<hash>` remembers validators of what was fetched. Writes go to a temporary name first, so a
reader never sees half a file. Everything here can be deleted; URLs are then fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from vitesse_graph.errors import NotFoundError
from vitesse_graph.specs.document import SpecDocument
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.parse import collector_paused, parse
from vitesse_graph.specs.recognise import spec_format
from vitesse_graph.specs.resolve import MAX_CHAIN

T = TypeVar("T")
_log = logging.getLogger(__name__)
MAX_PARSED = 8
"""Documents kept parsed; the largest known take about 150 MB each."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a URL gave last time, and how to ask whether it changed."""

    url: str
    digest: str
    etag: str | None = None
    last_modified: str | None = None
    fresh_until: float = 0.0
    """Unix time until which the server said it need not be asked."""

    def is_fresh(self, now: float) -> bool:
        return now < self.fresh_until


class SpecCache:
    """One per process and directory. Safe for several processes on one directory."""

    def __init__(self, directory: Path | str, max_ref_depth: int = MAX_CHAIN) -> None:
        self.directory = Path(directory)
        self._max_ref_depth = max_ref_depth
        self._parsed: OrderedDict[tuple[str, str], SpecDocument] = OrderedDict()
        self._running: dict[Any, asyncio.Task[Any]] = {}

    async def open(self, digest: str) -> SpecDocument:
        """The document with this digest. Raises NotFoundError when it is not in the store."""
        for key in reversed(self._parsed):
            if key[0] == digest:
                return self._use(key)
        return await self.once(("open", digest), lambda: self._open(digest))

    async def _open(self, digest: str) -> SpecDocument:
        try:
            data, meta = await asyncio.to_thread(self._read, digest)
        except (OSError, ValueError) as error:
            raise NotFoundError(
                f"the specification {digest[:12]} is not in the cache {self.directory}; ingest it again"
            ) from error
        document = await asyncio.to_thread(
            build, data, meta.get("spec_url", ""), digest, max_ref_depth=self._max_ref_depth
        )
        return self.remember(document)

    def remember(self, document: SpecDocument) -> SpecDocument:
        """Keeps a parsed document at hand; answers with the one that is shared."""
        key = (document.digest, document.spec_url)
        if key in self._parsed:
            return self._use(key)
        self._parsed[key] = document
        while len(self._parsed) > MAX_PARSED:
            self._parsed.popitem(last=False)
        return document

    def at_hand(self, digest: str, spec_url: str) -> SpecDocument | None:
        """The parsed document of these bytes read from this place, if it is still kept."""
        key = (digest, spec_url)
        return self._use(key) if key in self._parsed else None

    def _use(self, key: tuple[str, str]) -> SpecDocument:
        self._parsed.move_to_end(key)
        return self._parsed[key]

    async def once(self, key: Any, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs `make` once for all who ask under the same key meanwhile; all get its result or error."""
        loop = asyncio.get_running_loop()
        task = self._running.get((loop, key))
        if task is None:
            task = self._running[(loop, key)] = loop.create_task(make())
            task.add_done_callback(lambda _: self._running.pop((loop, key), None))
        # Shielded: one caller who gives up must not take the others' result away.
        result: T = await asyncio.shield(task)
        return result

    async def save(self, data: bytes, digest: str, spec_url: str) -> None:
        """Stores bytes under their digest. A store that cannot be written is logged, not fatal."""
        await asyncio.to_thread(self._save, data, digest, spec_url)

    def bytes_of(self, digest: str) -> bytes | None:
        """The stored bytes, or None. Blocks."""
        try:
            return self._read(digest)[0]
        except (OSError, ValueError):
            return None

    def validators(self, url: str) -> Validators | None:
        """What is remembered of this URL, if its bytes are still stored. Blocks for a moment."""
        try:
            known = Validators(**orjson.loads(self._url_file(url).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return replace(known, url=url) if (self.directory / known.digest).is_file() else None

    def keep_validators(self, validators: Validators) -> None:
        """Under a hash of the URL, never the URL itself: its query may hold a key."""
        self._write(self._url_file(validators.url), orjson.dumps(asdict(replace(validators, url=""))))

    def _url_file(self, url: str) -> Path:
        return self.directory / "by-url" / hashlib.sha256(url.encode()).hexdigest()

    def _read(self, digest: str) -> tuple[bytes, dict[str, Any]]:
        if not digest.isalnum():
            raise ValueError("no digest")
        data = (self.directory / digest).read_bytes()
        try:
            meta = orjson.loads((self.directory / f"{digest}.meta").read_bytes())
        except (OSError, ValueError):
            meta = {}
        return data, meta

    def _save(self, data: bytes, digest: str, spec_url: str) -> None:
        if not (self.directory / digest).is_file():
            self._write(
                self.directory / f"{digest}.meta",
                orjson.dumps({"spec_url": spec_url.split("?", 1)[0], "saved_at": time.time()}),
            )
            self._write(self.directory / digest, data)

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            _log.warning("the specification cache %s cannot be written: %s", self.directory, error.strerror)


def build(
    data: bytes,
    spec_url: str,
    digest: str,
    findings: Findings | None = None,
    max_ref_depth: int = MAX_CHAIN,
) -> SpecDocument:
    """Bytes of a bundled document → `SpecDocument`. Blocks; raises SpecError."""
    findings = findings if findings is not None else Findings()
    name = spec_url or "the document"
    with collector_paused():
        tree = parse(data, name, findings, max_bytes=max(len(data) * 10, 100_000_000))
        return from_tree(tree, name, spec_url, digest, findings, max_ref_depth)


def from_tree(
    tree: Any, name: str, spec_url: str, digest: str, findings: Findings, max_ref_depth: int = MAX_CHAIN
) -> SpecDocument:
    """A parsed tree → `SpecDocument`. Its operations are counted; the index is made when asked for. Raises SpecError."""
    with collector_paused():
        document = SpecDocument(
            tree,
            spec_format=spec_format(tree, name),
            spec_url=spec_url,
            digest=digest,
            findings=findings,
            max_ref_depth=max_ref_depth,
        )
        _ = document.operation_count
    return document
