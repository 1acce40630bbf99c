"""Writing to the destination: create, update, look up, delete; one by one or in batches.

`deliver` brings every work of a job to its one outcome. What may be sent again, when, and how an unknown
outcome is found out, is decided here:

    ok                     written; a 2xx body that carries errors is a refusal
    limited, busy          surely not processed: sent again, politely
    unknown                looked up by natural key; else sent again under the same idempotency key; else
                           quarantined as `unknown_outcome`, for a person to look
    conflict               matched by natural key, then updated
    missing (on update)    the record was deleted over there: created anew
    refused                a batch is halved until the bad record stands alone; that one is quarantined
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from yarl import URL

from vitesse_graph.runtime.classify import Element, as_id, batch_elements, body_error
from vitesse_graph.runtime.client import Answer, ApiClient
from vitesse_graph.runtime.encoding import (
    array_path,
    encode,
    idempotency_key,
    merge_bodies,
    rewrap,
    with_value,
)
from vitesse_graph.runtime.fields import at, dig, steps_of
from vitesse_graph.runtime.plan import UNKNOWN_OUTCOME, Action, Work, fold
from vitesse_graph.state.definition import Call, IntegrationDefinition

_MAX_ATTEMPTS = 6


@dataclass(slots=True)
class Job:
    """One request to be: its works, and once built, its bytes and idempotency key."""

    works: list[Work]
    action: Action
    body: bytes = b""
    idempotency: str | None = None
    was_looked_up: bool = False
    is_doubtful: bool = False
    """An earlier attempt may have been taken, or may be under way over there still."""
    attempts: int = field(default=0)
    is_untaken: bool = True
    """Every attempt so far, if there was one, was surely not processed."""


class DestWriter:
    """Delivers jobs to one destination."""

    def __init__(self, definition: IntegrationDefinition, client: ApiClient) -> None:
        dest = definition.dest
        self._dest = dest
        self._client = client
        self._integration_id = definition.integration_id
        self._mapping_version = definition.mapping.version
        self._create_url = client.url_of(dest.create) if "{" not in _filled(dest.create) else None
        self._container = array_path(dest.envelope) or ""
        self._id_steps = steps_of(dest.id_at)
        self._headers: dict[str, str] = {
            "Content-Type": dest.create.content_type,
            "Accept": "application/json",
            **dest.create.headers,
        }
        self._answered = 0
        self.must_look_up = dest.lookup is not None
        """Whether a new record is looked up before it is created; off while the destination is empty."""

    @property
    def can_find_out(self) -> bool:
        """Whether an unknown outcome of a create can be found out or repeated harmlessly."""
        return self._dest.lookup is not None or self._dest.idempotency_header is not None

    def job(self, works: list[Work], action: Action) -> Job:
        """A job with its bytes. Bodies of several works are merged at the envelope."""
        job = Job(works, action)
        if action != "delete":
            self._build(job)
        return job

    def _build(self, job: Job) -> None:
        call = self._dest.create if job.action in ("create", "upsert") else self._dest.update
        content_type = call.content_type if call is not None else self._dest.create.content_type
        bodies = [work.body for work in job.works if work.body is not None]
        body = merge_bodies(bodies, self._dest.envelope)
        if job.action == "update" and self._dest.update_envelope is not None:
            body = rewrap(body, self._dest.envelope, self._dest.update_envelope)
        if job.action == "update" and self._dest.update_id_at and job.works[0].dest_id is not None:
            named = job.works[0].dest_id
            is_number = self._dest.update_id_is_number and named.isdigit()
            body = with_value(body, steps_of(self._dest.update_id_at), int(named) if is_number else named)
        job.body = encode(body, content_type)
        if self._dest.idempotency_header and job.action != "update":
            parts = [part for work in job.works for part in (work.key, work.hash, work.after) if part]
            job.idempotency = idempotency_key(self._integration_id, self._mapping_version, *parts)

    async def deliver(self, job: Job) -> None:
        """Brings every work of the job to an end.

        Raises UpstreamError when the destination stays away, NeedsReauth when it refuses the credential.
        """
        if job.action == "create" and self.must_look_up and not job.was_looked_up:
            await self._match_first(job)
        elif job.action == "update" and job.works[0].dest_id is None:
            await self._update_by_natural_key(job)
        elif job.works:
            await self._send(job)

    # -- sending -----------------------------------------------------------------------------------

    async def _send(self, job: Job) -> None:
        if job.action == "update" and self._dest.update_id_at is not None:
            self._build(job)  # the id that the body repeats may have been looked up since
        method, url, headers = self._request(job)
        started, answered_before = self._client.clock(), self._answered
        while True:
            answer = await self._client.send(method, url, body=job.body or None, headers=headers, watched=job)
            job.attempts += 1
            if answer.verdict == "ok":
                self._answered += 1
                await self._accept(job, answer)
                return
            job.is_doubtful = job.is_doubtful or answer.verdict == "unknown"
            if answer.verdict in ("limited", "busy", "unknown") or _is_still_under_way(job, answer):
                if answer.verdict == "unknown" and job.action == "create" and await self._find_out(job):
                    return
                if answer.verdict in ("busy", "unknown") and self._is_poison(job, answered_before):
                    await self._refuse(job, answer)
                    return
                await self._client.hold_on(answer, job.attempts, started)
                continue
            self._answered += 1
            await self._settle_refusal(job, answer)
            return

    def _is_poison(self, job: Job, answered_before: int) -> bool:
        """Whether this very request is the trouble: it failed often while others were answered."""
        return job.attempts >= _MAX_ATTEMPTS and self._answered > answered_before

    def _request(self, job: Job) -> tuple[str, URL, Mapping[str, str]]:
        dest = self._dest
        if job.action in ("create", "upsert"):
            url = self._create_url or self._client.url_of(dest.create)
            if job.idempotency is None or dest.idempotency_header is None:
                return dest.create.method.upper(), url, self._headers
            return (
                dest.create.method.upper(),
                url,
                {**self._headers, dest.idempotency_header: job.idempotency},
            )
        call = dest.update if job.action == "update" else dest.delete
        assert call is not None, "planned only where the destination has the operation"
        dest_id = job.works[0].dest_id or ""
        name = dest.update_id_param if job.action == "update" else None
        url = self._client.url_of(call, {name or _last_parameter(call): dest_id})
        headers = {"Accept": "application/json", **call.headers}
        if job.body:
            headers["Content-Type"] = call.content_type
        return call.method.upper(), url, headers

    # -- answers -----------------------------------------------------------------------------------

    async def _accept(self, job: Job, answer: Answer) -> None:
        if job.action == "delete":
            job.works[0].end("deleted")
            return
        body = _parse(answer.body)
        if len(job.works) == 1:
            self._accept_one(job, job.works[0], body, answer)
            return
        elements = batch_elements(body, self._dest.id_at, self._container, len(job.works))
        if elements is None:
            error = body_error(body)
            if error is not None:
                await self._halve(job, "errors_in_2xx", error)
                return
            elements = [Element()] * len(job.works)
        for work, element in zip(job.works, elements, strict=True):
            if element.error is not None:
                work.end("quarantined", "errors_in_2xx", self._client.redactor(element.error))
            else:
                self._written(job, work, element.dest_id)

    def _accept_one(self, job: Job, work: Work, body: Any, answer: Answer) -> None:
        error = body_error(body)
        if error is None and self._container:
            elements = batch_elements(body, self._dest.id_at, self._container, 1)
            error = elements[0].error if elements else None
        if error is not None:
            work.end("quarantined", "errors_in_2xx", self._client.redactor(error))
            return
        found = as_id(dig(body, self._id_steps)) if self._id_steps else None
        self._written(job, work, found or _id_from_location(answer))

    def _written(self, job: Job, work: Work, dest_id: str | None) -> None:
        work.created = job.action == "create" or (job.action == "upsert" and work.dest_id is None)
        if dest_id is not None and (job.action != "update" or work.dest_id is None):
            work.dest_id = dest_id
        work.end("written")

    async def _settle_refusal(self, job: Job, answer: Answer) -> None:
        if job.action == "delete" and answer.verdict == "missing":
            job.works[0].end("deleted")
        elif job.action == "update" and answer.verdict == "missing":
            await self._create_anew(job)
        elif job.action == "create" and answer.status in (409, 422) and await self._match_after_conflict(job):
            return
        elif job.is_doubtful and answer.verdict == "conflict":
            _end_unknown(job)
        else:
            await self._refuse(job, answer)

    async def _refuse(self, job: Job, answer: Answer) -> None:
        code = f"http_{answer.status}" if answer.status else "no_answer"
        await self._halve(job, code, self._client.describe(answer))

    async def _halve(self, job: Job, code: str, reason: str) -> None:
        """A refused batch is tried again in halves, so that one bad record does not take others with it."""
        if len(job.works) == 1:
            job.works[0].end("quarantined", code, self._client.redactor(reason))
            return
        middle = len(job.works) // 2
        for part in (job.works[:middle], job.works[middle:]):
            half = self.job(part, job.action)
            half.was_looked_up = job.was_looked_up
            await self.deliver(half)

    async def _create_anew(self, job: Job) -> None:
        """For a record that is gone over there. One just found by its natural key is not looked up again:
        an API that lists what it then calls missing would be asked for ever."""
        work = job.works[0]
        work.after = f"gone as {work.dest_id}"
        work.dest_id = None
        anew = self.job([work], "create")
        anew.was_looked_up = job.was_looked_up
        await self.deliver(anew)

    # -- natural keys ------------------------------------------------------------------------------

    async def _match_first(self, job: Job) -> None:
        """New records that already exist over there are matched and updated; the others are created."""
        found = await asyncio.gather(*(self.look_up(work.natural) for work in job.works))
        rest = [work for work, dest_id in zip(job.works, found, strict=True) if dest_id is None]
        if len(rest) != len(job.works):
            for work, dest_id in zip(job.works, found, strict=True):
                if dest_id is not None:
                    await self._take_over(work, dest_id)
            if not rest:
                return
            job = self.job(rest, job.action)
        job.was_looked_up = True
        await self._send(job)

    async def _take_over(self, work: Work, dest_id: str) -> None:
        """A record that exists at the destination becomes ours: updated where that is possible."""
        work.dest_id = dest_id
        if self._dest.update is None:
            work.end("unchanged", None, "exists at the destination, which has no update operation")
            return
        update = self.job([work], "update")
        update.was_looked_up = True
        await self._send(update)

    async def _update_by_natural_key(self, job: Job) -> None:
        """By the key that the destination knows it by: the record's own may have changed since."""
        work = job.works[0]
        dest_id = await self.look_up(work.natural_before)
        if dest_id is None and not _same(work.natural, work.natural_before or ""):
            dest_id = await self.look_up(work.natural)
        if dest_id is None:
            await self._create_anew(job)
        else:
            work.dest_id = dest_id
            self._build(job)
            await self._send(job)

    async def _match_after_conflict(self, job: Job) -> bool:
        if len(job.works) != 1 or self._dest.lookup is None:
            return False
        dest_id = await self.look_up(job.works[0].natural)
        if dest_id is None:
            return False
        await self._take_over(job.works[0], dest_id)
        return True

    async def _find_out(self, job: Job) -> bool:
        """After a lost answer: True when every work has its outcome now, False when the job may be sent again."""
        if self._dest.lookup is not None:
            found = await asyncio.gather(*(self.look_up(work.natural) for work in job.works))
            left = []
            for work, dest_id in zip(job.works, found, strict=True):
                if dest_id is None:
                    left.append(work)
                else:
                    self._written(job, work, dest_id)
            if left and len(left) < len(job.works):
                job.works = left
                self._build(job)
            if not left:
                return True
            if any(work.natural for work in left) or self._dest.idempotency_header:
                return False
        elif self._dest.idempotency_header is not None:
            return False
        _end_unknown(job)
        return True

    async def look_up(self, natural: str | None) -> str | None:
        """The id of the destination's record with this natural key, or None."""
        lookup = self._dest.lookup
        if lookup is None or not natural:
            return None
        call = lookup.call
        headers = {"Accept": "application/json", **call.headers}
        if "{" + lookup.param + "}" in call.path:
            url = self._client.url_of(call, {lookup.param: natural})
        else:
            url = self._client.url_of(call).update_query({lookup.param: natural})
        answer = await self._client.read(call.method.upper(), url, headers=headers)
        if answer.verdict != "ok":
            return None
        for item in _items(_parse(answer.body), lookup.items_at):
            same = not lookup.match_field or _same(at(item, lookup.match_field), natural)
            dest_id = as_id(at(item, lookup.id_field))
            if same and dest_id is not None:
                return dest_id
        return None

    async def is_empty(self) -> bool:
        """Whether the destination holds no records at all: then nothing needs to be looked up first.

        Asked only where the lookup lists the very collection that is created in.
        """
        lookup = self._dest.lookup
        if (
            lookup is None
            or lookup.call.method.upper() != "GET"
            or lookup.call.path != self._dest.create.path
        ):
            return False
        answer = await self._client.read("GET", self._client.url_of(lookup.call), headers=lookup.call.headers)
        if answer.verdict != "ok":
            return False
        body = _parse(answer.body)
        items = at(body, lookup.items_at) if lookup.items_at else body
        return isinstance(items, list) and not items


