-- Where the level of a series changed for good: binary segmentation (Scott and Knott, "A Cluster
-- Analysis Method for Grouping Means in the Analysis of Variance", Biometrics 1974) by the largest
-- standardised cumulative sum (CUSUM) over all splits of a segment. Values are clipped as in
-- Huber's M-estimator, so that single spikes are not changes.

-- The best split of one stretch of values. `at` is the index (from 1) of the first value of the new
-- level. `score` is the distance between the means of both sides, in the standard deviations
-- expected without a change; `noise` is the noise of a value. Values further than three deviations
-- from the stretch's median count as if they were there. Both sides have at least `min_points`
-- values; null if there are too few. With `by_median` a score is at most what the medians of the
-- sides give: a few values that shift a mean are not a level.
create or replace function @extschema@.change_point_of(
  series_values float8[], min_points int4, noise float8, by_median bool, out at int4, out score float8
)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  with middle as materialized (
    select percentile_cont(0.5) within group (order by value) as value from unnest(series_values) as value
  ),
  reach as materialized (
    select 3 * greatest(1.4826 * percentile_cont(0.5) within group (order by abs(given.value - middle.value)), noise) as width
    from unnest(series_values) as given (value)
    cross join middle
  ),
  clipped as (
    select given.place, count(*) over () as points, greatest(least(given.value - middle.value, reach.width), -reach.width) as value
    from unnest(series_values) with ordinality as given (value, place)
    cross join middle
    cross join reach
  ),
  centred as (
    select clipped.place, clipped.points, clipped.value - avg(clipped.value) over () as value from clipped
  ),
  walk as (
    select centred.place, centred.points, sum(centred.value) over (order by centred.place) as value from centred
  )
  select
    best.place + 1,
    case when by_median then least(best.score, abs(later.median - earlier.median) / best.unit) else best.score end
  from (
    select walk.place::int4 as place, abs(walk.value) / (noise * sqrt(side.weight)) as score, noise / sqrt(side.weight) as unit
    from walk
    cross join lateral (select walk.place * (walk.points - walk.place) / walk.points::float8 as weight) as side
    where walk.place >= min_points and walk.points - walk.place >= min_points
    order by 2 desc, 1
    limit 1
  ) as best
  cross join lateral (
    select percentile_cont(0.5) within group (order by value) as median from unnest(series_values[:best.place]) as value
  ) as earlier
  cross join lateral (
    select percentile_cont(0.5) within group (order by value) as median from unnest(series_values[best.place + 1:]) as value
  ) as later
$$;

-- Every change, one row each, in order. A split counts if its score ^ 2 is above `penalty`; each
-- side is then split again. A change can hide or displace another, so each one found is placed
-- again between its neighbours until none moves, and dropped if it does not hold there. Each level
-- of the segmentation reads every value once.
--
-- The noise comes from differences, which do not depend on levels. The mean square of differences
-- one apart is 2 * variance * (1 - r), of those two apart 2 * variance * (1 - r ^ 2), where r is
-- the lag-1 autocorrelation of the values. The mean of autocorrelated values is as uncertain as if
-- each value had variance * (1 + r) / (1 - r). Differences beyond three deviations are left out,
-- because a spike or a change is not noise (after Chakar, Lebarbier, Lévy-Leduc and Robin, "A
-- Robust Approach for Estimating Change-Points in the Mean of an AR(1) Process", Bernoulli 2017,
-- who compare medians, which need more values to settle). If most differences are 0, as in counts
-- of rare events, all of them count, r is 0, and medians are not checked. r is reduced by one
-- standard error, 1 / sqrt(n), because in a short series it may be chance.
create or replace function @extschema@.change_points(series_values float8[], min_points int4, penalty float8)
returns table (at int4, score float8)
language plpgsql immutable parallel safe rows 10
set search_path = pg_catalog, pg_temp
as $$
declare
  total int4 := coalesce(cardinality(series_values), 0);
  segments int4[] := array[1, total];
  found int4[] := array[]::int4[];
  scores float8[];
  placed int4[];
  first int4;
  last int4;
  best record;
  one_apart float8;
  two_apart float8;
  all_apart float8;
  likeness float8;
  noise float8;
  by_median bool;
begin
  if total > 50000 then
    raise exception 'change points are looked for in at most 50000 points of a series, this one has %', total
      using hint = 'Resample the series to longer buckets, or give a shorter range.', errcode = 'program_limit_exceeded';
  end if;
  -- Sums divided by counts: avg() keeps the squares of its values, which can leave the doubles.
  select
    coalesce(sum(apart.one ^ 2) filter (where apart.one <= 3 * 1.4826 * usual.one) / count(*) filter (where apart.one <= 3 * 1.4826 * usual.one), 0),
    coalesce(sum(apart.two ^ 2) filter (where apart.two <= 3 * 1.4826 * usual.two) / count(*) filter (where apart.two <= 3 * 1.4826 * usual.two), 0),
    sum(apart.one ^ 2) / count(*)
  into one_apart, two_apart, all_apart
  from (
    select
      percentile_cont(0.5) within group (order by abs(pair.next - pair.value)) as one,
      percentile_cont(0.5) within group (order by abs(pair.after - pair.value)) as two
    from unnest(series_values, series_values[2:], series_values[3:]) as pair (value, next, after)
  ) as usual
  cross join lateral (
    select abs(pair.next - pair.value) as one, abs(pair.after - pair.value) as two
    from unnest(series_values, series_values[2:], series_values[3:]) as pair (value, next, after)
    where pair.next is not null
  ) as apart;
  -- A constant, or fewer than two values.
  if coalesce(all_apart, 0) = 0 then
    return;
  end if;
  by_median := one_apart > 0;
  if one_apart = 0 then
    likeness := 0;
    one_apart := all_apart;
  else
    -- Compared before dividing: values of very different magnitudes would leave the doubles.
    likeness := case
      when two_apart <= one_apart then 0
      when two_apart >= 2 * one_apart then 0.99
      else least(greatest(two_apart / one_apart - 1 - 1 / sqrt(total), 0), 0.99)
    end;
  end if;
  noise := sqrt(one_apart / 2 / (1 - likeness) * (1 + likeness) / (1 - likeness));

  while cardinality(segments) > 0 loop
    first := segments[1];
    last := segments[2];
    segments := segments[3:];
    select split.at, split.score into best from @extschema@.change_point_of(series_values[first:last], min_points, noise, by_median) as split;
    if best.score > sqrt(penalty) then
      found := found || (first + best.at - 1);
      segments := segments || array[first, first + best.at - 2, first + best.at - 1, last];
    end if;
  end loop;
  found := array(select change from unnest(found) as change order by change);
  -- In theory changes can move each other back and forth: after five rounds they stay where they
  -- are.
  for round in 1 .. 5 loop
    placed := array[]::int4[];
    scores := array[]::float8[];
    for each in 1 .. cardinality(found) loop
      first := coalesce(placed[cardinality(placed)], 1);
      last := coalesce(found[each + 1], total + 1) - 1;
      select split.at, split.score into best from @extschema@.change_point_of(series_values[first:last], min_points, noise, by_median) as split;
      if best.score > sqrt(penalty) then
        placed := placed || (first + best.at - 1);
        scores := scores || best.score;
      end if;
    end loop;
    exit when placed = found;
    found := placed;
  end loop;
  return query select change.at, change.score from unnest(placed, scores) as change (at, score);
end
$$;
