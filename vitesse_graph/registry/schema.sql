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
