-- make_lease: a row to be locked
insert into vitesse_runtime.leases (integration_id, token, holder) values (%(id)s, 0, '')
on conflict (integration_id) do nothing;

-- lock_lease: the row, for the length of a transaction: who takes it decides alone
select token from vitesse_runtime.leases where integration_id = %(id)s for update;

-- lease_is_held: whether the holder's connection lives. The process of another role shows no start; then its
-- signs of life count.
select exists (
    select 1 from vitesse_runtime.leases l join pg_stat_activity a on a.pid = l.backend_pid
    where l.integration_id = %(id)s and a.pid <> pg_backend_pid()
      and (a.backend_start = l.backend_started
           or (a.backend_start is null and l.renewed_at > clock_timestamp() - interval '30 seconds'))
);

-- take_lease: the lease is this connection's; with a fresh fencing token, or (when it is taken anew by its
-- holder) with the one that it has
update vitesse_runtime.leases set token = token + %(more)s, holder = %(holder)s, taken_at = now(),
    renewed_at = clock_timestamp(), backend_pid = pg_backend_pid(),
    backend_started = (select backend_start from pg_stat_activity where pid = pg_backend_pid())
where integration_id = %(id)s
returning token;

-- renew_lease: a sign of life; no row when another runner took over
update vitesse_runtime.leases set renewed_at = clock_timestamp()
where integration_id = %(id)s and token = %(token)s and backend_pid = pg_backend_pid()
returning 1;

-- release_lease: free at once, not only when the server has noticed that the connection is gone
update vitesse_runtime.leases set backend_pid = null
where integration_id = %(id)s and token = %(token)s and backend_pid = pg_backend_pid();

-- current_token: who may commit now
select token from vitesse_runtime.leases where integration_id = %(id)s;

-- open_run: the run that did not end, newest first
select * from vitesse_runtime.runs
where integration_id = %(id)s and status = 'running' and kind <> 'retry' order by run_id desc limit 1;

-- begin_run: opens a run; what it maps by is kept for good
with kept as (
    insert into vitesse_runtime.mappings (integration_id, definition_digest, mapping)
    values (%(id)s, %(digest)s, %(rows)s::json) on conflict do nothing
)
insert into vitesse_runtime.runs (integration_id, definition_version, definition_digest, mapping_version,
    source_spec_digest, dest_spec_digest, approved_by, is_full, filters, kind, since, until)
values (%(id)s, %(version)s, %(digest)s, %(mapping)s, %(source_spec)s, %(dest_spec)s, %(approver)s,
    %(full)s, %(filters)s::json, %(kind)s, %(since)s, %(until)s)
returning *;

-- restart_run: from the first page again, when the source forgot the position
update vitesse_runtime.runs set position = null, page = 0, seq = seq + 1
where run_id = %(run)s returning seq;

-- settle_in: ends open runs that another version or another kind of run replaces (dead letters tried again
-- replace no run); tells whether dead letters wait, whether intents are left, and the first number that no
-- intent of this run has used
with abandoned as (
    update vitesse_runtime.runs set status = 'stopped', ended_at = now(), error = %(error)s
    where integration_id = %(id)s and status = 'running' and run_id <> %(run)s
      and (kind = 'retry' or %(kind)s <> 'retry')
)
select exists (select 1 from vitesse_runtime.dead_letters where integration_id = %(id)s and status = 'open'),
    count(*) > 0, coalesce(max(chunk) filter (where run_id = %(run)s), 0) + 1
from vitesse_runtime.intents where integration_id = %(id)s;

-- end_run: the run's end, and the watermark when it read everything
with ended as (
    update vitesse_runtime.runs set status = %(status)s, error = %(error)s, code = %(code)s, ended_at = now(),
        seconds = seconds + %(seconds)s
    where run_id = %(run)s and exists (
        select 1 from vitesse_runtime.leases where integration_id = %(id)s and token = %(token)s)
    returning *
), covered as (
    insert into vitesse_runtime.cursors (integration_id, definition_version, watermark, full_read_at)
    select integration_id, definition_version, high_watermark, case when is_full then now() end from ended
    where status = 'completed' and %(moves)s
    on conflict (integration_id) do update set
        definition_version = excluded.definition_version,
        watermark = coalesce(excluded.watermark, vitesse_runtime.cursors.watermark),
        full_read_at = coalesce(excluded.full_read_at, vitesse_runtime.cursors.full_read_at),
        updated_at = now()
)
select * from ended;

