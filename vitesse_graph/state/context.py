"""What a run is told besides its input: thresholds and approvals. Not checkpointed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Approvals = Literal["every_step", "before_deploy", "none"]
HealApproval = Literal["never", "risky", "always"]


class VitesseContext(BaseModel):
    """Per-run settings; Studio renders them as a form."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    approvals: Approvals = Field(
        "every_step",
        description="Where a person is asked: after every step, only before deploying, or never.",
    )
    health_threshold: float = Field(
        70.0, ge=0, le=100, description="Health (0–100) that a mapping must reach before it may be deployed."
    )
    max_remaps: int = Field(
        3, ge=0, le=20, description="How often a mapping is made anew after a failed test."
    )
    heal_approval: HealApproval | None = Field(
        None,
        description="Whether a repair asks a person: never, risky (when it is more than renames and additions) or always; empty: as the integration's own policy says.",
    )
    actor: str = Field("", description="Who runs this, for the audit log.")
    may_deploy: bool = Field(
        True,
        description="Whether the actor may answer the gate before deploying; a server sets it by role.",
    )
