"""What became of a few of the records that a run wrote: read again, and compared with what was sent.

An API may take a field and drop it without a word: nothing fails, and nothing differs at the source.
So a few records are read again by their ids, where the API shows single records. It costs at most
ten calls through the side's own pacer, gives way to whatever else the API has to do (one answer that
is no answer ends it), and never harms the run: what cannot be seen is a note.

Values are compared here and not kept: what leaves this module are counts by field.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from vitesse_graph.errors import VitesseError
from vitesse_graph.runtime.client import ApiClient
from vitesse_graph.runtime.fields import at, dig, steps_of
from vitesse_graph.runtime.plan import Work
from vitesse_graph.runtime.watermark import moment_of
from vitesse_graph.state.definition import FieldReadBack, IntegrationDefinition, ReadBack

RECORDS = 10
LONGEST_SECONDS = 15.0
SETTLE_SECONDS = 1.0
"""Some APIs show what was written a moment later: a record that lacks something is looked at once more."""
EVERY_SECONDS = 300.0
MANY_WRITES = 3 * RECORDS
"""After so many, what is read is a small part of the calls; after fewer it is done now and then only."""
MAX_BYTES = 1_000_000
_MAX_OBJECTS = 40
_OTHERS = 60
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")

Json = dict[str, Any]


class Sample:
    """Some of the records that a run wrote, each with the same chance; at most ten are held."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._seen = 0
        self.works: list[tuple[str, Json]] = []
        """(id at the destination, the body that was sent)."""

    def take(self, works: Sequence[Work]) -> None:
        """Of each record the last writing counts."""
        for work in works:
            if work.outcome != "written" or work.dest_id is None or work.body is None:
                continue
            self._seen += 1
            again = next((n for n, (known, _) in enumerate(self.works) if known == work.dest_id), None)
            if again is not None:
                self.works[again] = (work.dest_id, work.body)
            elif len(self.works) < RECORDS:
                self.works.append((work.dest_id, work.body))
            elif (place := self._rng.randrange(self._seen)) < RECORDS:
                self.works[place] = (work.dest_id, work.body)


async def read_back(
    definition: IntegrationDefinition, client: ApiClient, sample: Sample, *, run_id: str = ""
) -> ReadBack | None:
    """None where there is nothing to be read, or no way to read it. Raises nothing of the API's."""
    if definition.dest.read is None or not sample.works:
        return None
    found = ReadBack(run_id=run_id)
    others: set[str] = set()
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            for dest_id, body in sample.works:
                fates = await _one(definition, client, dest_id, body, others)
                if fates is not None:
                    found.records += 1
                    _add(found, fates)
    except TimeoutError:
        found.note = "ended early: it took too long"
    except _NoAnswer as error:
        found.note = f"ended early: {error}"
    except VitesseError as error:
        found.note = client.redactor(f"ended early: {error}")
    found.others = sorted(others)[:_OTHERS]
    return found


class _NoAnswer(Exception):
    """The API has other things to do."""


async def _one(
    definition: IntegrationDefinition, client: ApiClient, dest_id: str, body: Json, others: set[str]
) -> dict[str, str] | None:
    """The fate of each written field of one record; None where the answer shows no such record."""
    record = await _read(definition, client, dest_id)
    fates = compare(definition, body, record, others)
    if fates is not None and "absent" in fates.values():
        await asyncio.sleep(SETTLE_SECONDS)
        record = await _read(definition, client, dest_id)
        fates = compare(definition, body, record, others)
    return fates


async def _read(definition: IntegrationDefinition, client: ApiClient, dest_id: str) -> Any:
    read = definition.dest.read
    assert read is not None
    url = client.url_of(read.call, {read.id_param: dest_id})
    headers = {"Accept": "application/json", **read.call.headers}
    answer = await client.send(read.call.method.upper(), url, headers=headers)
    if answer.verdict in ("limited", "busy", "unknown"):
        raise _NoAnswer(client.describe(answer))
    if answer.verdict != "ok" or len(answer.body) > MAX_BYTES:
        return None
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _add(found: ReadBack, fates: dict[str, str]) -> None:
    for path, fate in fates.items():
        figures = found.fields.setdefault(path, FieldReadBack())
        figures.sent += 1
        figures.kept += fate == "kept"
        figures.changed += fate == "changed"