-- pause_run: seconds worked so far on a run that stays open
update vitesse_runtime.runs set seconds = seconds + %(seconds)s, error = %(error)s, code = %(code)s
where run_id = %(run)s returning *;

-- cursor: what the last complete read covered
select definition_version, watermark, full_read_at from vitesse_runtime.cursors where integration_id = %(id)s;

-- known: ledger rows of these source keys
select source_key, dest_id, content_hash, refused_hash, outcome, run_id, mapping_version,
    coalesce(natural_text, natural_key)
from vitesse_runtime.ledger
where integration_id = %(id)s and source_key = any(array(select json_array_elements_text(%(keys)s::json)));

-- owners: which source key owns a natural key
select natural_key, source_key from vitesse_runtime.ledger
where integration_id = %(id)s and coalesce(dest_id, content_hash) is not null and outcome <> 'deleted'
  and natural_key = any(array(select json_array_elements_text(%(keys)s::json)));

-- save_intent: what is about to be sent, before it is sent
insert into vitesse_runtime.intents (integration_id, run_id, chunk, payload)
select %(id)s, %(run)s, %(chunk)s, %(payload)b
where exists (select 1 from vitesse_runtime.leases where integration_id = %(id)s and token = %(token)s)
on conflict (integration_id, run_id, chunk) do update set payload = excluded.payload
returning 1;

-- intents: requests whose end nobody knows, oldest first
select run_id, chunk, payload from vitesse_runtime.intents where integration_id = %(id)s order by run_id, chunk;

-- commit_chunk: outcomes, counts and cursor in one statement, which is one transaction
with held as (
    select 1 from vitesse_runtime.leases where integration_id = %(id)s and token = %(token)s for share
), moved as (
    update vitesse_runtime.runs set seq = %(seq)s,
        position = case when %(moves)s then %(position)s::json else position end,
        page = case when %(moves)s then %(next_page)s else page end,
        high_watermark = coalesce(%(high)s, high_watermark),
        fetched = fetched + %(fetched)s, created = created + %(created)s, updated = updated + %(updated)s,
        unchanged = unchanged + %(unchanged)s, filtered = filtered + %(filtered)s,
        quarantined = quarantined + %(quarantined)s, deleted = deleted + %(deleted)s
    where run_id = %(run)s and seq = %(seq)s - 1 and exists (select 1 from held)
    returning 1
), entry as (
    select * from json_to_recordset(%(rows)s::json)
        as r(k text, d text, h text, x text, n text, t text, o text, w text, q text, p json, g integer)
    where exists (select 1 from moved)
), ledger as (
    insert into vitesse_runtime.ledger as l (integration_id, source_key, dest_id, content_hash, refused_hash,
        natural_key, natural_text, outcome, reason, run_id, page, written_run_id, written_page, mapping_version,
        written_at)
    select %(id)s, k, d, h, x, n, t, o, w, %(run)s, g,
        case when o = 'written' then %(run)s end, case when o = 'written' then g end,
        case when o in ('written', 'quarantined', 'unknown') then %(mapping)s end, case when o = 'written' then now() end
    from entry
    on conflict (integration_id, source_key) do update set
        dest_id = case when excluded.outcome = 'deleted' then l.dest_id else coalesce(excluded.dest_id, l.dest_id) end,
        content_hash = case when excluded.outcome = 'deleted' then null
            else coalesce(excluded.content_hash, l.content_hash) end,
        refused_hash = case when excluded.outcome in ('quarantined', 'unknown') then excluded.refused_hash end,
        natural_key = coalesce(excluded.natural_key, l.natural_key),
        natural_text = case when excluded.natural_key is null then l.natural_text else excluded.natural_text end,
        outcome = excluded.outcome, run_id = excluded.run_id, page = excluded.page,
        reason = case when excluded.outcome in ('quarantined', 'unknown')
            then coalesce(excluded.reason, l.reason) else excluded.reason end,
        written_run_id = coalesce(excluded.written_run_id, l.written_run_id),
        written_page = coalesce(excluded.written_page, l.written_page),
        mapping_version = coalesce(excluded.mapping_version, l.mapping_version),
        written_at = coalesce(excluded.written_at, l.written_at), seen_at = now()
), fresh as (
    -- what the ledger had no row of, by column: half the work of the general way
    insert into vitesse_runtime.ledger (integration_id, source_key, dest_id, content_hash, natural_key, natural_text,
        outcome, run_id, page, written_run_id, written_page, mapping_version, written_at)
    select %(id)s, k, d, h, n, t, 'written', %(run)s, g, %(run)s, g, %(mapping)s, now()
    from unnest(%(new_keys)s::text[], %(new_ids)s::text[], %(new_hashes)s::text[], %(new_naturals)s::text[],
        %(new_texts)s::text[], %(new_pages)s::integer[]) as r(k, d, h, n, t, g)
    where exists (select 1 from moved)
), letters as (
    insert into vitesse_runtime.dead_letters as d (integration_id, source_key, code, reason, payload, run_id,
        page, mapping_version)
    select %(id)s, k, q, coalesce(w, ''), p, %(run)s, g, %(mapping)s
    from entry where o in ('quarantined', 'unknown') and q not in ('refused_before', 'unknown_before')
    on conflict (integration_id, source_key) where status = 'open' do update set
        attempts = d.attempts + 1, last_at = now(), code = excluded.code, reason = excluded.reason,
        payload = excluded.payload, run_id = excluded.run_id, mapping_version = excluded.mapping_version
), resolved as (
    update vitesse_runtime.dead_letters d set status = 'resolved', last_at = now()
    from entry where %(has_letters)s and d.integration_id = %(id)s and d.source_key = entry.k
        and d.status = 'open' and entry.o in ('written', 'deleted')
), cleared as (
    delete from vitesse_runtime.intents where integration_id = %(id)s and run_id = %(run)s
        and chunk = %(chunk)s and %(clears)s and exists (select 1 from moved)
)
select count(*) from moved;

