-- The read model: what lists, dashboards and audits query. The graph's state is the truth;
-- rows here are written by the steps as they end, keyed so that a repeat changes nothing.
-- Every statement is idempotent: the file is the migration.

CREATE SCHEMA IF NOT EXISTS vitesse;

-- one row per integration (= thread)
CREATE TABLE IF NOT EXISTS vitesse.integrations (
    id            text PRIMARY KEY,
    user_intent   text NOT NULL DEFAULT '',
    source_api    text NOT NULL DEFAULT '',
    dest_api      text NOT NULL DEFAULT '',
    status        text NOT NULL DEFAULT 'discovering',
    next_step     text,
    health_score  double precision,
    service_url   text,
    metadata      jsonb NOT NULL DEFAULT '{}',
    created_by    text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS integrations_by_status ON vitesse.integrations (status, updated_at DESC);
CREATE INDEX IF NOT EXISTS integrations_by_age ON vitesse.integrations (created_at DESC, id);

-- every version that was deployed: what a repair falls back to
CREATE TABLE IF NOT EXISTS vitesse.versions (
    integration_id text NOT NULL,
    version        integer NOT NULL,
    definition     jsonb NOT NULL,
    whiteboard     jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (integration_id, version)
);

-- what the monitor remembers of each integration, so that a restart goes on where it stood
CREATE TABLE IF NOT EXISTS vitesse.monitor_memory (
    integration_id text PRIMARY KEY,
    state          jsonb,
    profile        jsonb,
    updated_at     timestamptz NOT NULL DEFAULT now()
);

-- one row per guardian run
CREATE TABLE IF NOT EXISTS vitesse.test_results (
    integration_id  text NOT NULL,
    mapping_version integer NOT NULL,
    seed            bigint NOT NULL,
    health_score    double precision NOT NULL,
    passed          boolean NOT NULL,
    results         jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (integration_id, mapping_version, seed, created_at)
);

-- who did what, with which outcome; append-only
CREATE TABLE IF NOT EXISTS vitesse.integration_audit_logs (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id text NOT NULL,
    at             timestamptz NOT NULL DEFAULT now(),
    actor          text NOT NULL DEFAULT '',
    action         text NOT NULL,
    outcome        text NOT NULL DEFAULT 'ok',
    detail         jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS audit_by_integration ON vitesse.integration_audit_logs (integration_id, id);

-- whose integration it is, beside who made it (created_by): rows of other tenants are invisible
ALTER TABLE vitesse.integrations ADD COLUMN IF NOT EXISTS tenant text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS integrations_by_tenant ON vitesse.integrations (tenant, created_at DESC, id);

-- requests that were accepted: written before their work starts, so that none is lost to a crash,
-- and kept with their answers, so that a repeated Idempotency-Key gives the same answer
CREATE TABLE IF NOT EXISTS vitesse.requests (
    id              text PRIMARY KEY,
    integration_id  text NOT NULL,
    action          text NOT NULL,
    actor           text NOT NULL DEFAULT '',
    tenant          text NOT NULL DEFAULT '',
    idempotency_key text,
    fingerprint     text NOT NULL DEFAULT '',
    body            jsonb NOT NULL DEFAULT '{}',
    state           text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
    http_status     integer,
    answer          jsonb,
    attempts        integer NOT NULL DEFAULT 1,
    accepted_at     timestamptz NOT NULL DEFAULT now(),
    beat_at         timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS requests_by_key ON vitesse.requests (tenant, actor, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS requests_running ON vitesse.requests (beat_at) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS requests_by_integration ON vitesse.requests (integration_id, accepted_at DESC);

-- every mapping that an integration has had: what a person compares and goes back to
CREATE TABLE IF NOT EXISTS vitesse.transformations (
    integration_id text NOT NULL,
    version        integer NOT NULL,
    mapping        jsonb NOT NULL,
    digest         text NOT NULL,
    changed_by     text NOT NULL DEFAULT '',
    reason         text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (integration_id, version)
);

-- credentials that came in requests, encrypted before anything else is done with them
CREATE TABLE IF NOT EXISTS vitesse.secrets (
    id             text PRIMARY KEY,
    tenant         text NOT NULL DEFAULT '',
    created_by     text NOT NULL DEFAULT '',
    integration_id text NOT NULL DEFAULT '',
    purpose        text NOT NULL DEFAULT '',
    ciphertext     bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS secrets_by_integration ON vitesse.secrets (integration_id);

-- who may call the API; of a key only its hash is kept
CREATE TABLE IF NOT EXISTS vitesse.api_keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    role       text NOT NULL CHECK (role IN ('viewer', 'operator', 'approver', 'admin')),
    tenant     text NOT NULL DEFAULT '',
    hash       bytea NOT NULL,
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
