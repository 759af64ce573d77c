-- before: migrations
-- The mergeable exponential histogram: int8[] {scale, key, count, key, count, ...}, keys ascending,
-- counts positive.
--
-- The buckets are OpenTelemetry's base-2 buckets: base = 2 ^ (2 ^ -scale), bucket i holds the
-- values in (base ^ i, base ^ (i + 1)]. A bucket of positive values has the key i + 2 ^ (scale +
-- 11) + 1 (at least 1 for every double), a bucket of negative values minus the key of its
-- magnitudes, and zero has the key 0. Values are recorded at scale 5: the relative error of a
-- quantile is 1.083 %. src/sketch/exponentialHistogram.ts is the same in TypeScript, and a test
-- compares the two.
--
-- Nothing here raises an error for any input: counts saturate at the largest int8, and an invalid
-- histogram (no scale from -10 to 20) holds no values. One invalid row of one tenant would
-- otherwise stop the rollup of all tenants.

-- An array of arrays of different lengths is possible only as an array of a domain: the aggregate's
-- state. A domain cannot be created twice.
do $$
begin
  create domain @extschema@.exponential_histogram as int8[];
exception
  when duplicate_object then null;
end
$$;

-- The histogram of one value that occurred `count` times. Null for NaN and infinities (they are in
-- no bucket), and for a count below 1. The bucket is exact. The exponent comes from the bits, and
-- the mantissa is compared with the bounds 2 ^ (j / 32). These are products of repeated square
-- roots, so that every machine has the same 32 doubles. They are negated because width_bucket
-- counts bounds <= operand, but bounds < mantissa are needed.
create or replace function @extschema@.exp_histogram(value float8, count int8 default 1) returns int8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  magnitude float8 := pg_catalog.abs(value);
  bits bytea;
  exponent int4 := 0;
  key int8;
begin
  if count < 1 or magnitude = 'NaN' or magnitude = 'Infinity' then
    return null;
  end if;
  if magnitude = 0 then
    return array[5, 0, count];
  end if;
  -- Subnormal numbers have no implicit leading bit; multiplied by 2 ^ 54 they are normal.
  if magnitude < 2.2250738585072014e-308 then
    magnitude := magnitude * 18014398509481984;
    exponent := -54;
  end if;
  bits := pg_catalog.float8send(magnitude);
  exponent := exponent + ((pg_catalog.get_byte(bits, 0) << 4) | (pg_catalog.get_byte(bits, 1) >> 4)) - 1023;
  -- Scaled to [1, 2) in two steps: 2 ^ -1023 is itself subnormal.
  magnitude := case when exponent < -1022 then magnitude / pg_catalog.power(2::float8, exponent + 54) else magnitude / pg_catalog.power(2::float8, exponent) end;
  key := exponent * 32 + 31 + 65537 - pg_catalog.width_bucket(
    -magnitude,
    array[
      -1.9571441241754002, -1.9152065613971474, -1.8741676341103, -1.8340080864093427, -1.7947090750031072, -1.7562521603732995,
      -1.718619298122478, -1.6817928305074292, -1.6457554781539647, -1.6104903319492543, -1.5759808451078865, -1.542210825407941,
      -1.5091644275934226, -1.4768261459394993, -1.4451808069770467, -1.4142135623730951, -1.3839098819638318, -1.3542555469368927,
      -1.325236643159741, -1.2968395546510096, -1.2690509571917332, -1.241857812073484, -1.2152473599804687, -1.189207115002721,
      -1.1637248587775775, -1.1387886347566916, -1.1143867425958924, -1.0905077326652577, -1.0671404006768235, -1.0442737824274138,
      -1.0218971486541166, -1
    ]::float8[]
  );
  return array[5, case when value < 0 then -key else key end, count];
end
$$;