# -- comparing: pure ---------------------------------------------------------------------------------


def compare(
    definition: IntegrationDefinition, body: Json, answer: Any, others: set[str]
) -> dict[str, str] | None:
    """`kept`, `changed` or `absent` for each field that was sent with a value.

    The record is looked for in the answer: it is the object in which most of what was sent comes back.
    None where not one field does: then it is some other record, or none. Names of what else stands in
    it are added to `others`.
    """
    sent = dict(_sent(definition, body))
    prefix = _prefix(definition.dest.envelope)
    inner = {path: steps_of(path.removeprefix(prefix)) for path in sent}
    best: tuple[int, Json, dict[str, str]] | None = None
    for node in _objects(answer):
        fates = {path: fate_of(value, dig(node, inner[path])) for path, value in sent.items()}
        kept = sum(fate == "kept" for fate in fates.values())
        if kept and (best is None or kept > best[0]):
            best = kept, node, fates
    if best is None:
        return None
    written = {steps[0] for steps in inner.values() if steps}
    others |= {str(name) for name in best[1] if name not in written}
    return best[2]


def _prefix(envelope: str) -> str:
    return f"{envelope}." if envelope else ""


def _sent(definition: IntegrationDefinition, body: Json) -> Iterator[tuple[str, Any]]:
    hidden = set(definition.dest.write_only)
    for row in definition.mapping.transformations:
        value = at(body, row.dest_field)
        if row.dest_field not in hidden and not is_empty(value):
            yield row.dest_field, value


def _objects(answer: Any) -> Iterator[Json]:
    """The objects in an answer, from the outside in, the first few dozen."""
    level, seen = [answer], 0
    while level and seen < _MAX_OBJECTS:
        for node in level:
            if isinstance(node, dict) and seen < _MAX_OBJECTS:
                seen += 1
                yield node
        level = [
            inner
            for node in level
            for inner in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(inner, (dict, list))
        ]


def is_empty(value: Any) -> bool:
    """Nothing to speak of: null, "" or an empty list or object."""
    return value is None or value == "" or value == [] or value == {}


def fate_of(sent: Any, back: Any) -> str:
    """What became of one value."""
    if is_empty(back) or (isinstance(back, str) and not back.strip()):
        return "absent"
    return "kept" if is_same(sent, back) else "changed"


def is_same(sent: Any, back: Any) -> bool:
    """Whether it is the same value, however the API writes it: space, case, number and date formats,
    digits of telephone numbers, more members in an object, another order in a list."""
    if isinstance(sent, dict):
        return isinstance(back, dict) and all(
            is_empty(value) or is_same(value, back.get(name)) for name, value in sent.items()
        )
    if isinstance(sent, list):
        return isinstance(back, list) and all(any(is_same(one, other) for other in back) for one in sent)
    if isinstance(back, (dict, list)):
        return False
    return bool(_forms(sent) & _forms(back))


def _forms(value: Any) -> set[str]:
    """The ways in which a scalar may be written."""
    text = " ".join(str(value).split()).casefold()
    forms = {text}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        forms.add(f"{float(value):.9g}")
    elif _NUMBER.fullmatch(text) and len(text) <= 18:
        forms.add(f"{float(text):.9g}")
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 6 and not re.search(r"[^\W\d_]", text):
        forms.add(digits.lstrip("0"))
    if len(text) >= 8 and text[:4].isdigit() and (moment := moment_of(str(value), "iso8601")) is not None:
        forms.add(f"at {moment:.0f}")
    return forms
