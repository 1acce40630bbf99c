"""After a crash: finding out what became of writes that were under way, before anything new is sent.

A run keeps its creates as intents before it sends them. Those that are still there when the next run
begins may or may not have reached the destination. Each is looked up by natural key; else sent again in
the same bytes under the same idempotency key, which the destination answers without doing it twice;
else it is quarantined for a person to look.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson

from vitesse_graph.runtime.classify import as_id, batch_elements, body_error
from vitesse_graph.runtime.client import Answer, ApiClient, backoff_seconds
from vitesse_graph.runtime.encoding import array_path
from vitesse_graph.runtime.fields import at
from vitesse_graph.runtime.ledger import RunLedger
from vitesse_graph.runtime.plan import UNKNOWN_OUTCOME, fold
from vitesse_graph.runtime.writer import DestWriter
from vitesse_graph.state.definition import IntegrationDefinition

_log = logging.getLogger(__name__)
_AT_ONCE = 16
_ASK_AGAIN = 4

Row = dict[str, Any]


class Recovery:
    """Settles the intents that an earlier run left behind."""

    def __init__(
        self, definition: IntegrationDefinition, client: ApiClient, writer: DestWriter, ledger: RunLedger
    ) -> None:
        self._dest = definition.dest
        self._client, self._writer, self._ledger = client, writer, ledger
        self._room = asyncio.Semaphore(min(_AT_ONCE, definition.concurrency))

    async def run(self) -> int:
        """Settles every intent; returns how many records were concerned."""
        count = 0
        for run_id, chunk, payload in await self._ledger.intents():
            jobs = payload["jobs"]
            found = await asyncio.gather(*(self._settle(job, payload["mapping"]) for job in jobs))
            await self._ledger.settle_intent(run_id, chunk, [row for rows in found for row in rows])
            count += sum(len(job["works"]) for job in jobs)
        if count:
            _log.info("found out what became of %d writes of a run that was cut off", count)
        return count

    async def _settle(self, job: dict[str, Any], mapping_version: int) -> list[Row]:
        async with self._room:
            if self._dest.lookup is not None and all(work[2] for work in job["works"]):
                rows = [await self._look_up(*work) for work in job["works"]]
            elif job["idem"] and self._dest.idempotency_header:
                rows = await self._send_again(job)
            else:
                rows = [self._unknown(*work) for work in job["works"]]
        return [{**row, "m": mapping_version} for row in rows if row]

    async def _look_up(self, key: str, content: str, natural: str) -> Row:
        dest_id = await self._writer.look_up(natural)
        if dest_id is None:
            return {}
        # It may have been there before: without knowing its content, it is brought up to date when read.
        known = None if self._dest.update is not None else content
        return {"k": key, "d": dest_id, "h": known, "n": fold(natural), "t": natural, "o": "recovered"}

    def _unknown(self, key: str, content: str, natural: str | None) -> Row:
        return {"k": key, "h": content, "o": "unknown", "q": "unknown_outcome", "w": UNKNOWN_OUTCOME}

    async def _send_again(self, job: dict[str, Any]) -> list[Row]:
        call = self._dest.create
        headers = {
            "Accept": "application/json",
            **call.headers,
            "Content-Type": call.content_type,
            str(self._dest.idempotency_header): job["idem"],
        }
        body, url = job["body"], self._client.url_of(call)
        answer = await self._client.read(call.method.upper(), url, body=body, headers=headers)
        for attempt in range(_ASK_AGAIN):
            if answer.verdict != "conflict":
                break
            # The first attempt is under way over there still, or was taken by an API that forgot its key.
            await asyncio.sleep(backoff_seconds(attempt, None, self._client.rng))
            answer = await self._client.read(call.method.upper(), url, body=body, headers=headers)
        if answer.verdict == "conflict":
            return [self._unknown(*work) for work in job["works"]]
        if answer.verdict != "ok":
            return []  # refused: it is not there, and will be planned afresh when it is read
        return self._rows_of(job["works"], answer)

    def _rows_of(self, works: list[list[Any]], answer: Answer) -> list[Row]:
        try:
            body = orjson.loads(answer.body) if answer.body else None
        except orjson.JSONDecodeError:
            body = None
        ids: list[str | None] = [None] * len(works)
        if len(works) == 1:
            if body_error(body) is not None:
                return []
            ids = [as_id(at(body, self._dest.id_at)) if self._dest.id_at else None]
        else:
            elements = batch_elements(
                body, self._dest.id_at, array_path(self._dest.envelope) or "", len(works)
            )
            if elements is None and body_error(body) is not None:
                return []
            if elements is not None:
                works = [work for work, element in zip(works, elements, strict=True) if element.error is None]
                ids = [element.dest_id for element in elements if element.error is None]
        return [
            {
                "k": key,
                "d": dest_id,
                "h": content,
                "o": "recovered",
                **({"n": fold(natural), "t": natural} if natural else {}),
            }
            for (key, content, natural), dest_id in zip(works, ids, strict=True)
        ]
