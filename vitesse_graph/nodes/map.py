"""map: which source field feeds which destination field, and how its value changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.runtime import Runtime

from vitesse_graph.knowledge import LearnedPattern
from vitesse_graph.nodes.documents import open_pair
from vitesse_graph.nodes.episode import policy_for
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.health import HealingEpisode
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry

if TYPE_CHECKING:
    from vitesse_graph.healing import HealPolicy

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
    state: SharedWhiteboardState,
    episode: HealingEpisode,
    live: MappingLogic,
    proposed: MappingLogic,
    policy: HealPolicy,
) -> tuple[HealingEpisode, MappingLogic]:
    """While an integration heals: what is deployed with only its broken rows replaced.

    The episode learns what changes, and whether a person must agree to that.
    """
    from vitesse_graph.healing import compare_mappings, needs_approval, repair_mapping

    also = [f.dest_field for f in state.findings if f.dest_field]
    also += _fed_by_new(proposed, live, episode.diagnosis.detail.get("adopts", []))
    repaired = repair_mapping(live, proposed, episode.drift, also=also)
    change = compare_mappings(live, repaired, episode.drift).evolve(endpoints=episode.moves)
    episode.needs_approval = needs_approval(change, policy, episode.drift)
    episode.log += [line.removeprefix("- ") for line in change.render().splitlines()]
    return episode, repaired


def _used(
    state: SharedWhiteboardState, mapping: MappingLogic, patterns: list[LearnedPattern]
) -> dict[str, Any]:
    """The update of `learned_patterns`: which experiences of earlier integrations went into this mapping."""
    rows = {row.dest_field for row in mapping.transformations if row.origin == "pattern"}
    learned = state
    for pattern in patterns:
        if pattern.dest_field in rows:
            entry = {
                "kind": "row",
                "was": pattern.source_fields,
                "is": pattern.dest_field,
                "why": pattern.why,
            }
            learned = learned.model_copy(update=learned.add_learned_pattern(entry))
    return {} if learned is state else {"learned_patterns": learned.learned_patterns}


def _fed_by_new(proposed: MappingLogic, live: MappingLogic, new: list[str]) -> list[str]:
    """Destination fields that were empty and that the source's new fields feed."""
    fed = {row.dest_field for row in live.transformations}
    return [
        row.dest_field
        for row in proposed.transformations
        if row.dest_field not in fed
        and set(new) & {*([row.source_field] if isinstance(row.source_field, str) else row.source_field)}
    ]


async def map_step(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: both specifications, hints, the mapping before and `findings`. Writes: `mapping_logic`."""
    from vitesse_graph.nodes.experience import proven_patterns
    from vitesse_graph.nodes.proposing import propose_mapping, usage_of

    clock = StepClock()
    services = await get_services()
    emit(runtime, "map", "started", remap=state.retry_count)
    pair = await open_pair(services, state)
    patterns = await proven_patterns(services, pair)
    refined = await propose_mapping(
        services.settings,
        pair.source_shape.record_schema,
        pair.dest_shape.request_schema,
        intent=state.user_intent,
        source_name=pair.source.spec.api_name,
        dest_name=pair.dest.spec.api_name,
        hints=state.mapping_hints or [],
        previous=state.mapping_logic,
        findings=state.findings,
        patterns=patterns,
    )
    mapping = refined.mapping
    episode = None
    integration_id = thread_id_of(runtime, state)
    kept = await services.registry.latest_version(integration_id)
    if state.healing is not None and state.healing.outcome == "open" and kept is not None:
        policy = await policy_for(services, integration_id, context_of(runtime))
        live = MappingLogic.model_validate(kept["whiteboard"]["mapping_logic"])
        episode, mapping = _repaired(state, state.healing, live, mapping, policy)
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
    await services.registry.save_integration(integration_id, status="testing", next_step="guardian")
    emit(runtime, "map", "finished", summary=summary, seconds=clock.seconds)
    return {
        "mapping_logic": mapping.dump(),
        **({"healing": episode.dump()} if episode is not None else {}),
        "findings": [],
        "status": "testing",
        "next_step": "review_map",
        **_used(state, mapping, patterns),
        **state.record_agent_contribution("map", summary, usage_of(refined)),
        **log_entry("map", summary, clock.seconds),
    }
