"""From an API's base URL or documentation page to its specification.

A page that shows a specification (Swagger UI, Redoc, Scalar, Stoplight, RapiDoc) names its address;
otherwise the usual places are asked, all at once. The result says where it was found; a failure says
what was tried.
"""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from vitesse_graph.errors import RefusedAddress, SpecError, VitesseError
from vitesse_graph.settings import Settings
from vitesse_graph.specs.fetch import Fetched, Fetcher
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.parse import parse
from vitesse_graph.specs.recognise import is_spec, looks_like, looks_like_text

USUAL_PLACES = (
    "openapi.json", "openapi.yaml", "swagger.json", "swagger.yaml", "v1/openapi.json", "v2/openapi.json",
    "v3/openapi.json", "v3/api-docs", "v2/api-docs", "api-docs", "api/openapi.json", "api/swagger.json",
    "swagger/v1/swagger.json", "api/v1/openapi.json", "docs/openapi.json", "api-json", "openapi", "api/schema",
    ".well-known/openapi.json", ".well-known/api-catalog",
)  # fmt: skip
"""Where frameworks put it, the likeliest first."""

_IN_PAGE = (
    re.compile(r"<link\b[^>]{0,200}\brel=[\"']?service-desc[\"']?[^>]{0,200}\bhref=[\"']([^\"'<>]{1,2000})", re.IGNORECASE),
    re.compile(r"\b(?:spec-url|specUrl|apiDescriptionUrl|data-spec-url|spec_url|openapi-url)\s*[=:]\s*[\"']([^\"'<>]{1,2000})", re.IGNORECASE),
    re.compile(r"\bid=[\"']api-reference[\"'][^>]{0,200}\bdata-url=[\"']([^\"'<>]{1,2000})", re.IGNORECASE),
    re.compile(r"\bRedoc\.init\(\s*[\"']([^\"'<>]{1,2000})"),
    re.compile(r"\b(?:configUrl|config-url)[\"']?\s*:\s*[\"']([^\"'<>]{1,2000})"),
    re.compile(r"[\"']?\burl[\"']?\s*:\s*[\"']([^\"'\s<>]{1,2000})[\"']"),
    re.compile(r"\bhref=[\"']([^\"'<>]{0,300}(?:openapi|swagger|api-docs)[^\"'<>]{0,300}\.(?:json|ya?ml)(?:\?[^\"'<>]{0,300})?)[\"']", re.IGNORECASE),
)  # fmt: skip
_SCRIPTS = re.compile(
    r"<script\b[^>]{0,200}\bsrc=[\"']([^\"'<>]{0,300}(?:swagger-initializer|swagger-ui-init|redoc-init|api-docs|openapi)[^\"'<>]{0,300}\.js[^\"'<>]{0,300})",
    re.IGNORECASE,
)
_HREFS_TO_DOCS = re.compile(
    r"\bhref=[\"']([^\"'#<>]{0,300}(?:swagger|redoc|api-docs|apidocs|/docs|reference|openapi)[^\"'#<>]{0,300})[\"']",
    re.IGNORECASE,
)
_SERVICE_DESC = re.compile(
    r"<([^>]{1,2000})>\s{0,9};[^,]{0,500}\brel=\"?(?:service-desc|api-catalog)\"?", re.IGNORECASE
)
_SAMPLE = "petstore.swagger.io"
_MAX_FOLLOWED = 24
MAX_PAGE = 150_000
"""Characters of a page that are searched for links."""
_PATIENCE_SECONDS = 15.0


async def find_from(fetcher: Fetcher, page: Fetched, tree: Any, settings: Settings) -> Fetched:
    """The specification that `page` leads to (`tree` is what was parsed of it).

    Raises SpecError that says what the page looks like and what was tried.
    """
    return await _Search(fetcher, settings).run(page.url, page, tree)


async def find_at(fetcher: Fetcher, base_url: str, settings: Settings) -> Fetched:
    """The specification of an API whose base URL itself answers nothing useful. Raises SpecError."""
    return await _Search(fetcher, settings).run(base_url, None, None)


