-- Quantiles of the values of several histograms together, without merging the histograms. For reads
-- of very many groups with few histograms each, such as all the edges of a call graph: collecting
-- them and calling this takes a tenth of the time of exp_histogram_merge and
-- exp_histogram_quantile.

-- The histograms of a group. Always give an order, as in exp_histogram_collect(histogram order by
-- bucket): the groups are then formed by sorting, and the array of one is finished before the next.
-- With hashing all arrays grow at once, which takes thirty times as long.
create or replace aggregate @extschema@.exp_histogram_collect(@extschema@.exponential_histogram) (
  sfunc = pg_catalog.array_append,
  stype = @extschema@.exponential_histogram[],
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- The same as exp_histogram_quantile of exp_histogram_merge, for each q. Nulls are skipped; null if
-- nothing is left. Nothing here raises an error either.
create or replace function @extschema@.exp_histogram_quantiles(histograms @extschema@.exponential_histogram[], q float8[]) returns float8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  given int4;
  alike bool;
  scale int8;
  width float8;
  a int8[];
  b int8[];
  merged int8[];
  i int4;
  j int4;
  total float8 := 0;
  seen float8 := 0;
  rank float8;
  key float8;
  exponent float8;
  share float8;
  answer float8[] := '{}';
begin
  histograms := pg_catalog.array_remove(histograms, null);
  given := pg_catalog.cardinality(histograms);
  if given = 0 then
    return null;
  end if;
  a := histograms[1];
  scale := a[1];
  b := case when given = 1 then array[scale] else histograms[given] end;
  -- Merged one after the other while that is faster than sorting all keys in a statement. The last
  -- two are read in parallel without merging them.
  alike := coalesce(given <= 8 and b[1] = scale and scale between -10 and 20, false);
  for at in 2 .. given - 1 loop
    b := histograms[at];
    alike := alike and coalesce(b[1] = scale, false);
  end loop;
  if not alike then
    a := @extschema@.exp_histogram_merge_all(histograms);
    scale := a[1];
    if scale is null or scale not between -10 and 20 then
      return null;
    end if;
    b := array[scale];
    given := 1;
  end if;
  for at in 2 .. given - 1 loop
    b := histograms[at];
    merged := array[scale];
    i := 2;
    j := 2;
    while i < pg_catalog.cardinality(a) and j < pg_catalog.cardinality(b) loop
      if a[i] < b[j] then
        merged := merged || a[i] || a[i + 1];
        i := i + 2;
      elsif a[i] > b[j] then
        merged := merged || b[j] || b[j + 1];
        j := j + 2;
      else
        merged := merged || a[i] || greatest(0, least(a[i + 1]::float8 + b[j + 1], 9223372036854774784))::int8;
        i := i + 2;
        j := j + 2;
      end if;
    end loop;
    a := merged || a[i:] || b[j:];
    b := histograms[given];
  end loop;

  for at in 3 .. pg_catalog.cardinality(a) by 2 loop
    total := total + a[at];
  end loop;
  for at in 3 .. pg_catalog.cardinality(b) by 2 loop
    total := total + b[at];
  end loop;
  width := pg_catalog.power(2::float8, -scale);
  foreach share in array q loop
    rank := least(total, greatest(1, pg_catalog.ceil(share::numeric * total::numeric)::float8));
    seen := 0;
    -- From the nearer end. Outside an array there are nulls, and the last key that was met is the
    -- answer.
    if rank <= total / 2 then
      i := 2;
      j := 2;
      while seen < rank loop
        if a[i] <= b[j] or b[j] is null then
          seen := seen + a[i + 1];
          i := i + 2;
        else
          seen := seen + b[j + 1];
          j := j + 2;
        end if;
      end loop;
      key := greatest(a[i - 2], b[j - 2]);
    else
      rank := total - rank + 1;
      i := pg_catalog.cardinality(a) - 1;
      j := pg_catalog.cardinality(b) - 1;
      while seen < rank loop
        if a[i] >= b[j] or b[j] is null then
          seen := seen + a[i + 1];
          i := i - 2;
        else
          seen := seen + b[j + 1];
          j := j - 2;
        end if;
      end loop;
      key := least(a[i + 2], b[j + 2]);
    end if;
    exponent := (pg_catalog.abs(key) - 1 - (1::int8 << (scale + 11)::int4)) * width;
    answer := answer || case
      when key = 0 or exponent < -1074 then 0
      when exponent >= 1024 then pg_catalog.sign(key) * 'Infinity'::float8
      else pg_catalog.sign(key) * pg_catalog.power(2::float8, exponent) * (2 / (1 + pg_catalog.power(2::float8, -width)))
    end;
  end loop;
  return answer;
end
$$;
