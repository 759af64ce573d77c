-- Quantiles of windows that move over one series: one pass that keeps the values of the window in
-- one sorted array. A value is found by `width_bucket` (a binary search in C) and moved in by one
-- assignment of a slice; a window of 60 points costs about the same as one of 12, one of 1,440 four
-- times as much.
--
-- `firsts[i]` and `lasts[i]` are the indexes of the first and the last value in the window of value
-- i; neither decreases from one value to the next. A window is empty where the last is below the
-- first. Nulls are not in a window. As in `percentile_cont`, NaN is above every number.
--
-- Both functions move the array themselves: a function for it would copy the array for each value.

-- The quantile of each window, bit for bit that of `percentile_cont`; null where it is empty. Values
-- are infinite or at most 1e100, so that no difference overflows.
create or replace function @extschema@.moving_quantiles(series_values float8[], firsts int4[], lasts int4[], q float8)
returns float8[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  total int4 := coalesce(cardinality(series_values), 0);
  answer float8[] := series_values;
  held float8[] := array[]::float8[];
  size int4 := 0;
  oldest int4 := 1;
  newest int4 := 0;
  value float8;
  place int4;
  gone int4;
  rank float8;
  below int4;
begin
  for i in 1 .. total loop
    while newest < lasts[i] and newest < total loop
      newest := newest + 1;
      value := series_values[newest];
      if value is not null then
        place := width_bucket(value, held);
        if oldest < firsts[i] and oldest < newest and series_values[oldest] is not null then
          -- The usual case, one in and one out: only what is between both moves.
          gone := width_bucket(series_values[oldest], held);
          oldest := oldest + 1;
          if gone <= place then
            held[gone:place] := held[gone + 1:place] || array[value];
          else
            held[place + 1:gone] := array[value] || held[place + 1:gone - 1];
          end if;
        else
          size := size + 1;
          held[place + 1:size] := array[value] || held[place + 1:];
        end if;
      end if;
    end loop;
    while oldest < firsts[i] and oldest <= newest loop
      if series_values[oldest] is not null then
        gone := width_bucket(series_values[oldest], held);
        held := held[:gone - 1] || held[gone + 1:];
        size := size - 1;
      end if;
      oldest := oldest + 1;
    end loop;
    if size = 0 then
      answer[i] := null;
      continue;
    end if;
    rank := q * (size - 1);
    below := floor(rank);
    if rank = below then
      answer[i] := held[below + 1];
    elsif rank - below > 1e-150 then
      answer[i] := held[below + 1] + (rank - below) * (held[below + 2] - held[below + 1]);
    else
      -- The product may be too small for a float8: an error here, but not in percentile_cont.
      answer[i] := (select percentile_cont(rank - below) within group (order by pair.value) from unnest(held[below + 1:below + 2]) as pair (value));
    end if;
  end loop;
  return answer;
end
$$;

-- The median of each window and the median absolute deviation from it, both null where the window
-- has fewer than `min_points` values. Values are at most 1e100.
--
-- The deviations are not sorted. The half of the values that is nearest to the median is one
-- stretch of the sorted array, and its ends have the largest deviations. From one window to the next
-- it seldom moves by more than one value, so its place is looked for beside the one before, and by
-- binary search from there.
create or replace function @extschema@.moving_medians(
  series_values float8[], firsts int4[], lasts int4[], min_points int4, out expected float8[], out deviation float8[]
)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  total int4 := coalesce(cardinality(series_values), 0);
  held float8[] := array[]::float8[];
  size int4 := 0;
  oldest int4 := 1;
  newest int4 := 0;
  value float8;
  place int4;
  gone int4;
  odd bool;
  half int4;
  middle float8;
  -- How many values are left out below the nearest half: at most `beyond`.
  skipped int4 := 0;
  beyond int4;
  between int4;
  reach float8;
begin
  expected := array_fill(null::float8, array[total]);
  deviation := expected;
  for i in 1 .. total loop
    while newest < lasts[i] and newest < total loop
      newest := newest + 1;
      value := series_values[newest];
      if value is not null then
        place := width_bucket(value, held);
        if oldest < firsts[i] and oldest < newest and series_values[oldest] is not null then
          gone := width_bucket(series_values[oldest], held);
          oldest := oldest + 1;
          if gone <= place then
            held[gone:place] := held[gone + 1:place] || array[value];
          else
            held[place + 1:gone] := array[value] || held[place + 1:gone - 1];
          end if;
        else
          size := size + 1;
          held[place + 1:size] := array[value] || held[place + 1:];
        end if;
      end if;
    end loop;
    while oldest < firsts[i] and oldest <= newest loop
      if series_values[oldest] is not null then
        gone := width_bucket(series_values[oldest], held);
        held := held[:gone - 1] || held[gone + 1:];
        size := size - 1;
      end if;
      oldest := oldest + 1;
    end loop;
    continue when size = 0 or size < min_points;

    odd := size % 2 = 1;
    half := (size + 1) / 2;
    middle := case when odd then held[half] else held[half] + 0.5::float8 * (held[half + 1] - held[half]) end;
    beyond := size - half;
    if skipped > beyond then
      skipped := beyond;
    end if;
    if skipped < beyond and middle - held[skipped + 1] > held[skipped + half + 1] - middle then
      skipped := skipped + 1;
      if skipped < beyond and middle - held[skipped + 1] > held[skipped + half + 1] - middle then
        skipped := skipped + 1;
        while skipped < beyond loop
          between := (skipped + beyond) / 2;
          if middle - held[between + 1] > held[between + half + 1] - middle then
            skipped := between + 1;
          else
            beyond := between;
          end if;
        end loop;
      end if;
    elsif skipped > 0 and middle - held[skipped] <= held[skipped + half] - middle then
      skipped := skipped - 1;
      if skipped > 0 and middle - held[skipped] <= held[skipped + half] - middle then
        beyond := skipped - 1;
        skipped := 0;
        while skipped < beyond loop
          between := (skipped + beyond) / 2;
          if middle - held[between + 1] > held[between + half + 1] - middle then
            skipped := between + 1;
          else
            beyond := between;
          end if;
        end loop;
      end if;
    end if;
    expected[i] := middle;
    reach := greatest(middle - held[skipped + 1], held[skipped + half] - middle);
    -- Beyond the array an element is null, which `least` passes over.
    deviation[i] := case
      when odd then reach
      else reach + 0.5::float8 * (least(middle - held[skipped], held[skipped + half + 1] - middle) - reach)
    end;
  end loop;
end
$$;
