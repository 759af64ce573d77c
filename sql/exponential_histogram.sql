-- before: migrations
-- The mergeable exponential histogram, as bytes; numbers are big-endian:
--
--   bytes     what
--   1         the scale + 10
--   1         16 * the bytes of a distance (1, 2, 3, 5) + the bytes of a count (1, 2, 3, 4, 8)
--   5         the smallest key other than 0, signed; 0 if all values are 0
--   and for each bucket, keys ascending:
--   1 to 5    the distance from the smallest key to the bucket's; for key 0 the largest number
--   1 to 8    the count, above 0
--
-- All buckets of a histogram have the same widths, the smallest possible. So any bucket is read
-- without those before it, and nearly all have two or three bytes.
--
-- The buckets are OpenTelemetry's base-2 buckets: base = 2 ^ (2 ^ -scale), bucket i holds the
-- values in (base ^ i, base ^ (i + 1)]. A bucket of positive values has the key i + 2 ^ (scale +
-- 11) + 1 (at least 1 for every double), a bucket of negative values minus the key of its
-- magnitudes, and zero has the key 0. Values are recorded at scale 5: the relative error of a
-- quantile is 1.083 %. src/sketch/exponentialHistogram.ts is the same in TypeScript, and a test
-- compares the two.
--
-- Nothing here raises an error for any input: counts saturate at the largest int8, and bytes that
-- are not a histogram hold no values. One invalid row of one tenant would otherwise stop the rollup
-- of all tenants.

-- The bytes of a histogram: keys ascending and distinct, counts above 0. Null without keys.
create or replace function @extschema@.exp_histogram_bytes(scale int8, keys int8[], counts int8[]) returns bytea
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  smallest int8 := coalesce(nullif(keys[1], 0), keys[2], 0);
  span int8 := coalesce(nullif(keys[pg_catalog.cardinality(keys)], 0), keys[pg_catalog.cardinality(keys) - 1], 0) - smallest;
  most int8;
  w1 int4 := case when span < 255 then 1 when span < 65535 then 2 when span < 16777215 then 3 else 5 end;
  w2 int4;
  buckets bytea;
begin
  select max(each.count) into most from pg_catalog.unnest(counts) as each (count);
  w2 := case when most < 256 then 1 when most < 65536 then 2 when most < 16777216 then 3 when most < 4294967296 then 4 else 8 end;
  select pg_catalog.string_agg(
    -- All bytes of -1 are ff.
    pg_catalog.substr(pg_catalog.int8send(case each.key when 0 then -1 else each.key - smallest end), 9 - w1)
      || pg_catalog.substr(pg_catalog.int8send(each.count), 9 - w2),
    ''::bytea
  )
  into buckets
  from rows from (pg_catalog.unnest(keys), pg_catalog.unnest(counts)) as each (key, count);
  return pg_catalog.substr(pg_catalog.int8send((scale + 10) * 256 + w1 * 16 + w2), 7) || pg_catalog.substr(pg_catalog.int8send(smallest), 4) || buckets;
end
$$;

-- The histogram {scale, key, count, key, count, ...} as bytes. Keys may come in any order, and
-- several times. Null without a count above 0, or if the scale is not from -10 to 20.
create or replace function @extschema@.exp_histogram_encode(histogram int8[]) returns bytea
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  keys int8[];
  counts int8[];
begin
  select
    pg_catalog.array_agg(bucket.key order by bucket.key),
    pg_catalog.array_agg(bucket.count order by bucket.key)
  into keys, counts
  from (
    select histogram[at] as key, least(pg_catalog.sum(histogram[at + 1]), 9223372036854775807)::int8 as count
    from pg_catalog.generate_series(2, pg_catalog.cardinality(histogram), 2) as at
    where
      histogram[1] between -10 and 20
      -- No double has a key beyond 2 ^ 33; distances of five bytes hold twice this.
      and histogram[at] between -274877906944 and 274877906944
      and histogram[at + 1] > 0
    group by 1
  ) as bucket;
  return @extschema@.exp_histogram_bytes(histogram[1], keys, counts);
