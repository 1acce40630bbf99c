"""From a request's path to an operation: `/v1/customers/{customer}` and whatever vendors make of it.

Literal segments win over parameters. Vendors tell operations of one path apart by what no path holds
(`/files/{id}#update_shared_link`, `/#X-Amz-Target=Service.Create`, `/items?action=archive`): all of them
are found, and the request decides. A path may be asked for with or without the path of the API's
base URL (`/api/v2/users` for base `https://x.example/api/v2` and path `/users`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from vitesse_graph.state.api_spec import Endpoint

_PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], _Node]] = field(default_factory=list)
    endpoints: dict[str, list[Endpoint]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """Where a request leads. `endpoint` None: the path exists, this method does not (`allowed`)."""

    endpoint: Endpoint | None
    params: dict[str, str]
    allowed: tuple[str, ...] = ()
    others: tuple[tuple[Endpoint, dict[str, str]], ...] = ()
    """Further operations of the very same path and method, each with its parameters (which may have other names)."""


class Router:
    """All operations of one API as a tree of path segments."""

    def __init__(self, endpoints: Iterable[Endpoint], base_url: str = "") -> None:
        self._root = _Node()
        self._names: dict[tuple[int, str], tuple[str, ...]] = {}
        bases = {_base_path(base_url)}
        for endpoint in endpoints:
            self._add(endpoint)
            if endpoint.base_url:
                bases.add(_base_path(endpoint.base_url))
        self._bases = sorted((base for base in bases if base), key=len, reverse=True)

    def _add(self, endpoint: Endpoint) -> None:
        node = self._root
        for segment in _segments(endpoint.path):
            node = _child(node, segment)
        node.endpoints.setdefault(endpoint.method.upper(), []).append(endpoint)

    def match(self, method: str, path: str) -> Match | None:
        """The operation, or None when no operation has this path."""
        found = self._find(method, path)
        if found is not None and found.endpoint is not None:
            return found
        for base in self._bases:
            if path.startswith(base + "/"):
                inner = self._find(method, path[len(base) :])
                if inner is not None:
                    return inner
        return found

    def _find(self, method: str, path: str) -> Match | None:
        segments = [unquote(part) for part in _segments(path)]
        best: _Node | None = None
        for node in _walk(self._root, segments, 0):
            if method in node.endpoints:
                first, *others = [(e, parameters(e.path, segments)) for e in node.endpoints[method]]
                return Match(*first, others=tuple(others))
            if best is None and node.endpoints:
                best = node
        if best is None:
            return None
        return Match(None, {}, tuple(sorted(best.endpoints)))


def in_question(match: Match, query: Sequence[tuple[str, str]]) -> list[tuple[Endpoint, dict[str, str]]]:
    """The operations of a match with their parameters, those first whose path demands what the query holds."""
    if match.endpoint is None or not match.others:
        return [(match.endpoint, match.params)] if match.endpoint else []
    found = [(match.endpoint, match.params), *match.others]
    return sorted(found, key=lambda pair: -_agreement(pair[0].path, query))


def _agreement(path: str, query: Sequence[tuple[str, str]]) -> int:
    wanted = parse_qsl(urlsplit(path).query, keep_blank_values=True)
    for name, value in wanted:
        given = [one for key, one in query if key == name]
        if not given or (value and "{" not in value and value not in given):
            return -1
    return len(wanted)


def _base_path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


def _segments(path: str) -> list[str]:
    return path.split("?", 1)[0].split("#", 1)[0].lstrip("/").split("/")


def _child(node: _Node, segment: str) -> _Node:
    if "{" not in segment:
        return node.literals.setdefault(segment, _Node())
    pattern = segment_pattern(segment)
    for known, child in node.patterns:
        if known.pattern == pattern.pattern:
            return child
    child = _Node()
    node.patterns.append((pattern, child))
    # `{id}.json` before `{id}`: the more literal text, the earlier it is tried.
    node.patterns.sort(key=lambda pair: -len(pair[0].pattern.replace("(.+?)", "")))
    return child


def segment_pattern(segment: str) -> re.Pattern[str]:
    """One path segment as an expression with a group for each parameter."""
    parts = _PARAMETER.split(segment)
    return re.compile(
        "".join(re.escape(text) if i % 2 == 0 else "(.+?)" for i, text in enumerate(parts)) + r"\Z"
    )


def _walk(node: _Node, segments: list[str], at: int) -> Iterable[_Node]:
    if at == len(segments):
        yield node
        return
    literal = node.literals.get(segments[at])
    if literal is not None:
        yield from _walk(literal, segments, at + 1)
    for pattern, child in node.patterns:
        if pattern.match(segments[at]):
            yield from _walk(child, segments, at + 1)


def parameters(template: str, segments: list[str]) -> dict[str, str]:
    """The values of the path's parameters by name."""
    found: dict[str, str] = {}
    for wanted, given in zip(_segments(template), segments, strict=False):
        if "{" in wanted:
            match = segment_pattern(wanted).match(given)
            if match:
                found.update(zip(_PARAMETER.findall(wanted), match.groups(), strict=True))
    return found
