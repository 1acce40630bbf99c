"""`load_document`: from a file or URL to a `SpecDocument`, off the event loop wherever it works hard."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vitesse_graph.errors import InputError, SpecError, UpstreamError
from vitesse_graph.settings import Settings
from vitesse_graph.specs.bundle import Bundler, has_external_refs
from vitesse_graph.specs.cache import SpecCache, Validators, from_tree
from vitesse_graph.specs.document import SpecDocument
from vitesse_graph.specs.fetch import Fetched, Fetcher, entry_file, is_url, local_path, read_file
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.overlay import apply_overlay
from vitesse_graph.specs.parse import parse
from vitesse_graph.specs.probe import find_at, find_from
from vitesse_graph.specs.recognise import is_spec, looks_like_text, spec_format

_SMALL_BYTES = 1 << 18


async def load_document(
    location: str,
    *,
    settings: Settings,
    cache: SpecCache | None = None,
    overlay: dict[str, Any] | None = None,
) -> SpecDocument:
    """Reads the specification at `location`: a path, a `file://` or http(s) URL, or an API's base URL.

    JSON or YAML, plain or gzip, one file or several. `overlay` is an OpenAPI Overlay 1.0 document
    and is applied before anything is understood. With a `cache`, an unchanged URL is not fetched
    again and equal bytes are parsed once.

    Raises SpecError (no specification: the message says what it looks like; or over a limit),
    InputError (no such file), UpstreamError (unreachable) and RefusedAddress.
    """
    if not location.strip():
        raise InputError("no specification was named; give a file or a URL")
    location = location.strip()
    if cache is None:
        return await _Load(settings, None, overlay).run(location)
    key = ("load", location, _fingerprint(overlay))
    return await cache.once(key, lambda: _Load(settings, cache, overlay).run(location))


def _fingerprint(overlay: dict[str, Any] | None) -> str:
    return "" if overlay is None else hashlib.sha256(orjson.dumps(overlay, default=str)).hexdigest()


@dataclass(frozen=True, slots=True)
class _Made:
    """What parsing gave."""

    tree: Any
    is_bundle: bool
    document: SpecDocument | None


class _Load:
    """One load: where the bytes come from, then what is made of them."""

    def __init__(self, settings: Settings, cache: SpecCache | None, overlay: dict[str, Any] | None) -> None:
        self._settings, self._cache, self._overlay = settings, cache, overlay
        self._findings = Findings()

    async def run(self, location: str) -> SpecDocument:
        async with Fetcher(self._settings) as fetcher:
            if is_url(location):
                return await self._from_url(fetcher, location)
            path, data = await asyncio.to_thread(self._read, location)
            return await self._understand(fetcher, data, path.as_uri(), name=str(path), shown=str(path))

    def _read(self, location: str) -> tuple[Path, bytes]:
        path = entry_file(local_path(location)).absolute()
        return path, read_file(path, self._settings.max_spec_bytes)

    async def _from_url(self, fetcher: Fetcher, url: str) -> SpecDocument:
        known = await asyncio.to_thread(self._cache.validators, url) if self._cache is not None else None
        if known is not None and self._cache is not None:
            if known.is_fresh(time.time()):
                return await self._known(fetcher, known, url)
            fetched = await fetcher.fetch(url, etag=known.etag, last_modified=known.last_modified)
            if fetched.data is None:
                await asyncio.to_thread(
                    self._cache.keep_validators, _validators(url, known.digest, fetched, known)
                )
                return await self._known(fetcher, known, url)
        else:
            fetched = await self._fetch_or_probe(fetcher, url)
        if fetched.data is None:
            raise SpecError(f"{url} answered 304 (not modified) though nothing was known of it")
        return await self._understand(
            fetcher,
            fetched.data,
            fetched.url,
            name=fetched.url,
            shown=fetched.url,
            fetched=fetched,
            asked=url,
        )

    async def _fetch_or_probe(self, fetcher: Fetcher, url: str) -> Fetched:
        """The document; where a base URL itself answers an error status, what is found below it."""
        try:
            return await fetcher.fetch(url)
        except UpstreamError as error:
            if error.status not in (400, 401, 403, 404, 405, 406, 410):
                raise
            try:
                return await find_at(fetcher, url, self._settings)
            except SpecError as nothing:
                raise UpstreamError(f"{error}; {nothing}", status=error.status, is_transient=False) from error

    async def _known(self, fetcher: Fetcher, known: Validators, url: str) -> SpecDocument:
        if self._cache is None:
            raise SpecError("no cache")
        if self._overlay is None:
            return await self._cache.open(known.digest)
        data = await asyncio.to_thread(self._cache.bytes_of, known.digest)
        return await self._understand(fetcher, data or b"", url, name=url, shown=url)

    async def _understand(
        self,
        fetcher: Fetcher,
        data: bytes,
        base: str,
        *,
        name: str,
        shown: str,
        fetched: Fetched | None = None,
        asked: str = "",
    ) -> SpecDocument:
        digest_task = asyncio.ensure_future(_digest(data))
        if self._overlay is None and self._cache is not None:
            # Only a document in one file can be at hand under the digest of the bytes it was read from.
            at_hand = self._cache.at_hand(await digest_task, shown)
            if at_hand is not None:
                await self._keep(data, at_hand.digest, shown, fetched, asked)
                return at_hand
        made = await asyncio.to_thread(self._make, data, name, shown)
        if fetched is not None and not is_spec(made.tree):
            digest_task.cancel()
            found = await find_from(fetcher, fetched, made.tree, self._settings)
            return await self._understand(
                fetcher,
                found.data or b"",
                found.url,
                name=found.url,
                shown=found.url,
                fetched=found,
                asked=found.url,
            )
        spec_format(made.tree, name)
        digest, document = await digest_task, made.document
        if document is None:
            tree, is_bundle = made.tree, made.is_bundle
            if is_bundle:
                is_bundle = await Bundler(fetcher, self._settings, self._findings).bundle(tree, base)
            if is_bundle or self._overlay is not None:
                if self._overlay is not None:
                    tree = await asyncio.to_thread(apply_overlay, tree, self._overlay, self._findings)
                data = await asyncio.to_thread(_dump, tree, name)
                digest = await _digest(data)
                fetched = None  # its validators speak of one part, or of the document without the overlay
            document = await asyncio.to_thread(self._document, tree, name, shown)
        document.digest = digest
        await self._keep(data, digest, shown, fetched, asked)
        if self._overlay is not None:
            # A correction that does not fit is said here, where the overlay was given.
            await asyncio.to_thread(lambda: document.spec)
        return self._cache.remember(document) if self._cache is not None else document

    def _make(self, data: bytes, name: str, shown: str) -> _Made:
        """The tree, and where nothing is left to be fetched or corrected the document: one visit to a thread."""
        is_bundle = has_external_refs(data)
        tree = self._parse(data, name)
        is_ready = self._overlay is None and not is_bundle and is_spec(tree)
        return _Made(tree, is_bundle, self._document(tree, name, shown) if is_ready else None)

    def _document(self, tree: Any, name: str, shown: str) -> SpecDocument:
        return from_tree(tree, name, shown, "", self._findings, self._settings.max_ref_depth)

    def _parse(self, data: bytes, name: str) -> Any:
        if not data.strip():
            raise SpecError(f"{name} is empty")
        try:
            return parse(data, name, self._findings, max_bytes=self._settings.max_spec_bytes)
        except SpecError as error:
            head = data[:4000].decode("utf-8", "replace")
            what = looks_like_text(head)
            if what == "plain text" or data.lstrip()[:1] in (b"{", b"["):
                raise
            if "HTML" in what:
                return head + data[4000:200_000].decode("utf-8", "replace")
            raise SpecError(f"{name} is no OpenAPI or Swagger document: it looks like {what}") from error

    async def _keep(self, data: bytes, digest: str, shown: str, fetched: Fetched | None, asked: str) -> None:
        if self._cache is None:
            return
        await self._cache.save(data, digest, shown)
        if fetched is not None and asked:
            await asyncio.to_thread(self._cache.keep_validators, _validators(asked, digest, fetched, None))


async def _digest(data: bytes) -> str:
    """Beside the parsing where there is much to hash: the hash lets go of the interpreter's lock."""
    if len(data) < _SMALL_BYTES:
        return hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())


def _validators(url: str, digest: str, fetched: Fetched, before: Validators | None) -> Validators:
    age = fetched.max_age_seconds
    return Validators(
        url=url,
        digest=digest,
        etag=fetched.etag or (before.etag if before is not None else None),
        last_modified=fetched.last_modified or (before.last_modified if before is not None else None),
        fresh_until=time.time() + age if age else 0.0,
    )


def _dump(tree: Any, name: str) -> bytes:
    try:
        return orjson.dumps(tree, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, TypeError, RecursionError) as error:
        raise SpecError(f"{name} cannot be bundled: {error}") from error