end
$$;

-- The histogram of these bytes as {scale, key, count, key, count, ...}; null if they are not one.
create or replace function @extschema@.exp_histogram_decode(histogram bytea) returns int8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  size int4 := pg_catalog.octet_length(histogram);
  w1 int4;
  w2 int4;
  smallest int8;
  pairs int8[];
begin
  if size < 9 or pg_catalog.get_byte(histogram, 0) > 30 then
    return null;
  end if;
  w1 := pg_catalog.get_byte(histogram, 1) >> 4;
  w2 := pg_catalog.get_byte(histogram, 1) & 15;
  if w1 not in (1, 2, 3, 5) or w2 not in (1, 2, 3, 4, 8) or (size - 7) % (w1 + w2) <> 0 then
    return null;
  end if;
  -- Five bytes moved up by three and down again keep their sign.
  smallest := ('x' || pg_catalog.encode(pg_catalog.substr(histogram, 3, 5), 'hex') || '000000')::bit(64)::int8 >> 24;
  select pg_catalog.array_agg(
    array[case bucket.distance when (1::int8 << 8 * w1) - 1 then 0 else smallest + bucket.distance end, bucket.count]
    order by bucket.at
  )
  into pairs
  from (
    select
      at,
      ('x' || pg_catalog.lpad(pg_catalog.encode(pg_catalog.substr(histogram, at, w1), 'hex'), 16, '0'))::bit(64)::int8 as distance,
      ('x' || pg_catalog.lpad(pg_catalog.encode(pg_catalog.substr(histogram, at + w1, w2), 'hex'), 16, '0'))::bit(64)::int8 as count
    from pg_catalog.generate_series(8, size, w1 + w2) as at
  ) as bucket
  where bucket.count > 0;
  if pairs is null then
    return null;
  end if;
  -- unnest flattens the pairs row by row, in the needed order.
  return (pg_catalog.get_byte(histogram, 0) - 10)::int8 || array(select pg_catalog.unnest(pairs));
end
$$;

-- The histogram of one value that occurred `count` times. Null for NaN and infinities (they are in
-- no bucket), and for a count below 1. The bucket is exact. The exponent comes from the bits, and
-- the mantissa is compared with the bounds 2 ^ (j / 32). These are products of repeated square
-- roots, so that every machine has the same 32 doubles. They are negated because width_bucket
-- counts bounds <= operand, but bounds < mantissa are needed.
create or replace function @extschema@.exp_histogram(value float8, count int8 default 1) returns bytea
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
    return @extschema@.exp_histogram_bytes(5::int8, array[0::int8], array[count]);
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
  if value < 0 then
    key := -key;
  end if;
  if count < 256 then
    return '\x0f11'::bytea || pg_catalog.substr(pg_catalog.int8send(key), 4) || pg_catalog.substr(pg_catalog.int8send(count), 7);
  end if;
  return @extschema@.exp_histogram_bytes(5::int8, array[key], array[count]);
end
$$;

-- The counts of histograms together, a cell for each key: {scale, the smallest key above 0, the
-- count of 0, the count of that key, of the next key, ...}. Null unless all have the same scale,
-- distances of one byte, counts of at most two, and keys from 0 that are near each other: nearly
-- all histograms of one metric or call.
create or replace function @extschema@.exp_histogram_cells(histograms bytea[]) returns int8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  histogram bytea;
  size int4;
  stride int4;
  scale int4;
  smallest int4;
  lowest int4;
  highest int4;
  start int4;
  shift int4;
  cells int8[];
