-- How rarely a series looked as it does now: `'surprise'` of `anomalies`, as SurpriseJudge has it
-- in TypeScript. Each look at the series (the mean of its last points, for example) is an array of
-- what it saw; each is judged by what it saw before.

-- Each value plus three earlier ones, each `apart` from the next. Begins with the first that has
-- all three.
create or replace function @extschema@.sums_of_four(series_values float8[], apart int4) returns float8[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array(
    select four.a + four.b + four.c + four.d
    from unnest(series_values[3 * apart + 1:], series_values[2 * apart + 1:], series_values[apart + 1:], series_values) as four (a, b, c, d)
    where four.a is not null
  )
$$;

-- The largest of each value and three earlier ones, as above.
create or replace function @extschema@.largest_of_four(series_values float8[], apart int4) returns float8[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array(
    select greatest(four.a, four.b, four.c, four.d)
    from unnest(series_values[3 * apart + 1:], series_values[2 * apart + 1:], series_values[apart + 1:], series_values) as four (a, b, c, d)
    where four.a is not null
  )
$$;

-- Each value less the one that is `apart` before it. Begins with the first that has one.
create or replace function @extschema@.differences(series_values float8[], apart int4) returns float8[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array(
    select pair.later - pair.earlier from unnest(series_values[apart + 1:], series_values) as pair (later, earlier) where pair.later is not null
  )
$$;

-- How rare a value is that is beyond the largest hundredth of `size` values, in decimal digits.
-- `largest` has the values in that hundredth and the next one, in ascending order; `start` is the
-- value that is next to four times as many.
--
-- The k largest are taken for an exponential tail above the value next to them. Its scale is the
-- larger of their mean excess and of what the distance from `start` says. Of k = 1, 2, 4 ... and
-- all, the least rare answer wins. Pickands, "Statistical Inference Using Extreme Order
-- Statistics", Annals of Statistics 1975.
create or replace function @extschema@.tail_rarity(value float8, largest float8[], start float8, size int4, least_excess float8) returns float8
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  tail int4 := cardinality(largest) - 1;
  digits float8 := 10;
  total float8 := 0;
  counted int4 := 1;
  next float8;
begin
  for k in 1 .. tail loop
    total := total + largest[tail + 2 - k];
    continue when k < counted and k < tail;
    counted := counted * 2;
    next := largest[tail + 1 - k];
    continue when value - next <= least_excess;
    -- `least` passes over null: without a scale all is as rare as can be.
    digits := least(digits, log(size::float8 / k) + (value - next)
      / nullif(greatest(total / k - next, (next - start) / ln(4 * tail::float8 / k), least_excess), 0) / ln(10::float8));
  end loop;
  return digits;
end
$$;

-- How rare each value is among the `history_points` before it, in decimal digits; below 0 where it
-- is rare because it is small. First a 0 for each point that this look cannot see. The values are
-- sums of `points` values each, and `rounding` has for each of all points a difference of means
-- without meaning.
--
-- Only the ends of the sorted values are kept: `high` has all that are above `high_cut`, and as
-- many equal it as `high_equal` says; `low` is the same of the negatives. When too few are left,
-- all are sorted again; when there are many, the rest is cut off. The arrays are fields of a record
-- for the reason that `moving_windows.sql` gives.
create or replace function @extschema@.moving_rarities(series_values float8[], points int4, rounding float8[], history_points int4)
returns setof float8
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  total int4 := coalesce(cardinality(series_values), 0);
  unseen int4 := cardinality(rounding) - total;
  kept record;
  size int4 := 0;
  tail int4;
  high_size int4 := 0;
  low_size int4 := 0;
  high_cut float8 := '-Infinity';
  low_cut float8 := '-Infinity';
  high_equal int4 := 0;
  low_equal int4 := 0;
  value float8;
  least_excess float8;
  place int4;
begin
  select array[]::float8[] as high, array[]::float8[] as low into kept;
  for i in 1 .. unseen loop
    return next 0::float8;
  end loop;
  for i in 1 .. total loop
    value := series_values[i];
    if size < 20 then
      return next 0::float8;
    else
      tail := greatest(3, (size + 99) / 100);
      if high_size + high_equal <= 4 * tail then
        kept.high := array(select known from unnest(series_values[i - size:i - 1]) as known order by known);
        high_size := size;
        high_cut := '-Infinity';
        high_equal := 0;
      end if;
      if high_size > 16 * tail then
        high_cut := kept.high[high_size - 8 * tail];
        place := width_bucket(high_cut, kept.high);
        high_equal := (select count(*) from unnest(kept.high[:place]) as known where known = high_cut);
        kept.high := kept.high[place + 1:];
        high_size := high_size - place;
      end if;
      if low_size + low_equal <= 4 * tail then
        kept.low := array(select -known from unnest(series_values[i - size:i - 1]) as known order by -known);
        low_size := size;
        low_cut := '-Infinity';
        low_equal := 0;
      end if;
      if low_size > 16 * tail then
        low_cut := kept.low[low_size - 8 * tail];
        place := width_bucket(low_cut, kept.low);
        low_equal := (select count(*) from unnest(kept.low[:place]) as known where known = low_cut);
        kept.low := kept.low[place + 1:];
        low_size := low_size - place;
      end if;

      least_excess := rounding[unseen + i] * points;
      if value - (case when high_size > tail then kept.high[high_size - tail] else high_cut end) > least_excess then
        return next @extschema@.tail_rarity(
          value,
          array_fill(high_cut, array[greatest(tail + 1 - high_size, 0)]) || kept.high[greatest(high_size - tail, 1):],
          case when high_size > 4 * tail then kept.high[high_size - 4 * tail] else high_cut end,
          size,
          least_excess
        );
      elsif -value - (case when low_size > tail then kept.low[low_size - tail] else low_cut end) > least_excess then
        return next -@extschema@.tail_rarity(
          -value,
          array_fill(low_cut, array[greatest(tail + 1 - low_size, 0)]) || kept.low[greatest(low_size - tail, 1):],
          case when low_size > 4 * tail then kept.low[low_size - 4 * tail] else low_cut end,
          size,
          least_excess
        );
      else
        return next 0::float8;
      end if;
    end if;

    if value > high_cut then
      place := width_bucket(value, kept.high);
      high_size := high_size + 1;
      kept.high[place + 1:high_size] := array[value] || kept.high[place + 1:];
    elsif value = high_cut then
      high_equal := high_equal + 1;
    end if;
    if -value > low_cut then
      place := width_bucket(-value, kept.low);
      low_size := low_size + 1;
      kept.low[place + 1:low_size] := array[-value] || kept.low[place + 1:];
    elsif -value = low_cut then
      low_equal := low_equal + 1;
    end if;
    if size < history_points then
      size := size + 1;
    else
      value := series_values[i - history_points];
      if value > high_cut then
        place := width_bucket(value, kept.high);
        kept.high := kept.high[:place - 1] || kept.high[place + 1:];
        high_size := high_size - 1;
      elsif value = high_cut then
        high_equal := high_equal - 1;
      end if;
      if -value > low_cut then
        place := width_bucket(-value, kept.low);
        kept.low := kept.low[:place - 1] || kept.low[place + 1:];
        low_size := low_size - 1;
      elsif -value = low_cut then
        low_equal := low_equal - 1;
      end if;
    end if;
  end loop;
end
$$;

-- The points at which something begins: their place, score and direction. The score is the mean
-- number of digits of fourteen looks; a point counts if it is above the threshold and those of the
-- `quiet_points` before it are not. Values are at most 1e100.
create or replace function @extschema@.surprises(
  series_values float8[], history_points int4, min_points int4, threshold float8, quiet_points int4
)
returns table (place int4, score float8, direction text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  sums_4 float8[] := @extschema@.sums_of_four(series_values, 1);
  sums_16 float8[] := @extschema@.sums_of_four(sums_4, 4);
  sums_64 float8[] := @extschema@.sums_of_four(sums_16, 16);
  sums_256 float8[] := @extschema@.sums_of_four(sums_64, 64);
  steps float8[] := array(select abs(step) from unnest(@extschema@.differences(series_values, 1)) as step);
  steps_4 float8[] := @extschema@.sums_of_four(steps, 1);
  steps_16 float8[] := @extschema@.sums_of_four(steps_4, 4);
  steps_64 float8[] := @extschema@.sums_of_four(steps_16, 16);
  steps_256 float8[] := @extschema@.sums_of_four(steps_64, 64);
  -- The largest magnitude of the last 512 points, with 0 for those before the first.
  largest float8[] := array_fill(0::float8, array[511]) || array(select abs(value) from unnest(series_values) as value);
  rounding float8[];
begin
  for apart in 0 .. 3 loop
    largest := @extschema@.largest_of_four(largest, (4 ^ apart)::int4);
  end loop;
  rounding := array(
    select 1e-9 * greatest(pair.later, pair.earlier) from unnest(largest[257:], largest) as pair (later, earlier) where pair.later is not null
  );
  return query
    select begun.place::int4, begun.score, (
      select case when look.digits < 0 then 'down' else 'up' end
      from unnest(begun.looks) with ordinality as look (digits, place)
      order by abs(look.digits) desc, look.place
      limit 1
    )
    from (
      select judged.place, judged.score, judged.looks, count(*) filter (where judged.score > threshold) over (
        order by judged.place rows between quiet_points preceding and 1 preceding
      ) as before
      from (
        select
          seen.place,
          array[
            level_1, change_1, level_4, change_4, variation_4, level_16, change_16, variation_16,
            level_64, change_64, variation_64, level_256, change_256, variation_256
          ] as looks,
          (
            abs(level_1) + abs(change_1) + abs(level_4) + abs(change_4) + abs(variation_4) + abs(level_16) + abs(change_16)
            + abs(variation_16) + abs(level_64) + abs(change_64) + abs(variation_64) + abs(level_256) + abs(change_256) + abs(variation_256)
          ) / 14 as score
        from rows from (
          @extschema@.moving_rarities(series_values, 1, rounding, history_points),
          @extschema@.moving_rarities(@extschema@.differences(series_values, 1), 1, rounding, history_points),
          @extschema@.moving_rarities(sums_4, 4, rounding, history_points),
          @extschema@.moving_rarities(@extschema@.differences(sums_4, 4), 4, rounding, history_points),
          @extschema@.moving_rarities(steps_4, 4, rounding, history_points),
          @extschema@.moving_rarities(sums_16, 16, rounding, history_points),
          @extschema@.moving_rarities(@extschema@.differences(sums_16, 16), 16, rounding, history_points),
          @extschema@.moving_rarities(steps_16, 16, rounding, history_points),
          @extschema@.moving_rarities(sums_64, 64, rounding, history_points),
          @extschema@.moving_rarities(@extschema@.differences(sums_64, 64), 64, rounding, history_points),
          @extschema@.moving_rarities(steps_64, 64, rounding, history_points),
          @extschema@.moving_rarities(sums_256, 256, rounding, history_points),
          @extschema@.moving_rarities(@extschema@.differences(sums_256, 256), 256, rounding, history_points),
          @extschema@.moving_rarities(steps_256, 256, rounding, history_points)
        ) with ordinality as seen (
          level_1, change_1, level_4, change_4, variation_4, level_16, change_16, variation_16,
          level_64, change_64, variation_64, level_256, change_256, variation_256, place
        )
      ) as judged
      where judged.place > min_points
    ) as begun
    where begun.score > threshold and begun.before = 0
    order by begun.place;
end
$$;
