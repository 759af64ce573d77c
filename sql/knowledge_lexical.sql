-- The chunks of a tenant that best answer the terms of a question, for searchKnowledge: BM25
-- (Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond, 2009), with
-- Lucene's inverse document frequency, ln(1 + (n - df + .5) / (df + .5)).
--
-- The number of chunks, their mean length and the number of chunks with a term are counted for each
-- question, within the tenant. They are counted in a fixed sixteenth of the chunks, since a
-- question of ten common words would otherwise count the whole table; and exactly if that sixteenth
-- has at most 256 chunks, or at most 64 with the term.

-- The weights of a question's terms in this tenant: the number of chunks (`n`), their mean length,
-- and for each term the number of chunks with it. A term that no chunk has is left out.
create or replace function @extschema@.knowledge_weights(tenant int8, terms text[], weights float8[])
returns table (term text, weight float8, df float8, n float8, mean_length float8)
language sql stable parallel safe rows 10
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
  with sample as (
    select count(*) as n, avg(chunk.length)::float8 as mean_length
    from @extschema@.kb_chunk as chunk
    where chunk.tenant_id = tenant and hashint8extended(chunk.chunk_id, 0) & 15 = 0
  ), corpus as (
    select 16 * sample.n::float8 as n, sample.mean_length from sample where sample.n > 256
    union all
    select counted.n::float8, counted.mean_length::float8
    from sample
    cross join lateral (
      select count(*) as n, avg(chunk.length) as mean_length from @extschema@.kb_chunk as chunk where sample.n <= 256 and chunk.tenant_id = tenant
    ) as counted
    where sample.n <= 256
  ), question as (
    select asked.term collate "C" as term, sum(asked.weight) as weight
    from unnest(terms, weights) as asked (term, weight)
    group by asked.term collate "C"
  )
  select question.term, question.weight, held.df, corpus.n, greatest(corpus.mean_length, 1)
  from question
  cross join corpus
  cross join lateral (
    select count(*) as n
    from @extschema@.kb_term as posting
    where posting.tenant_id = tenant and posting.term = question.term and hashint8extended(posting.chunk_id, 0) & 15 = 0
  ) as sampled
  cross join lateral (
    select least(16 * sampled.n::float8, corpus.n) as df where sampled.n > 64
    union all
    select count(*)::float8
    from @extschema@.kb_term as posting
    where sampled.n <= 64 and posting.tenant_id = tenant and posting.term = question.term
    having sampled.n <= 64
  ) as held
  where held.df > 0
$$;

-- Terms and their weights for scoring: the rarest first, the power of each (its weight times its
-- inverse document frequency), how many of them are rare (with 20,000 postings together; at least
-- one), and the mean length of chunks. Terms that no chunk has are left out.
create or replace function @extschema@.knowledge_powers(tenant int8, asked text[], weights float8[])
returns table (terms text[], powers float8[], rare int4, mean_length float8)
language sql stable parallel safe rows 1
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select
    array_agg(weighed.term order by weighed.df, weighed.term),
    array_agg(weighed.power order by weighed.df, weighed.term),
    greatest(count(*) filter (where weighed.together <= 20000), 1)::int4,
    max(weighed.mean_length)
  from (
    select weight.term, weight.df, weight.mean_length,
      weight.weight * ln(1 + (weight.n - least(weight.df, weight.n) + 0.5) / (least(weight.df, weight.n) + 0.5)) as power,
      sum(weight.df) over (order by weight.df, weight.term) as together
    from @extschema@.knowledge_weights(tenant, asked, weights) as weight
  ) as weighed
$$;

-- The question as it is scored, see knowledge_powers.
--
-- A term of four letters or more that the tenant does not have may be misspelt: the three most
-- similar words of its chunks replace it, each weighted by its similarity (of trigrams, at least
-- 0.3). A term with a digit is a number or a code: a similar one is a different one. In a question
-- of more than 100 terms no similar words are searched for, since each takes some time.
create or replace function @extschema@.knowledge_question(tenant int8, asked text[], version int4)
returns table (terms text[], powers float8[], rare int4, mean_length float8)
language plpgsql stable parallel safe rows 1
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  trigrams text;
  written int4 := (select corpus.terms_version from @extschema@.kb_corpus as corpus where corpus.tenant_id = tenant);
  words text[];
  weights float8[];
