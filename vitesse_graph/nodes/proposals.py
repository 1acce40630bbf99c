"""What a gate shows: the `HITLRequest` shape that chat interfaces render, and a Markdown summary.

The summary puts the weakest points first: a person has little time and should spend it there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from vitesse_graph.nodes.parameters import Role, as_question, given_params, missing_params
from vitesse_graph.state.api_spec import ApiSpec
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.review import DECISIONS, GateName
from vitesse_graph.state.whiteboard import SharedWhiteboardState

PAYLOAD_VERSION = 1
WEAK = 0.8
"""Rows below this confidence are shown first."""


def _list(items: list[str], limit: int = 12) -> str:
    shown = "\n".join(f"- {item}" for item in items[:limit])
    return shown + (f"\n- … and {len(items) - limit} more" if len(items) > limit else "")


def _cell(value: Any) -> str:
    """Text fit for a Markdown table cell, whatever a vendor named a field."""
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:160]


def _discovery(state: SharedWhiteboardState) -> tuple[dict[str, Any], str]:
    found = state.discovered_apis
    source = found.source if found else None
    dest = found.dest if found else None
    lines = []
    for role, api in (("from", source), ("to", dest)):
        if api is not None:
            lines.append(
                f"**{role} {_cell(api.api_name)}** (confidence {api.confidence_score:.2f}, {api.source}): "
                f"{_cell(api.spec_url)}{' · ' + _cell(api.why) if api.why else ''}"
            )
    lines.sort(key=lambda line: "confidence 1.00" in line)
    args = {
        "source": source.spec_url if source else None,
        "dest": dest.spec_url if dest else None,
    }
    advice = (state.domain_knowledge or {}).get("advice") or []
    known = [f"**{_cell(one['title'])}**: {_cell(one['text'])}" for one in advice]
    worth = "\n### Worth knowing for such a pair\n" + _list(known) if known else ""
    return args, "### The two APIs\n" + _list(lines) + worth


def _ingest(state: SharedWhiteboardState) -> tuple[dict[str, Any], str]:
    parts: list[str] = []
    args: dict[str, Any] = {}
    sides: tuple[tuple[Role, ApiSpec | None], ...] = (
        ("source", state.source_api_spec),
        ("dest", state.dest_api_spec),
    )
    for role, spec in sides:
        if spec is None:
            continue
        shape = spec.source if role == "source" else spec.dest
        key = shape.endpoint.key if shape else ""
        args[f"{role}_endpoint"] = key
        wanted = dict.fromkeys(missing_params(state, role), "")
        if params := {**wanted, **given_params(state, role)}:
            args[f"{role}_params"] = params
        question = as_question(state, role)
        others = [f"`{c.endpoint.key}` ({c.score:.2f})" for c in spec.candidates if c.endpoint.key != key]
        guesses = [
            f"guessed {_cell(g.about)}: {_cell(g.value)} ({g.confidence:.2f}; {_cell(g.evidence)})"
            for g in sorted(spec.guesses, key=lambda g: g.confidence)
        ]
        reasons = next((c.reasons for c in spec.candidates if c.endpoint.key == key), [])
        verb = "reads" if role == "source" else "writes"
        parts.append(
            f"### {_cell(spec.api_name)} {verb} `{key}`\n"
            + _list(
                [
                    *([f"**{_cell(question)}**"] if question else []),
                    *guesses[:5],
                    *(f"warning at `{w.pointer}`: {_cell(w.message)}" for w in spec.warnings[:3]),
                    f"chosen because {_cell('; '.join(reasons))}" if reasons else "named by a person",
                    f"auth: {spec.auth.type}; {spec.operation_count} operations"
                    + (
                        f", {len(spec.unreadable_operations)} unreadable"
                        if spec.unreadable_operations
                        else ""
                    ),
                    *([f"could also be {', '.join(others)}"] if others else []),
                ]
            )
        )
    return args, "\n\n".join(parts)


def row_for_review(row: Transformation) -> dict[str, Any]:
    """A row as it is edited: what decides, without the evidence."""
    return {
        "source_field": row.source_field,
        "dest_field": row.dest_field,
        "transform_type": row.transform_type,
        "transform_config": row.transform_config,
        "confidence": row.confidence,
    }


def mapping_table(mapping: MappingLogic) -> str:
    """The rows as a Markdown table, the least sure first."""
    rows = sorted(mapping.transformations, key=lambda row: row.confidence)
    lines = [
        f"| {_cell(row.source_field) or '(constant)'} | {_cell(row.dest_field)} | {row.transform_type} "
        f"| {row.confidence:.2f} | {_cell(row.reason)} |"
        for row in rows
    ]
    return "\n".join(["| source | destination | transform | sure | why |", "|---|---|---|---|---|", *lines])


def _map(state: SharedWhiteboardState) -> tuple[dict[str, Any], str]:
    mapping = state.mapping_logic or MappingLogic()
    questions = [q.text for q in sorted(mapping.questions, key=lambda q: not q.required)]
    weak = [row for row in mapping.transformations if row.confidence < WEAK]
    parts = []
    if questions:
        parts.append("### To decide\n" + _list(questions))
    parts.append(
        f"### {len(mapping.transformations)} rows, {len(weak)} of them unsure\n" + mapping_table(mapping)
    )
    if mapping.unmapped_dest:
        parts.append("### Left empty\n" + _cell(mapping.unmapped_dest[:30]))
    return {"transformations": [row_for_review(row) for row in mapping.transformations]}, "\n\n".join(parts)


def _guardian(state: SharedWhiteboardState) -> tuple[dict[str, Any], str]:
    results, plan = state.test_results, state.deployment_plan
    parts = []
    if results is not None:
        verdict = "passed" if results.passed else "**not passed**"
        points = [
            *(f"hard fail: {_cell(fail)}" for fail in results.hard_fails),
            *(f"{issue.side}: {_cell(issue.message)} → {_cell(issue.remedy)}" for issue in results.issues),
            *(
                f"{finding.kind} `{finding.dest_field or finding.source_field or ''}`: {_cell(finding.detail)}"
                for finding in results.findings
            ),
            *(_cell(warning) for warning in results.warnings),
        ]
        parts.append(
            f"### Health {results.health_score:.0f} of 100: {verdict}\n"
            f"{results.calls_made} shadow calls ({results.mode}), data quality {results.data_quality:.2f}, "
            f"reliability {results.reliability:.2f}, seed {results.seed}\n" + _list(points)
        )
        if results.twin is not None:
            steps = (f"{s.name}: {s.found} of {s.expected} as they should be" for s in results.twin.steps)
            outcome = "no difference" if results.twin.passed else "**differs**"
            parts.append(f"### Twin: {outcome}\n" + _list([*steps, *results.twin.skipped]))
    args = state.deployment_config.dump() if state.deployment_config else {}
    if plan is not None:
        parts.append(
            f"### Plan for {plan.target}\n"
            + _list([*plan.warnings, *plan.actions, *(f"change: {_cell(c)}" for c in plan.changes)])
            + "".join(
                f"\n\n{name}: {', '.join(map(_cell, items))}"
                for name, items in (
                    ("answers at", plan.routes),
                    ("resources", [f"{key} {value}" for key, value in plan.resources.items()]),
                    ("environment", plan.environment),
                )
                if items
            )
        )
    if state.healing is not None and state.healing.outcome == "open":
        parts.insert(0, "### Repair\n" + _list(state.healing.log[-16:]))
    return args, "\n\n".join(parts)


_PROPOSALS: dict[GateName, Callable[[SharedWhiteboardState], tuple[dict[str, Any], str]]] = {
    "review_discovery": _discovery,
    "review_ingest": _ingest,
    "review_map": _map,
    "review_guardian": _guardian,
}


@cache
def _editable(gate: GateName) -> dict[str, Any]:
    """The schema of what may be edited; made once, because that takes longer than all else in a gate."""
    schema: dict[str, Any] = DECISIONS[gate].model_json_schema()["properties"]["edited"]
    return schema


def build_proposal(gate: GateName, state: SharedWhiteboardState) -> dict[str, Any]:
    """The interrupt's payload: plain JSON, the same for the same state."""
    args, summary = _PROPOSALS[gate](state)
    if state.review_error:
        summary = f"> The last answer was refused: {_cell(state.review_error)}\n\n{summary}"
    return {
        "interrupt_kind": "review",
        "payload_version": PAYLOAD_VERSION,
        "gate": gate,
        "integration_id": state.workflow_id,
        "summary": summary,
        "error": state.review_error,
        "action_requests": [{"name": gate, "args": args, "description": summary}],
        "review_configs": [
            {
                "action_name": gate,
                "allowed_decisions": ["approve", "edit", "reject", "respond"],
                "args_schema": _editable(gate),
            }
        ],
    }
