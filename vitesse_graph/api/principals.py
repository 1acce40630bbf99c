"""Who calls, and what they may do.

A viewer reads. An operator makes integrations and runs their steps up to the test, on what is their
own. An approver may answer every gate of the tenant, deploying among them. An admin also makes keys
and may name secrets and files of the server itself. Nothing of another tenant can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitesse_graph.api.problems import Refusal
from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry import IntegrationRow
from vitesse_graph.registry.keys import Role

RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "approver": 2, "admin": 3}
DEPLOYING_GATE = "review_guardian"
"""Answering this gate changes what runs: an approver's business."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """One caller. `is_local`: nobody has a key yet and the call came from this machine."""

    id: str
    role: Role
    tenant: str = ""
    is_local: bool = False

    def may(self, role: Role) -> bool:
        return RANK[self.role] >= RANK[role]

    def ensure(self, role: Role) -> None:
        """Raises a 403 for a lesser role."""
        if not self.may(role):
            raise Refusal(403, f"this needs the role {role}; yours is {self.role}")

    def ensure_sees(self, row: IntegrationRow) -> None:
        """Raises NotFoundError for what is another tenant's: it must not even be known to exist."""
        if row.tenant != self.tenant:
            raise NotFoundError(f"no integration {row.id}")

    def may_change(self, row: IntegrationRow) -> bool:
        """Whether the integration is one's own as an operator, or one may act for the tenant."""
        is_own = self.may("operator") and row.created_by in ("", self.id)
        return row.tenant == self.tenant and (is_own or self.may("approver"))

    def ensure_changes(self, row: IntegrationRow) -> None:
        """Raises a 403 unless the integration is one's own, or one may act for the tenant."""
        self.ensure_sees(row)
        self.ensure("operator")
        if not self.may_change(row):
            raise Refusal(403, f"{row.id} belongs to somebody else; it takes the role approver to change it")

    def ensure_answers(self, gate: str) -> None:
        """Raises a 403 for who may not answer this gate."""
        self.ensure("approver" if gate == DEPLOYING_GATE else "operator")


LOCAL = Principal(id="local", role="admin", is_local=True)
"""Everyone on this machine, as long as nobody has a key."""
