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

-- By their columns, so that a table that is added later is ruled as well. A table with neither column is
-- open to no role.
do $$
declare
    one record;
begin
    for one in
        select c.table_name, c.column_name, (c.column_name = 'integration_id') as is_own
        from information_schema.columns c
        join information_schema.tables t using (table_schema, table_name)
        where c.table_schema = 'vitesse_runtime' and t.table_type = 'BASE TABLE'
          and c.column_name in ('integration_id', 'credential') and c.table_name <> 'workloads'
    loop
        if one.is_own and not exists (select 1 from pg_policies where schemaname = 'vitesse_runtime'
                                      and tablename = one.table_name and policyname = 'own_rows') then
            execute format('create policy own_rows on vitesse_runtime.%I
                using (integration_id = (select vitesse_runtime.own_integration()))', one.table_name);
        end if;
        -- Tokens and budgets belong to credentials, which integrations may share. Only who can name a
        -- credential's digest, which takes the credential, sees its row.
        if not one.is_own and not exists (select 1 from pg_policies where schemaname = 'vitesse_runtime'
                                          and tablename = one.table_name and policyname = 'named_row') then
            execute format('create policy named_row on vitesse_runtime.%I
                using (credential = current_setting(''vitesse.credential'', true))', one.table_name);
        end if;
        if not (select relrowsecurity from pg_class
                where oid = format('vitesse_runtime.%I', one.table_name)::regclass) then
            execute format('alter table vitesse_runtime.%I enable row level security', one.table_name);
        end if;
    end loop;
end $$;
