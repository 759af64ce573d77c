-- The chunks of a tenant nearest to an embedding, for searchKnowledge.
--
-- An HNSW index knows nothing of tenants and filters: asked for k neighbours it finds k of whatever tenant and throws the others away. So up to 5,000
-- candidates are compared one by one, which is exact; beyond that the index is scanned iteratively (hnsw.iterative_scan) until k candidates are
-- found; and should it give up before (hnsw.max_scan_tuples), the candidates are compared one by one after all.
--
-- The scan's settings hold while it runs, whatever the caller's session says, and are then what they were; an error takes them back with everything
-- else. They are no settings of the function, which only a superuser may restore from a dump, for pgvector's library is not loaded then. A statement
-- in which they are set cannot run in parallel.

-- The filters are those of knowledge_filter. A chunk without an embedding is none of the candidates.
-- Distances are pgvector's: Euclidean, cosine, or the negative inner product, as the database was installed.
create or replace function @extschema@.knowledge_nearest(tenant int8, embedding float4[], k int4, filters jsonb default '{}')
returns table (chunk_id int8, distance float8)
language plpgsql stable parallel unsafe rows 20
set search_path = pg_catalog, pg_temp
set enable_sort = on
as $$
declare
  exact_limit constant int4 := 5000;
  vectors text;
  dimension int4;
  operator text;
  measured text;
  candidates text := 'from @extschema@.kb_chunk as chunk' || @extschema@.knowledge_filter(filters) || ' and chunk.embedding is not null';
  count int4;
  ids int8[];
  distances float8[];
  scan_before text;
  breadth_before text;
begin
  select
    pg_catalog.quote_ident(namespace.nspname),
    installation.embedding_dimension,
    case installation.embedding_distance when 'l2' then '<->' when 'cosine' then '<=>' else '<#>' end
  into strict vectors, dimension, operator
  from @extschema@.pgvantage_installation as installation
  cross join pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'vector';
  -- What is measured must be, to the letter, what is indexed: beyond 2,000 dimensions half-precision values.
  measured := case
    when dimension <= 2000 then pg_catalog.format('chunk.embedding operator(%1$s.%2$s) $3::%1$s.vector', vectors, operator)
    else pg_catalog.format(
      '(chunk.embedding::%1$s.halfvec(%3$s)) operator(%1$s.%2$s) $3::%1$s.vector::%1$s.halfvec(%3$s)', vectors, operator, dimension
    )
  end;

  execute 'select count(*) from (select ' || candidates || ' limit ' || exact_limit + 1 || ') as candidate'
  into count using tenant, filters;
  if count > exact_limit then
    -- The library defines its settings when it is loaded, as reading one vector does.
    execute pg_catalog.format('select %L::%s.vector', '[1]', vectors);
    scan_before := pg_catalog.current_setting('hnsw.iterative_scan');
    breadth_before := pg_catalog.current_setting('hnsw.ef_search');
    perform pg_catalog.set_config('hnsw.iterative_scan', 'strict_order', true);
    -- Without sorting there is one way to this order: along the index. The planner would not always take it, as it does not see
    -- that long vectors lie outside the table's own pages.
    perform pg_catalog.set_config('enable_sort', 'off', true);
    perform pg_catalog.set_config('hnsw.ef_search', least(greatest(100, 2 * k), 1000)::text, true);
    execute 'select array_agg(id), array_agg(distance) from (select chunk.chunk_id as id, ' || measured || ' as distance '
      || candidates || ' order by ' || measured || ' limit $4) as nearest'
    into ids, distances using tenant, filters, embedding, k;
    perform pg_catalog.set_config('enable_sort', 'on', true);
    perform pg_catalog.set_config('hnsw.ef_search', breadth_before, true);
    perform pg_catalog.set_config('hnsw.iterative_scan', scan_before, true);
  end if;
  if count <= exact_limit or pg_catalog.cardinality(ids) is distinct from k then
    -- "+ 0" is no order of the index.
    execute 'select array_agg(id), array_agg(distance) from (select chunk.chunk_id as id, ' || measured || ' as distance '
      || candidates || ' order by (' || measured || ') + 0, id limit $4) as nearest'
    into ids, distances using tenant, filters, embedding, k;
  end if;
  return query select * from unnest(ids, distances) as nearest (id, distance) order by nearest.distance, nearest.id;
end
$$;
