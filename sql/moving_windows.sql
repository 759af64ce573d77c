-- Windows that move over one series: one pass that keeps the values of the window in one sorted array.
-- A value is found by `width_bucket` (a binary search in C). The usual step, one value in and one out,
-- is one assignment of a slice: only what is between both moves.
--
-- The points come as arrays in order of time. `starts[i]` is the earliest bucket in the window of
-- point i; it never decreases. As in `percentile_cont`, NaN is above every number.
--
-- The sorted array is a field of a record because a variable that is an array is copied whole before
-- each of its elements is read again. Both functions move it themselves: passed to a function for it,
-- it would be copied for each value.

-- The quantile of the values in each window, bit for bit that of `percentile_cont`; null where it has
-- none. A window goes from `starts[i]` to the bucket of its point or, where `starts` is null, holds the
-- last `points` points. Nulls are not in a window. Values are infinite or at most 1e100, so that no
-- difference overflows.
create or replace function @extschema@.moving_quantiles(
  buckets timestamptz[], series_values float8[], starts timestamptz[], points int4, q float8, out bucket timestamptz, out value float8
)
returns setof record
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  total int4 := coalesce(cardinality(series_values), 0);
  timed bool := starts is not null;
  kept record;
  size int4 := 0;
  oldest int4 := 1;
  newest int4 := 0;
  place int4;
  gone int4;
  below int4;
  part float8;
begin
  select array[]::float8[] as held into kept;
  for i in 1 .. total loop
    bucket := buckets[i];
    if series_values[i] is not null and series_values[oldest] is not null
      and (case
        when timed then
          newest < i and buckets[oldest] < starts[i] and buckets[oldest + 1] >= starts[i] and buckets[i + 1] is distinct from bucket
        else oldest = i - points
      end)
    then
      place := width_bucket(series_values[i], kept.held);
      gone := width_bucket(series_values[oldest], kept.held);
      if gone <= place then
        kept.held[gone:place] := kept.held[gone + 1:place] || array[series_values[i]];
      else
        kept.held[place + 1:gone] := array[series_values[i]] || kept.held[place + 1:gone - 1];
      end if;
      oldest := oldest + 1;
    else
      newest := greatest(newest, i - 1);
      while newest < total and case when timed then buckets[newest + 1] <= bucket else newest < i end loop
        newest := newest + 1;
        if series_values[newest] is not null then
          place := width_bucket(series_values[newest], kept.held);
          size := size + 1;
          kept.held[place + 1:size] := array[series_values[newest]] || kept.held[place + 1:];
        end if;
      end loop;
      while oldest <= newest and case when timed then buckets[oldest] < starts[i] else oldest <= i - points end loop
        if series_values[oldest] is not null then
          gone := width_bucket(series_values[oldest], kept.held);
          kept.held := kept.held[:gone - 1] || kept.held[gone + 1:];
          size := size - 1;
        end if;
        oldest := oldest + 1;
      end loop;
      below := floor(q * (size - 1));
      part := q * (size - 1) - below;
    end if;
    if part = 0 then
      value := kept.held[below + 1];
    elsif part > 1e-150 then
      value := kept.held[below + 1] + part * (kept.held[below + 2] - kept.held[below + 1]);
    else
      -- The product may be too small for a float8: an error here, but not in percentile_cont.
      value := (select percentile_cont(part) within group (order by near) from unnest(kept.held[below + 1:below + 2]) as near);
    end if;
    return next;
  end loop;
end
$$;

