-- Of chunks with scores of 0..1, the `k` that are best without repeating each other: maximal
-- marginal relevance (Carbonell, Goldstein: The Use of MMR, 1998). In each step the chunk with the
-- greatest (1 - diversity) * score - diversity * similarity is taken. Similarity is that to the
-- nearest chunk taken before: the cosine of their embeddings, or if one has no embedding, the share
-- of terms that they have in common. The returned score never rises from one chunk to the next.
create or replace function @extschema@.knowledge_diverse(tenant int8, chunks int8[], scores float8[], k int4, diversity float8)
returns table (chunk_id int8, score float8)
language plpgsql stable parallel unsafe rows 20
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  vectors text;
  ids int8[];
  relevances float8[];
  nearest float8[];
  more float8[];
  best int4;
begin
  select pg_catalog.quote_ident(namespace.nspname)
  into strict vectors
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'vector';
  select array_agg(given.id order by given.score desc, given.id), array_agg(given.score order by given.score desc, given.id)
  into ids, relevances
  from unnest(chunks, scores) as given (id, score);
  nearest := array_fill(0::float8, array[coalesce(cardinality(ids), 0)]);
  for taken in 1 .. least(k, coalesce(cardinality(ids), 0)) loop
    select candidate.at, (1 - diversity) * candidate.relevance - diversity * candidate.near
    into best, score
    from unnest(relevances, nearest) with ordinality as candidate (relevance, near, at)
    where candidate.relevance is not null
    order by 2 desc, 1
    limit 1;
    chunk_id := ids[best];
    return next;
    relevances[best] := null;
    execute '
      select array_agg(greatest(before.near, likeness.of) order by before.at)
       from unnest($3, $4) with ordinality as before (id, near, at)
       join @extschema@.kb_chunk as chunk on chunk.tenant_id = $1 and chunk.chunk_id = before.id
       join @extschema@.kb_chunk as taken on taken.tenant_id = $1 and taken.chunk_id = $2
       cross join lateral (
         select case
           when chunk.embedding is null or taken.embedding is null then (
             select count(*)::float8 / nullif(sqrt(
               (select count(*) from @extschema@.kb_term as held where held.tenant_id = $1 and held.chunk_id = chunk.chunk_id)::float8
               * (select count(*) from @extschema@.kb_term as held where held.tenant_id = $1 and held.chunk_id = taken.chunk_id)
             ), 0)
             from @extschema@.kb_term as one
             join @extschema@.kb_term as other on other.tenant_id = $1 and other.chunk_id = taken.chunk_id and other.term = one.term
             where one.tenant_id = $1 and one.chunk_id = chunk.chunk_id
           )
           else nullif(1 - (chunk.embedding operator(' || vectors || '.<=>) taken.embedding), ''NaN'')
         end as of
       ) as likeness'
    into more using tenant, chunk_id, ids, nearest;
    nearest := more;
  end loop;
end
$$;
