"""What an integration's owner allows, and who is told: kept in its metadata, read before each decision. Pure.

{"heal_policy": {"approval": "risky", "breaking": "adopt", "risky": "ask", "safe": "ignore",
                 "new_source_fields": "ignore", "allowed": ["refresh_schema", …]},
 "alerts": {"webhook": "https://…", "secret_ref": "env:NAME", "format": "standard"}}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeVar, get_args

from pydantic import ConfigDict, Field, ValidationError, field_validator

from vitesse_graph.errors import InputError
from vitesse_graph.state.base import Model
from vitesse_graph.state.health import DriftItem, HealStrategy
from vitesse_graph.state.references import ensure_no_credential_in, ensure_reference

ApprovalPolicy = Literal["never", "risky", "always"]
DriftAction = Literal["ignore", "adopt", "ask", "pause"]
POLICY_KEY, ALERTS_KEY = "heal_policy", "alerts"
_M = TypeVar("_M", bound=Model)


class HealPolicy(Model):
    """What may be repaired, what is asked about, and what stops the integration."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    approval: ApprovalPolicy = "risky"
    allowed: list[HealStrategy] = Field(default_factory=lambda: list(get_args(HealStrategy)))
    breaking: DriftAction = "adopt"
    risky: DriftAction = "ask"
    safe: DriftAction = "ignore"
    new_source_fields: DriftAction = "ignore"

    def action_for(self, item: DriftItem) -> DriftAction:
        """What happens on this change. `adopt`: heal; `ask`: heal, and a person decides; `pause`: stop."""
        if item.kind == "field_added" and item.side == "source":
            return self.new_source_fields
        actions: dict[str, DriftAction] = {"breaking": self.breaking, "risky": self.risky, "safe": self.safe}
        return actions[item.severity]

    def action_for_all(self, items: Collection[DriftItem]) -> DriftAction:
        """The most careful of the actions: pause before ask before adopt before ignore."""
        order: tuple[DriftAction, ...] = ("pause", "ask", "adopt", "ignore")
        actions = {self.action_for(item) for item in items}
        return next((action for action in order if action in actions), "ignore")


class AlertTarget(Model):
    """Where alerts go. `secret_ref` names the secret that signs them (Standard Webhooks)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    webhook: str = Field(pattern=r"^https?://\S+$", max_length=2_000)
    secret_ref: str | None = None
    format: Literal["standard", "slack"] = "standard"

    @field_validator("webhook")
    @classmethod
    def _no_credential(cls, value: str) -> str:
        return ensure_no_credential_in(value, "the webhook") or value

    @field_validator("secret_ref")
    @classmethod
    def _reference_only(cls, value: str | None) -> str | None:
        return ensure_reference(value, "the alerts' secret")


def policy_of(metadata: Mapping[str, Any]) -> HealPolicy:
    """The policy in an integration's metadata, the default where there is none. Raises InputError."""
    return _read(HealPolicy, metadata.get(POLICY_KEY), POLICY_KEY) or HealPolicy()


def alerts_of(metadata: Mapping[str, Any]) -> AlertTarget | None:
    """Where this integration's alerts go; None: nowhere but the log. Raises InputError."""
    return _read(AlertTarget, metadata.get(ALERTS_KEY), ALERTS_KEY)


def _read(model: type[_M], given: Any, name: str) -> _M | None:
    if given is None:
        return None
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([name, *(str(part) for part in first["loc"])])
        raise InputError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
