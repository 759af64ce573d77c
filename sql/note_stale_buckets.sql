-- before: migrations
-- Notes which buckets of a rollup a statement has made stale: a row for each, even if one is noted
-- already, so that no writer waits for another.
--
-- Runs as the owner of the tables: a role that may write metrics need not be able to write here,
-- and what is noted is what was written. Therefore it trusts nothing about the trigger's creator.
-- It works only for the tables named here, in its own schema and with its own owner, whose columns
-- have the types of pgvantage.
create or replace function @extschema@.note_stale_buckets() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width interval;
begin
  if (exists (
    select from pg_class as class
    join pg_class as ours on ours.oid = $table$@extschema@.pgvantage_stale_bucket$table$::regclass
    where class.oid = tg_relid
      and class.relnamespace = ours.relnamespace
      and class.relowner = ours.relowner
      and pg_get_userbyid(class.relowner) = current_user
  ) and (tg_table_name::text, tg_argv[0], tg_argv[1]) in (
    ('metric_1m', 'metric_1h', '1 hour'),
    ('metric_1h_stored', 'metric_1d', '1 day'),
    ('service_call_5m', 'service_call_1h', '1 hour'),
    ('service_call_1h_stored', 'service_call_1d', '1 day'),
    ('log_pattern_5m', 'log_pattern_1h', '1 hour'),
    ('log_pattern_1h_stored', 'log_pattern_1d', '1 day'),
    ('sketch_5m', 'sketch_1h', '1 hour'),
    ('sketch_1h_stored', 'sketch_1d', '1 day')
  )) is not true then
    raise exception 'the trigger % on %.% is not one that pgvantage made: it may not note stale buckets', tg_name, tg_table_schema, tg_table_name
      using errcode = 'insufficient_privilege', hint = 'Drop the trigger, or have the tables and functions of pgvantage belong to one role.';
  end if;
  width := tg_argv[1];
  if tg_op = 'UPDATE' then
    insert into @extschema@.pgvantage_stale_bucket (rollup, bucket)
    select distinct tg_argv[0], date_bin(width, touched.bucket, timestamptz '2000-01-03 00:00:00+00')
    from (select changed_from.bucket from changed_from union all select changed.bucket from changed) as touched;
  else
    insert into @extschema@.pgvantage_stale_bucket (rollup, bucket)
    select distinct tg_argv[0], date_bin(width, changed.bucket, timestamptz '2000-01-03 00:00:00+00')
    from changed;
  end if;
  return null;
end
$$;
