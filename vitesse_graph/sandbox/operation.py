"""One operation, made ready to serve: its contracts compiled, its answers prepared. Built when first called."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vitesse_graph.sandbox.bodies import is_json
from vitesse_graph.state.api_spec import MediaType, OperationDetail, Parameter, Response
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator

_IDENTIFIES = re.compile(r"e?mail|phone|external|reference|username|login|sku", re.IGNORECASE)


@dataclass(slots=True)
class CompiledParameter:
    parameter: Parameter
    contract: Contract


@dataclass(slots=True)
class Answer:
    """One declared response: its status, its body's contract and a source of bodies. No media: no body."""

    status: int
    response: Response
    media: MediaType | None
    _generator: RecordGenerator | None = None

    @property
    def is_json(self) -> bool:
        return self.media is not None and is_json(plain_type(self.media.content_type))

    @property
    def schema(self) -> JsonSchema:
        return self.media.json_schema if self.media is not None else {}

    @property
    def generator(self) -> RecordGenerator:
        if self._generator is None:
            self._generator = RecordGenerator(self.schema, direction="response")
        return self._generator

    def minimal(self, seed: str) -> Any:
        """The smallest body that keeps the contract; the same for the same seed."""
        return self.generator.draw(Draw(random.Random(seed)), minimal=True)


def plain_type(content_type: str) -> str:
    """`application/json; charset=utf-8` as `application/json`."""
    return content_type.split(";", 1)[0].strip().lower()


@dataclass(slots=True)
class _Bodies:
    by_type: dict[str, tuple[MediaType, Contract]] = field(default_factory=dict)


class Operation:
    """An `OperationDetail` with everything compiled that serving needs."""

    def __init__(self, detail: OperationDetail) -> None:
        self.detail = detail
        self.endpoint = detail.endpoint
        self.key = detail.endpoint.key
        self.parameters = [
            CompiledParameter(p, Contract(p.json_schema, "request")) for p in detail.parameters
        ]
        self._bodies = _Bodies()
        self._answers: dict[int, Answer | None] = {}

    @cached_property
    def media_types(self) -> list[MediaType]:
        return self.detail.request_body

    @cached_property
    def context_names(self) -> list[str]:
        """Required parameters say *whose* records are listed (an account, a location): they filter nothing.

        Those that identify a record by themselves (an email, an external reference) do.
        """
        required = [p.name for p in self.detail.parameters if p.required]
        required += [str(name) for name in self.body_schema.get("required") or []]
        return [name for name in required if not _IDENTIFIES.search(name)]

    def media_for(self, content_type: str) -> tuple[MediaType, Contract] | None:
        """The declared body of this content type with its contract; None when it is not accepted."""
        wanted = plain_type(content_type)
        if wanted not in self._bodies.by_type:
            found = next((m for m in self.media_types if _accepts(plain_type(m.content_type), wanted)), None)
            if found is None:
                return None
            self._bodies.by_type[wanted] = (found, Contract(found.json_schema, "request"))
        return self._bodies.by_type[wanted]

    @cached_property
    def body_schema(self) -> JsonSchema:
        """The schema of the request body as JSON, or of the first content type; {} where there is none."""
        for media in self.media_types:
            if is_json(plain_type(media.content_type)):
                return media.json_schema
        return self.media_types[0].json_schema if self.media_types else {}

    @cached_property
    def success(self) -> Answer:
        """The answer of a call that worked: the lowest declared 2XX, else `default`, else a bare 200."""
        declared = {r.status.upper(): r for r in self.detail.responses}
        for status in sorted(declared):
            if status.isdigit() and 200 <= int(status) < 300:
                return _answer(int(status), declared[status])
        for status in ("2XX", "DEFAULT"):
            if status in declared:
                return _answer(200, declared[status])
        for status in sorted(declared):
            if status.isdigit() and 300 <= int(status) < 400:
                return _answer(int(status), declared[status])
        return Answer(200, Response(status="200"), None)

    def is_declared(self, status: int) -> bool:
        names = {r.status.upper() for r in self.detail.responses}
        return str(status) in names or f"{status // 100}XX" in names or "DEFAULT" in names

    def answer(self, status: int) -> Answer | None:
        """The declared response for this very status, by number, range or default; None when there is none."""
        if status not in self._answers:
            names = {r.status.upper(): r for r in self.detail.responses}
            found = names.get(str(status)) or names.get(f"{status // 100}XX") or names.get("DEFAULT")
            self._answers[status] = _answer(status, found) if found else None
        return self._answers[status]

    @cached_property
    def refusal_status(self) -> int:
        """What the specification answers to a malformed request: 422, 400 or its own choice; 400 unless told."""
        numbers = sorted(int(r.status) for r in self.detail.responses if r.status.isdigit())
        for status in (400, 422):
            if status in numbers:
                return status
        others = [
            n for n in numbers if 400 < n < 500 and n not in (401, 403, 404, 408, 409, 410, 412, 415, 429)
        ]
        return others[0] if others and not self.is_declared(400) else 400


def _accepts(declared: str, given: str) -> bool:
    if declared in (given, "*/*"):
        return True
    return declared.endswith("/*") and given.startswith(declared[:-1])


def _answer(status: int, response: Response) -> Answer:
    media = next((m for m in response.content if is_json(plain_type(m.content_type))), None)
    if media is None and response.content:
        media = response.content[0]
        if plain_type(media.content_type) == "*/*":
            media = media.model_copy(update={"content_type": "application/json"})
    return Answer(status, response, None if status == 204 else media)
