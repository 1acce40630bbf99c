"""A parsed specification: the index made once, everything deeper made when asked for.

`SpecDocument` is the one implementation of `state.ports.SpecReader`. Its methods are synchronous and
remember their answers; they may be called from several threads.
"""

from __future__ import annotations

import threading
from collections import Counter
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from vitesse_graph.errors import InputError, NotFoundError
from vitesse_graph.specs.detail import operation_detail
from vitesse_graph.specs.endpoints import Indexed, Indexer
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.operations import RawOperation, Reader
from vitesse_graph.specs.parse import collector_paused
from vitesse_graph.specs.rank import api_words, rank
from vitesse_graph.specs.resolve import MAX_CHAIN, Resolver
from vitesse_graph.specs.schema import SchemaWriter
from vitesse_graph.specs.servers import base_url
from vitesse_graph.specs.shapes import dest_shape, source_shape
from vitesse_graph.state.api_spec import (
    ApiSpec,
    AuthScheme,
    DestShape,
    EndpointCandidate,
    Guess,
    OperationDetail,
    RateLimit,
    SourceShape,
)


class SpecDocument:
    """One bundled document. `raw` must not be changed: answers point into it."""

    def __init__(
        self,
        raw: dict[str, Any],
        *,
        spec_format: str,
        spec_url: str = "",
        digest: str = "",
        findings: Findings | None = None,
        max_ref_depth: int = MAX_CHAIN,
    ) -> None:
        self.raw = raw
        self.digest = digest
        self.spec_format = spec_format
        self.spec_url = spec_url
        self._findings = findings if findings is not None else Findings()
        self._reader = Reader(
            Resolver(raw, self._findings, max_ref_depth), is_swagger=spec_format.startswith("swagger")
        )
        info = self._reader.resolver.mapping(raw.get("info"))
        self._title = self._reader.resolver.text(info.get("title")).strip()
        self._indexer = Indexer(self._reader, self._title, spec_url)
        self._lock = threading.Lock()
        self._made: tuple[list[Indexed], AuthScheme] | None = None
        self._details: dict[str, OperationDetail] = {}
        self._sources: dict[str, SourceShape] = {}
        self._dests: dict[str, DestShape] = {}

    @property
    def spec(self) -> ApiSpec:
        """The API with its whole endpoint index; no schemas. Warnings met since are included."""
        spec = self._base
        spec.warnings = self._findings.list()
        return spec

    @property
    def operation_count(self) -> int:
        """How many operations there are, without the index."""
        return len(self._operations[0])

    def operation(self, key: str) -> OperationDetail:
        """One operation, resolved: schemas self-contained. Raises NotFoundError."""
        found = self._find(key)
        known = self._details.get(found.raw.key)
        if known is None:
            known = self._details[found.raw.key] = operation_detail(
                self._reader,
                found,
                self._indexer.auth.requirements(found.raw),
                self._writer,
            )
        return known

    def rank(self, intent: str, role: str, limit: int = 5) -> list[EndpointCandidate]:
        """Endpoints that fit the intent as `source` (lists) or `dest` (creates), best first."""
        if role not in ("source", "dest"):
            raise InputError(f"a role is `source` or `dest`, not {role!r}")
        return rank(self._index, intent, role, self._api_words, limit)

    def source_shape(self, key: str) -> SourceShape:
        """What reading this endpoint gives. Raises NotFoundError, SpecError."""
        found = self._find(key)
        known = self._sources.get(found.raw.key)
        if known is None:
            known = self._sources[found.raw.key] = source_shape(self._reader, found)
        return known

    def dest_shape(self, key: str) -> DestShape:
        """What writing to this endpoint takes. Raises NotFoundError, SpecError."""
        found = self._find(key)
        known = self._dests.get(found.raw.key)
        if known is None:
            known = self._dests[found.raw.key] = dest_shape(self._reader, found, self._index)
        return known

    @cached_property
    def _operations(self) -> tuple[list[RawOperation], list[str]]:
        return self._reader.operations()

    @cached_property
    def _indexed(self) -> tuple[list[Indexed], AuthScheme]:
        with self._lock, collector_paused():
            if self._made is None:  # `cached_property` alone lets two threads in
                self._made = self._indexer.index(self._operations[0])
            return self._made

    @property
    def _index(self) -> list[Indexed]:
        return self._indexed[0]

    @cached_property
    def _by_key(self) -> dict[str, Indexed]:
        """Every spelling that leads to an operation: its key, tolerant ones, its operation id."""
        known: dict[str, Indexed] = {}
        for indexed in self._index:
            operation_id = indexed.endpoint.operation_id
            if operation_id:
                known.setdefault(operation_id, indexed)
                known.setdefault(operation_id.lower(), indexed)
        for indexed in self._index:
            known.setdefault(_tolerant(indexed.raw.key), indexed)
        for indexed in self._index:
            known[indexed.raw.key] = indexed
        return known

    def _find(self, key: str) -> Indexed:
        text = " ".join(key.split())
        for spelling in (text, _tolerant(text), text.lower()):
            found = self._by_key.get(spelling)
            if found is not None:
                return found
        keys = [indexed.raw.key for indexed in self._index]
        close = get_close_matches(text, keys, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(close)}" if close else f"; it has {len(keys)} operations"
        raise NotFoundError(f"{self._title or 'this API'} has no operation {text!r}{hint}")

    @cached_property
    def _writer(self) -> SchemaWriter:
        # From OpenAPI 3.1 on, keywords beside a `$ref` count.
        has_siblings = self.spec_format.startswith(("openapi-3.1", "openapi-3.2", "openapi-4"))
        return SchemaWriter(self._reader.resolver, has_sibling_refs=has_siblings)

    @cached_property
    def _api_words(self) -> frozenset[str]:
        return api_words(self._title, self._base.base_url, self.spec_url, self._base.endpoints)

    @cached_property
    def _base(self) -> ApiSpec:
        resolver = self._reader.resolver
        info = resolver.mapping(self.raw.get("info"))
        operations, unreadable = self._operations
        index, auth = self._indexed
        stated = self._stated_auth()
        guesses = [g for g in self._indexer.guesses if stated is None or g.about != "auth"]
        guesses += _pagination_guesses(index)
        address, guess = base_url(resolver, self.spec_url)
        guesses += [guess] if guess is not None else []
        version = info.get("version")
        limit = self._rate_limit(guesses)
        if not operations and not unreadable and not self.webhooks:
            self._findings.add("no_operations", "the document describes no operation", "/paths")
        return ApiSpec(
            api_name=self._title or address.split("://", 1)[-1].split("/", 1)[0] or "unnamed API",
            version=str(version) if version is not None and not isinstance(version, dict | list) else "",
            description=resolver.text(info.get("description"))[:2000],
            base_url=address,
            spec_url=self.spec_url,
            spec_format=self.spec_format,
            auth=stated or auth,
            rate_limit=limit,
            operation_count=len(operations),
            unreadable_operations=unreadable,
            endpoints=[indexed.endpoint for indexed in index],
            guesses=guesses,
            webhooks=self.webhooks,
            digest=self.digest,
        )

    @cached_property
    def webhooks(self) -> list[str]:
        """Names of the webhooks that the API may send (OpenAPI 3.1, and `x-webhooks` before it)."""
        node = self.raw.get("webhooks", self.raw.get("x-webhooks"))
        return [str(name) for name in self._reader.resolver.mapping(node)]

    def _stated_auth(self) -> AuthScheme | None:
        given = self.raw.get("x-vitesse-auth")
        return AuthScheme.model_validate(given) if type(given) is dict else None

    def _rate_limit(self, guesses: list[Guess]) -> RateLimit | None:
        stated = self.raw.get("x-vitesse-rate-limit")
        if type(stated) is dict:
            return RateLimit.model_validate(stated)
        limit = self._indexer.limits.for_api()
        announced = list(self._indexer.limits.announced)
        if announced:
            evidence = f"answers carry {', '.join(announced[:4])}; the numbers come with each call"
            guesses.append(
                Guess(about="rate_limit.header", value=announced[0], evidence=evidence, confidence=0.9)
            )
        if limit is not None and limit.evidence.startswith("description"):
            guesses.append(
                Guess(
                    about="rate_limit",
                    value=f"{limit.requests:g} in {limit.per_seconds:g} s",
                    evidence=limit.evidence,
                    confidence=0.7,
                )
            )
        return limit


def _tolerant(key: str) -> str:
    method, _, path = key.strip().partition(" ")
    return f"{method.upper()} {path.strip().rstrip('/').lower()}"


def _pagination_guesses(index: list[Indexed]) -> list[Guess]:
    """One guess per way of paging: it was told from names, not read from a declaration."""
    ways: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], str] = {}
    for indexed in index:
        pagination = indexed.endpoint.pagination
        if (
            pagination is None
            or pagination.style == "none"
            or "x-vitesse-pagination" in indexed.raw.operation
        ):
            continue
        by = pagination.params[0] if pagination.params else pagination.next_from or ""
        ways[(pagination.style, by)] += 1
        example.setdefault((pagination.style, by), indexed.endpoint.key)
    return [
        Guess(
            about="pagination",
            value=style,
            evidence=f"{count} lists page by `{by}`, first {example[(style, by)]}",
            confidence=0.9 if count > 1 else 0.75,
        )
        for (style, by), count in ways.most_common(10)
    ]
