"""Every environment variable that Vitesse reads, in one place; read once, passed down.

Names that the field knows (`DATABASE_URL`, `OPENAI_API_KEY`, …) are kept; our own begin with
`VITESSE_`. `.env.example` lists them all and a test holds that list against this module.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import platformdirs
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("vitesse"))


class Settings(BaseSettings):
    """One object; secrets are `SecretStr`, so that printing it shows none."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", populate_by_name=True
    )

    # storage
    data_dir: Path = Field(default_factory=_default_data_dir, validation_alias="VITESSE_DATA_DIR")
    """Embedded Postgres, spec cache, deployed processes and their logs."""
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    """A Postgres server; unset: the embedded one in the data directory."""
    postgres_server: str | None = Field(None, validation_alias="POSTGRES_SERVER")
    postgres_user: str = Field("postgres", validation_alias="POSTGRES_USER")
    postgres_password: SecretStr | None = Field(None, validation_alias="POSTGRES_PASSWORD")
    postgres_db: str = Field("vitesse", validation_alias="POSTGRES_DB")
    database_patience_seconds: float = Field(60.0, validation_alias="VITESSE_DATABASE_PATIENCE_SECONDS")
    """How long a run waits for a database that went away."""

    # reading what strangers name
    allow_private_addresses: bool = Field(False, validation_alias="VITESSE_ALLOW_PRIVATE_ADDRESSES")
    """Let the guarded client call private addresses (loopback is its own setting)."""
    allow_loopback: bool = Field(True, validation_alias="VITESSE_ALLOW_LOOPBACK")
    """On by default for local use; `vitesse serve` turns it off when it binds beyond loopback."""
    allowed_hosts: str = Field("", validation_alias="VITESSE_ALLOWED_HOSTS")
    """Comma-separated host or host:port entries that may be called though private."""
    max_spec_bytes: int = Field(100_000_000, validation_alias="VITESSE_MAX_SPEC_BYTES")
    """Decompressed size of one document."""
    fetch_timeout_seconds: float = Field(60.0, validation_alias="VITESSE_FETCH_TIMEOUT_SECONDS")
    max_external_refs: int = Field(2_000, validation_alias="VITESSE_MAX_EXTERNAL_REFS")
    max_ref_depth: int = Field(100, ge=1, le=900, validation_alias="VITESSE_MAX_REF_DEPTH")
    """References that lead to references: how many in a row are followed."""
    max_redirects: int = Field(5, ge=0, le=50, validation_alias="VITESSE_MAX_REDIRECTS")
    """Of one address on its way to a specification."""

    # the graph
    step_timeout_seconds: float = Field(900.0, validation_alias="VITESSE_STEP_TIMEOUT_SECONDS")
    """Hard limit of one attempt at one step."""

    # the optional language model
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    llm_model: str = Field("gpt-4o-mini", validation_alias="LLM_MODEL")
    llm_timeout_seconds: float = Field(30.0, validation_alias="VITESSE_LLM_TIMEOUT_SECONDS")

    # knowledge
    qdrant_url: str | None = Field(None, validation_alias="QDRANT_URL")
    qdrant_api_key: SecretStr | None = Field(None, validation_alias="QDRANT_API_KEY")
    embedding_model_path: Path | None = Field(None, validation_alias="VITESSE_EMBEDDING_MODEL_PATH")

    # deployers
    docker_host: str | None = Field(None, validation_alias="DOCKER_HOST")
    image_base: str = Field("python:3.12-slim", validation_alias="VITESSE_IMAGE_BASE")
    """What images are built on: Python 3.11 or later with venv and pip."""
    docker_network: str = Field("vitesse", validation_alias="VITESSE_DOCKER_NETWORK")
    traefik_url: str | None = Field(None, validation_alias="VITESSE_TRAEFIK_URL")
    """Where a Traefik with the Docker provider answers; unset: one that runs as a container is looked for."""
    domain: str = Field("localhost", validation_alias="VITESSE_DOMAIN")
    """Integrations answer at `vitesse-<id>.<domain>` too, where a router runs."""
    aws_region: str | None = Field(None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    eks_cluster_name: str | None = Field(None, validation_alias="EKS_CLUSTER_NAME")
    ecr_registry_url: str | None = Field(None, validation_alias="ECR_REGISTRY_URL")
    registry_url: str | None = Field(None, validation_alias="VITESSE_REGISTRY_URL")
    """Any other registry that images are pushed to, with the Docker client's own login."""
    image: str | None = Field(None, validation_alias="VITESSE_IMAGE")
    """A runtime image that is there already; set, nothing is built or pushed for cloud targets."""
    rollout_timeout_seconds: float = Field(300.0, gt=0, validation_alias="VITESSE_ROLLOUT_TIMEOUT_SECONDS")
    """How long a new version may take to become healthy before it is rolled back."""
    kubernetes_context: str | None = Field(None, validation_alias="VITESSE_KUBERNETES_CONTEXT")
    kubernetes_namespace: str = Field("vitesse", validation_alias="VITESSE_KUBERNETES_NAMESPACE")
    kubernetes_force: bool = Field(False, validation_alias="VITESSE_KUBERNETES_FORCE")
    """Take over fields that another field manager owns, instead of stopping with a conflict."""
    kubernetes_role_arn: str | None = Field(None, validation_alias="VITESSE_KUBERNETES_ROLE_ARN")
    """IAM role of the pods' service account (IRSA)."""
    kubernetes_pull_secret: str | None = Field(None, validation_alias="VITESSE_KUBERNETES_PULL_SECRET")
    """Secret in the namespace with which images are pulled."""
    ingress_domain: str | None = Field(None, validation_alias="VITESSE_INGRESS_DOMAIN")
    """Integrations answer at `vitesse-<id>.<domain>`; unset: no Ingress is made."""
    ingress_class: str | None = Field(None, validation_alias="VITESSE_INGRESS_CLASS")
    ingress_tls_secret: str | None = Field(None, validation_alias="VITESSE_INGRESS_TLS_SECRET")
    ingress_annotations: dict[str, str] = Field({}, validation_alias="VITESSE_INGRESS_ANNOTATIONS")
    """For the ingress controller, as a JSON object."""
    ecs_cluster: str | None = Field(None, validation_alias="VITESSE_ECS_CLUSTER")
    ecs_subnets: str = Field("", validation_alias="VITESSE_ECS_SUBNETS")
    """Comma-separated ids."""
    ecs_security_groups: str = Field("", validation_alias="VITESSE_ECS_SECURITY_GROUPS")
    """Comma-separated ids."""
    ecs_public_ip: bool = Field(False, validation_alias="VITESSE_ECS_PUBLIC_IP")
    """Tasks get a public address: for subnets without a NAT gateway."""
    ecs_execution_role_arn: str | None = Field(None, validation_alias="VITESSE_ECS_EXECUTION_ROLE_ARN")
    ecs_task_role_arn: str | None = Field(None, validation_alias="VITESSE_ECS_TASK_ROLE_ARN")
    ecs_listener_arn: str | None = Field(None, validation_alias="VITESSE_ECS_LISTENER_ARN")
    """Listener of the load balancer that routes `/vitesse-<id>`; unset: no route is made."""

    # the runtime
    batch_size: int = Field(100, ge=1, validation_alias="BATCH_SIZE")
    http2: bool = Field(True, validation_alias="VITESSE_HTTP2")
    """Speak HTTP/2 with hosts that offer it, where the extra `http2` is installed."""
    sync_interval_seconds: int | None = Field(None, validation_alias="SYNC_INTERVAL_SECONDS")
    monitor_interval_seconds: float = Field(60.0, validation_alias="VITESSE_MONITOR_INTERVAL_SECONDS")
    """How often the monitor looks; 0: a LangGraph server makes no cron for it."""

    harvest_interval_seconds: float = Field(0.0, ge=0, validation_alias="VITESSE_HARVEST_INTERVAL_SECONDS")
    """How often `vitesse serve` reads again what changed among the catalogue's specifications; 0: never."""
    spec_directory_url: str = Field(
        "https://api.apis.guru/v2/list.json", validation_alias="VITESSE_SPEC_DIRECTORY_URL"
    )
    """The public directory that is asked for what the catalogue does not know; empty: none is."""

    # serving
    secret_key: SecretStr | None = Field(None, validation_alias="SECRET_KEY")
    """Encrypts stored credentials (Fernet); unset: one is made and kept with mode 0600."""
    jwt_secret: SecretStr | None = Field(None, validation_alias="JWT_SECRET")
    """Signs JWTs (HS256); set: nobody gets in without a token or an API key."""
    requests_per_minute: int = Field(600, ge=0, validation_alias="VITESSE_REQUESTS_PER_MINUTE")
    """How many REST requests one caller may make; 0: as many as they like."""
    max_request_bytes: int = Field(1_000_000, ge=1_000, validation_alias="VITESSE_MAX_REQUEST_BYTES")
    cors_origins: str = Field("", validation_alias="VITESSE_CORS_ORIGINS")
    """Comma-separated origins whose pages may call REST; empty: none."""
    log_json: bool = Field(False, validation_alias="VITESSE_LOG_JSON")
    log_level: str = Field("WARNING", validation_alias="VITESSE_LOG_LEVEL")

    def conninfo(self) -> str | None:
        """The configured Postgres server as a URL with its password, or None for the embedded one."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.postgres_server is None:
            return None
        password = f":{self.postgres_password.get_secret_value()}" if self.postgres_password else ""
        return f"postgresql://{self.postgres_user}{password}@{self.postgres_server}/{self.postgres_db}"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process's settings, read once from the environment and `.env`."""
    return Settings()
