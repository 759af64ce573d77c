-- True, or an error for the first URN that the tenant does not have, with the three most similar
-- URNs that it has: a mistyped URN must not look like silence.
--
-- It reads a table but is declared immutable, so that it runs while the statement is planned. The
-- plan for a range without any partition is empty, and a condition in it would never be evaluated.
-- If a plan is reused with other parameters, it runs once at the start of each execution. Nothing
-- else may use it. A resource is dropped only with its tenant, so a true answer stays true while a
-- plan is kept.
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
  -- A lookup for each, not a join, which compares each with each where there are no statistics.
  where (select true from @extschema@.dim_resource as resource where resource.tenant_id = tenant and resource.urn = asked.urn) is null
  order by asked.place
  limit 1;
  if not found then
    return true;
  end if;
  select quote_ident(namespace.nspname) into trigrams
  from pg_extension as extension
  join pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'pg_trgm' and has_schema_privilege(namespace.oid, 'usage');
  if trigrams is null then
    -- A role that was given its rights by hand may not compare. That the URN is unknown matters more.
    nearest := 'see what it has in dim_resource';
  else
    -- Only beginnings are compared: of 100,000 resources, two URNs of a kilobyte each would take ten seconds. As JSON writes them, so that a line break or a
    -- control character in a URN breaks no line of a log.
    execute '
      select ''the most similar it has are '' || string_agg(left(right(to_json(near.urn)::text, -1), -1), '', '' order by near.distance, near.urn collate "C")
      from (
        select resource.urn, left(resource.urn, 128) operator(' || trigrams || '.<->) $2 as distance
        from @extschema@.dim_resource as resource
        where resource.tenant_id = $1
        order by 2, resource.urn collate "C"
        limit 3
      ) as near'
    into nearest using tenant, left(unknown, 128);
  end if;
  raise exception 'tenant % has no resource with URN %: %',
    (select to_json(code) from @extschema@.dim_tenant where tenant_id = tenant), to_json(unknown), coalesce(nearest, 'it has none yet')
    using errcode = 'PV404';
end
$$;
