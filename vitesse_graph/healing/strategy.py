"""Which strategy comes next, and whether a person must agree to what it made. Pure."""

from __future__ import annotations

from collections.abc import Collection

from vitesse_graph.healing.policy import ApprovalPolicy, HealPolicy
from vitesse_graph.healing.repair import RepairChange
from vitesse_graph.state.health import Diagnosis, DriftItem, HealStrategy, RootCause

# Causes that no new mapping can mend: whatever a diagnosis lists, these never lead to one.
_NOT_BY_MAPPING: frozenset[RootCause] = frozenset({"outage", "slow", "own_fault"})
_MAPPING_STRATEGIES: frozenset[HealStrategy] = frozenset({"refresh_schema", "remap_fields"})


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


def needs_approval(
    change: RepairChange,
    policy: HealPolicy | ApprovalPolicy = "risky",
    drift: Collection[DriftItem] = (),
) -> bool:
    """Whether a person must agree before this repair is deployed.

    `risky` lets through what only renames (surely) and adds; everything else is asked about, and so
    is a row that the drift touches in a class for which the policy says `ask`.
    """
    rules = HealPolicy(approval=policy) if isinstance(policy, str) else policy
    if rules.approval == "always":
        return not change.is_empty
    if rules.approval == "never":
        return False
    adds = any(row.kind == "added" for row in change.rows)
    if adds and rules.new_source_fields == "ask" and any(item.kind == "field_added" for item in drift):
        return True
    return change.is_risky or _is_to_be_asked(change, rules, drift)


def _is_to_be_asked(change: RepairChange, rules: HealPolicy, drift: Collection[DriftItem]) -> bool:
    """Sure renames are let through unless breaking changes as a whole are to be asked about."""
    changed = {row.dest_field for row in change.rows}
    renamed = {row.dest_field for row in change.rows if row.kind == "renamed" and row.is_sure}
    for item in drift:
        if rules.action_for(item) != "ask":
            continue
        touched = changed & {*item.affects, item.path, item.new_path or ""}
        if touched - renamed or (touched and item.severity == "breaking"):
            return True
    return False
