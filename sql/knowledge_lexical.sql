-- The chunks of a tenant that best answer the terms of a question, for searchKnowledge: BM25 (Robertson, Zaragoza: The Probabilistic Relevance
-- Framework: BM25 and Beyond, 2009), with the inverse document frequency of Lucene, ln(1 + (n - df + .5) / (df + .5)).
--
-- How many chunks there are, how long they are on average and how many hold a term is counted as it is asked, within the tenant. Up to 4,096 each is
-- exact. Beyond that it is counted among a sixteenth of the chunks, always the same ones: a question of ten common words would else count the whole
-- table.

-- What the terms of a question weigh in this tenant: how many chunks there are (`n`), their mean length, and for each term the chunks that hold it.
-- A term that none holds is left out.
create or replace function @extschema@.knowledge_weights(tenant int8, terms text[], weights float8[])
returns table (term text, weight float8, df float8, n float8, mean_length float8)
language sql stable parallel safe rows 10
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
  with counted as (
    select count(*) as n, avg(first.length) as mean_length
    from (select chunk.length from @extschema@.kb_chunk as chunk where chunk.tenant_id = tenant limit 4097) as first
  ), corpus as (
    select counted.n::float8 as n, counted.mean_length::float8 as mean_length from counted where counted.n <= 4096
    union all
    select sample.n, sample.mean_length
    from counted
    cross join lateral (
      select 16 * count(*)::float8 as n, avg(chunk.length)::float8 as mean_length
      from @extschema@.kb_chunk as chunk
      where chunk.tenant_id = tenant and hashint8extended(chunk.chunk_id, 0) & 15 = 0
    ) as sample
    where counted.n > 4096
  ), question as (
    select asked.term collate "C" as term, sum(asked.weight) as weight
    from unnest(terms, weights) as asked (term, weight)
    group by asked.term collate "C"
  )
  select question.term, question.weight, held.df, corpus.n, greatest(corpus.mean_length, 1)
  from question
  cross join corpus
  cross join lateral (
    select count(*) as df
    from (
      select from @extschema@.kb_term as posting where posting.tenant_id = tenant and posting.term = question.term limit 4097
    ) as first
  ) as few
  cross join lateral (
    select few.df::float8 as df where few.df <= 4096
    union all
    -- Sampled, it is still more than was counted, and at most all.
    select least(greatest(16 * count(*)::float8, 4097), corpus.n)
    from @extschema@.kb_term as posting
    where few.df > 4096 and posting.tenant_id = tenant and posting.term = question.term and hashint8extended(posting.chunk_id, 0) & 15 = 0
    having few.df > 4096
  ) as held
  where held.df > 0
$$;

-- `k1` says how soon a term that is said again counts no more, `b` how much long chunks are held back.
--
-- Candidates come from the rarest terms: as many of them as have 10,000 postings together, at least one. Of the candidates the best are scored by all
-- terms. Where that gives fewer than `k` chunks (all are common, or the filters leave few), every term gives candidates.
--
-- `matched` are the terms that a chunk holds, those that count most first.
create or replace function @extschema@.knowledge_lexical(
  tenant int8, terms text[], weights float8[], k int4, filters jsonb default '{}', k1 float8 default 1.2, b float8 default 0.75
)
returns table (chunk_id int8, score float8, matched text[])
language plpgsql stable parallel unsafe rows 20
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  reach constant int4 := 10000;
  pool constant int4 := greatest(4 * k, 200);
  asked text[];
  powers float8[];
  rare int4;
  mean float8;
  statement text;
  best int8[];
  scores float8[];
  words jsonb;
begin
  select
    array_agg(weighed.term order by weighed.df, weighed.term),
    array_agg(weighed.weight * ln(1 + (weighed.n - least(weighed.df, weighed.n) + 0.5) / (least(weighed.df, weighed.n) + 0.5)) order by weighed.df, weighed.term),
    greatest(count(*) filter (where weighed.together <= reach), 1),
    max(weighed.mean_length)
  into asked, powers, rare, mean
  from (
    select weight.*, sum(weight.df) over (order by weight.df, weight.term) as together
    from @extschema@.knowledge_weights(tenant, terms, weights) as weight
  ) as weighed;
  if asked is null then
    return;
  end if;
  statement := '
    with held as (
      select posting.chunk_id, asked.power * posting.frequency * ($5 + 1) / (posting.frequency + $5 * (1 - $6 + $6 * posting.length / $7)) as gain,
        asked.at
      from unnest($3, $4) with ordinality as asked (term, power, at)
      join @extschema@.kb_term as posting on posting.tenant_id = $1 and posting.term = asked.term
      where asked.at <= $8'
    || case
      when filters = '{}'
      then ''
      else ' and exists (select from @extschema@.kb_chunk as chunk' || @extschema@.knowledge_filter(filters) || ' and chunk.chunk_id = posting.chunk_id)'
    end
    || '
    ), candidate as materialized (
      select held.chunk_id from held group by held.chunk_id order by sum(held.gain order by held.at) desc, held.chunk_id limit $9
    ), scored as (
      select candidate.chunk_id,
        sum(gained.gain order by asked.at) as score,
        array_agg(asked.term order by gained.gain desc, asked.at) as matched
      from candidate
      cross join unnest($3, $4) with ordinality as asked (term, power, at)
      join @extschema@.kb_term as posting
        on posting.tenant_id = $1 and posting.term = asked.term and posting.chunk_id = candidate.chunk_id
      cross join lateral (
        select asked.power * posting.frequency * ($5 + 1) / (posting.frequency + $5 * (1 - $6 + $6 * posting.length / $7)) as gain
      ) as gained
      group by candidate.chunk_id
      order by score desc, candidate.chunk_id
      limit $10
    )
    select array_agg(scored.chunk_id), array_agg(scored.score), jsonb_agg(scored.matched) from scored';
  execute statement into best, scores, words using tenant, filters, asked, powers, k1, b, mean, rare, pool, k;
  if coalesce(cardinality(best), 0) < k and rare < cardinality(asked) then
    execute statement into best, scores, words using tenant, filters, asked, powers, k1, b, mean, cardinality(asked), pool, k;
  end if;
  return query
    select found.id, found.score, array(select jsonb_array_elements_text(words -> (found.at - 1)::int4))
    from unnest(best, scores) with ordinality as found (id, score, at);
end
$$;
