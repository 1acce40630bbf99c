"""Bytes of a document, from a file or through the guarded client, cut off at the limits."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from vitesse_graph.errors import InputError, RefusedAddress, SpecError, UpstreamError
from vitesse_graph.http import AddressPolicy, guarded_httpx, is_inner, origin_of
from vitesse_graph.settings import Settings
from vitesse_graph.specs.parse import gunzip, to_utf8

ACCEPT = "application/vnd.oai.openapi+json, application/json, application/yaml, text/yaml, text/html;q=0.5, */*;q=0.1"
_ENTRY_FILES = tuple(
    f"{stem}.{ending}{packed}"
    for packed in ("", ".gz")
    for stem in ("openapi", "swagger", "index", "api", "root", "main")
    for ending in ("yaml", "yml", "json")
)
_MAX_AGE = re.compile(r"max-age=(\d+)")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document's bytes, decompressed, as UTF-8; `data` is None where the server says "not modified"."""

    url: str
    data: bytes | None
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    max_age_seconds: int = 0
    links: tuple[str, ...] = ()
    """`Link` headers, raw."""


def is_url(location: str) -> bool:
    return location.lower().startswith(("http://", "https://"))


def local_path(location: str) -> Path:
    """The path of a `file://` URL or a plain path. Raises InputError for another scheme."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise InputError(
                f"{location} names a file on another machine; give a local path or an http(s) URL"
            )
        return Path(unquote(parts.path))
    if "://" in location:
        raise InputError(f"{location.split('://', 1)[0]}:// is not read; give a file or an http(s) URL")
    return Path(location).expanduser()


def read_file(path: Path, max_bytes: int) -> bytes:
    """A file's text as UTF-8 bytes, decompressed. Raises SpecError, InputError."""
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise SpecError(
                f"{path} has {size} bytes, over the limit of {max_bytes}; VITESSE_MAX_SPEC_BYTES raises it"
            )
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path} cannot be read: {reason}") from error
    return plain(data, max_bytes, str(path))


def entry_file(path: Path) -> Path:
    """`path`, or the specification's entry file in that folder. Raises InputError."""
    if not path.is_dir():
        return path
    for name in _ENTRY_FILES:
        if (path / name).is_file():
            return path / name
    raise InputError(
        f"{path} is a folder without an entry file (openapi.yaml, swagger.json, index.yml …); name the file"
    )


def plain(data: bytes, max_bytes: int, name: str) -> bytes:
    """Gunzipped (at most twice: some servers compress a .gz again) and without byte-order mark."""
    for _ in range(2):
        if data[:2] == b"\x1f\x8b":
            data = gunzip(data, max_bytes, name)
    if data[:4] == b"PK\x03\x04":
        raise SpecError(f"{name} is a zip archive; unpack it and give the entry file")
    return to_utf8(data)


class Fetcher:
    """Fetches over HTTP within the limits of the settings. An async context manager."""

    def __init__(self, settings: Settings, policy: AddressPolicy | None = None) -> None:
        self._settings = settings
        self.policy = policy if policy is not None else AddressPolicy.from_settings(settings)
        self._clients: dict[AddressPolicy, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def fetch(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        linked_from: str | None = None,
    ) -> Fetched:
        """Raises RefusedAddress, UpstreamError (unreachable, an error status), SpecError (over a limit).

        `linked_from` is the document that names this URL: from a public host it may lead to no
        loopback address, even where that may be called directly.
        """
        policy = self.policy
        if linked_from is not None and not is_inner(origin_of(linked_from)[1]):
            policy = policy.for_strangers()
        seconds = self._settings.fetch_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._fetch(policy, url, etag, last_modified)
        except TimeoutError as error:
            raise UpstreamError(
                f"{_brief(url)} was not read within {seconds:g} s; VITESSE_FETCH_TIMEOUT_SECONDS raises the limit"
            ) from error
        except httpx.TooManyRedirects as error:
            raise UpstreamError(
                f"{_brief(url)} redirects more than {self._settings.max_redirects} times; VITESSE_MAX_REDIRECTS raises the limit",
                is_transient=False,
            ) from error
        except httpx.InvalidURL as error:
            raise RefusedAddress(f"refused to call {_brief(url)}: it is no valid URL") from error
        except httpx.HTTPError as error:
            detail = str(error) or type(error).__name__
            raise UpstreamError(f"{_brief(url)} could not be reached: {detail}") from error

    async def _fetch(
        self, policy: AddressPolicy, url: str, etag: str | None, last_modified: str | None
    ) -> Fetched:
        client = self._clients.get(policy)
        if client is None:
            client = self._clients[policy] = guarded_httpx(
                policy,
                max_redirects=self._settings.max_redirects,
                follow_redirects=True,
                timeout=self._settings.fetch_timeout_seconds,
            )
        headers = {"accept": ACCEPT, "accept-encoding": "gzip"}
        if etag is not None:
            headers["if-none-match"] = etag
        if last_modified is not None:
            headers["if-modified-since"] = last_modified
        async with client.stream("GET", url, headers=headers) as response:
            age = _MAX_AGE.search(response.headers.get("cache-control", ""))
            no_store = "no-cache" in response.headers.get(
                "cache-control", ""
            ) or "no-store" in response.headers.get("cache-control", "")
            found = Fetched(
                url=str(response.url),
                data=None,
                content_type=response.headers.get("content-type", ""),
                etag=response.headers.get("etag"),
                last_modified=response.headers.get("last-modified"),
                max_age_seconds=int(age.group(1)) if age is not None and not no_store else 0,
                links=tuple(response.headers.get_list("link")),
            )
            if response.status_code == 304:
                return found
            if response.status_code >= 400:
                raise UpstreamError(
                    f"{_brief(url)} answered {response.status_code} {response.reason_phrase}",
                    status=response.status_code,
                    is_transient=response.status_code in (408, 425, 429) or response.status_code >= 500,
                )
            data = await self._read(response, _brief(url))
        data = await asyncio.to_thread(plain, data, self._settings.max_spec_bytes, _brief(url))
        return Fetched(
            found.url,
            data,
            found.content_type,
            found.etag,
            found.last_modified,
            found.max_age_seconds,
            found.links,
        )

    async def _read(self, response: httpx.Response, name: str) -> bytes:
        """The body, inflated piece by piece, so that a small one cannot become a huge one unseen."""
        limit = self._settings.max_spec_bytes
        packed = response.headers.get("content-encoding", "").strip().lower()
        if packed not in ("", "identity", "gzip", "x-gzip"):
            raise UpstreamError(
                f"{name} answers compressed as {packed[:20]!r}, which was not asked for", is_transient=False
            )
        inflater = zlib.decompressobj(wbits=31) if packed.endswith("gzip") else None
        parts: list[bytes] = []
        size = received = 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            part = chunk
            if inflater is not None:
                try:
                    part = inflater.decompress(chunk, limit + 1 - size)
                except zlib.error as error:
                    raise UpstreamError(f"{name} says it is gzip but does not decompress") from error
            size += len(part)
            parts.append(part)
            if size > limit or received > limit or (inflater is not None and inflater.unconsumed_tail):
                raise SpecError(
                    f"{name} is larger than {limit} bytes; VITESSE_MAX_SPEC_BYTES raises the limit"
                )
        return b"".join(parts)


def _brief(url: str) -> str:
    """The URL without query and fragment: they may carry a key."""
    return url.split("?", 1)[0].split("#", 1)[0][:200]