class _Search:
    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        self._fetcher, self._settings = fetcher, settings
        self._tried: dict[str, str] = {}
        self._refused: RefusedAddress | None = None

    async def run(self, url: str, page: Fetched | None, tree: Any) -> Fetched:
        if page is not None:
            found = await self._follow(page, tree, depth=0)
            if found is not None:
                return found
            if isinstance(tree, dict) and not _may_be_root(url):
                raise SpecError(
                    f"{_brief(url)} is no OpenAPI or Swagger document: it looks like {looks_like(tree)}"
                )
        found = await self._probe(url)
        if found is not None:
            return found
        tried = ", ".join(urlsplit(t).path or "/" for t in self._tried)
        what = (
            ""
            if page is None
            else f" (it looks like {looks_like(tree) if not isinstance(tree, str) else looks_like_text(tree)})"
        )
        blocked = f"; {self._refused}" if self._refused is not None else ""
        raise SpecError(
            f"no specification was found at {_brief(url)}{what}; tried {tried or 'nothing else'}; "
            f"give the address of the document itself{blocked}"
        )

    async def _follow(self, page: Fetched, tree: Any, depth: int) -> Fetched | None:
        """Follows what a page, a script or a configuration names, two steps deep."""
        links = await asyncio.to_thread(_links, page, tree, is_first=depth == 0)
        for link in dict.fromkeys(links):
            if _SAMPLE in link or len(self._tried) >= _MAX_FOLLOWED or "${" in link or "{{" in link:
                continue
            found = await self._ask(urljoin(page.url, link.strip()), page.url)
            if found is None:
                continue
            answer, inner = found
            if is_spec(inner):
                return answer
            if depth < 2:
                deeper = await self._follow(answer, inner, depth + 1)
                if deeper is not None:
                    return deeper
        return None

    async def _probe(self, url: str) -> Fetched | None:
        """Asks the usual places below the given path and below the origin; the likeliest that has one wins."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}/"
        folder = origin + parts.path.lstrip("/")
        folder = folder if folder.endswith("/") else folder + "/"
        places = list(dict.fromkeys([urljoin(b, p) for b in (folder, origin) for p in USUAL_PLACES]))
        places = [place for place in places if place not in self._tried]
        gate = asyncio.Semaphore(8)

        async def ask(place: str) -> tuple[Fetched, Any] | None:
            async with gate:
                return await self._ask(place, url)

        for answer in await asyncio.gather(*(ask(place) for place in places)):
            if answer is None:
                continue
            found, tree = answer
            if is_spec(tree):
                return found
            if isinstance(tree, dict) and "linkset" in tree:
                deeper = await self._follow(found, tree, depth=1)
                if deeper is not None:
                    return deeper
        return None

    async def _ask(self, url: str, linked_from: str) -> tuple[Fetched, Any] | None:
        """(answer, what was parsed of it), or None where there is nothing readable."""
        if url in self._tried or not url.startswith(("http://", "https://")):
            return None
        self._tried[url] = ""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                fetched = await self._fetcher.fetch(url, linked_from=linked_from)
        except RefusedAddress as error:
            self._refused = error
            return None
        except (VitesseError, TimeoutError):
            return None
        data = fetched.data or b""
        head = data[:2000].lstrip().lower()
        if head.startswith((b"<", b"\xef\xbb\xbf<")) or url.split("?", 1)[0].endswith(".js"):
            return fetched, data[:400_000].decode("utf-8", "replace")
        try:
            tree = await asyncio.to_thread(
                parse, data, url, Findings(), max_bytes=self._settings.max_spec_bytes
            )
        except SpecError:
            return None
        return replace(fetched), tree


def _links(page: Fetched, tree: Any, *, is_first: bool) -> list[str]:
    """What a page, script or configuration names as a specification, the surest first."""
    links = [m.group(1) for header in page.links for m in _SERVICE_DESC.finditer(header)]
    if isinstance(tree, dict):
        return links + _from_catalog(tree)
    text = tree[:MAX_PAGE] if isinstance(tree, str) else ""
    patterns = (*_IN_PAGE, _SCRIPTS, _HREFS_TO_DOCS) if is_first else _IN_PAGE
    for pattern in patterns:
        found = [html.unescape(m.group(1)) for m in pattern.finditer(text)]
        links += found[:6] if pattern is _HREFS_TO_DOCS else found
    return links


def _may_be_root(url: str) -> bool:
    """Whether a URL looks like an API's base rather than like a document."""
    last = urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]
    return "." not in last or last.startswith("v")


def _from_catalog(tree: dict[str, Any]) -> list[str]:
    """Links of an API catalog (RFC 9727), of a springdoc configuration, of a service document."""
    found: list[str] = []
    linksets = tree.get("linkset")
    for entry in linksets if isinstance(linksets, list) else []:
        for relation in ("service-desc", "item", "api-catalog"):
            for link in entry.get(relation, []) if isinstance(entry, dict) else []:
                if isinstance(link, dict) and isinstance(link.get("href"), str):
                    found.append(link["href"])
    for key in ("url", "openapi_url", "openapi", "swagger", "swagger_url", "spec_url"):
        if isinstance(tree.get(key), str):
            found.append(tree[key])
    urls = tree.get("urls")
    for entry in urls if isinstance(urls, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("url"), str):
            found.append(entry["url"])
    return found


def _brief(url: str) -> str:
    return url.split("?", 1)[0].split("#", 1)[0][:200]