-- The median of the values in the window before each point, and the median absolute deviation from
-- it; no row where the window has fewer than `min_points` values. The window goes from `starts[i]` up
-- to the bucket of its point, without it. Values are at most 1e100.
--
-- The deviations are not sorted. The half of the values that is nearest to the median is one
-- stretch of the sorted array, and its ends have the largest deviations. From one window to the next
-- it seldom moves by more than one value, so its place is looked for beside the one before, and by
-- binary search from there.
create or replace function @extschema@.moving_medians(
  buckets timestamptz[], series_values float8[], starts timestamptz[], min_points int4,
  out bucket timestamptz, out value float8, out expected float8, out deviation float8
)
returns setof record
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  total int4 := coalesce(cardinality(series_values), 0);
  kept record;
  size int4 := 0;
  oldest int4 := 1;
  newest int4 := 0;
  place int4;
  gone int4;
  odd bool;
  half int4;
  -- How many values are left out below the nearest half: at most `beyond`.
  skipped int4 := 0;
  beyond int4;
  low int4;
  high int4;
  between int4;
  reach float8;
begin
  select array[]::float8[] as held into kept;
  for i in 1 .. total loop
    bucket := buckets[i];
    if size > 0 and newest = i - 2 and buckets[i - 1] < bucket
      and buckets[oldest] < starts[i] and buckets[oldest + 1] >= starts[i]
      and series_values[i - 1] is not null and series_values[oldest] is not null
    then
      place := width_bucket(series_values[i - 1], kept.held);
      gone := width_bucket(series_values[oldest], kept.held);
      if gone <= place then
        kept.held[gone:place] := kept.held[gone + 1:place] || array[series_values[i - 1]];
      else
        kept.held[place + 1:gone] := array[series_values[i - 1]] || kept.held[place + 1:gone - 1];
      end if;
      newest := i - 1;
      oldest := oldest + 1;
    else
      while newest < i - 1 and buckets[newest + 1] < bucket loop
        newest := newest + 1;
        if series_values[newest] is not null then
          place := width_bucket(series_values[newest], kept.held);
          size := size + 1;
          kept.held[place + 1:size] := array[series_values[newest]] || kept.held[place + 1:];
        end if;
      end loop;
      while oldest <= newest and buckets[oldest] < starts[i] loop
        if series_values[oldest] is not null then
          gone := width_bucket(series_values[oldest], kept.held);
          kept.held := kept.held[:gone - 1] || kept.held[gone + 1:];
          size := size - 1;
        end if;
        oldest := oldest + 1;
      end loop;
      odd := size % 2 = 1;
      half := (size + 1) / 2;
      beyond := size - half;
      skipped := least(skipped, beyond);
    end if;
    continue when size = 0 or size < min_points;

    value := series_values[i];
    expected := case when odd then kept.held[half] else kept.held[half] + 0.5::float8 * (kept.held[half + 1] - kept.held[half]) end;
    if skipped < beyond and expected - kept.held[skipped + 1] > kept.held[skipped + half + 1] - expected then
      skipped := skipped + 1;
      if skipped < beyond and expected - kept.held[skipped + 1] > kept.held[skipped + half + 1] - expected then
        low := skipped + 1;
        high := beyond;
        while low < high loop
          between := (low + high) / 2;
          if expected - kept.held[between + 1] > kept.held[between + half + 1] - expected then
            low := between + 1;
          else
            high := between;
          end if;
        end loop;
        skipped := low;
      end if;
    elsif skipped > 0 and expected - kept.held[skipped] <= kept.held[skipped + half] - expected then
      skipped := skipped - 1;
      if skipped > 0 and expected - kept.held[skipped] <= kept.held[skipped + half] - expected then
        low := 0;
        high := skipped - 1;
        while low < high loop
          between := (low + high) / 2;
          if expected - kept.held[between + 1] > kept.held[between + half + 1] - expected then
            low := between + 1;
          else
            high := between;
          end if;
        end loop;
        skipped := low;
      end if;
    end if;
    reach := greatest(expected - kept.held[skipped + 1], kept.held[skipped + half] - expected);
    -- Beyond the array an element is null, which `least` passes over.
    deviation := case
      when odd then reach
      else reach + 0.5::float8 * (least(expected - kept.held[skipped], kept.held[skipped + half + 1] - expected) - reach)
    end;
    return next;
  end loop;
end
$$;