begin
  if written <> version then
    raise exception 'the terms of this tenant''s knowledge are of version %, this library''s are of version %', written, version
      using errcode = 'object_not_in_prerequisite_state', hint = 'reindexTerms(scope) writes them again; until then search by embedding alone';
  end if;
  select pg_catalog.quote_ident(namespace.nspname)
  into strict trigrams
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'pg_trgm';
  execute '
    select array_agg(meant.word), array_agg(meant.weight)
     from (
       select word.word, max(word.weight) as weight
       from unnest($2) as asked (term)
       cross join lateral (
         select asked.term as word, 1::float8 as weight
         union all
         select similar_word.word, 1 - similar_word.distance
         from (
           select known.word, (known.word operator(' || trigrams || '.<->) asked.term)::float8 as distance
           from @extschema@.kb_word as known
           where char_length(asked.term) >= 4 and asked.term !~ ''[0-9]'' and cardinality($2) <= 100 and known.tenant_id = $1
             -- A word stays here for a while when the last chunk that says it has gone.
             and exists (select from @extschema@.kb_term as posting where posting.tenant_id = $1 and posting.term = known.word)
             and not exists (select from @extschema@.kb_term as posting where posting.tenant_id = $1 and posting.term = asked.term)
           order by known.word operator(' || trigrams || '.<->) asked.term
           limit 3
         ) as similar_word
         where similar_word.distance <= 0.7
       ) as word
       group by word.word
     ) as meant'
  into words, weights using tenant, asked;
  return query select * from @extschema@.knowledge_powers(tenant, words, weights);
end
$$;

-- How well chunks answer a question: the sum over its terms, with k1 = 1.2 and b = 0.6. A repeated
-- term counts less each time, and a long chunk scores lower. `matched` are the terms in a chunk,
-- those that add most first; a chunk without any is left out.
create or replace function @extschema@.knowledge_bm25(tenant int8, chunks int8[], terms text[], powers float8[], mean_length float8)
returns table (chunk_id int8, score float8, matched text[])
language sql stable parallel safe rows 100
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
  select posting.chunk_id, sum(gained.gain order by asked.at), array_agg(asked.term order by gained.gain desc, asked.at)
  from unnest(terms, powers) with ordinality as asked (term, power, at)
  -- One scan of the index a term: it passes from one chunk to the next.
  join @extschema@.kb_term as posting on posting.tenant_id = tenant and posting.term = asked.term and posting.chunk_id = any(chunks)
  cross join lateral (
    select asked.power * posting.frequency * 2.2::float8 / (posting.frequency + 1.2::float8 * (0.4::float8 + 0.6::float8 * posting.length / mean_length)) as gain
  ) as gained
  group by posting.chunk_id
$$;

-- The `k` chunks that best answer a question.
--
-- Candidates come from the rare terms. For those that may be among the best over all terms, the
-- other terms are looked up, and the best of these are scored. If that gives fewer than `k` chunks
-- (all terms are common, or few chunks pass the filters), every term gives candidates.
create or replace function @extschema@.knowledge_lexical(
  tenant int8, terms text[], powers float8[], rare int4, mean_length float8, k int4, filters jsonb default '{}'
)
returns table (chunk_id int8, score float8, matched text[])
language plpgsql stable parallel unsafe rows 100
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  chosen int8[];
  scores float8[];
  -- What the other terms can add at most: a term that a chunk says without end adds its power.
  others float8 := coalesce((select sum(power) from unnest(powers[rare + 1:]) as power), 0);
  -- What a posting adds, as in knowledge_bm25 but for the factor 2.2; its divisions are done before, not for each of thousands of postings. The
  -- postings of a chunk come in the order of the terms, so that equal chunks have equal sums.
  slope constant float8 := 1.2::float8 * 0.6::float8 / mean_length;
  gain constant text := 'asked.power * posting.frequency / (posting.frequency + (0.48::float8 + $5 * posting.length))';
  statement constant text := '
    select array_agg(candidate.id order by candidate.score desc, candidate.id), array_agg(candidate.score order by candidate.score desc, candidate.id)
    from (
      select posting.chunk_id as id, sum(' || gain || ') as score
      from unnest($3, $4) with ordinality as asked (term, power, at)
      join @extschema@.kb_term as posting on posting.tenant_id = $1 and posting.term = asked.term
      where asked.at <= $6'
    || case
      when filters = '{}'
      then ''
      else ' and exists (select from @extschema@.kb_chunk as chunk' || @extschema@.knowledge_filter(filters) || ' and chunk.chunk_id = posting.chunk_id)'
    end
    || '
      group by posting.chunk_id
      order by score desc, id
      limit $7
    ) as candidate';
