-- before: migrations
-- Writes down which resource logged which pattern, and since when, of the rows that a statement has
-- inserted or changed: so a pattern is new to a resource however its rows came.
--
-- A row says only in which five minutes its first record was. Where the pattern itself was first
-- seen within them, no resource logged it before that. A time within the five minutes that is
-- written down already stays: ingest knows it, and writes it first.
--
-- Runs with the rights of the role that writes, so it can do nothing that the role could not do.
--
-- Only what is new, or earlier than known, is written, in the order of the keys, so that writers do
-- not deadlock.
create or replace function @extschema@.note_log_patterns() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into @extschema@.log_pattern_seen as seen (tenant_id, resource_id, fingerprint_id, first_seen)
  select first.tenant_id, first.resource_id, first.fingerprint_id,
    coalesce((
      select greatest(first.bucket, pattern.first_seen)
      from @extschema@.log_pattern as pattern
      where pattern.fingerprint_id = first.fingerprint_id and pattern.first_seen < first.bucket + interval '5 minutes'
    ), first.bucket)
  from (
    select changed.tenant_id, changed.resource_id, changed.fingerprint_id, min(changed.bucket) as bucket
    from changed
    group by changed.tenant_id, changed.resource_id, changed.fingerprint_id
  ) as first
  -- A value, not a join, so that each is looked up in the index however large the table is.
  where coalesce(first.bucket + interval '5 minutes' <= (
    select known.first_seen
    from @extschema@.log_pattern_seen as known
    where known.fingerprint_id = first.fingerprint_id and known.resource_id = first.resource_id
  ), true)
  order by first.resource_id, first.fingerprint_id
  on conflict (fingerprint_id, resource_id) do update set first_seen = least(seen.first_seen, excluded.first_seen);
  return null;
end
$$;