begin
  foreach histogram in array histograms loop
    size := pg_catalog.octet_length(histogram);
    if size < 9 then
      return null;
    end if;
    stride := pg_catalog.get_byte(histogram, 1) - 15;
    scale := coalesce(scale, pg_catalog.get_byte(histogram, 0));
    -- The first two bytes of a positive key are 0 up to scale 12.
    if stride not in (2, 3)
      or (size - 7) % stride <> 0
      or pg_catalog.get_byte(histogram, 0) <> scale
      or scale > 22
      or pg_catalog.get_byte(histogram, 2) <> 0
      or pg_catalog.get_byte(histogram, 3) <> 0
    then
      return null;
    end if;
    smallest := (pg_catalog.get_byte(histogram, 4) << 16) | (pg_catalog.get_byte(histogram, 5) << 8) | pg_catalog.get_byte(histogram, 6);
    if smallest > 0 then
      lowest := least(lowest, smallest);
      highest := greatest(highest, smallest + pg_catalog.get_byte(histogram, size - stride));
    end if;
  end loop;
  if highest - lowest > 1024 then
    return null;
  end if;
  cells := pg_catalog.array_fill(0::int8, array[4 + coalesce(highest - lowest, 0)]);
  cells[1] := scale - 10;
  cells[2] := coalesce(lowest, 0);
  foreach histogram in array histograms loop
    size := pg_catalog.octet_length(histogram);
    stride := pg_catalog.get_byte(histogram, 1) - 15;
    start := 7;
    shift := 4 - cells[2] + ((pg_catalog.get_byte(histogram, 4) << 16) | (pg_catalog.get_byte(histogram, 5) << 8) | pg_catalog.get_byte(histogram, 6));
    -- Among keys from 0 only the first can be 0.
    if pg_catalog.get_byte(histogram, 7) = 255 then
      start := 7 + stride;
      cells[3] := cells[3] + case stride when 2 then pg_catalog.get_byte(histogram, 8) else (pg_catalog.get_byte(histogram, 8) << 8) | pg_catalog.get_byte(histogram, 9) end;
    end if;
    if stride = 2 then
      for at in start .. size - 2 by 2 loop
        cells[shift + pg_catalog.get_byte(histogram, at)] := cells[shift + pg_catalog.get_byte(histogram, at)] + pg_catalog.get_byte(histogram, at + 1);
      end loop;
    else
      for at in start .. size - 3 by 3 loop
        cells[shift + pg_catalog.get_byte(histogram, at)] := cells[shift + pg_catalog.get_byte(histogram, at)]
          + ((pg_catalog.get_byte(histogram, at + 1) << 8) | pg_catalog.get_byte(histogram, at + 2));
      end loop;
    end if;
  end loop;
  return cells;
end
$$;

-- Merges the collected histograms: the coarsest scale, counts added, in one pass.
create or replace function @extschema@.exp_histogram_merge_all(histograms bytea[]) returns bytea
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  coarsest int8;
  alike bool;
  cells int8[];
  keys int8[];
  counts int8[];
