"""map: which source field feeds which destination field, and how its value changes."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.runtime import Runtime

from vitesse_graph.mapping_aids import embed_for, refine
from vitesse_graph.nodes.documents import open_pair
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.health import HealingEpisode
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry

LISTED_UNMAPPED = 60
"""How many unmapped field names are kept for the person; the rest is counted."""
ALTERNATIVES_KEPT = 3


def for_whiteboard(mapping: MappingLogic) -> MappingLogic:
    """The mapping with long lists cut: a thread must stay small whatever the schemas' size."""
    notes = list(mapping.notes)
    for name, paths in (("destination", mapping.unmapped_dest), ("source", mapping.unmapped_source)):
        if len(paths) > LISTED_UNMAPPED:
            notes.append(f"{len(paths) - LISTED_UNMAPPED} more unmapped {name} fields are not listed")
    rows = [
        row.model_copy(update={"alternatives": row.alternatives[:ALTERNATIVES_KEPT]})
        for row in mapping.transformations
    ]
    return mapping.model_copy(
        update={
            "transformations": rows,
            "unmapped_dest": mapping.unmapped_dest[:LISTED_UNMAPPED],
            "unmapped_source": mapping.unmapped_source[:LISTED_UNMAPPED],
            "notes": notes[:20],
        }
    )


def _repaired(
    state: SharedWhiteboardState, proposed: MappingLogic, context: VitesseContext
) -> tuple[HealingEpisode | None, MappingLogic]:
    """While an integration heals: what is deployed with only its broken rows replaced.

    The episode learns what changes, and whether a person must agree to that.
    """
    episode, live = state.healing, state.mapping_logic
    if episode is None or episode.outcome != "open" or live is None:
        return None, proposed
    from vitesse_graph.healing import compare_mappings, needs_approval, repair_mapping

    also = [f.dest_field for f in state.findings if f.dest_field]
    repaired = repair_mapping(live, proposed, episode.drift, also=also)
    change = compare_mappings(live, repaired, episode.drift)
    episode.needs_approval = needs_approval(change, context.heal_approval)
    episode.log += [line.removeprefix("- ") for line in change.render().splitlines()]
    return episode, repaired


async def map_step(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: both specifications, hints, the mapping before and `findings`. Writes: `mapping_logic`."""
    from vitesse_graph.mapping import map_fields

    clock = StepClock()
    services = await get_services()
    emit(runtime, "map", "started", remap=state.retry_count)
    pair = await open_pair(services, state)
    embed = await asyncio.to_thread(embed_for, services.settings)
    mapping = await asyncio.to_thread(
        map_fields,
        pair.source_shape.record_schema,
        pair.dest_shape.request_schema,
        intent=state.user_intent,
        source_name=pair.source.spec.api_name,
        dest_name=pair.dest.spec.api_name,
        hints=state.mapping_hints or [],
        previous=state.mapping_logic,
        findings=state.findings,
        embed=embed,
    )
    refined = await refine(
        mapping,
        pair.source_shape.record_schema,
        pair.dest_shape.request_schema,
        services.settings,
        state.user_intent,
    )
    mapping = refined.mapping
    episode, mapping = _repaired(state, mapping, context_of(runtime))
    version = (state.mapping_logic.version if state.mapping_logic else 0) + 1
    mapping = for_whiteboard(mapping.model_copy(update={"version": version}))
    open_questions = len([q for q in mapping.questions if q.required])
    summary = (
        f"{len(mapping.transformations)} fields mapped, mean confidence {mapping.confidence:.2f}, "
        f"{open_questions} required without a source"
    )
    if refined.calls:
        tokens = refined.input_tokens + refined.output_tokens
        summary += f"; language model: {refined.calls} call, {tokens} tokens, {refined.seconds:.1f} s"
    await services.registry.save_integration(
        thread_id_of(runtime, state), status="testing", next_step="guardian"
    )
    emit(runtime, "map", "finished", summary=summary, seconds=clock.seconds)
    return {
        "mapping_logic": mapping.dump(),
        **({"healing": episode.dump()} if episode is not None else {}),
        "findings": [],
        "status": "testing",
        "next_step": "review_map",
        **state.record_agent_contribution("map", summary),
        **log_entry("map", summary, clock.seconds),
    }
