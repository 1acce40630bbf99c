-- What the runtime keeps, under a schema of its own. Each section runs once, in order, inside one
-- transaction; a section that has been released is never changed, only followed by another.

-- migration 1: runs, cursors, ledger, intents, dead letters, leases, tokens
create schema if not exists vitesse_runtime;

create table vitesse_runtime.runs (
    run_id             bigint generated always as identity primary key,
    integration_id     text not null,
    definition_version integer not null,
    definition_digest  text not null,
    mapping_version    integer not null,
    source_spec_digest text not null default '',
    dest_spec_digest   text not null default '',
    approved_by        text,
    is_full            boolean not null,
    -- the filter that this run reads with ({} for a full read)
    filters            json not null default '{}',
    status             text not null default 'running',
    error              text,
    -- where the next page lies once everything before it is settled; null: at the beginning
    position           json,
    page               integer not null default 0,
    -- number of the last commit: makes a repeated commit harmless
    seq                bigint not null default 0,
    high_watermark     text,
    fetched            bigint not null default 0,
    created            bigint not null default 0,
    updated            bigint not null default 0,
    unchanged          bigint not null default 0,
    filtered           bigint not null default 0,
    quarantined        bigint not null default 0,
    deleted            bigint not null default 0,
    started_at         timestamptz not null default now(),
    ended_at           timestamptz,
    seconds            double precision not null default 0,
    constraint runs_one_open_position check (seq >= 0)
);
create index runs_by_integration on vitesse_runtime.runs (integration_id, run_id desc);

-- one row an integration: what the last complete read covered, and whether runs are held
create table vitesse_runtime.cursors (
    integration_id     text primary key,
    definition_version integer not null,
    watermark          text,
    full_read_at       timestamptz,
    updated_at         timestamptz not null default now()
);

create table vitesse_runtime.holds (
    integration_id     text primary key,
    reason             text not null,
    definition_version integer not null,
    since              timestamptz not null default now()
);

create table vitesse_runtime.ledger (
    integration_id  text not null,
    source_key      text not null,
    dest_id         text,
    -- hash of the body that the destination holds; null: unknown or none
    content_hash    text,
    -- hash of a body that was refused for good: it is not sent again
    refused_hash    text,
    natural_key     text,
    outcome         text not null,
    reason          text,
    run_id          bigint not null,
    page            integer not null,
    written_run_id  bigint,
    written_page    integer,
    mapping_version integer,
    seen_at         timestamptz not null default now(),
    written_at      timestamptz,
    primary key (integration_id, source_key)
) with (fillfactor = 80);
create index ledger_by_dest on vitesse_runtime.ledger (integration_id, dest_id) where dest_id is not null;
create index ledger_by_natural_key on vitesse_runtime.ledger (integration_id, natural_key)
    where natural_key is not null;

-- requests that may have reached the destination while nobody knows the answer
create table vitesse_runtime.intents (
    integration_id text not null,
    run_id         bigint not null,
    chunk          bigint not null,
    payload        bytea not null,
    primary key (integration_id, run_id, chunk)
);
alter table vitesse_runtime.intents alter column payload set storage external;

create table vitesse_runtime.dead_letters (
    id              bigint generated always as identity primary key,
    integration_id  text not null,
    source_key      text not null,
    status          text not null default 'open',
    code            text not null,
    reason          text not null,
    payload         json,
    attempts        integer not null default 1,
    run_id          bigint not null,
    page            integer not null,
    mapping_version integer not null,
    first_at        timestamptz not null default now(),
    last_at         timestamptz not null default now()
);
create unique index dead_letters_open on vitesse_runtime.dead_letters (integration_id, source_key)
    where status = 'open';

create table vitesse_runtime.leases (
    integration_id text primary key,
    token          bigint not null,
    holder         text not null,
    taken_at       timestamptz not null default now()
);

-- OAuth2 grants, sealed with a key that only the credential's holder can derive
create table vitesse_runtime.tokens (
    credential text primary key,
    generation bigint not null default 1,
    sealed     bytea not null,
    expires_at timestamptz,
    updated_at timestamptz not null default now()
);

-- migration 2: one budget for each credential, whoever spends it
create table vitesse_runtime.budgets (
    credential text primary key,
    -- when the next free slot lies, in seconds since the epoch
    next_at    double precision not null
);

-- migration 3: the mapping of every definition that a run was made with, so that any record can be explained
create table vitesse_runtime.mappings (
    integration_id    text not null,
    definition_digest text not null,
    mapping           json not null,
    primary key (integration_id, definition_digest)
);

-- migration 4: what a run was asked to do: a range that was cut off is no ordinary run to be taken up
alter table vitesse_runtime.runs add column kind text not null default 'sync';
alter table vitesse_runtime.runs add column since text;
alter table vitesse_runtime.runs add column until text;
-- what has to be done about its error, where a program can tell: needs_reauth
alter table vitesse_runtime.runs add column code text;
-- the natural key as the destination knows it, where folding changed it
alter table vitesse_runtime.ledger add column natural_text text;
-- who holds the lease: its connection's process in the server, which ends with the holder
alter table vitesse_runtime.leases add column backend_pid integer;
alter table vitesse_runtime.leases add column backend_started timestamptz;
alter table vitesse_runtime.leases add column renewed_at timestamptz;
