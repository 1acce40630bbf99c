"""What an owner may say about healing, and what follows from it."""

from __future__ import annotations

import pytest

from vitesse_graph.errors import InputError
from vitesse_graph.healing import HealPolicy, RepairChange, RowChange, alerts_of, needs_approval, policy_of
from vitesse_graph.state.health import DriftItem

RENAMED = RowChange(dest_field="email", kind="renamed", before="email", after="mail")
BREAKING = DriftItem(
    kind="field_renamed", side="source", severity="breaking", path="email", new_path="mail", affects=["email"]
)


def test_nothing_said_is_the_default() -> None:
    assert policy_of({}) == HealPolicy()
    assert alerts_of({}) is None


@pytest.mark.parametrize(
    ("metadata", "where"),
    [
        ({"heal_policy": {"approval": "sometimes"}}, "heal_policy.approval"),
        ({"heal_policy": {"braking": "pause"}}, "heal_policy.braking"),
        ({"heal_policy": "never"}, "heal_policy"),
        ({"heal_policy": {"allowed": ["pray"]}}, "heal_policy.allowed.0"),
    ],
)
def test_a_policy_that_cannot_be_is_named_by_its_place(metadata: dict[str, object], where: str) -> None:
    with pytest.raises(InputError, match=where):
        policy_of(metadata)


@pytest.mark.parametrize(
    "alerts",
    [
        {"webhook": "ftp://example.com"},
        {"webhook": "https://user:pass@example.com/hook"},
        {"webhook": "https://example.com/hook", "secret_ref": "s3cr3t-itself"},
    ],
)
def test_alerts_name_secrets_and_hold_none(alerts: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        alerts_of({"alerts": alerts})
    assert "s3cr3t" not in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "asks"),
    [
        (HealPolicy(), False),
        (HealPolicy(approval="always"), True),
        (HealPolicy(approval="never", breaking="ask"), False),
        (HealPolicy(breaking="ask"), True),
        (HealPolicy(risky="ask"), False),
    ],
)
def test_a_sure_rename_is_asked_about_only_where_the_owner_wants_it(policy: HealPolicy, asks: bool) -> None:
    assert needs_approval(RepairChange(rows=[RENAMED]), policy, [BREAKING]) is asks


def test_an_addition_for_a_risky_change_is_asked_about() -> None:
    change = RepairChange(rows=[RowChange(dest_field="tier", kind="added", after="level")])
    risky = DriftItem(kind="field_required", side="dest", severity="risky", path="tier", affects=["tier"])
    assert needs_approval(change, HealPolicy(), [risky])
    assert not needs_approval(change, HealPolicy(risky="adopt"), [risky])


def test_another_address_is_beyond_what_is_let_through_unasked() -> None:
    assert needs_approval(RepairChange(addresses=["source: a → b"]), HealPolicy())
