"""One approval, four doors: every answer to a gate becomes one `ReviewDecision`.

The doors: the answer of Agent Chat UI (`{"decisions": [...]}`), the older list of Agent Inbox
(`[{"type": "accept", "args": ...}]`), a bare word typed into Studio (`approve`, `true`), and the
body that REST and the command send (the model's own fields).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from vitesse_graph.state.base import Model
from vitesse_graph.state.deployment import DeploymentConfig
from vitesse_graph.state.mapping import MappingHint, Transformation
from vitesse_graph.state.overlay import ensure_overlay
from vitesse_graph.state.parameters import Params
from vitesse_graph.state.references import ensure_no_credential_in
from vitesse_graph.state.testing import ShadowMode

DecisionType = Literal["approve", "edit", "retry", "reject"]
GateName = Literal["review_discovery", "review_ingest", "review_map", "review_guardian"]
GATES: tuple[GateName, ...] = get_args(GateName)

_WORDS: dict[str, DecisionType] = {
    "approve": "approve", "approved": "approve", "accept": "approve", "yes": "approve",
    "y": "approve", "ok": "approve", "true": "approve",
    "reject": "reject", "rejected": "reject", "ignore": "reject", "no": "reject",
    "n": "reject", "false": "reject",
    "retry": "retry", "respond": "retry", "response": "retry",
    "edit": "edit",
}  # fmt: skip


class _Strict(Model):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _unstring(cls, data: Any) -> Any:
        """Agent Inbox turns every argument into a string: JSON in a string is taken out again."""
        if not isinstance(data, dict):
            return data
        return {key: _parsed(value) for key, value in data.items()}


class IngestParameters(_Strict):
    """For the ingest step."""

    source_spec_url: str | None = None
    dest_spec_url: str | None = None
    source_overlay: dict[str, Any] | None = None
    dest_overlay: dict[str, Any] | None = None

    @field_validator("source_overlay", "dest_overlay")
    @classmethod
    def _overlay_only(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return ensure_overlay(value, "the overlay")

    @field_validator("source_spec_url", "dest_spec_url")
    @classmethod
    def _no_credential_in_address(cls, value: str | None) -> str | None:
        return ensure_no_credential_in(value, "the specification")


class MapParameters(_Strict):
    """For the map step."""

    source_endpoint: str | None = None
    dest_endpoint: str | None = None
    source_params: Params | None = None
    dest_params: Params | None = None
    mapping_hints: list[MappingHint] | None = None


class TestParameters(_Strict):
    """For the guardian."""

    __test__ = False

    test_sample_size: int | None = Field(None, ge=1, le=10_000)
    skip_destructive: bool | None = None
    shadow_mode: ShadowMode | None = None
    run_twin: bool | None = None
    source_params: Params | None = None
    dest_params: Params | None = None


class DeployParameters(DeploymentConfig):
    """For the deploy step."""

    model_config = ConfigDict(extra="forbid")


class DiscoveryEdit(_Strict):
    """The edited proposal of `review_discovery`: other APIs, by name, URL or file."""

    source: str | None = None
    dest: str | None = None

    @field_validator("source", "dest")
    @classmethod
    def _no_credential_in_address(cls, value: str | None) -> str | None:
        return ensure_no_credential_in(value, "the specification")


class EndpointEdit(_Strict):
    """The edited proposal of `review_ingest`: other endpoints, or corrections to a document (read anew with them)."""

    source_endpoint: str | None = None
    dest_endpoint: str | None = None
    source_params: Params | None = None
    dest_params: Params | None = None
    source_overlay: dict[str, Any] | None = None
    dest_overlay: dict[str, Any] | None = None

    @field_validator("source_overlay", "dest_overlay")
    @classmethod
    def _overlay_only(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return ensure_overlay(value, "the overlay")


class MappingEdit(_Strict):
    """The edited proposal of `review_map`: the rows as they shall be."""

    transformations: list[Transformation]


class GuardianEdit(DeployParameters):
    """The edited proposal of `review_guardian`: the workload, or other rows (which are tested anew)."""

    transformations: list[Transformation] | None = None

    @model_validator(mode="before")
    @classmethod
    def _unstring(cls, data: Any) -> Any:
        return {k: _parsed(v) for k, v in data.items()} if isinstance(data, dict) else data


_SCHEMAS: dict[type, str] = {}
"""As text: the copies that callers may change are made quickest from it."""
_BEING_MADE: set[type] = set()


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions where they are referred to: a form needs no look-up. None of a
    gate's models refers to itself."""
    definitions = schema.pop("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            beside = {key: value for key, value in node.items() if key != "$ref"}
            return {**put(definitions[node["$ref"].rpartition("/")[2]]), **put(beside)}
        return {key: put(value) for key, value in node.items()}

    made: dict[str, Any] = put(schema)
    return made


class ReviewDecision(Model):
    """A person's answer to a gate. Subclasses type what may be edited and what comes next.

    `gate` and `interrupt_id`, where given, say what is being answered, so that a late or repeated
    answer never lands on another gate.
    """

    model_config = ConfigDict(extra="forbid")

    type: DecisionType
    gate: GateName | None = None
    interrupt_id: str | None = None
    comment: str | None = Field(None, max_length=4_000)
    by: str | None = Field(None, max_length=200)
    edited: Any = None
    parameters: Any = None

    @model_validator(mode="before")
    @classmethod
    def _from_any_door(cls, answer: Any) -> Any:
        return normalise_answer(answer)

    @model_validator(mode="after")
    def _edit_needs_a_proposal(self) -> ReviewDecision:
        if self.type == "edit" and self.edited is None:
            raise ValueError("an edit must carry the edited proposal in `edited`")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Made once for each gate and then copied: LangGraph asks at every interrupt, and making it took
        longer than all else that a gate does."""
        if cls not in _SCHEMAS:
            if cls in _BEING_MADE:
                return handler(core_schema)
            _BEING_MADE.add(cls)
            try:
                _SCHEMAS[cls] = json.dumps(_inlined(cls.model_json_schema()))
            finally:
                _BEING_MADE.discard(cls)
        made: JsonSchemaValue = json.loads(_SCHEMAS[cls])
        return made

    def digest(self) -> str:
        """Same answer, same digest; who gave it and through which door makes no difference."""
        said = self.model_dump(mode="json", include={"type", "edited", "parameters"}, exclude_none=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


class DiscoveryDecision(ReviewDecision):
    edited: DiscoveryEdit | None = None
    parameters: IngestParameters | None = None


class IngestDecision(ReviewDecision):
    edited: EndpointEdit | None = None
    parameters: MapParameters | None = None


class MapDecision(ReviewDecision):
    edited: MappingEdit | None = None
    parameters: TestParameters | None = None


class GuardianDecision(ReviewDecision):
    edited: GuardianEdit | None = None
    parameters: DeployParameters | None = None


DECISIONS: dict[GateName, type[ReviewDecision]] = {
    "review_discovery": DiscoveryDecision,
    "review_ingest": IngestDecision,
    "review_map": MapDecision,
    "review_guardian": GuardianDecision,
}


class ReviewRecord(Model):
    """One answered gate, kept on the whiteboard: who decided what, when."""

    gate: GateName
    type: DecisionType
    digest: str
    by: str | None = None
    at: str = ""
    interrupt_id: str | None = None
    comment: str | None = None


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _from_word(word: str) -> dict[str, Any]:
    decided = _WORDS.get(word.strip().lower())
    if decided is None:
        raise ValueError(f"answer approve, edit, retry or reject, not {word.strip()[:40]!r}")
    return {"type": decided}


def _from_hitl(answer: dict[str, Any]) -> dict[str, Any]:
    """`{"decisions": [{"type": "edit", "edited_action": {"args": {...}}}]}`."""
    decisions = answer["decisions"]
    if not isinstance(decisions, list) or len(decisions) != 1 or not isinstance(decisions[0], dict):
        raise ValueError("`decisions` must hold exactly one decision, for the one action proposed")
    decision = decisions[0]
    result = _from_word(str(decision.get("type", "")))
    if result["type"] == "edit":
        action = decision.get("edited_action") or {}
        result["edited"] = action.get("args") if isinstance(action, dict) else None
    if message := decision.get("message"):
        result["comment"] = str(message)
    return {**{k: v for k, v in answer.items() if k != "decisions"}, **result}


def _from_inbox(answer: dict[str, Any]) -> dict[str, Any]:
    """`{"type": "accept" | "ignore" | "response" | "edit", "args": ...}`."""
    result = _from_word(str(answer.get("type", "")))
    args = answer.get("args")
    if result["type"] == "edit" and isinstance(args, dict):
        inner = args.get("args", args)
        result["edited"] = inner
    elif result["type"] == "retry" and isinstance(args, str):
        result["comment"] = args
    return result


def normalise_answer(answer: Any) -> Any:
    """Whatever came through a door, as the fields of `ReviewDecision`.

    Raises ValueError (which pydantic reports) for what cannot be meant as an answer.
    """
    answer = _parsed(answer)
    if isinstance(answer, ReviewDecision):
        return answer.model_dump()
    if isinstance(answer, bool):
        return {"type": "approve" if answer else "reject"}
    if isinstance(answer, str):
        return _from_word(answer)
    if isinstance(answer, list):
        if len(answer) != 1:
            raise ValueError("a list answer must hold exactly one response")
        return normalise_answer(answer[0])
    if isinstance(answer, dict):
        if "decisions" in answer:
            return _from_hitl(answer)
        if "args" in answer:
            return _from_inbox(answer)
        return {**answer, **_from_word(str(answer.get("type", "")))}
    raise ValueError("answer approve, edit, retry or reject, or with a decision object")