begin
  execute statement into chosen, scores
  using tenant, filters, terms, powers, slope, rare, case when others = 0 then k else greatest(2 * k, 200) end;
  if coalesce(cardinality(chosen), 0) < k and rare < cardinality(terms) then
    execute statement into chosen, scores using tenant, filters, terms, powers, slope, cardinality(terms), k;
  elsif others > 0 then
    execute '
      select array_agg(best.id)
      from (
        select part.id
        from (
          select candidate.id, candidate.score from unnest($1, $2) as candidate (id, score) where candidate.score >= $7
          union all
          select posting.chunk_id, ' || gain || '
          from unnest($3, $4) as asked (term, power)
          -- One scan of the index a term: it passes from one chunk to the next.
          join @extschema@.kb_term as posting on posting.tenant_id = $6 and posting.term = asked.term and posting.chunk_id = any($1)
        ) as part
        group by part.id
        order by sum(part.score) desc, part.id
        limit $8
      ) as best'
    into chosen
    using chosen, scores, terms[rare + 1:], powers[rare + 1:], slope, tenant, scores[k] - others, k;
  end if;
  return query
    select answer.chunk_id, answer.score, answer.matched
    from @extschema@.knowledge_bm25(tenant, chosen, terms, powers, mean_length) as answer
    order by answer.score desc, answer.chunk_id;
end
$$;

-- The question, extended by the most telling terms of its best answers (pseudo-relevance feedback,
-- RM3; Abdul-Jaleel and others: UMass at TREC 2004).
--
-- The terms of the best `chunks` are weighted by their share of each chunk, times its score. The
-- first `count` of them that at most a tenth of all chunks have are added to the question, which
-- keeps the share `keep` of its weight; if there are no such terms, all of it.
create or replace function @extschema@.knowledge_feedback(
  tenant int8, asked text[], powers float8[], rare int4, mean_length float8, filters jsonb, chunks int4, count int4, keep float8
)
returns table (terms text[], powers float8[], rare int4, mean_length float8)
language sql stable parallel unsafe rows 1
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
  with answer as (
    select best.chunk_id, best.score / nullif(sum(best.score) over (), 0) as share
    from @extschema@.knowledge_lexical(tenant, asked, $3, $4, $5, chunks, filters) as best
  ), said as (
    select posting.term, sum(answer.share * posting.frequency / posting.length order by answer.chunk_id) as weight
    from answer
    join @extschema@.kb_term as posting on posting.tenant_id = tenant and posting.chunk_id = answer.chunk_id
    group by posting.term
    order by weight desc, posting.term
    limit 10 * count
  ), telling as (
    select said.term, said.weight
    from said
    join @extschema@.knowledge_weights(tenant, array(select term from said), array(select 1::float8 from said)) as known on known.term = said.term
    where known.df <= known.n / 10
    order by said.weight desc, said.term
    limit count
  ), own as (
    -- A term's weight is its power without its rarity.
    select question.term, question.power / plain.power as weight
    from unnest(asked, $3) as question (term, power)
    join (
      select one.*
      from @extschema@.knowledge_powers(tenant, asked, array(select 1::float8 from unnest(asked))) as every
      cross join lateral unnest(every.terms, every.powers) as one (term, power)
    ) as plain on plain.term = question.term
  ), weight as (
    select own.term, own.weight * case when exists (select from telling) then keep else 1 end as weight from own
    union all
    select telling.term, (select sum(own.weight) from own) * (1 - keep) * telling.weight / sum(telling.weight) over () from telling
  )
  select question.*
  from @extschema@.knowledge_powers(tenant, array(select term from weight), array(select weight from weight)) as question
$$;
