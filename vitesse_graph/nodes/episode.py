"""An episode of healing from its opening to its end, the policy it obeys, and its line in the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vitesse_graph.services import Services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.health import Diagnosis, DriftItem, HealingEpisode, HealStrategy, HealthReport
from vitesse_graph.state.whiteboard import SharedWhiteboardState, StepError, now_iso

if TYPE_CHECKING:
    from vitesse_graph.healing import HealPolicy
    from vitesse_graph.nodes.evidence import Evidence

LIVE_CHANNELS = (
    "source_api_spec",
    "dest_api_spec",
    "mapping_logic",
    "source_endpoint",
    "dest_endpoint",
    "test_results",
    "health_score",
)
"""What a repair may change, and what is put back when it fails."""
DRIFT_ON_WHITEBOARD = 30
LINES_KEPT = 60
LEARNED_KEPT = 10

_WAITING: dict[HealStrategy, str] = {
    "refresh_auth": "nothing definite: the runtime goes on trying with the credential that it has",
    "throttle": "the API allows fewer calls now; the runtime's limiter follows what it answers",
    "wait_and_retry": "the other side is down; the runtime retries by itself and nothing is re-mapped",
}


def live_whiteboard(state: SharedWhiteboardState) -> dict[str, Any]:
    """The channels that describe what is deployed, as `deploy` keeps them with each version."""
    dumped = state.model_dump(mode="json", include=set(LIVE_CHANNELS))
    return {name: dumped[name] for name in LIVE_CHANNELS}


def restored(whiteboard: dict[str, Any]) -> dict[str, Any]:
    """The update that puts a kept whiteboard back; channels that were not kept stay as they are."""
    return {name: whiteboard[name] for name in LIVE_CHANNELS if name in whiteboard}


def new_episode(
    before: HealingEpisode | None, report: HealthReport, diagnosis: Diagnosis, evidence: Evidence
) -> HealingEpisode:
    """An open episode with what was noticed and found out."""
    drift = unique([*evidence.drift, *evidence.observed])
    known = before.observed if before is not None and before.outcome == "healed" else []
    return HealingEpisode(
        number=(before.number if before is not None else 0) + 1,
        report=report.evolve(drift=[]),
        diagnosis=diagnosis,
        drift=drift[:DRIFT_ON_WHITEBOARD],
        observed=unique([*known, *evidence.observed])[:DRIFT_ON_WHITEBOARD],
        started_at=now_iso(),
        log=[
            f"noticed: {report.reason}"
            + (f", health {report.health:.0f}" if report.health is not None else ""),
            f"diagnosed: {diagnosis.cause} ({diagnosis.side}), confidence {diagnosis.confidence:.2f}",
            *(f"evidence: {line}" for line in [*diagnosis.evidence, *evidence.notes][:6]),
        ],
    )


def adopting(diagnosis: Diagnosis, drift: Iterable[DriftItem], policy: HealPolicy) -> Diagnosis:
    """Where nothing is wrong but the source has new fields that the owner wants: what to do about those."""
    new = [
        item.path
        for item in drift
        if item.kind == "field_added"
        and item.side == "source"
        and policy.action_for(item) in ("adopt", "ask")
    ]
    if diagnosis.cause != "unknown" or not new:
        return diagnosis
    return diagnosis.evolve(
        cause="source_schema_changed",
        side="source",
        confidence=1.0,
        evidence=[f"the source has a new field: {path}" for path in new[:8]],
        strategies=["refresh_schema"],
        detail={"adopts": new[:40]},
    )


def unique(items: Iterable[DriftItem]) -> list[DriftItem]:
    """Each change of a field once, what is worst and surest first: documents and records may tell the same."""
    order = {"breaking": 0, "risky": 1, "safe": 2}
    found: dict[tuple[str, str, str, str | None], DriftItem] = {}
    for item in sorted(items, key=lambda item: (order[item.severity], -item.confidence)):
        found.setdefault((item.side, item.kind, item.path, item.new_path), item)
    return list(found.values())


def needs_reauth(episode: HealingEpisode) -> bool:
    """Whether an API or its token endpoint said for certain that the credential is dead."""
    return episode.diagnosis.detail.get("credential") == "refused"


def close(episode: HealingEpisode, strategy: HealStrategy | None) -> dict[str, Any]:
    """The end of an episode without a repair, and what that does to the whiteboard.

    The live definition was never touched.
    """
    episode.ended_at = now_iso()
    if episode.is_rejected:
        episode.outcome = "rejected"
        episode.log.append("what is deployed was not changed and goes on as it was")
        return {"status": "active", "next_step": None}
    if episode.diagnosis.detail.get("adopts"):
        episode.outcome = "waiting"
        episode.log.append("no field of the destination wants what is new: everything stays as it is")
        return {"status": "active", "next_step": None}
    if episode.diagnosis.detail.get("credential") == "accepted" and strategy == "refresh_auth":
        episode.outcome = "healed"
        episode.log.append("the credential is good again: nothing else was changed")
        return {"status": "active", "next_step": None}
    if strategy in _WAITING and not needs_reauth(episode):
        episode.outcome = "waiting"
        episode.log.append(_WAITING[strategy])
        return {"status": "active", "next_step": None}
    asks = strategy == "ask_a_person" or needs_reauth(episode)
    episode.outcome = "needs_person" if asks else "gave_up"
    episode.log.append("nothing safe is left to try: a person must decide; what is deployed was not changed")
    told = [line for line in episode.log if "needs authorising anew" in line][-1:]
    error = StepError(
        step="heal",
        kind="NeedsReauth" if needs_reauth(episode) else "NotHealed",
        message=f"{episode.diagnosis.cause} ({episode.diagnosis.side}) could not be repaired: "
        + "; ".join(told or episode.diagnosis.evidence[:2]),
        retry="heal",
        at=now_iso(),
    )
    return {"status": "failed", "next_step": "heal", "errors": [error.dump()]}


async def policy_for(services: Services, integration_id: str, context: VitesseContext) -> HealPolicy:
    """The integration's own policy; what this run was told about approval comes first."""
    from vitesse_graph.healing import policy_of

    policy = policy_of((await services.registry.integration(integration_id)).metadata)
    return policy if context.heal_approval is None else policy.evolve(approval=context.heal_approval)


def minutes_of(episode: HealingEpisode) -> float | None:
    """From its opening to its end; None while it is open."""
    if not episode.started_at or not episode.ended_at:
        return None
    began, ended = (datetime.fromisoformat(at) for at in (episode.started_at, episode.ended_at))
    return round((ended - began).total_seconds() / 60, 2)


async def tell_story(
    services: Services, integration_id: str, episode: HealingEpisode, *, actor: str, **also: Any
) -> None:
    """The whole episode as one line of the audit log: noticed, diagnosed, tried, verified, deployed, minutes."""
    await services.registry.audit(
        integration_id,
        "heal.episode",
        actor=actor,
        outcome=episode.outcome,
        detail={
            "number": episode.number,
            "cause": episode.diagnosis.cause,
            "side": episode.diagnosis.side,
            "tried": list(episode.tried),
            "minutes": minutes_of(episode),
            "story": episode.log[-LINES_KEPT:],
            **({"language_model": episode.language_model} if episode.language_model else {}),
            **also,
        },
    )