-- Merges the collected histograms: the coarsest scale, counts added, in one pass.
create or replace function @extschema@.exp_histogram_merge_all(histograms @extschema@.exponential_histogram[]) returns int8[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  coarsest int8;
  merged int8[];
begin
  histograms := pg_catalog.array_remove(histograms, null);
  -- Most groups of a fine-grained read have one histogram: it is the answer, without another
  -- statement.
  if coalesce(pg_catalog.cardinality(histograms), 0) < 2 then
    return histograms[1];
  end if;
  select pg_catalog.min(each.histogram[1]) into coarsest from pg_catalog.unnest(histograms) as each (histogram) where each.histogram[1] between -10 and 20;
  select pg_catalog.array_agg(array[bucket.key, bucket.count] order by bucket.key)
  into merged
  from (
    select
      pg_catalog.sign(entry.key)::int8 * (((pg_catalog.abs(entry.key) - 1) >> (entry.scale - coarsest)::int4) + 1) as key,
      least(pg_catalog.sum(entry.count), 9223372036854775807)::int8 as count
    from (
      select each.histogram[1] as scale, each.histogram[at] as key, each.histogram[at + 1] as count
      from pg_catalog.unnest(histograms) as each (histogram)
      cross join pg_catalog.generate_series(2, pg_catalog.cardinality(each.histogram), 2) as at
      where each.histogram[1] between -10 and 20
    ) as entry
    -- The smallest int8 has no magnitude.
    where entry.count > 0 and entry.key > -9223372036854775807
    group by 1
  ) as bucket;
  if merged is null then
    return null;
  end if;
  -- unnest flattens the pairs row by row, in the needed order.
  return coarsest || array(select pg_catalog.unnest(merged));
end
$$;

-- The histogram of all values of several histograms. Nulls are skipped; null if nothing is left.
-- The transition is a C function, which costs almost nothing for each row; the work is done once,
-- at the end.
create or replace aggregate @extschema@.exp_histogram_merge(@extschema@.exponential_histogram) (
  sfunc = pg_catalog.array_append,
  stype = @extschema@.exponential_histogram[],
  finalfunc = @extschema@.exp_histogram_merge_all,
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- The number of values in a histogram.
create or replace function @extschema@.exp_histogram_count(histogram int8[]) returns int8
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select least(pg_catalog.sum(histogram[at]), 9223372036854775807)::int8 from pg_catalog.generate_series(3, pg_catalog.cardinality(histogram), 2) as at
$$;

-- The nearest-rank quantile: the value of rank max(1, ceil(q * count)), as its bucket's 2 * low *
-- high / (low + high). It is at most (base - 1) / (base + 1) away from every value of the bucket.
-- Null if q is outside 0..1. Counts are added as float8, which is exact below 2 ^ 53. The rank uses
-- the decimal that q was typed as: in floating point 0.07 * 100 is more than 7.
create or replace function @extschema@.exp_histogram_quantile(histogram int8[], q float8) returns float8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  scale int8 := histogram[1];
  width float8;
  total float8 := 0;
  rank float8;
  seen float8 := 0;
  key float8;
  exponent float8;
begin
  if not (q >= 0 and q <= 1) or scale is null or scale not between -10 and 20 then
    return null;
  end if;
  for at in 3 .. pg_catalog.cardinality(histogram) by 2 loop
    total := total + histogram[at];
  end loop;
  rank := least(total, greatest(1, pg_catalog.ceil(q::numeric * total::numeric)::float8));
  for at in 2 .. pg_catalog.cardinality(histogram) by 2 loop
    seen := seen + histogram[at + 1];
    if seen >= rank then
      key := histogram[at];
      if key = 0 then
        return 0;
      end if;
      width := pg_catalog.power(2::float8, -scale);
      exponent := (pg_catalog.abs(key) - 1 - (1::int8 << (scale + 11)::int4)) * width;
      -- power() reports underflows and overflows as errors. Below the smallest double there is only
      -- zero, above the largest infinity.
      if exponent < -1074 then
        return 0;
      elsif exponent >= 1024 then
        return pg_catalog.sign(key) * 'Infinity'::float8;
      end if;
      return pg_catalog.sign(key) * pg_catalog.power(2::float8, exponent) * (2 / (1 + pg_catalog.power(2::float8, -width)));
    end if;
  end loop;
  return null;
end
$$;
