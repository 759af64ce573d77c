-- before: migrations
-- Notes which buckets of a rollup a statement has made stale: a row for each, whatever is noted already, so that no writer waits for another.
-- Runs as the owner of the tables: who may write metrics need not be able to write here.
create or replace function @extschema@.note_stale_buckets() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width constant interval := tg_argv[1];
begin
  if tg_op = 'UPDATE' then
    insert into @extschema@.pgvantage_stale_bucket (rollup, bucket)
    select distinct tg_argv[0], date_bin(width, touched.bucket, timestamptz '2000-01-01 00:00:00+00')
    from (select changed_from.bucket from changed_from union all select changed.bucket from changed) as touched;
  else
    insert into @extschema@.pgvantage_stale_bucket (rollup, bucket)
    select distinct tg_argv[0], date_bin(width, changed.bucket, timestamptz '2000-01-01 00:00:00+00')
    from changed;
  end if;
  return null;
end
$$;
