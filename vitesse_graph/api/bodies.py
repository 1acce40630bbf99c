"""What the calls take: one model for each body, with the examples that the OpenAPI document shows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from vitesse_graph.errors import InputError
from vitesse_graph.state.context import Approvals
from vitesse_graph.state.deployment import DeploymentConfig
from vitesse_graph.state.discovery import DiscoveryResult
from vitesse_graph.state.mapping import MappingHint, Transformation
from vitesse_graph.state.request import MAX_INTENT_CHARACTERS
from vitesse_graph.state.review import DecisionType, GateName
from vitesse_graph.state.testing import ShadowMode

SPEC_URL = "https://api.example.com/openapi.json"
MAX_SYNC_FREQUENCY = 200


# Postgres keeps no NUL, and nobody means one.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


def _integral(value: Any) -> Any:
    """JSON knows one kind of number: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_integral)]
Short = Annotated[Text, Field(max_length=300)]
Location = Annotated[Text, Field(max_length=4_000, min_length=1)]
Credential = Annotated[str | dict[str, JsonValue], Field(description=(
    "The secret itself (stored encrypted at once; only its reference goes on), or a reference: "
    "`secret:ID`, for admins also `env:NAME` and `file:PATH`. An object holds `token`, "
    "`username` and `password`, or the parts of an OAuth2 grant."
))]  # fmt: skip

Parameters = Annotated[dict[str, Annotated[str, Field(max_length=1_000)]], Field(max_length=50)]
SOURCE_PARAMS = Field(
    None,
    description="Values, by name, for what the source's endpoint needs in its path, query or headers; never a secret.",
)
DEST_PARAMS = Field(
    None,
    description="Values, by name, for what the destination's endpoint needs in its path, query or headers; never a secret.",
)


class Body(BaseModel):
    """Bodies are strict: an unknown field, or "5" for 5, is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": list(examples)})


class FoundApi(DiscoveryResult):
    """A result of `GET /discover`, as it came."""

    model_config = ConfigDict(extra="ignore", strict=True)

    confidence_score: float = Field(0.0, ge=0.0, le=1.0)


class CreateIntegration(Body):
    """What should be integrated: an intent, discovery results, names or addresses."""

    model_config = _examples(
        {
            "user_intent": "Sync Shopify customers into our CRM",
            "source_api_url": "https://shop.example.com/openapi.json",
            "dest_api_url": "https://crm.example.com/openapi.json",
            "source_auth": {"token": "shpat_0123456789"},
            "dest_auth": {"username": "svc", "password": "not-this-one"},
            "metadata": {"team": "growth"},
        }
    )

    user_intent: Annotated[Text, Field(max_length=MAX_INTENT_CHARACTERS)] = Field(
        "", description="What should happen, in a sentence."
    )
    source_discovery: FoundApi | None = Field(None, description="A result of GET /discover.")
    dest_discovery: FoundApi | None = Field(None, description="A result of GET /discover.")
    source_api_url: Location | None = Field(None, description="Address of the source's specification.")
    source_api_name: Short | None = Field(None, description="Name of the source API.")
    dest_api_url: Location | None = Field(None, description="Address of the destination's specification.")
    dest_api_name: Short | None = Field(None, description="Name of the destination API.")
    source_endpoint: Short | None = None
    dest_endpoint: Short | None = None
    source_overlay: dict[str, JsonValue] | None = Field(
        None, description="An OpenAPI Overlay that corrects the source's specification, at every refresh."
    )
    dest_overlay: dict[str, JsonValue] | None = Field(
        None,
        description="An OpenAPI Overlay that corrects the destination's specification, at every refresh.",
    )
    deployment_target: Short | None = Field(
        None, description="process (default) or another installed target."
    )
    source_auth: Credential | None = None
    dest_auth: Credential | None = None
    approvals: Approvals = Field(
        "every_step",
        description="Where the run waits for an answer; `none` goes on to the end and takes an approver.",
    )
    source_params: Parameters | None = SOURCE_PARAMS
    dest_params: Parameters | None = DEST_PARAMS
    metadata: dict[str, JsonValue] = Field(default_factory=dict, description="Kept with the integration.")

    def ensure_something_to_go_by(self) -> None:
        """Raises InputError when neither an intent nor two APIs are given."""
        if not self.user_intent.strip() and not (self.place("source") and self.place("dest")):
            raise InputError("say what should happen in user_intent, or name a source and a destination")

    def place(self, side: Literal["source", "dest"]) -> str | None:
        """Where this side's API is: its specification's address, else its name."""
        result: FoundApi | None = getattr(self, f"{side}_discovery")
        return (
            getattr(self, f"{side}_api_url")
            or (result and (result.spec_url or result.base_url))
            or getattr(self, f"{side}_api_name")
            or (result and result.api_name)
            or None
        )


class Ingest(Body):
    """Other addresses of the specifications, where discovery's are not the right ones."""

    model_config = _examples({}, {"source_spec_url": SPEC_URL})

    source_spec_url: Location | None = None
    dest_spec_url: Location | None = None