begin
  histograms := pg_catalog.array_remove(histograms, null);
  -- Most groups of a fine-grained read have one histogram: it is the answer, without another
  -- statement.
  if coalesce(pg_catalog.cardinality(histograms), 0) < 2 then
    return histograms[1];
  end if;
  -- Adding up a few in a loop is faster than sorting them in a statement.
  if pg_catalog.cardinality(histograms) <= 8 then
    cells := @extschema@.exp_histogram_cells(histograms);
  end if;
  if cells is not null then
    coarsest := cells[1];
    select
      pg_catalog.array_agg(case cell.at when 1 then 0 else cells[2] + cell.at - 2 end order by cell.at),
      pg_catalog.array_agg(cell.count order by cell.at)
    into keys, counts
    from pg_catalog.unnest(cells[3:]) with ordinality as cell (count, at)
    where cell.count > 0;
    return @extschema@.exp_histogram_bytes(coarsest, keys, counts);
  end if;
  select
    min(head.scale) filter (where head.scale <= 30) - 10,
    min(head.scale) = max(head.scale)
      and pg_catalog.bool_and(coalesce(head.scale <= 30 and head.widths in (17, 18) and (head.size - 7) % (head.widths - 15) = 0, false))
  into coarsest, alike
  from (
    select
      each.size,
      case when each.size >= 9 then pg_catalog.get_byte(each.histogram, 0) end as scale,
      case when each.size >= 9 then pg_catalog.get_byte(each.histogram, 1) end as widths
    from (
      select each.histogram, pg_catalog.octet_length(each.histogram) as size from pg_catalog.unnest(histograms) as each (histogram)
    ) as each
  ) as head;
  -- Buckets of one scale, with distances of one byte and counts of at most two, are read where they
  -- stand: a third of the time.
  if alike then
    select
      pg_catalog.array_agg(bucket.key order by bucket.key),
      pg_catalog.array_agg(bucket.count order by bucket.key)
    into keys, counts
    from (
      select entry.key, pg_catalog.sum(entry.count) as count
      from (
        select
          case pg_catalog.get_byte(each.histogram, at) when 255 then 0 else each.smallest + pg_catalog.get_byte(each.histogram, at) end as key,
          case each.stride
            when 2 then pg_catalog.get_byte(each.histogram, at + 1)
            else (pg_catalog.get_byte(each.histogram, at + 1) << 8) | pg_catalog.get_byte(each.histogram, at + 2)
          end as count
        from (
          select
            each.histogram,
            pg_catalog.get_byte(each.histogram, 1) - 15 as stride,
            ('x' || pg_catalog.encode(pg_catalog.substr(each.histogram, 3, 5), 'hex') || '000000')::bit(64)::int8 >> 24 as smallest
          from pg_catalog.unnest(histograms) as each (histogram)
          -- Computed once for each histogram, not once for each bucket.
          offset 0
        ) as each
        cross join pg_catalog.generate_series(7, pg_catalog.octet_length(each.histogram) - each.stride, each.stride) as at
      ) as entry
      where entry.count > 0
      group by 1
    ) as bucket;
  else
    select
      pg_catalog.array_agg(bucket.key order by bucket.key),
      pg_catalog.array_agg(bucket.count order by bucket.key)
    into keys, counts
    from (
      select
        pg_catalog.sign(entry.key)::int8 * (((pg_catalog.abs(entry.key) - 1) >> (entry.scale - coarsest)::int4) + 1) as key,
        least(pg_catalog.sum(entry.count), 9223372036854775807)::int8 as count
      from (
        select each.histogram[1] as scale, each.histogram[at] as key, each.histogram[at + 1] as count
        from (
          select @extschema@.exp_histogram_decode(each.histogram) as histogram from pg_catalog.unnest(histograms) as each (histogram) offset 0
        ) as each
        cross join pg_catalog.generate_series(2, pg_catalog.cardinality(each.histogram), 2) as at
      ) as entry
      group by 1
    ) as bucket;
  end if;
  return @extschema@.exp_histogram_bytes(coarsest, keys, counts);
end
$$;

-- The histogram of all values of several histograms. Nulls are skipped; null if nothing is left.
-- The transition is a C function, which costs almost nothing for each row; the work is done once,
-- at the end.
create or replace aggregate @extschema@.exp_histogram_merge(bytea) (
  sfunc = pg_catalog.array_append,
  stype = bytea[],
  finalfunc = @extschema@.exp_histogram_merge_all,
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- The number of values in a histogram.
create or replace function @extschema@.exp_histogram_count(histogram bytea) returns int8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  pairs int8[] := @extschema@.exp_histogram_decode(histogram);
begin
  if pairs is null then
    return null;
  end if;
  return (select least(pg_catalog.sum(pairs[at]), 9223372036854775807)::int8 from pg_catalog.generate_series(3, pg_catalog.cardinality(pairs), 2) as at);
end
$$;