def _is_still_under_way(job: Job, answer: Answer) -> bool:
    """A repeat under the same idempotency key that meets its first attempt is told 409 until that one ends
    (draft-ietf-httpapi-idempotency-key-header, section 2.6)."""
    is_repeat = job.is_doubtful and job.idempotency is not None
    return is_repeat and answer.verdict == "conflict" and job.attempts < _MAX_ATTEMPTS


def _end_unknown(job: Job) -> None:
    for work in job.works:
        work.end("quarantined", "unknown_outcome", UNKNOWN_OUTCOME)


def _filled(call: Call) -> str:
    path = call.path
    for name in call.path_params:
        path = path.replace("{" + name + "}", "")
    return path


def _last_parameter(call: Call) -> str:
    """Name of the path's last parameter: the one that takes the id."""
    return call.path.rpartition("{")[2].partition("}")[0]


def _parse(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _items(body: Any, items_at: str) -> list[Any]:
    items = at(body, items_at) if items_at else body
    if isinstance(items, list):
        return items
    return [] if items is None else [items]


def _same(value: Any, natural: str) -> bool:
    return value is not None and fold(str(value).strip()) == fold(natural)


def _id_from_location(answer: Answer) -> str | None:
    location = answer.headers.get("Location")
    if not location:
        return None
    return location.partition("?")[0].rstrip("/").rpartition("/")[2] or None
