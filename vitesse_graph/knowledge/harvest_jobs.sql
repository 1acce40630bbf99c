-- Harvest jobs and their items: what is left to read after a crash, and what came of each source.
-- Every statement is idempotent: the file is the migration.

CREATE SCHEMA IF NOT EXISTS vitesse;

CREATE TABLE IF NOT EXISTS vitesse.harvest_jobs (
    id           uuid PRIMARY KEY,
    harvest_type text NOT NULL,
    status       text NOT NULL DEFAULT 'running',  -- running, completed, stopped
    total        integer NOT NULL DEFAULT 0,
    done         integer NOT NULL DEFAULT 0,
    failed       integer NOT NULL DEFAULT 0,
    documents    integer NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);
CREATE INDEX IF NOT EXISTS harvest_jobs_by_age ON vitesse.harvest_jobs (created_at DESC);

CREATE TABLE IF NOT EXISTS vitesse.harvest_items (
    job_id    uuid NOT NULL REFERENCES vitesse.harvest_jobs (id) ON DELETE CASCADE,
    place     integer NOT NULL,
    name      text NOT NULL,
    location  text NOT NULL,
    status    text NOT NULL DEFAULT 'waiting',     -- waiting, done, unchanged, failed
    digest    text NOT NULL DEFAULT '',
    documents integer NOT NULL DEFAULT 0,
    error     text NOT NULL DEFAULT '',
    ended_at  timestamptz,
    PRIMARY KEY (job_id, location)
);
-- what an incremental harvest compares with: the last text read from each address
CREATE INDEX IF NOT EXISTS harvest_items_by_location ON vitesse.harvest_items (location, ended_at DESC);
