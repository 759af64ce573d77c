-- The part of a chunk with most of what was asked, with the matching words marked.
--
-- Of the windows of `size` characters that begin a little before a match, it is the first of those
-- with the most terms. Only the first occurrence of a term is known, so only that is marked;
-- adjacent marks become one.
create or replace function @extschema@.knowledge_snippet(tenant int8, chunk int8, content text, matched text[], size int4, before text, after text)
returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  lead constant int4 := size / 5;
  marks int4multirange;
  start int4 := 0;
  stop int4;
  mark int4range;
  told int4;
  snippet text := '';
begin
  select range_agg(int4range(posting.position, posting.position + posting.width))
  into marks
  from @extschema@.kb_term as posting
  where posting.tenant_id = tenant and posting.chunk_id = chunk and posting.term = any(matched) and posting.position is not null;
  if char_length(content) > size then
    select greatest(lower(first.mark) - lead, 0)
    into start
    from unnest(marks) as first (mark)
    order by
      (
        select sum(upper(other.mark) - lower(other.mark))
        from unnest(marks) as other (mark)
        where lower(other.mark) >= lower(first.mark) and upper(other.mark) <= greatest(lower(first.mark) - lead, 0) + size
      ) desc nulls last,
      lower(first.mark)
    limit 1;
    start := least(coalesce(start, 0), char_length(content) - size);
    -- Not in the middle of a word, where one begins soon.
    if start > 0 then
      start := start + coalesce(char_length(substring(substr(content, start, 25) from '^\S*\s+')), 1) - 1;
    end if;
  end if;
  stop := least(start + size, char_length(content));
  if stop < char_length(content) then
    -- Nor at its end.
    stop := stop - char_length(coalesce(
      substring(substr(content, stop - 23, 24) from case when substr(content, stop + 1, 1) ~ '\s' then '\s+$' else '\s+\S*$' end), ''
    ));
  end if;
  told := start;
  for mark in select one.mark from unnest(marks) as one (mark) where lower(one.mark) >= start and upper(one.mark) <= stop order by one.mark loop
    snippet := snippet || substr(content, told + 1, lower(mark) - told) || before
      || substr(content, lower(mark) + 1, upper(mark) - lower(mark)) || after;
    told := upper(mark);
  end loop;
  return case when start > 0 then '…' else '' end || snippet || substr(content, told + 1, stop - told)
    || case when stop < char_length(content) then '…' else '' end;
end
$$;