-- seq: number of the run's last commit
select seq from vitesse_runtime.runs where run_id = %(run)s;

-- settle_intent: the ledger learns what became of requests of a run that was cut off
with held as (
    select 1 from vitesse_runtime.leases where integration_id = %(id)s and token = %(token)s for share
), entry as (
    select * from json_to_recordset(%(rows)s::json)
        as r(k text, d text, h text, n text, t text, o text, w text, m integer, q text, p json)
    where exists (select 1 from held)
), ledger as (
    insert into vitesse_runtime.ledger as l (integration_id, source_key, dest_id, content_hash, refused_hash,
        natural_key, natural_text, outcome, reason, run_id, page, mapping_version, written_run_id, written_at)
    select %(id)s, k, d, case when o <> 'unknown' then h end, case when o = 'unknown' then h end, n, t, o, w, %(run)s, 0, m, %(intent_run)s, now()
    from entry
    on conflict (integration_id, source_key) do update set dest_id = coalesce(excluded.dest_id, l.dest_id),
        natural_key = coalesce(excluded.natural_key, l.natural_key),
        natural_text = case when excluded.natural_key is null then l.natural_text else excluded.natural_text end,
        content_hash = excluded.content_hash, refused_hash = excluded.refused_hash,
        outcome = excluded.outcome, reason = excluded.reason, run_id = excluded.run_id,
        mapping_version = excluded.mapping_version, written_run_id = excluded.written_run_id, written_at = now()
), letters as (
    insert into vitesse_runtime.dead_letters (integration_id, source_key, code, reason, payload, run_id, page,
        mapping_version)
    select %(id)s, k, q, w, p, %(run)s, 0, m from entry where o = 'unknown'
    on conflict (integration_id, source_key) where status = 'open' do nothing
), cleared as (
    delete from vitesse_runtime.intents where integration_id = %(id)s and run_id = %(intent_run)s
        and chunk = %(chunk)s and exists (select 1 from held)
)
select count(*) from held;

-- open_letters: how many dead letters wait
select count(*) from vitesse_runtime.dead_letters where integration_id = %(id)s and status = 'open';

-- list_letters: dead letters, oldest first
select id, source_key, status, code, reason, payload, attempts, run_id, page, mapping_version, first_at, last_at
from vitesse_runtime.dead_letters
where integration_id = %(id)s and (%(status)s::text is null or status = %(status)s)
  and (%(ids)s::bigint[] is null or id = any(%(ids)s::bigint[])) and id > %(after)s
