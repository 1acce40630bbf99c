"""Which strategy comes next, and whether a person must agree to what it made. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from pydantic import Field

from vitesse_graph.healing.repair import RepairChange
from vitesse_graph.state.base import Model
from vitesse_graph.state.health import Diagnosis, DriftItem, HealStrategy, RootCause

ApprovalPolicy = Literal["never", "risky", "always"]
DriftAction = Literal["ignore", "adopt", "ask", "pause"]

# Causes that no new mapping can mend: whatever a diagnosis lists, these never lead to one.
_NOT_BY_MAPPING: frozenset[RootCause] = frozenset({"outage", "slow", "own_fault"})
_MAPPING_STRATEGIES: frozenset[HealStrategy] = frozenset({"refresh_schema", "remap_fields"})


class HealPolicy(Model):
    """What an integration's owner allows."""

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


def choose_strategy(
    diagnosis: Diagnosis, tried: Collection[HealStrategy], policy: HealPolicy | None = None
) -> HealStrategy | None:
    """The next strategy of this episode, or None when all were tried or none is allowed.

    Each is tried once per episode. An outage, slowness or a fault of our own is never answered by a
    new mapping. `switch_endpoint` needs somewhere to switch to.
    """
    rules = policy or HealPolicy()
    for strategy in diagnosis.strategies:
        if strategy in tried or strategy not in rules.allowed:
            continue
        if strategy in _MAPPING_STRATEGIES and diagnosis.cause in _NOT_BY_MAPPING:
            continue
        if strategy == "switch_endpoint" and not _has_destination(diagnosis):
            continue
        return strategy
    return None


def _has_destination(diagnosis: Diagnosis) -> bool:
    return any(diagnosis.detail.get(name) for name in ("endpoint", "base_url"))


def needs_approval(change: RepairChange, policy: HealPolicy | ApprovalPolicy = "risky") -> bool:
    """Whether a person must agree before this repair is deployed.

    `risky` lets through what only renames (surely) and adds; everything else is asked about.
    """
    approval = policy if isinstance(policy, str) else policy.approval
    if approval == "always":
        return not change.is_empty
    if approval == "never":
        return False
    return change.is_risky
