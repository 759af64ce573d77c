-- before: migrations
-- The heaviest items of a stream: jsonb {"n": ..., "offset": ..., "counters": {item: count, ...}},
-- a Misra-Gries sketch that can be merged.
--
-- The true count of an item is in [count, count + offset]; count is 0 for an item that `counters`
-- does not have. offset <= n / (capacity + 1) after any tree of merges.
-- src/sketch/heavyHitters/heavyHitters.ts is the same in TypeScript, and a test compares the two to
-- the byte.
--
-- An invalid sketch is an error: without it every interval would be wrong.

-- What is wrong with a sketch; null if nothing is.
create or replace function @extschema@.heavy_hitters_flaw(sketch jsonb) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when pg_catalog.jsonb_typeof(sketch) <> 'object' or coalesce(pg_catalog.jsonb_typeof(sketch -> 'counters'), '') <> 'object' then
      'must be an object with n, offset and an object of counters'
    when not pg_catalog.jsonb_path_exists(sketch, 'strict $ ? (@.n >= 0 && @.n <= 9007199254740991 && @.n.floor() == @.n)') then
      'n must be a whole number from 0 to 2^53 - 1'
    when not pg_catalog.jsonb_path_exists(sketch, 'strict $ ? (@.offset >= 0 && @.offset <= @.n && @.offset.floor() == @.offset)') then
      'offset must be a whole number from 0 to n'
    when pg_catalog.jsonb_path_exists(sketch, 'strict $.counters.* ? (@.type() != "number" || @ < 1 || @ > $.n || @.floor() != @)') then
      'counters must be whole numbers from 1 to n'
  end
$$;

-- Merges the collected sketches: counts are added, then cut once to `capacity` counters, so the
-- order of the sketches does not matter. The count of the first counter that is too many is
-- subtracted from each: capacity + 1 counters lose this much, which bounds the offset. Nulls are
-- skipped; null if nothing is left.
create or replace function @extschema@.heavy_hitters_merge_all(sketches jsonb[], capacity int4) returns jsonb
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  merged jsonb;
  flawed jsonb;
begin
  if capacity is null or capacity not between 1 and 65536 then
    raise exception 'heavy hitters: capacity must be from 1 to 65536, got %', capacity using errcode = 'invalid_parameter_value';
  end if;
  sketches := pg_catalog.array_remove(sketches, null);
  if coalesce(pg_catalog.cardinality(sketches), 0) = 0 then
    return null;
  end if;
  select each.sketch into flawed
  from pg_catalog.unnest(sketches) as each (sketch)
  where @extschema@.heavy_hitters_flaw(each.sketch) is not null
  limit 1;
  if found then
    raise exception 'heavy hitters: %, got %', @extschema@.heavy_hitters_flaw(flawed), pg_catalog.left(flawed::text, 80)
      using errcode = 'invalid_parameter_value';
  end if;
  with
    total as (
      select pg_catalog.sum((each.sketch -> 'n')::int8) as n, pg_catalog.sum((each.sketch -> 'offset')::int8) as lost
      from pg_catalog.unnest(sketches) as each (sketch)
    ),
    counter as materialized (
      select entry.item, pg_catalog.sum(entry.count::int8) as count
      from pg_catalog.unnest(sketches) as each (sketch)
      cross join pg_catalog.jsonb_each(each.sketch -> 'counters') as entry (item, count)
      group by entry.item
    ),
    cut as (
      select coalesce((select counter.count from counter order by counter.count desc offset heavy_hitters_merge_all.capacity limit 1), 0) as count
    )
  select pg_catalog.jsonb_build_object(
    'n', total.n,
    'offset', total.lost + cut.count,
    'counters', (
      select coalesce(pg_catalog.jsonb_object_agg(counter.item, counter.count - cut.count), '{}')
      from counter
      where counter.count > cut.count
    )
  )
  into merged
  from total
  cross join cut;
  if (merged -> 'n')::numeric > 9007199254740991 then
    raise exception 'heavy hitters: all together weigh more than 2^53 - 1' using errcode = 'numeric_value_out_of_range';
  end if;
  return merged;
end
$$;


-- The same with the default capacity.
create or replace function @extschema@.heavy_hitters_merge_all(sketches jsonb[]) returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select @extschema@.heavy_hitters_merge_all(sketches, 256)
$$;

-- The sketch of everything that several have counted, with 256 counters. For another number use
-- heavy_hitters_merge_all(array_agg(sketch), capacity). The transition is a C function, which costs
-- almost nothing for each row; the work is done once, at the end. Until then all sketches are in
-- memory.
create or replace aggregate @extschema@.heavy_hitters_merge(jsonb) (
  sfunc = pg_catalog.array_append,
  stype = jsonb[],
  finalfunc = @extschema@.heavy_hitters_merge_all,
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- The items that may be among the k heaviest, heaviest first, then by their bytes. `certain` marks
-- those that are for all possible true counts. Of equal true counts the item with the smaller bytes
-- is heavier. `complete` says whether none of the k can be missing; otherwise an item without a
-- counter may be one. Counts are float8, which is exact up to 2^53. No rows for null, or for k
-- below 1.
create or replace function @extschema@.heavy_hitters_top(sketch jsonb, k int4)
returns table (item text, min_count float8, max_count float8, certain boolean, complete boolean)
language plpgsql immutable strict parallel safe rows 20
set search_path = pg_catalog, pg_temp
as $$
declare
  flaw text := @extschema@.heavy_hitters_flaw(sketch);
begin
  if flaw is not null then
    raise exception 'heavy hitters: %, got %', flaw, pg_catalog.left(sketch::text, 80) using errcode = 'invalid_parameter_value';
  end if;
  return query
  with
    ranked as (
      select entry.item, entry.count::float8 as low, entry.count::float8 + (sketch -> 'offset')::float8 as high,
        pg_catalog.row_number() over (order by entry.count::float8 desc, entry.item collate "C") as place
      from pg_catalog.jsonb_each(sketch -> 'counters') as entry (item, count)
    ),
    -- The largest possible count of an item without a counter.
    unseen as (
      select (sketch -> 'offset')::float8 as high
    )
  select ranked.item, ranked.low, ranked.high,
    -- Neither the first item that is left out nor one without a counter can have come before it.
    ranked.place <= k
      and (following.item is null or following.high < ranked.low or (following.high = ranked.low and following.item collate "C" > ranked.item collate "C"))
      and (unseen.high = 0 or ranked.low > unseen.high),
    unseen.high = 0 or coalesce(least_of.low > unseen.high, false)
  from ranked
  cross join unseen
  left join ranked as least_of on least_of.place = k
  left join ranked as following on following.place = k::int8 + 1
  where ranked.place <= k
    or ranked.high > least_of.low or (ranked.high = least_of.low and ranked.item collate "C" < least_of.item collate "C")
  order by ranked.place;
end
$$;