order by id limit %(limit)s;

-- read_again: records that are not kept here are forgotten as refused, so that the next run tries what it reads
update vitesse_runtime.ledger set refused_hash = null, reason = null,
    outcome = case when content_hash is null then 'released' else 'written' end
where integration_id = %(id)s and outcome in ('quarantined', 'unknown')
  and source_key = any(array(select json_array_elements_text(%(keys)s::json)))
  and exists (select 1 from vitesse_runtime.leases where integration_id = %(id)s and token = %(token)s);

-- drop_letters: a person decides that these need not be written
update vitesse_runtime.dead_letters set status = 'dropped', last_at = now()
where integration_id = %(id)s and status = 'open'
  and (%(ids)s::bigint[] is null or id = any(%(ids)s::bigint[]))
returning id;

-- recent_good: source keys written or confirmed last
select source_key from vitesse_runtime.ledger
where integration_id = %(id)s and outcome in ('written', 'unchanged') order by seen_at desc limit %(limit)s;

-- recent_failed: source keys that failed last, with the reason
select source_key, code, reason from vitesse_runtime.dead_letters
where integration_id = %(id)s and status = 'open' order by last_at desc limit %(limit)s;

-- explain: one record's ledger row with the run that wrote it and the run that saw it last
select l.*, w.definition_version, w.definition_digest, w.source_spec_digest, w.dest_spec_digest,
    w.approved_by, m.mapping
from vitesse_runtime.ledger l
left join vitesse_runtime.runs w on w.run_id = coalesce(l.written_run_id, l.run_id)
left join vitesse_runtime.mappings m
    on m.integration_id = l.integration_id and m.definition_digest = w.definition_digest
where l.integration_id = %(id)s and (l.source_key = %(key)s or l.dest_id = %(key)s)
order by (l.source_key = %(key)s) desc limit 1;

-- last_run: the newest run that ended
select * from vitesse_runtime.runs
where integration_id = %(id)s and (status <> 'running' or error is not null) and kind <> 'retry'
order by run_id desc limit 1;

-- runs: newest first
select * from vitesse_runtime.runs where integration_id = %(id)s order by run_id desc limit %(limit)s;

-- hold: no scheduled run until a person (or a new version) says so
insert into vitesse_runtime.holds (integration_id, reason, definition_version)
values (%(id)s, %(reason)s, %(version)s)
on conflict (integration_id) do update set reason = excluded.reason,
    definition_version = excluded.definition_version, since = now();

-- release: runs may go on
delete from vitesse_runtime.holds where integration_id = %(id)s;

-- held: why runs are held, for this version of the definition
select reason from vitesse_runtime.holds where integration_id = %(id)s and definition_version = %(version)s;

-- hold_now: since when runs of this version, or of one that replaces it, are held; null where they are not
select max(since) from vitesse_runtime.holds
where integration_id = %(id)s and definition_version >= %(version)s;

-- reserve_slots: the next slots of a credential's budget; gives the seconds from now to the first of them
-- (naming the credential is what lets a workload's own role see its row)
with named as materialized (select set_config('vitesse.credential', %(key)s, true) as credential)
insert into vitesse_runtime.budgets as b (credential, next_at)
select credential, extract(epoch from clock_timestamp()) + %(count)s::float8 * %(gap)s::float8 from named
on conflict (credential) do update set next_at = %(count)s::float8 * %(gap)s::float8
    + greatest(b.next_at, extract(epoch from clock_timestamp()) - %(gap)s::float8 * (%(burst)s::float8 - 1))
returning next_at - %(count)s::float8 * %(gap)s::float8 - extract(epoch from clock_timestamp());

-- forget: everything about one integration
with a as (delete from vitesse_runtime.ledger where integration_id = %(id)s),
     b as (delete from vitesse_runtime.dead_letters where integration_id = %(id)s),
     c as (delete from vitesse_runtime.intents where integration_id = %(id)s),
     d as (delete from vitesse_runtime.cursors where integration_id = %(id)s),
     e as (delete from vitesse_runtime.holds where integration_id = %(id)s),
     f as (delete from vitesse_runtime.leases where integration_id = %(id)s),
     g as (delete from vitesse_runtime.mappings where integration_id = %(id)s)
delete from vitesse_runtime.runs where integration_id = %(id)s;
