"""The input of a run: the form that Studio shows, and what REST and the command send."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vitesse_graph.state.overlay import ensure_overlay
from vitesse_graph.state.parameters import Params
from vitesse_graph.state.references import ensure_no_credential_in, ensure_reference
from vitesse_graph.state.testing import ShadowMode

MAX_INTENT_CHARACTERS = 4_000


class IntegrationRequest(BaseModel):
    """What someone wants. Only `user_intent` is needed; the rest narrows it down.

    Plain types only: whatever stands here goes into channels as it is.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    user_intent: str = Field(
        "",
        max_length=MAX_INTENT_CHARACTERS,
        title="Intent",
        description="What should happen, in a sentence.",
        examples=["Sync Shopify customers into our CRM"],
    )
    source: str | None = Field(
        None,
        title="Source API",
        description="Name, specification URL or file of the API to read from.",
        examples=["shopify"],
    )
    dest: str | None = Field(
        None, title="Destination API", description="Name, specification URL or file of the API to write to."
    )
    source_endpoint: str | None = Field(
        None,
        title="Source endpoint",
        description="Which list to read; found from the intent when empty.",
        examples=["GET /customers.json"],
    )
    dest_endpoint: str | None = Field(
        None,
        title="Destination endpoint",
        description="Which create call to make; found from the intent when empty.",
        examples=["POST /contacts"],
    )
    source_auth: str | None = Field(
        None,
        title="Source credential",
        description="Where the secret is, never the secret: env:NAME, file:PATH or secret:ID; none for an open API. Empty: a sandbox stands in.",
        examples=["env:SHOPIFY_TOKEN"],
    )
    dest_auth: str | None = Field(
        None,
        title="Destination credential",
        description="Where the secret is, never the secret: env:NAME, file:PATH or secret:ID; none for an open API. Empty: a sandbox stands in.",
    )
    source_overlay: dict[str, Any] | None = Field(
        None,
        title="Source overlay",
        description="An OpenAPI Overlay that corrects the source's specification; kept and applied again at every refresh.",
    )
    dest_overlay: dict[str, Any] | None = Field(
        None,
        title="Destination overlay",
        description="An OpenAPI Overlay that corrects the destination's specification; kept and applied again at every refresh.",
    )
    source_params: Params | None = Field(
        None,
        title="Source parameters",
        description="Values, by name, for what the source's endpoint needs in its path, query or headers.",
        examples=[{"account_id": "4711"}],
    )
    dest_params: Params | None = Field(
        None,
        title="Destination parameters",
        description="Values, by name, for what the destination's endpoint needs in its path, query or headers.",
        examples=[{"owner": "acme", "repo": "shop"}],
    )
    mapping_hints: list[dict[str, Any]] | None = Field(
        None,
        title="Mapping hints",
        description='Wishes that win: [{"dest_field": "a", "source_field": "b"}].',
    )
    deployment_target: str | None = Field(
        None, title="Deploy to", description="process (default) or another installed target."
    )
    schedule: str | None = Field(
        None,
        title="Schedule",
        description="How often to sync: hourly, every 30 minutes, or cron; empty: on demand.",
    )
    test_sample_size: int | None = Field(
        None,
        ge=1,
        le=10_000,
        title="Shadow calls",
        description="How many shadow calls the guardian makes (100 when empty).",
    )
    skip_destructive: bool | None = Field(
        None, title="Never write to a real API while testing", description="True when empty."
    )
    shadow_mode: ShadowMode | None = Field(
        None,
        title="Where shadow calls go",
        description="sandbox: only sandboxes; live-read: real APIs are read, writes go to a sandbox; live: real writes, needs skip_destructive=false. Empty: live-read where there is a credential.",
    )
    run_twin: bool | None = Field(
        None,
        title="Twin before deploy",
        description="Run the deployable runtime itself against two sandboxes, and fail on any difference.",
    )
    user_constraints: dict[str, Any] | None = Field(None, title="Constraints")
    user_preferences: dict[str, Any] | None = Field(None, title="Preferences")
    health_report: dict[str, Any] | None = Field(
        None, title="Health report", description="On an active integration: starts healing."
    )

    @field_validator("user_intent", "source", "dest")
    @classmethod
    def _no_nul(cls, value: str | None) -> str | None:
        """Postgres stores no NUL, and nobody means one."""
        return value.replace("\x00", "").strip() if value else value

    @field_validator("source", "dest")
    @classmethod
    def _no_credential_in_address(cls, value: str | None) -> str | None:
        return ensure_no_credential_in(value, "the specification")

    @field_validator("source_overlay", "dest_overlay")
    @classmethod
    def _overlay_only(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return ensure_overlay(value, "the overlay")

    @field_validator("source_auth", "dest_auth")
    @classmethod
    def _reference_only(cls, value: str | None) -> str | None:
        return ensure_reference(value, "a credential")

    def given(self) -> dict[str, Any]:
        """The fields that were set, as plain JSON: an update of the whiteboard."""
        return self.model_dump(mode="json", exclude_unset=True)
