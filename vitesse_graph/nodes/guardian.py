"""guardian: the mapping is run before anyone deploys it; a number, evidence, and findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.runtime import Runtime

from vitesse_graph.errors import MappingError
from vitesse_graph.nodes.documents import OpenedPair, open_pair
from vitesse_graph.nodes.experience import learn
from vitesse_graph.nodes.parameters import ROLES, as_question
from vitesse_graph.nodes.replay import prove
from vitesse_graph.nodes.shadow import shadow_targets
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import Services, get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import Call
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.testing import ShadowCall, TestResults
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry

DEFAULT_SAMPLE_SIZE = 100
MOST_CALLS, MOST_BODIES = 1_000, 200
SAMPLES_ON_WHITEBOARD = 3
SAMPLE_BODY_CHARACTERS = 600


def given_to(call: Call) -> dict[str, str]:
    """The parameters of a call by name, as the deployed integration will send them."""
    headers = {name: value for name, value in call.headers.items() if value}
    return {**headers, **call.query, **call.path_params}


class KeptCalls:
    """The calls of a run for the read model: all of the first thousand, the first two hundred (and up to two
    hundred failures) with their redacted, capped bodies; so that a run of any size stays bounded."""

    def __init__(self) -> None:
        self._calls: list[ShadowCall] = []
        self._failures = 0

    async def keep(self, call: ShadowCall) -> None:
        if len(self._calls) >= MOST_CALLS:
            return
        self._failures += not call.success
        with_bodies = len(self._calls) < MOST_BODIES or (not call.success and self._failures <= MOST_BODIES)
        self._calls.append(
            call if with_bodies else call.model_copy(update={"request": None, "response": None})
        )

    def dump(self) -> list[dict[str, Any]]:
        return [call.dump() for call in self._calls]


async def _with_twin(
    services: Services,
    state: SharedWhiteboardState,
    pair: OpenedPair,
    results: TestResults,
    seed: int,
    heartbeat: Callable[[], None],
) -> TestResults:
    """The results with the twin's; what it found is a hard fail."""
    from vitesse_graph.nodes.twin import run_twin_for

    twin = await run_twin_for(services, state, pair, seed=seed, on_step=heartbeat)
    fails = [f"twin: {line}" for line in twin.differences[:5]]
    return results.model_copy(
        update={
            "twin": twin,
            "passed": results.passed and twin.passed,
            "hard_fails": [*results.hard_fails, *fails],
        }
    )


def _cut(value: Any) -> Any:
    text = str(value)
    return value if len(text) <= SAMPLE_BODY_CHARACTERS else text[:SAMPLE_BODY_CHARACTERS] + " …"


def for_whiteboard(results: TestResults) -> TestResults:
    """The results with a few short samples; all of them are in the read model."""
    samples = [
        call.model_copy(update={"request": _cut(call.request), "response": _cut(call.response)})
        for call in results.samples[:SAMPLES_ON_WHITEBOARD]
    ]
    return results.model_copy(update={"samples": samples, "findings": results.findings[:40]})


def _best(state: SharedWhiteboardState, results: TestResults) -> dict[str, Any] | None:
    """The better of the best failed attempt so far and this one; None once one has passed."""
    if results.passed or state.mapping_logic is None:
        return None
    before = state.best_attempt
    if before is not None and before["health"] >= results.health_score:
        return before
    return {"health": results.health_score, "mapping": state.mapping_logic.dump()}


def _restored(state: SharedWhiteboardState, best: dict[str, Any]) -> dict[str, Any]:
    """The best attempt back on the whiteboard when no further one will be made."""
    if state.mapping_logic is None or best["mapping"]["version"] == state.mapping_logic.version:
        return {}
    kept = {**best["mapping"], "version": state.mapping_logic.version + 1}
    return {"mapping_logic": kept, "health_score": best["health"]}


def _of_patterns(mapping: MappingLogic, faulty: set[str]) -> list[Transformation]:
    """The faulty rows that experience proposed: it weighs less from now on."""
    return [r for r in mapping.transformations if r.origin == "pattern" and r.dest_field in faulty]


