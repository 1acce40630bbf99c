"""The definition of a deployed integration: the one JSON file that the runtime is made from.

It names secrets (`env:NAME`, `file:PATH`, `secret:ID`), never holds one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field

from vitesse_graph.state.api_spec import AuthScheme, Incremental, Pagination, RateLimit
from vitesse_graph.state.base import Model
from vitesse_graph.state.mapping import MappingLogic


class Call(Model):
    """An HTTP call to be made: path parameters as `{name}`, fixed query and headers beside it."""

    method: str
    path: str
    content_type: str = "application/json"
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    path_params: dict[str, str] = Field(default_factory=dict)


class Side(Model):
    """One API as the runtime calls it."""

    api_name: str
    base_url: str
    auth: AuthScheme = Field(default_factory=AuthScheme)
    auth_ref: str | None = None
    """Reference of the credential. For several headers or basic: it resolves to JSON or `user:password`."""
    rate_limit: RateLimit | None = None
    environment: Literal["live", "sandbox"] = "live"
    timeout_seconds: float = 30.0


class SourceSide(Side):
    read: Call
    pagination: Pagination = Field(default_factory=Pagination)
    id_field: str | None = None
    """Path in the record; None: the record's content hash identifies it."""
    natural_keys: list[str] = Field(default_factory=list)
    incremental: Incremental | None = None
    deleted_field: str | None = None
    """Path that is true or filled when the source shows a record as deleted (`deleted_at`)."""
    watermark_overlap_seconds: int = 300
    """How far before the last watermark an incremental read begins, for records written late."""


class Lookup(Model):
    """How to find a destination record by its natural key.

    `param` carries the value of `key` (a path in the request body); in the answer records lie at
    `items_at`, match on `match_field`, and have their id at `id_field`.
    """

    call: Call
    param: str
    key: str
    items_at: str = ""
    match_field: str = ""
    id_field: str = "id"


class RecordRead(Model):
    """How one written record is read again: by its id in the path."""

    call: Call
    id_param: str


class DestSide(Side):
    create: Call
    update: Call | None = None
    """Its path has one parameter for the id (`{id}`), or it is the create call (upsert)."""
    update_id_param: str | None = None
    update_id_at: str | None = None
    """Path in the update's body that must name the record as well (`data.id`)."""
    update_id_is_number: bool = False
    lookup: Lookup | None = None
    read: RecordRead | None = None
    """None: the API does not show a single record, so what was written is never read back."""
    write_only: list[str] = Field(default_factory=list)
    """Paths in the body that no answer shows, by the specification."""
    delete: Call | None = None
    """Its path has one parameter for the id; None: deletions at the source are not carried over."""
    envelope: str = ""
    update_envelope: str | None = None
    """Where the update call wants the record, when not as the create call does: "" for the bare record."""
    batch_size: int | None = None
    id_at: str | None = None
    natural_keys: list[str] = Field(default_factory=list)
    idempotency_header: str | None = None


class IntegrationDefinition(Model):
    """Everything the runtime needs, for good: pinned mapping, both sides, schedule, limits."""

    integration_id: str
    name: str = ""
    version: int = 1
    source: SourceSide
    dest: DestSide
    mapping: MappingLogic
    schedule: str | None = None
    """Words (`hourly`, `every 30 minutes`) or cron; None: on demand only."""
    batch_size: int = 100
    concurrency: int = 16
    max_failure_share: float = 0.5
    """Above this share of failed records (and at least 20 of them) a run pauses and alerts."""
    alert_webhook: str | None = None
    alert_secret_ref: str | None = None
    """Reference of the secret that signs alerts (Standard Webhooks); None: alerts are unsigned."""
    alert_format: Literal["standard", "slack"] = "standard"
    source_spec_digest: str = ""
    dest_spec_digest: str = ""
    approved_by: str | None = None

    def digest(self) -> str:
        """sha256 of the canonical JSON: same definition, same digest."""
        canonical = json.dumps(self.dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class FieldReadBack(Model):
    """What became of one written field in the records that were read back."""

    sent: int = 0
    kept: int = 0
    """Came back as it was sent, but for its spelling (case, space, number format)."""
    changed: int = 0
    """Came back with another value. What is left of `sent` came back empty or not at all."""


class ReadBack(Model):
    """A few of the records that a run wrote, read again and compared. No value of any record."""

    run_id: str = ""
    records: int = 0
    """Read again and surely the same ones."""
    fields: dict[str, FieldReadBack] = Field(default_factory=dict)
    """By path in the request's body."""
    others: list[str] = Field(default_factory=list)
    """Names in the answers, beside the written fields, that were not written."""
    note: str = ""
    """Why it ended early, where it did."""


class SyncReport(Model):
    """The end of one sync run: `fetched = written + unchanged + filtered + quarantined + deleted`."""

    run_id: str = ""
    full: bool = False
    dry_run: bool = False
    fetched: int = 0
    written: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    filtered: int = 0
    quarantined: int = 0
    deleted: int = 0
    status: Literal["completed", "paused", "failed", "stopped"] = "completed"
    error: str | None = None
    code: Literal["needs_reauth"] | None = None
    """What a person has to do about the error, where a program can tell."""
    duration_seconds: float = 0.0
    read_back: ReadBack | None = None
    """None where nothing was written, the API cannot show it, or it was looked at a moment ago."""


class AuthRefresh(Model):
    """What came of renewing one side's credential. Never the credential."""

    side: Literal["source", "dest"]
    renewed: bool = False
    """A token endpoint gave a fresh token. False for what is only read anew from its reference."""
    verdict: Literal["accepted", "refused", "unclear"] = "unclear"
    """`refused` only on a definite answer."""
    detail: str = ""


class RuntimeStatus(Model):
    """What `GET /status` of a runtime says."""

    integration_id: str
    definition_version: int
    definition_digest: str
    state: Literal["idle", "syncing", "paused", "stopping"] = "idle"
    last_sync: SyncReport | None = None
    last_sync_at: str | None = None
    success_rate: float = 1.0
    """Over the last records (1,000 by default): written and unchanged against all."""
    p95_latency_ms: float = 0.0
    error_distribution: dict[str, int] = Field(default_factory=dict)
    health: float = 100.0
    dead_letters: int = 0
    needs_reauth: bool = False
    """An API refused the credential for good: the last run waits for a new one."""
    lag_seconds: float | None = None
    read_back: ReadBack | None = None
    """Of the last run that read anything back."""
