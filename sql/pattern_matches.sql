-- How similar a tenant's patterns are to texts, by their trigrams: the greatest similarity of a text
-- to a pattern, or to one that is part of it. `whole` compares whole texts; else a text is compared
-- with the part of a pattern that is most like it. Texts are compared up to 512 characters.
create or replace function @extschema@.pattern_matches(tenant int8, asked text[], whole bool, least_score float8)
returns table (fingerprint_id int8, score float8)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  trigrams text;
begin
  select quote_ident(namespace.nspname)
  into strict trigrams
  from pg_extension as extension
  join pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname = 'pg_trgm';
  return query execute '
    select coalesce(known.redirect_id, known.fingerprint_id), max(likeness.score)
    from @extschema@.log_pattern as known
    cross join unnest($2) as asked (text)
    cross join lateral (
      select ' || trigrams || case when whole then '.similarity' else '.word_similarity' end || '(left(asked.text, 512), left(known.pattern, 512))::float8 as score
    ) as likeness
    where known.tenant_id = $1 and likeness.score >= $3
    group by 1'
  using tenant, asked, least_score;
end
$$;