async def guardian(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: the mapping and both specifications. Writes: `test_results, health_score, findings`."""
    from vitesse_graph.guardian import run_guardian

    clock = StepClock()
    context = context_of(runtime)
    services = await get_services()
    integration_id = thread_id_of(runtime, state)
    if state.mapping_logic is None:
        raise MappingError("there is no mapping to test yet: run the map step first")
    if not state.mapping_logic.transformations:
        raise MappingError(
            "no field of the source fits any field of the destination, so there is nothing to test: "
            "choose other endpoints, or give mapping_hints"
        )
    emit(runtime, "guardian", "started")
    pair = await open_pair(services, state)
    sample_size = state.test_sample_size or DEFAULT_SAMPLE_SIZE
    calls = KeptCalls()

    def on_progress(done: int, total: int) -> None:
        runtime.heartbeat()
        emit(runtime, "guardian", "progress", done=done, total=total)

    async with shadow_targets(services, state, pair, sample_size=sample_size) as targets:
        results = await run_guardian(
            source=targets.source,
            dest=targets.dest,
            dest_read=targets.dest_read,
            source_shape=pair.source_shape,
            dest_shape=pair.dest_shape,
            source_operation=targets.source_operation,
            dest_operation=targets.dest_operation,
            dest_others=targets.dest_others,
            dest_list=targets.dest_list,
            source_params=given_to(targets.definition.source.read),
            dest_params=given_to(targets.definition.dest.create),
            synthetic=targets.synthetic,
            mapping=state.mapping_logic,
            sample_size=sample_size,
            seed=targets.seed,
            mode=targets.mode,
            skip_destructive=state.skip_destructive is not False,
            threshold=context.health_threshold,
            on_progress=on_progress,
            on_result=calls.keep,
        )
        results, episode = await prove(services, state, targets.definition, results)
        if results.passed and state.run_twin:
            emit(runtime, "guardian", "progress", done=sample_size, total=sample_size, what="twin")
            results = await _with_twin(services, state, pair, results, targets.seed, runtime.heartbeat)
        plan = None
        if results.passed:
            deployer = services.deployer(state.deployment_target or "process")
            plan = await deployer.plan(targets.definition, state.deployment_config)
            plan.warnings += [
                f"{side.api_name} has no credential: it runs against a sandbox made from its specification"
                for side in (targets.definition.source, targets.definition.dest)
                if side.environment == "sandbox"
            ]
            plan.warnings += [question for role in ROLES if (question := as_question(state, role))]
    await services.registry.save_test_results(
        integration_id, state.mapping_logic.version, {**results.dump(), "calls": calls.dump()}
    )
    if not results.passed:
        faulty = {finding.dest_field for finding in results.findings if finding.dest_field}
        await learn(services, pair, _of_patterns(state.mapping_logic, faulty), worked=False)
    summary = (
        f"health {results.health_score:.0f} after {results.calls_made} shadow calls ({results.mode})"
        + ("" if results.passed else f": {'; '.join(results.hard_fails[:2]) or 'below the threshold'}")
    )
    status = "deploying" if results.passed else "testing"
    # What the twin finds is the runtime's or the destination's: another mapping would not mend it.
    may_remap = not results.passed and results.twin is None and state.retry_count < context.max_remaps
    best = _best(state, results)
    await services.registry.save_integration(
        integration_id, status=status, health_score=results.health_score, next_step="review_guardian"
    )
    await services.registry.audit(
        integration_id,
        "guardian",
        actor=context.actor,
        outcome="passed" if results.passed else "not passed",
        detail={"health": results.health_score, "mapping_version": state.mapping_logic.version},
    )
    emit(runtime, "guardian", "finished", summary=summary, seconds=clock.seconds)
    return {
        "test_results": for_whiteboard(results).dump(),
        "health_score": results.health_score,
        "findings": [finding.dump() for finding in results.findings[:40]],
        "deployment_plan": plan.dump() if plan is not None else None,
        "best_attempt": best,
        **({"healing": episode.dump()} if episode is not None else {}),
        "retry_count": 0 if results.passed else state.retry_count + 1,
        "status": status,
        "next_step": "map" if may_remap else "review_guardian",
        **(_restored(state, best) if best is not None and not may_remap else {}),
        **state.record_agent_contribution("guardian", summary),
        **log_entry("guardian", summary, clock.seconds),
    }
