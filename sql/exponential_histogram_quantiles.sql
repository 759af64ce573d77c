-- before: migrations
-- Quantiles of the values of several histograms together. For reads of very many groups with few
-- histograms each, such as all the edges of a call graph: collecting them and calling
-- exp_histogram_quantiles takes half the time of exp_histogram_merge and exp_histogram_quantile.

-- The histograms of a group. Always give an order, as in exp_histogram_collect(histogram order by
-- bucket): the groups are then formed by sorting, and the array of one is finished before the next.
-- With hashing all arrays grow at once, which takes thirty times as long.
create or replace aggregate @extschema@.exp_histogram_collect(bytea) (
  sfunc = pg_catalog.array_append,
  stype = bytea[],
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- The nearest-rank quantiles: for each q the value of rank max(1, ceil(q * count)), as its bucket's
-- 2 * low * high / (low + high). It is at most (base - 1) / (base + 1) away from every value of the
-- bucket. Null for a q outside 0..1. Null histograms are skipped; null if no value is left. Counts
-- are added as float8, which is exact below 2 ^ 53. The rank uses the decimal that q was typed as:
-- in floating point 0.07 * 100 is more than 7.
create or replace function @extschema@.exp_histogram_quantiles(histograms bytea[], q float8[]) returns float8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The counts are cells[start], cells[start + stride], ..., or the bytes of `merged` beside the
  -- distances there.
  cells int8[];
  merged bytea;
  scale int4;
  size int4;
  start int4 := 3;
  stride int4 := 1;
  width float8;
  total float8 := 0;
  rank float8;
  seen float8;
  share float8;
  step int4;
  at int4;
  key int8;
  exponent float8;
  answer float8[] := '{}';
begin
  histograms := pg_catalog.array_remove(histograms, null);
  if pg_catalog.cardinality(histograms) between 2 and 8 then
    cells := @extschema@.exp_histogram_cells(histograms);
  end if;
  if cells is null then
    merged := @extschema@.exp_histogram_merge_all(histograms);
    size := pg_catalog.octet_length(merged);
    if size >= 9 then
      scale := pg_catalog.get_byte(merged, 0) - 10;
      stride := pg_catalog.get_byte(merged, 1) - 15;
      start := 7;
    end if;
    if scale is null or scale > 20 or stride not in (2, 3) or (size - 7) % stride <> 0 then
      cells := @extschema@.exp_histogram_decode(merged);
      if cells is null then
        return null;
      end if;
      start := 3;
      stride := 2;
    end if;
  end if;
  if cells is not null then
    scale := cells[1];
    size := pg_catalog.cardinality(cells);
    for at in start .. size by stride loop
      total := total + cells[at];
    end loop;
    -- The last count is one stride before.
    size := start + (size - start) / stride * stride + stride;
  elsif stride = 2 then
    for at in 8 .. size - 1 by 2 loop
      total := total + pg_catalog.get_byte(merged, at);
    end loop;
  elsif stride = 3 then
    for at in 8 .. size - 2 by 3 loop
      total := total + ((pg_catalog.get_byte(merged, at) << 8) | pg_catalog.get_byte(merged, at + 1));
    end loop;
  end if;
  if not coalesce(total > 0, false) then
    return null;
  end if;

  width := pg_catalog.power(2::float8, -scale);
  foreach share in array q loop
    if share >= 0 and share <= 1 then
      rank := least(total, greatest(1, pg_catalog.ceil(share::numeric * total::numeric)::float8));
      seen := 0;
      -- From the nearer end.
      if rank <= total / 2 then
        step := stride;
        at := start - stride;
      else
        step := -stride;
        at := size;
        rank := total - rank + 1;
      end if;
      while seen < rank loop
        at := at + step;
        seen := seen + case
          when merged is null or start = 3 then cells[at]
          when stride = 2 then pg_catalog.get_byte(merged, at + 1)
          else (pg_catalog.get_byte(merged, at + 1) << 8) | pg_catalog.get_byte(merged, at + 2)
        end;
      end loop;
      key := case
        when start = 7 then
          case pg_catalog.get_byte(merged, at)
            when 255 then 0
            else (('x' || pg_catalog.encode(pg_catalog.substr(merged, 3, 5), 'hex') || '000000')::bit(64)::int8 >> 24) + pg_catalog.get_byte(merged, at)
          end
        when stride = 2 then cells[at - 1]
        when at = 3 then 0
        else cells[2] + at - 4
      end;
      exponent := (pg_catalog.abs(key) - 1 - (1::int8 << scale + 11)) * width;
      -- power() reports underflows and overflows as errors. Below the smallest double there is only
      -- zero, above the largest infinity.
      answer := answer || case
        when key = 0 or exponent < -1074 then 0
        when exponent >= 1024 then pg_catalog.sign(key) * 'Infinity'::float8
        else pg_catalog.sign(key) * pg_catalog.power(2::float8, exponent) * (2 / (1 + pg_catalog.power(2::float8, -width)))
      end;
    else
      answer := answer || null::float8;
    end if;
  end loop;
  return answer;
end
$$;

-- The nearest-rank quantile of a histogram; null if q is outside 0..1.
create or replace function @extschema@.exp_histogram_quantile(histogram bytea, q float8) returns float8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return (@extschema@.exp_histogram_quantiles(array[histogram], array[q]))[1];
end
$$;
