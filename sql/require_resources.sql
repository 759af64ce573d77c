-- True, or an error that names the first URN that the tenant does not have and the three most similar ones that it has: a mistyped URN is not silence.
--
-- It reads a table and is nevertheless declared immutable, so that it is asked while the statement is planned. Of a range without any partition the plan
-- is empty, and a condition of it would never be looked at. Where a plan is kept for other parameters, it is asked once at the start of each execution.
-- Nothing else may use it: a resource is never dropped but with its tenant, so an answer that was true stays true for as long as a plan is kept.
create or replace function @extschema@.require_resources(tenant int8, urns text[])
returns bool
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
  trigrams text;
  nearest text;
begin
  select asked.urn into unknown
  from unnest(urns) with ordinality as asked (urn, place)
  where not exists (select from @extschema@.dim_resource as resource where resource.tenant_id = tenant and resource.urn = asked.urn)
  order by asked.place
  limit 1;
  if not found then
    return true;
  end if;
  select quote_ident(namespace.nspname) into strict trigrams
  from pg_extension as extension
  join pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'pg_trgm';
  execute '
    select string_agg(near.urn, '', '' order by near.distance, near.urn collate "C")
    from (
      select resource.urn, resource.urn operator(' || trigrams || '.<->) $2 as distance
      from @extschema@.dim_resource as resource
      where resource.tenant_id = $1
      order by 2, resource.urn collate "C"
      limit 3
    ) as near'
  into nearest using tenant, unknown;
  raise exception 'tenant % has no resource with URN %: %',
    (select to_json(code) from @extschema@.dim_tenant where tenant_id = tenant), to_json(unknown), coalesce('the most similar it has are ' || nearest, 'it has none yet')
    using errcode = 'PV404';
end
$$;
