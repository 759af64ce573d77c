-- Where the level of a series changed for good: binary segmentation (Scott and Knott, "A Cluster Analysis Method for Grouping Means in the Analysis of
-- Variance", Biometrics 1974) by the largest standardised rank sum over all splits of a segment (Pettitt, "A Non-Parametric Approach to the
-- Change-Point Problem", Applied Statistics 1979).

-- The best split of one stretch of values: `at`, the index (from 1) of the first value of the new level, and `score`, by how many of its standard
-- deviations the rank sum of the values before it is away from what it would be without a change. Both sides have `min_points` values or more. Null where
-- there are too few, or all are equal.
create or replace function @extschema@.change_point_of(series_values float8[], min_points int4, out at int4, out score float8)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  with ranked as (
    select
      given.place,
      rank() over (order by given.value) + (count(*) over (partition by given.value) - 1) / 2::float8 as rank,
      count(*) over (partition by given.value)::float8 as tied,
      count(*) over () as points
    from unnest(series_values) with ordinality as given (value, place)
  ),
  walk as (
    select
      ranked.place,
      ranked.points,
      sum(ranked.rank - (ranked.points + 1) / 2::float8) over (order by ranked.place) as rank_sum,
      -- A run of t equal values has t rows: the sum of t ^ 3 - t over the runs, by n * (n - 1).
      ranked.points + 1 - sum(ranked.tied * ranked.tied - 1) over () / nullif(ranked.points * (ranked.points - 1), 0) as variety
    from ranked
  )
  select
    walk.place::int4 + 1,
    abs(walk.rank_sum) / sqrt(walk.place * (walk.points - walk.place) / 12::float8 * walk.variety)
  from walk
  where walk.place >= min_points and walk.points - walk.place >= min_points and walk.variety > 1e-9
  order by 2 desc, 1
  limit 1
$$;

-- Every change: one row each, in order. A split counts when its score ^ 2 is above `penalty`; each side is then split again. As a change can hide or
-- displace another, what is found is placed anew between its neighbours until nothing moves, and dropped where it does not hold there. Each level of the
-- segmentation sorts every value once.
--
-- Values are not taken for independent: of an autocorrelation r from one value to the next, a score keeps sqrt((1 - r) / (1 + r)). Differences know
-- nothing of levels, so r is had without knowing the changes: the mean square of those two apart is 1 + r times that of those one apart. Large ones count
-- as no more than three deviations, so that a spike or a change is as good as none (after Chakar, Lebarbier, Lévy-Leduc and Robin, "A Robust Approach for
-- Estimating Change-Points in the Mean of an AR(1) Process", Bernoulli 2017, who compare medians, which take more values to settle), and r is taken one
-- standard error, 1 / sqrt(n), lower: in a short series it may be chance.
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
  likeness float8;
  share float8;
begin
  if total > 50000 then
    raise exception 'change points are looked for in at most 50000 points of a series, this one has %', total
      using hint = 'Resample the series to longer buckets, or give a shorter range.', errcode = 'program_limit_exceeded';
  end if;
  select
    avg(least(abs(apart.two), 3 * usual.two) ^ 2) / nullif(avg(least(abs(apart.one), 3 * usual.one) ^ 2), 0) - 1 - 1 / sqrt(total)
  into likeness
  from (
    select
      1.4826 * percentile_cont(0.5) within group (order by abs(pair.next - pair.value)) as one,
      1.4826 * percentile_cont(0.5) within group (order by abs(pair.after - pair.value)) as two
    from unnest(series_values, series_values[2:], series_values[3:]) as pair (value, next, after)
  ) as usual
  cross join lateral (
    select pair.next - pair.value as one, pair.after - pair.value as two
    from unnest(series_values, series_values[2:], series_values[3:]) as pair (value, next, after)
  ) as apart;
  likeness := least(greatest(coalesce(likeness, 0), 0), 0.99);
  share := sqrt((1 - likeness) / (1 + likeness));

  while cardinality(segments) > 0 loop
    first := segments[1];
    last := segments[2];
    segments := segments[3:];
    select split.at, split.score into best from @extschema@.change_point_of(series_values[first:last], min_points) as split;
    if (best.score * share) ^ 2 > penalty then
      found := found || (first + best.at - 1);
      segments := segments || array[first, first + best.at - 2, first + best.at - 1, last];
    end if;
  end loop;
  found := array(select change from unnest(found) as change order by change);
  -- Changes can, in theory, push each other to and fro: after five rounds they stay where they are.
  for round in 1 .. 5 loop
    placed := array[]::int4[];
    scores := array[]::float8[];
    for each in 1 .. cardinality(found) loop
      first := coalesce(placed[cardinality(placed)], 1);
      last := coalesce(found[each + 1], total + 1) - 1;
      select split.at, split.score into best from @extschema@.change_point_of(series_values[first:last], min_points) as split;
      if (best.score * share) ^ 2 > penalty then
        placed := placed || (first + best.at - 1);
        scores := scores || best.score * share;
      end if;
    end loop;
    exit when placed = found;
    found := placed;
  end loop;
  return query select change.at, change.score from unnest(placed, scores) as change (at, score);
end
$$;
