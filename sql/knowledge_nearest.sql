-- The distance between a chunk's embedding and a parameter of type float4[], as SQL text. The
-- expression must be exactly the indexed one: beyond 2,000 dimensions it is of half-precision
-- values, for both types of embeddings.
create or replace function @extschema@.knowledge_measured(parameter text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.format(
    case
      when installation.embedding_type = 'halfvec' then 'chunk.embedding operator(%1$s.%2$s) %4$s::%1$s.halfvec'
      when installation.embedding_dimension <= 2000 then 'chunk.embedding operator(%1$s.%2$s) %4$s::%1$s.vector'
      else '(chunk.embedding::%1$s.halfvec(%3$s)) operator(%1$s.%2$s) %4$s::%1$s.vector::%1$s.halfvec(%3$s)'
    end,
    pg_catalog.quote_ident(namespace.nspname),
    case installation.embedding_distance when 'l2' then '<->' when 'cosine' then '<=>' else '<#>' end,
    installation.embedding_dimension,
    parameter
  )
  from @extschema@.pgvantage_installation as installation
  cross join pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'vector'
$$;

-- The distances of given chunks from an embedding; a chunk without an embedding is left out.
create or replace function @extschema@.knowledge_distances(tenant int8, chunks int8[], embedding float4[])
returns table (chunk_id int8, distance float8)
language plpgsql stable parallel safe rows 100
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
begin
  return query execute '
    select chunk.chunk_id, ' || @extschema@.knowledge_measured('$3') || '
    from @extschema@.kb_chunk as chunk
    where chunk.tenant_id = $1 and chunk.chunk_id = any($2) and chunk.embedding is not null'
  using tenant, chunks, embedding;
end
$$;

-- The chunks of a tenant nearest to an embedding, for searchKnowledge.
--
-- An HNSW index does not know tenants and filters: it finds the k nearest of any tenant, and the
-- others are thrown away. So there are two ways, and the cheaper one is taken:
--
-- * Compare each candidate: exact, and the cost grows with the number of candidates. Used for a
--   tenant of up to 5,000 chunks, and if few chunks pass the filters.
-- * Scan the index iteratively (hnsw.iterative_scan) until enough candidates are found: the rarer
--   they are among all chunks in the index, the more of it is scanned. With N chunks in the index,
--   p of them candidates, h hits take N * h / p steps. A step costs about as much as comparing one
--   candidate, so the two ways are equal at p = sqrt(N * h).
--
-- If the scan stops before it has enough (hnsw.max_scan_tuples), the candidates are compared one by
-- one after all.
--
-- The scan is in relaxed order: strict order drops candidates that it finds too late. It finds 20
-- more than twice the number asked for, and the nearest of these are taken, since near the edge of
-- the scanned part the index has not seen all.
--
-- The scan's settings apply while it runs, regardless of the caller's session, and are restored
-- afterwards; an error rolls them back too. They are not settings of the function: only a superuser
-- could restore such a function from a dump, when pgvector's library is not loaded. A statement in
-- which they are set cannot run in parallel.
--
-- The filters are those of knowledge_filter. A chunk without an embedding is left out. `model` is
-- the name of the model that embedded the question; null if it is not given. Distances are
-- pgvector's: Euclidean, cosine, or the negative inner product, as installed.
create or replace function @extschema@.knowledge_nearest(
  tenant int8, embedding float4[], model text, k int4, filters jsonb default '{}'
)
returns table (chunk_id int8, distance float8)
language plpgsql stable parallel unsafe rows 20
set search_path = pg_catalog, pg_temp
set jit = off
set enable_sort = on
as $$
declare
  hits int4 := 2 * k + 20;
  -- Only an estimate, and 0 where nobody has counted yet: it decides the way, not the answer.
  indexed float8 := (select greatest(class.reltuples, 0) from pg_class as class where class.oid = '@extschema@.kb_chunk'::regclass);
  vectors text := (
    select quote_ident(namespace.nspname)
    from pg_extension as extension
    join pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'vector'
  );
  measured text;
  candidates text := 'from @extschema@.kb_chunk as chunk' || @extschema@.knowledge_filter(filters) || ' and chunk.embedding is not null';
  few int4;
  is_few bool;
  ids int8[];
  distances float8[];
  before text[];
begin
  if exists (select from @extschema@.kb_corpus as corpus where corpus.tenant_id = tenant and corpus.model <> knowledge_nearest.model) then
    raise exception 'this tenant''s knowledge is embedded by the model "%", the question by "%"',
      (select corpus.model from @extschema@.kb_corpus as corpus where corpus.tenant_id = tenant), knowledge_nearest.model
      using errcode = 'object_not_in_prerequisite_state', hint = 'embed the question by the same model, or move the knowledge with reembed(scope, ...)';
  end if;
  measured := @extschema@.knowledge_measured('$3');
  select count(*) <= 5000 into is_few
  from (select from @extschema@.kb_chunk as chunk where chunk.tenant_id = tenant limit 5001) as first;
  if not is_few and filters <> '{}' then
    few := greatest(1000, sqrt(indexed * hits));
    execute 'select count(*) <= $3 from (select ' || candidates || ' limit $3 + 1) as candidate'
    into is_few using tenant, filters, few;
  end if;
  if not is_few then
    -- The library defines its settings when it is loaded, as reading one vector does.
    execute format('select %L::%s.vector', '[1]', vectors);
    before := array[
      current_setting('hnsw.iterative_scan'), current_setting('hnsw.ef_search'),
      current_setting('hnsw.max_scan_tuples'), current_setting('hnsw.scan_mem_multiplier')
    ];
    perform set_config('hnsw.iterative_scan', 'relaxed_order', true);
    perform set_config('hnsw.ef_search', least(greatest(200, hits), 1000)::text, true);
    perform set_config('hnsw.max_scan_tuples', '40000', true);
    perform set_config('hnsw.scan_mem_multiplier', '8', true);
    -- Without sorting there is one way to this order: along the index. The planner would not always take it, as it does not see
    -- that long vectors lie outside the table's own pages.
    perform set_config('enable_sort', 'off', true);
    execute 'select array_agg(id), array_agg(distance) from (select chunk.chunk_id as id, ' || measured || ' as distance '
      || candidates || ' order by ' || measured || ' limit $4) as nearest'
    into ids, distances using tenant, filters, embedding, hits;
    perform set_config('enable_sort', 'on', true);
    perform set_config('hnsw.iterative_scan', before[1], true);
    perform set_config('hnsw.ef_search', before[2], true);
    perform set_config('hnsw.max_scan_tuples', before[3], true);
    perform set_config('hnsw.scan_mem_multiplier', before[4], true);
  end if;
  if is_few or cardinality(ids) is distinct from hits then
    -- "+ 0" is no order of the index.
    execute 'select array_agg(id), array_agg(distance) from (select chunk.chunk_id as id, ' || measured || ' as distance '
      || candidates || ' order by (' || measured || ') + 0, id limit $4) as nearest'
    into ids, distances using tenant, filters, embedding, k;
  end if;
  return query
    select * from unnest(ids, distances) as nearest (id, distance) order by nearest.distance, nearest.id limit k;
end
$$;
