-- Who may see what, for workloads with a role of their own. Run as often as one likes; the tables' owner
-- (Vitesse itself, and the process target) is not held by these rules.

create table if not exists vitesse_runtime.workloads (
    role           name primary key,
    integration_id text not null
);
revoke all on vitesse_runtime.workloads from public;

-- The integration of the role that is logged in; asked once a statement by the policies below.
create or replace function vitesse_runtime.own_integration() returns text
    language sql stable security definer set search_path = pg_catalog
    as $$ select integration_id from vitesse_runtime.workloads where role = session_user::name $$;

do $$
declare
    one text;
begin
    foreach one in array array['runs', 'cursors', 'holds', 'ledger', 'intents', 'dead_letters', 'leases',
                               'mappings'] loop
        if not exists (select 1 from pg_policies where schemaname = 'vitesse_runtime' and tablename = one
                       and policyname = 'own_rows') then
            execute format('create policy own_rows on vitesse_runtime.%I
                using (integration_id = (select vitesse_runtime.own_integration()))', one);
            execute format('alter table vitesse_runtime.%I enable row level security', one);
        end if;
    end loop;
    -- Tokens and budgets belong to credentials, which integrations may share. Only who can name a
    -- credential's digest, which takes the credential, sees its row.
    foreach one in array array['tokens', 'budgets'] loop
        if not exists (select 1 from pg_policies where schemaname = 'vitesse_runtime' and tablename = one
                       and policyname = 'named_row') then
            execute format('create policy named_row on vitesse_runtime.%I
                using (credential = current_setting(''vitesse.credential'', true))', one);
            execute format('alter table vitesse_runtime.%I enable row level security', one);
        end if;
    end loop;
end $$;
