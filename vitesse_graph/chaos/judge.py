"""What stands at the destination against what should: wrong writes, records without a value, records lost. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vitesse_graph.chaos.breaks import Injected
from vitesse_graph.chaos.report import Outcome
from vitesse_graph.chaos.world import World


def judge_writes(world: World, injected: Injected, outcome: Outcome, truth: list[dict[str, Any]]) -> None:
    """Every record at the destination against what it should be."""
    envelope = world.pair.dest.dest_shape(world.pair.dest_key).envelope
    renamed = {_inside(old, envelope): _inside(new, envelope) for old, new in injected.renamed.items()}
    excused = {_inside(path, envelope) for path in injected.excused}
    wanted = [flat(record_in(body, envelope)) for body in truth]
    wanted = [{renamed.get(path, path): value for path, value in record.items()} for record in wanted]
    actual = [flat(record_in(body, envelope)) for body in world.written()]
    identity = _identity([{p: v for p, v in record.items() if p not in excused} for record in wanted])
    if identity is None:
        outcome.notes.append("no field tells the records apart")
        return
    by_id = {str(record[identity]): record for record in wanted if record.get(identity) is not None}
    found = set()
    wrong = 0
    for record in actual:
        key = str(record.get(identity))
        should = by_id.get(key)
        if should is None:
            wrong += record.get(identity) is not None
            continue
        wrong += key in found  # the same record a second time
        found.add(key)
        mine = {path: value for path, value in should.items() if path not in excused}
        wrong += any(path in record and record[path] != value for path, value in mine.items())
        outcome.incomplete += any(path not in record for path in mine)
    # what was wrong before the repair counts, also where the repair has put it right since
    outcome.wrong = max(outcome.wrong, wrong)
    outcome.lost = len(set(by_id) - found)


def _inside(path: str, envelope: str) -> str:
    return path.removeprefix(f"{envelope}.") if envelope else path


def record_in(body: Any, envelope: str) -> Any:
    for step in filter(None, envelope.replace("[]", "").split(".")):
        if isinstance(body, dict) and step in body:
            body = body[step]
    return body[0] if isinstance(body, list) and body else body


def flat(node: Any, path: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {
            k: v
            for name, value in node.items()
            for k, v in flat(value, f"{path}.{name}" if path else name).items()
        }
    if isinstance(node, list) and node and isinstance(node[0], dict):
        return flat(node[0], f"{path}[]")
    return {} if node is None or node == [] else {path: node}


def _identity(records: list[dict[str, Any]]) -> str | None:
    """A field whose values tell the records apart."""
    paths = Counter(path for record in records for path in record)
    for path, count in paths.most_common():
        if count == len(records) and len({str(record[path]) for record in records}) == count:
            return path
    return None
