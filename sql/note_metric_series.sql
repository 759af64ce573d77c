-- before: migrations
-- Writes down the series of the rows that a statement has inserted or changed: reads find rows by
-- their series, however the rows came. The foreign key of a series is that of its rows.
--
-- No row of a series is later than its `last_day` (in UTC), so reads leave out series that ended
-- before their range. It is written once a day, since a row in `metric_series` is for all to share.
--
-- Two series with one key are refused: nobody could distinguish their rows.
--
-- Runs with the rights of the role that writes, so it can do nothing that the role could not do.
--
-- All that write metrics share one lock, and the removal of series takes it: a series stays while a
-- transaction that has written a row of it runs. Known series are found in the unique index, not in
-- a snapshot, so this is true in REPEATABLE READ too. They come in the order of their keys, so that
-- writers do not deadlock.
create or replace function @extschema@.note_metric_series() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  mixed int8;
begin
  perform pg_advisory_xact_lock_shared(hashtextextended($turn$pgvantage series @extschema@.metric_series$turn$, 0::int8));
  with written as materialized (
    select distinct on (changed.series_id)
      changed.series_id, changed.tenant_id, changed.resource_id, changed.metric, changed.labels, changed.bucket
    from changed
    order by changed.series_id, changed.bucket desc
  ), compared as materialized (
    select written.*, day.last_day, coalesce(known.is_ahead, false) as is_ahead, known.is_another
    from written
    cross join lateral (select (written.bucket at time zone 'UTC')::date as last_day) as day
    left join lateral (
      select known.last_day >= day.last_day as is_ahead,
        (known.tenant_id, known.resource_id, known.metric, known.labels)
          is distinct from (written.tenant_id, written.resource_id, written.metric, written.labels) as is_another
      from @extschema@.metric_series as known
      where known.series_id = written.series_id
      limit 1
    ) as known on true
  ), stayed as (
    insert into @extschema@.metric_series (tenant_id, resource_id, metric, labels, last_day)
    select compared.tenant_id, compared.resource_id, compared.metric, compared.labels, compared.last_day
    from compared
    where compared.is_ahead
    order by compared.series_id
    on conflict do nothing
  ), moved as (
    -- New ones too: somebody else may be adding them, with an earlier day.
    insert into @extschema@.metric_series as known (tenant_id, resource_id, metric, labels, last_day)
    select compared.tenant_id, compared.resource_id, compared.metric, compared.labels, compared.last_day
    from compared
    where not compared.is_ahead
    order by compared.series_id
    on conflict (series_id) do update set last_day = excluded.last_day where known.last_day < excluded.last_day
  )
  select compared.series_id into mixed from compared where compared.is_another limit 1;
  if found then
    raise exception 'two series of metrics have the key %', mixed
      using errcode = 'unique_violation', hint = 'The keys are hashes of 64 bits. Change a label of one of the two.';
  end if;
  return null;
end
$$;