class Map(Body):
    """Which endpoints, and wishes for single fields."""

    model_config = _examples(
        {
            "source_endpoint": "GET /customers.json",
            "dest_endpoint": "POST /contacts",
            "mapping_hints": [{"dest_field": "phone_number", "source_field": "phone"}],
        }
    )

    source_endpoint: Short | None = None
    dest_endpoint: Short | None = None
    source_params: Parameters | None = SOURCE_PARAMS
    dest_params: Parameters | None = DEST_PARAMS
    mapping_hints: list[MappingHint] | None = Field(None, max_length=1_000)


class Test(Body):
    """How many shadow calls, and whether anything may be written."""

    __test__ = False
    model_config = _examples({"test_sample_size": 20, "skip_destructive": True})

    test_sample_size: Whole = Field(5, ge=1, le=100)
    skip_destructive: bool = True
    shadow_mode: ShadowMode | None = Field(
        None,
        description="sandbox, live-read (real reads, writes to a sandbox) or live (real writes; needs skip_destructive false). Without: live-read where there is a credential.",
    )
    run_twin: bool | None = Field(
        None, description="Also run the deployable runtime against two sandboxes; any difference fails."
    )


class Deploy(Body):
    """The workload."""

    model_config = _examples({"replicas": 1, "memory_mb": 512, "cpu_cores": 0.5, "auto_scale": False})

    replicas: Annotated[int, Field(ge=1, le=50), BeforeValidator(_integral)] | None = None
    memory_mb: Whole = Field(512, ge=64, le=1_048_576)
    cpu_cores: float = Field(0.5, gt=0, le=256)
    auto_scale: bool = False
    finish_run: bool = Field(
        True,
        description="On an update, a run under way ends on the version that it began with (target process). "
        "False: it ends after the chunk in hand, and the new version reads everything.",
    )

    def config(self, schedule: str | None) -> DeploymentConfig:
        return DeploymentConfig(**self.model_dump(), schedule=schedule)


class Review(Body):
    """An answer to the waiting gate. What may be edited, and with which parameters, is the gate's own."""

    model_config = _examples(
        {"type": "approve"},
        {
            "type": "edit",
            "edited": {"transformations": [{"source_field": "email", "dest_field": "email"}]},
        },
        {"type": "reject", "comment": "the wrong shop"},
    )

    type: DecisionType
    gate: GateName | None = Field(
        None, description="Which gate is answered; a late answer then hits no other."
    )
    interrupt_id: Annotated[Text, Field(max_length=100)] | None = None
    comment: Annotated[Text, Field(max_length=4_000)] | None = None
    edited: dict[str, JsonValue] | None = Field(None, description="The proposal as it shall be; for `edit`.")
    parameters: dict[str, JsonValue] | None = Field(None, description="For the step that comes next.")


class Resume(Body):
    """Go on after a crash or a failed step, with better input where there is some."""

    model_config = _examples({"source_api_url": SPEC_URL})

    user_intent: Annotated[Text, Field(max_length=MAX_INTENT_CHARACTERS)] | None = None
    source_api_url: Location | None = None
    dest_api_url: Location | None = None
    source_endpoint: Short | None = None
    dest_endpoint: Short | None = None
    source_auth: Credential | None = None
    dest_auth: Credential | None = None
    source_params: Parameters | None = SOURCE_PARAMS
    dest_params: Parameters | None = DEST_PARAMS


class TransformationChanges(Body):
    """Rows by hand. `set` replaces the row of a destination field or adds it; `drop` takes it out."""

    set: list[Transformation] = Field(default_factory=list, max_length=2_000)
    drop: list[Short] = Field(default_factory=list, max_length=2_000, description="Destination fields.")


