"""Where an API lives: from `servers`, from Swagger's host and basePath, else from where the document was read."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from vitesse_graph.http import is_inner
from vitesse_graph.specs.resolve import Resolver
from vitesse_graph.state.api_spec import Guess

_HAS_SCHEME = re.compile(r"^[A-Za-z{][\w+.{}-]*://")
_LIKE_A_HOST = re.compile(r"^(?:[\w{}-]+\.)+(?:[a-z]{2,24}|\{[\w-]+\})(?::\d{1,5})?(?:/|$)", re.IGNORECASE)


def base_url(resolver: Resolver, spec_url: str) -> tuple[str, Guess | None]:
    """(the API's address without a slash at its end, the guess it rests on if it is one); "" where nothing says."""
    root = resolver.root
    urls = server_urls(resolver, root.get("servers"), spec_url)
    if urls:
        return _first_public(urls, spec_url)
    path = _base_path(root.get("basePath"))
    host = root.get("host")
    if type(host) is str and host.strip():
        return _swagger_address(host.strip().rstrip("/"), path, root.get("schemes")), None
    if not spec_url.startswith(("http://", "https://")):
        return path, None
    parts = urlsplit(spec_url)
    found = f"{parts.scheme}://{parts.netloc}{path}"
    evidence = "the document names no server; taken from where it was read"
    return found, Guess(about="base_url", value=found, evidence=evidence, confidence=0.5)


def server_urls(resolver: Resolver, given: Any, spec_url: str) -> list[str]:
    """The addresses of a `servers` list, in its order; also of a lone object or text in the list's place."""
    servers = resolver.deref(given)
    if type(servers) in (dict, str):
        servers = [servers]
    if type(servers) is not list:
        return []
    found = (server_url({"url": s} if type(s) is str else resolver.mapping(s), spec_url) for s in servers)
    return [url for url in found if url]


def server_url(server: dict[str, Any], spec_url: str) -> str:
    """The address of one server object: variables replaced by their defaults, relative ones resolved.

    A variable without a default (or a first allowed value) stays in braces: it is for a person to fill in.
    """
    url = server.get("url")
    if type(url) is not str:
        return ""
    variables = server.get("variables")
    if type(variables) is dict:
        for name, variable in variables.items():
            value = _value_of(variable)
            if value is not None:
                url = url.replace(f"{{{name}}}", value)
    url = url.strip()
    if not _HAS_SCHEME.match(url):
        if _LIKE_A_HOST.match(url):
            url = f"https://{url}"
        elif spec_url.startswith(("http://", "https://")):
            url = urljoin(spec_url, url)
        elif url.startswith("//"):
            url = f"https:{url}"
    return url.split("#", 1)[0].rstrip("/")


def _value_of(variable: Any) -> str | None:
    if type(variable) is not dict:
        return None
    default, allowed = variable.get("default"), variable.get("enum")
    if default is not None and default != "":
        return str(default)
    first = allowed[0] if type(allowed) is list and allowed else None
    return str(first) if type(first) in (str, int, float) and first != "" else None


def _first_public(urls: list[str], spec_url: str) -> tuple[str, Guess | None]:
    """The first server, unless that is the writer's own machine while a public one stands behind it."""
    first = urls[0]
    is_from_inside = is_inner(urlsplit(spec_url).hostname or "") if spec_url.startswith("http") else False
    if is_from_inside or not _is_own_machine(first):
        return first, None
    other = next((url for url in urls if "://" in url and not _is_own_machine(url)), None)
    if other is None:
        return first, None
    evidence = f"the first server is {first}, a machine of the writer's own; the first public one was taken"
    return other, Guess(about="base_url", value=other, evidence=evidence, confidence=0.7)


def _is_own_machine(url: str) -> bool:
    try:
        return is_inner((urlsplit(url).hostname or "").lower()) if "://" in url else False
    except ValueError:
        return False


def _base_path(given: Any) -> str:
    if type(given) is not str or not given.strip("/ "):
        return ""
    return "/" + given.strip().strip("/")


def _swagger_address(host: str, path: str, schemes: Any) -> str:
    if "://" in host:
        return host if host.endswith(path) else f"{host}{path}"
    names = [s for s in schemes if type(s) is str] if type(schemes) is list else []
    usable = [s for s in names if s in ("https", "http")]
    scheme = "https" if not usable or "https" in usable else usable[0]
    return f"{scheme}://{host}{path}"
