"""Every case on every pair: `vitesse chaos` on a pair of one's own, `python -m bench healing` on eight."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitesse_graph.chaos.cases import CASES, Case
from vitesse_graph.chaos.report import Outcome
from vitesse_graph.chaos.trial import prepare, run_case
from vitesse_graph.chaos.world import Front, Pair, make_pair, open_servers
from vitesse_graph.errors import InputError, MappingError, VitesseError
from vitesse_graph.healing.impact import Side
from vitesse_graph.nodes.ingest import choose_endpoint
from vitesse_graph.runtime import Store
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document

_log = logging.getLogger(__name__)
OnOutcome = Callable[[Outcome], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A pair to be tried: two specifications (files or URLs), and the endpoints where they are known."""

    source: str
    dest: str
    source_endpoint: str | None = None
    dest_endpoint: str | None = None
    intent: str = ""
    name: str = ""


def cases_named(text: str) -> list[Case]:
    """The cases whose name has this text, all for none. Raises InputError when there are none."""
    found = [case for case in CASES if text.casefold() in case.name.casefold()]
    if not found:
        raise InputError(f"no case named like {text!r}; there are: {', '.join(case.name for case in CASES)}")
    return found


async def run_matrix(
    asked: Sequence[Asked],
    *,
    settings: Settings,
    cases: Sequence[Case] = CASES,
    on_outcome: OnOutcome | None = None,
) -> list[Outcome]:
    """Tries every case that can happen to each pair, on sandboxes of both documents and a database of its own.

    Nothing outside of this machine is called but to read the documents. Raises SpecError for a
    document that cannot be read, MappingError for a pair that has nothing in common.
    """
    outcomes: list[Outcome] = []
    documents: dict[str, SpecDocument] = {}
    with tempfile.TemporaryDirectory(prefix="vitesse-chaos-") as name:
        folder = Path(name)
        async with open_servers(folder) as (fronts, urls, store):
            for number, one in enumerate(asked):
                for place in (one.source, one.dest):
                    if place not in documents:
                        documents[place] = await load_document(place, settings=settings)
                pair = await asyncio.to_thread(_pair, one, documents[one.source], documents[one.dest])
                for position, case in enumerate(cases):
                    label = f"p{number}-c{position}"
                    outcome = await _try(case, pair, fronts, urls, store, folder / label)
                    if outcome is not None:
                        outcomes.append(outcome)
                        if on_outcome is not None:
                            on_outcome(outcome)
    return outcomes


def _pair(asked: Asked, source: SpecDocument, dest: SpecDocument) -> Pair:
    source_key, _ = choose_endpoint(source, "source", asked.intent, asked.source_endpoint)
    dest_key, _ = choose_endpoint(dest, "dest", asked.intent, asked.dest_endpoint)
    name = asked.name or f"{source.spec.api_name} → {dest.spec.api_name}"
    pair = make_pair(name, source, source_key, dest, dest_key)
    if not pair.mapping.transformations:
        raise MappingError(f"{name}: no field of {source_key} fits any field of {dest_key}")
    return pair


async def _try(
    case: Case, pair: Pair, fronts: dict[Side, Front], urls: dict[Side, str], store: Store, folder: Path
) -> Outcome | None:
    """One case; None where it cannot happen. A fault of ours is an outcome, and a wrong one."""
    world, truth = await prepare(pair, fronts, urls, store, folder, folder.name)
    if not truth:
        raise MappingError(
            f"{pair.name}: not one record can be written as the pair stands; see `vitesse run`"
        )
    try:
        return await run_case(case, world, truth)
    except (VitesseError, OSError, TimeoutError, ValueError, KeyError) as error:
        _log.warning("%s, %s: %s", pair.name, case.name, error, exc_info=True)
        return Outcome(
            case.name,
            pair.name,
            expected=case.answer,
            has_cause=bool(case.causes),
            end=f"error: {type(error).__name__}",
            notes=[str(error)[:200]],
        )