class UpdateIntegration(Body):
    """Changes by hand: metadata, how often it syncs, rows of the mapping."""

    model_config = _examples(
        {"metadata": {"owner": "ada"}, "sync_frequency": "every 30 minutes"},
        {
            "transformations": {
                "set": [{"source_field": "phone", "dest_field": "phone_number", "transform_type": "mapping"}],
                "drop": ["segments"],
            },
            "reason": "segments are kept elsewhere",
        },
        {"rollback_to": 1},
        {
            "metadata": {
                "heal_policy": {"approval": "risky", "new_source_fields": "ignore"},
                "alerts": {"webhook": "https://hooks.example.com/vitesse"},
            }
        },
    )

    metadata: dict[str, JsonValue] | None = Field(
        None,
        description="Merged; a key with null is taken out. `heal_policy` says what may be repaired and asked, "
        "`alerts` who is told.",
    )
    sync_frequency: Annotated[Text, Field(max_length=MAX_SYNC_FREQUENCY)] | None = Field(
        None, description="hourly, every 30 minutes, cron; used by the next deployment."
    )
    transformations: TransformationChanges | None = None
    rollback_to: Annotated[int, Field(ge=1, le=1_000_000_000), BeforeValidator(_integral)] | None = Field(
        None, description="A mapping version to go back to."
    )
    reason: Short = ""

    def ensure_one_way(self) -> None:
        """Raises InputError for rows from two sources."""
        if self.transformations is not None and self.rollback_to is not None:
            raise InputError("give transformations or rollback_to, not both")


_DATE = r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?"
Moment = Annotated[str, Field(
    pattern=rf"^({_DATE}([T ]{_TIME})?|\d{{1,11}}(\.\d{{1,6}})?)$",
    max_length=40,
    description="A moment: 2026-01-31, 2026-01-31T10:00:00Z, or seconds since 1970.",
    examples=["2026-01-31T10:00:00Z"],
)]  # fmt: skip


class Sync(Body):
    """One sync, now. With `since` or `until` it is a backfill: that range only, and the watermark stays."""

    model_config = _examples(
        {"full": False, "dry_run": False}, {"since": "2026-01-01", "until": "2026-02-01T00:00:00Z"}
    )

    full: bool = Field(False, description="Read everything, not only what changed.")
    dry_run: bool = Field(False, description="Show what would be written; write nothing.")
    since: Moment | None = Field(None, description="Only records from this moment on.")
    until: Moment | None = Field(None, description="Only records before this moment.")


class Preview(Body):
    """What would become of the first records, field by field."""

    model_config = _examples({"limit": 20})

    limit: Whole = Field(20, ge=1, le=500)


MAX_ID = 2**53 - 1
"""As far as every reader of JSON counts exactly."""
LetterId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_integral)]
Letters = Annotated[
    list[LetterId] | Literal["all"],
    Field(description="Ids of dead letters, or `all` for every one that is open."),
]


class RetryLetters(Body):
    """Which dead letters are tried again."""

    model_config = _examples({"ids": [17, 18]}, {"ids": "all"})

    ids: Letters = "all"


class DropLetters(Body):
    """Which dead letters need not be written. All of them are dropped only when that is said."""

    model_config = _examples({"ids": [17]}, {"ids": "all"})

    ids: Letters


class Heal(Body):
    """Why, and whether a risky repair may be deployed unasked."""

    model_config = _examples({"reason": "contacts arrive without names"})

    reason: Annotated[Text, Field(max_length=1_000)] = "requested by a person"
    heal_approval: Literal["never", "risky", "always"] | None = Field(
        None,
        description="When a repair waits for approval; `never` takes an approver. Without: as the "
        "integration's `heal_policy` says.",
    )


class Restore(Body):
    """Which checkpoint becomes the newest."""

    model_config = _examples({"checkpoint_id": "1f0c5a52-9b2e-6d0a-8001-6f0f5f0f5f0f"})

    checkpoint_id: Annotated[Text, Field(min_length=1, max_length=100)]


class TestEndpoint(Body):
    """One call to an API, to see whether address and credential are right."""

    __test__ = False
    model_config = _examples(
        {"url": "https://api.example.com/v1/customers", "auth": {"type": "bearer", "token": "0123456789"}}
    )

    url: Location
    method: Literal["GET", "HEAD", "OPTIONS"] = Field("GET", description="Only calls that change nothing.")
    # A pattern for the names would become patternProperties, which lets all other names through; the
    # route checks that they are tokens.
    headers: dict[Annotated[str, Field(max_length=300)], Annotated[str, Field(max_length=4_000)]] = Field(
        default_factory=dict, max_length=50
    )
    auth_type: Literal["bearer", "basic", "api_key", "none"] = "bearer"
    auth_header: Short = Field("X-API-Key", description="For api_key: the header that carries it.")
    auth: Credential | None = None
    timeout_seconds: float = Field(15.0, gt=0, le=60)


class CreateKey(Body):
    """A new API key."""

    model_config = _examples({"name": "ci", "role": "operator"})

    name: Annotated[Short, Field(min_length=1)]
    role: Literal["viewer", "operator", "approver", "admin"]
