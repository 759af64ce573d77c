-- before: migrations
-- Union and cardinality of HyperLogLog sketches in the bytes of postgresql-hll (storage
-- specification 1.0.0, schema version 1), for servers without the extension. The bytes equal those
-- of hll_union_agg, the numbers those of hll_cardinality. src/sketch/hll/hll.ts is the same in
-- TypeScript.
--
-- A sketch is one byte with version and representation, one with parameters, one with thresholds,
-- then the data. An invalid sketch is an error, and so are sketches with different parameters.

-- The parameters of a sketch, from its second and third byte. `full_bits` is the length of the
-- registers if all are stored.
create or replace function @extschema@.hyperloglog_parameters(sketch bytea, out kind int4, out log2m int4, out regwidth int4, out expthresh int8, out sparseon int4, out full_bits int4)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  threshold int4;
begin
  if pg_catalog.length(sketch) < 3 then
    raise exception 'hyperloglog: a sketch has at least 3 bytes, got %', sketch using errcode = 'data_exception';
  end if;
  kind := pg_catalog.get_byte(sketch, 0) - 16;
  if kind not between 0 and 4 then
    raise exception 'hyperloglog: a sketch begins with a byte from 10 to 14, got %', pg_catalog.substr(sketch, 1, 16) using errcode = 'data_exception';
  end if;
  log2m := pg_catalog.get_byte(sketch, 1) & 31;
  regwidth := (pg_catalog.get_byte(sketch, 1) >> 5) + 1;
  if log2m not between 4 and 17 then
    raise exception 'hyperloglog: log2m must be between 4 and 17, got %', log2m using errcode = 'data_exception';
  end if;
  threshold := pg_catalog.get_byte(sketch, 2) & 191;
  if threshold > 31 and threshold <> 63 then
    raise exception 'hyperloglog: the explicit threshold must be 63 or at most 31, got %', threshold using errcode = 'data_exception';
  end if;
  full_bits := regwidth << log2m;
  expthresh := case threshold when 63 then -1 when 0 then 0 else 1::int8 << (threshold - 1) end;
  sparseon := (pg_catalog.get_byte(sketch, 2) >> 6) & 1;
  if kind < 2 and pg_catalog.length(sketch) > 3 then
    raise exception 'hyperloglog: a sketch of nothing has 3 bytes, got %', pg_catalog.length(sketch) using errcode = 'data_exception';
  elsif kind = 4 and pg_catalog.length(sketch) <> 3 + full_bits / 8 then
    raise exception 'hyperloglog: % registers of % bits take % bytes, got %', 1 << log2m, regwidth, 3 + full_bits / 8, pg_catalog.length(sketch)
      using errcode = 'data_exception';
  end if;
end
$$;

-- The larger of each two registers of two rows of registers. The highest bit in which two registers
-- differ decides. All registers are processed at once. `rest1`, `rest2` and `rest4` are all bits of
-- a register except its first, first two, first four: they mask what a shift carries over from the
-- register before. Three steps cover 8 bits.
create or replace function @extschema@.hyperloglog_greatest(a varbit, b varbit, rest1 varbit, rest2 varbit, rest4 varbit) returns varbit
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  differ varbit := a # b;
  reach varbit := differ | ((differ >> 1) & rest1);
begin
  reach := reach | ((reach >> 2) & rest2);
  reach := reach | ((reach >> 4) & rest4);
  -- The highest bits in which they differ that are set in b, then all bits below them.
  reach := b & (reach # ((reach >> 1) & rest1));
  if pg_catalog.bit_count(reach) = 0 then
    return a;
  end if;
  reach := reach | ((reach >> 1) & rest1);
  reach := reach | ((reach >> 2) & rest2);
  reach := reach | ((reach >> 4) & rest4);
  return a # (differ & reach);
end
$$;

-- All registers, from those that are not 0: index and value in one number. Eight registers take as
-- many bytes as one register has bits.
create or replace function @extschema@.hyperloglog_registers(pairs int4[], log2m int4, regwidth int4) returns varbit
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select ('x' || pg_catalog.string_agg(pg_catalog.substr(pg_catalog.encode(pg_catalog.int8send(coalesce(eight.bits, 0)), 'hex'), 17 - 2 * regwidth), '' order by place))::varbit
    from pg_catalog.generate_series(0, (1 << (log2m - 3)) - 1) as place
    left join (
      select pair >> (regwidth + 3) as place, pg_catalog.bit_or((pair & ((1 << regwidth) - 1))::int8 << (regwidth * (7 - ((pair >> regwidth) & 7)))) as bits
      from pg_catalog.unnest(pairs) as pair
      group by 1
    ) as eight using (place)
  );
end
$$;

-- The union of the collected sketches, in the bytes of hll_union_agg. Nulls are skipped; null if
-- nothing is left.
create or replace function @extschema@.hyperloglog_merge_all(sketches bytea[]) returns bytea
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  sketch bytea;
  one record;
  ours record;
  kind int4;
  head bytea;
  is_undefined boolean := false;
  data varbit;
  registers varbit;
  rest1 varbit;
  rest2 varbit;
  rest4 varbit;
  sparse varbit[] := '{}';
  explicit varbit[] := '{}';
  most int4 := 0;
  hashes int8[] := '{}';
  flawed boolean;
  pairs int4[];
  width int4;
  highest int4;
  filled int8;
begin
  foreach sketch in array sketches loop
    continue when sketch is null;
    if head is null or pg_catalog.substr(sketch, 2, 2) <> pg_catalog.substr(head, 2, 2) then
      one := @extschema@.hyperloglog_parameters(sketch);
      kind := one.kind;
      if ours is null then
        ours := one;
        width := ours.log2m + ours.regwidth;
        highest := least((1 << ours.regwidth) - 1, 64 - ours.log2m);
        head := pg_catalog.substr(sketch, 1, 3);
      elsif one.log2m <> ours.log2m or one.regwidth <> ours.regwidth or one.expthresh <> ours.expthresh or one.sparseon <> ours.sparseon then
        raise exception 'hyperloglog: sketches of different parameters: log2m %, regwidth %, expthresh %, sparseon % and %, %, %, %',
          ours.log2m, ours.regwidth, ours.expthresh, ours.sparseon, one.log2m, one.regwidth, one.expthresh, one.sparseon
          using errcode = 'data_exception';
      end if;
    else
      kind := pg_catalog.get_byte(sketch, 0) - 16;
      -- The parameters are known to be equal. What can still be wrong is the representation, and
      -- the length if the representation implies it.
      if kind <> 2 and kind <> 3 and (case kind when 4 then 3 + ours.full_bits / 8 else 3 end) <> pg_catalog.length(sketch) or kind not between 0 and 4 then
        perform @extschema@.hyperloglog_parameters(sketch);
      end if;
    end if;
    if kind < 2 then
      is_undefined := is_undefined or kind = 0;
      continue;
    end if;
    data := ('x' || pg_catalog.encode(pg_catalog.substr(sketch, 4), 'hex'))::varbit;
    if kind = 4 then
      if registers is null then
        registers := data;
        rest1 := pg_catalog.repeat(pg_catalog.rpad('0', ours.regwidth, '1'), 1 << ours.log2m)::varbit;
        rest2 := rest1 & (rest1 >> 1);
        rest4 := rest2 & (rest2 >> 2);
      else
        registers := @extschema@.hyperloglog_greatest(registers, data, rest1, rest2, rest4);
      end if;
    elsif kind = 3 then
      if pg_catalog.length(data) % width >= 8 or pg_catalog.bit_count(pg_catalog.substring(data, pg_catalog.length(data) / width * width + 1)) > 0 then
        raise exception 'hyperloglog: a register of a sparse sketch has % bits, and less than 8 may be left, all 0, got %',
          width, pg_catalog.left(sketch::text, 80) using errcode = 'data_exception';
      end if;
      sparse := pg_catalog.array_append(sparse, data);
    else
      if pg_catalog.length(data) % 64 > 0 then
        raise exception 'hyperloglog: the values of an explicit sketch have 8 bytes each, got %', pg_catalog.left(sketch::text, 80)
          using errcode = 'data_exception';
      end if;
      explicit := pg_catalog.array_append(explicit, data);
      most := greatest(most, pg_catalog.length(data) / 64);
    end if;
  end loop;
  if ours is null then
    return null;
  elsif is_undefined then
    return pg_catalog.set_byte(head, 0, 16);
  elsif registers is null and pg_catalog.cardinality(sparse) = 0 and pg_catalog.cardinality(explicit) = 0 then
    return pg_catalog.set_byte(head, 0, 17);
  end if;

  if pg_catalog.cardinality(explicit) > 0 then
    select pg_catalog.array_agg(each.hash), pg_catalog.bool_or(each.start > 1 and each.hash <= pg_catalog.substring(each.list, each.start - 64, 64)::int8)
    into hashes, flawed
    from (
      select place.list, place.start, pg_catalog.substring(place.list, place.start, 64)::int8 as hash
      from (select list, pg_catalog.generate_series(1, pg_catalog.length(list), 64) as start from pg_catalog.unnest(explicit) as list) as place
      -- With the offset a hash is read once, not at every use of its name.
      offset 0
    ) as each;
    if flawed then
      raise exception 'hyperloglog: the values of an explicit sketch must ascend, in one that begins with % they do not', head
        using errcode = 'data_exception';
    end if;
    if registers is null and pg_catalog.cardinality(sparse) = 0 then
      hashes := array(select distinct hash from pg_catalog.unnest(hashes) as hash order by hash);
      if pg_catalog.cardinality(hashes) <= greatest(most, case ours.expthresh when -1 then ours.full_bits / 64 else ours.expthresh end) then
        return pg_catalog.set_byte(head, 0, 18)
          || coalesce((select pg_catalog.string_agg(pg_catalog.int8send(hash), '' order by hash) from pg_catalog.unnest(hashes) as hash), '');
      end if;
    end if;
  end if;
  if pg_catalog.cardinality(sparse) > 0 or pg_catalog.cardinality(hashes) > 0 then
    -- A register and its value are one number, so the largest number of a register has its largest
    -- value.
    select pg_catalog.array_agg(each.pair), pg_catalog.bool_or(each.value = 0 or each.value > highest)
    into pairs, flawed
    from (
      select pg_catalog.max(found.pair) as pair, pg_catalog.max(found.pair) & ((1 << ours.regwidth) - 1) as value
      from (
        select pg_catalog.substring(place.list, place.start, width)::int4 as pair
        from (
          select list, pg_catalog.generate_series(1, pg_catalog.length(list) - width + 1, width) as start from pg_catalog.unnest(sparse) as list
        ) as place
        -- If a register takes less than a byte, the padding has room for one: all 0.
        where width >= 8 or pg_catalog.length(place.list) - place.start >= 7 or pg_catalog.substring(place.list, place.start, width)::int4 > 0
        union all
        select ((hash & ((1 << ours.log2m) - 1))::int4 << ours.regwidth) | least(pg_catalog.bit_count((rest # (rest - 1))::bit(64))::int4, highest)
        -- Without its sign, which a shift would copy.
        from (select hash, (hash >> ours.log2m) & ((1::int8 << (64 - ours.log2m)) - 1) as rest from pg_catalog.unnest(hashes) as hash) as hashed
        where rest <> 0
      ) as found
      group by found.pair >> ours.regwidth
    ) as each;
    if flawed then
      raise exception 'hyperloglog: a register that a sparse sketch lists must be from 1 to %', highest using errcode = 'data_exception';
    end if;
  end if;
  pairs := coalesce(pairs, '{}');
  if registers is null then
    filled := pg_catalog.cardinality(pairs);
  else
    if pg_catalog.cardinality(pairs) > 0 then
      registers := @extschema@.hyperloglog_greatest(
        registers, @extschema@.hyperloglog_registers(pairs, ours.log2m, ours.regwidth), rest1, rest2, rest4
      );
    end if;
    data := registers;
    for shift in 1 .. ours.regwidth - 1 loop
      data := data | (registers << shift);
    end loop;
    filled := pg_catalog.bit_count(data & ~rest1);
  end if;
  if ours.sparseon = 1 and filled * width < ours.full_bits then
    if registers is not null then
      pairs := array(
        select (place << ours.regwidth) | pg_catalog.substring(registers, place * ours.regwidth + 1, ours.regwidth)::int4
        from pg_catalog.generate_series(0, (1 << ours.log2m) - 1) as place
        where pg_catalog.substring(registers, place * ours.regwidth + 1, ours.regwidth)::int4 > 0
      );
    end if;
    select coalesce(pg_catalog.string_agg(pg_catalog.substr(pair::bit(32)::text, 33 - width), '' order by pair), '')::varbit into data
    from pg_catalog.unnest(pairs) as pair;
    return pg_catalog.set_byte(head, 0, 19) || pg_catalog.substr(pg_catalog.varbit_send(data), 5);
  end if;
  return pg_catalog.set_byte(head, 0, 20)
    || pg_catalog.substr(pg_catalog.varbit_send(coalesce(registers, @extschema@.hyperloglog_registers(pairs, ours.log2m, ours.regwidth))), 5);
end
$$;

-- Collects sketches, and merges them when there are 128 (32 of large ones): a union of millions
-- takes no more memory than one of a few.
create or replace function @extschema@.hyperloglog_collect(sketches bytea[], sketch bytea) returns bytea[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if sketch is null then
    return sketches;
  elsif pg_catalog.cardinality(sketches) >= (case when pg_catalog.length(sketch) <= 2048 then 128 else 32 end) then
    return array[@extschema@.hyperloglog_merge_all(sketches), sketch];
  end if;
  -- An assignment appends in place; returning the expression would copy everything.
  sketches := pg_catalog.array_append(sketches, sketch);
  return sketches;
end
$$;

-- The union of sketches: an aggregate, like the extension's hll_union_agg.
create or replace aggregate @extschema@.hyperloglog_merge(bytea) (
  sfunc = @extschema@.hyperloglog_collect,
  stype = bytea[],
  initcond = '{}',
  finalfunc = @extschema@.hyperloglog_merge_all,
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- All registers of a sketch of explicit values or of registers.
create or replace function @extschema@.hyperloglog_register_bits(sketch bytea) returns varbit
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(sketch);
  data varbit;
  width int4 := ours.log2m + ours.regwidth;
  highest int4 := least((1 << ours.regwidth) - 1, 64 - ours.log2m);
  pairs int4[];
begin
  if ours.kind < 4 then
    -- Checks everything that can be checked.
    sketch := @extschema@.hyperloglog_merge_all(array[sketch]);
    ours := @extschema@.hyperloglog_parameters(sketch);
  end if;
  data := ('x' || pg_catalog.encode(pg_catalog.substr(sketch, 4), 'hex'))::varbit;
  if ours.kind = 4 then
    return data;
  elsif ours.kind = 3 then
    pairs := array(
      select pg_catalog.substring(data, place * width + 1, width)::int4 from pg_catalog.generate_series(0, pg_catalog.length(data) / width - 1) as place
    );
  else
    pairs := array(
      select pg_catalog.max(
        ((each.hash & ((1 << ours.log2m) - 1))::int4 << ours.regwidth) | least(pg_catalog.bit_count((each.rest # (each.rest - 1))::bit(64))::int4, highest)
      )
      from (
        -- Without its sign, which a shift would copy.
        select place.hash, (place.hash >> ours.log2m) & ((1::int8 << (64 - ours.log2m)) - 1) as rest
        from (select pg_catalog.substring(data, start, 64)::int8 as hash from pg_catalog.generate_series(1, pg_catalog.length(data), 64) as start) as place
      ) as each
      where each.rest <> 0
      group by each.hash & ((1 << ours.log2m) - 1)
    );
  end if;
  return @extschema@.hyperloglog_registers(pairs, ours.log2m, ours.regwidth);
end
$$;

-- Which registers have each value, from 0 to the highest: a row of bits for each value, in which a
-- register is its first bit. Null if no register has the value. Each row is split in two bit by
-- bit, for all registers at once.
create or replace function @extschema@.hyperloglog_masks(registers varbit, log2m int4, regwidth int4) returns varbit[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  masks varbit[] := array[pg_catalog.repeat(pg_catalog.rpad('1', regwidth, '0'), 1 << log2m)::varbit];
  found int4[] := array[0];
  highest int4 := least((1 << regwidth) - 1, 64 - log2m);
  plane varbit;
  ones varbit;
  zeros varbit;
  halves varbit[];
  numbers int4[];
begin
  for place in 0 .. regwidth - 1 loop
    plane := registers << place;
    halves := '{}';
    numbers := '{}';
    for at in 1 .. pg_catalog.cardinality(masks) loop
      ones := masks[at] & plane;
      zeros := masks[at] # ones;
      if pg_catalog.bit_count(ones) > 0 then
        halves := pg_catalog.array_append(halves, ones);
        numbers := pg_catalog.array_append(numbers, 2 * found[at] + 1);
      end if;
      if pg_catalog.bit_count(zeros) > 0 then
        halves := pg_catalog.array_append(halves, zeros);
        numbers := pg_catalog.array_append(numbers, 2 * found[at]);
      end if;
    end loop;
    masks := halves;
    found := numbers;
  end loop;
  halves := pg_catalog.array_fill(null::varbit, array[highest + 1]);
  for at in 1 .. pg_catalog.cardinality(masks) loop
    if found[at] > highest then
      raise exception 'hyperloglog: a register of such sketches is at most %, got %', highest, found[at] using errcode = 'data_exception';
    end if;
    halves[found[at] + 1] := masks[at];
  end loop;
  return halves;
end
$$;

-- How many registers have each value, from 0 to the highest. Null for a sketch without registers.
create or replace function @extschema@.hyperloglog_register_counts(sketch bytea) returns int8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(sketch);
begin
  if ours.kind < 3 then
    return null;
  end if;
  return array(
    select coalesce(pg_catalog.bit_count(mask.mask), 0)
    from pg_catalog.unnest(@extschema@.hyperloglog_masks(@extschema@.hyperloglog_register_bits(sketch), ours.log2m, ours.regwidth))
      with ordinality as mask (mask, place)
    order by mask.place
  );
end
$$;

-- The same number as hll_cardinality, to the last bit. For registers of more than 5 bits, the
-- extension's limit of its last correction does not fit 64 bits and it gives NaN; this gives the
-- estimate without the correction. Null for an undefined sketch.
create or replace function @extschema@.hyperloglog_cardinality(sketch bytea) returns float8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(sketch);
  counts int8[];
  m float8 := 1 << ours.log2m;
  total float8 := 0;
  estimate float8;
  hashes float8;
begin
  if ours.kind = 0 then
    return null;
  elsif ours.kind < 3 then
    return (pg_catalog.length(@extschema@.hyperloglog_merge_all(array[sketch])) - 3) / 8;
  end if;
  counts := @extschema@.hyperloglog_register_counts(sketch);
  for at in reverse pg_catalog.cardinality(counts) .. 1 loop
    total := total + counts[at] * pg_catalog.power(2::float8, 1 - at);
  end loop;
  estimate := (case ours.log2m when 4 then 0.673 when 5 then 0.697 when 6 then 0.709 else 0.7213::float8 / (1 + 1.079::float8 / m) end)::float8 * m * m / total;
  if counts[1] > 0 and estimate < 5 * m / 2 then
    return m * pg_catalog.ln(m / counts[1]);
  elsif ours.regwidth > 5 then
    return estimate;
  end if;
  hashes := pg_catalog.power(2::float8, (1 << ours.regwidth) - 2 + ours.log2m);
  return case
    when estimate <= hashes / 30 then estimate
    when estimate < hashes then -hashes * pg_catalog.ln(1 - estimate / hashes)
    when estimate = hashes then 'Infinity'
    else 'NaN'
  end;
end
$$;

-- Ertl's improved raw estimator (Ertl, "New cardinality estimation algorithms for HyperLogLog
-- sketches", 2017, algorithm 6): no bias at any size. Exact for explicit sketches; null for an
-- undefined sketch.
create or replace function @extschema@.hyperloglog_ertl(sketch bytea) returns float8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(sketch);
  counts int8[];
  m float8 := 1 << ours.log2m;
  highest int4;
  z float8;
  x float8;
  weight float8 := 1;
  total float8;
  last float8;
begin
  if ours.kind < 3 then
    return @extschema@.hyperloglog_cardinality(sketch);
  end if;
  counts := @extschema@.hyperloglog_register_counts(sketch);
  highest := pg_catalog.cardinality(counts) - 1;
  if highest < 64 - ours.log2m then
    -- Values above the highest that registers can distinguish are counted with it.
    x := 1 - counts[highest + 1] / m;
    total := 1 - x;
    if x = 0 or x = 1 then
      total := 0;
    else
      loop
        x := pg_catalog.sqrt(x);
        last := total;
        weight := weight / 2;
        total := total - (1 - x) * (1 - x) * weight;
        exit when total = last;
      end loop;
    end if;
    z := m * (total / 3);
  else
    z := counts[highest + 1] / 2::float8;
  end if;
  for at in reverse highest .. 2 loop
    z := (z + counts[at]) / 2;
  end loop;
  x := counts[1] / m;
  if x = 1 then
    return 0;
  end if;
  total := x;
  weight := 1;
  loop
    -- PostgreSQL reports a square below the smallest double as an error.
    x := case when x < 1e-150 then 0 else x * x end;
    last := total;
    total := total + x * weight;
    weight := weight + weight;
    exit when total = last;
  end loop;
  z := z + m * total;
  return case when z = 0 then 'Infinity' else m / (2 * 0.6931471805599453::float8) * m / z end;
end
$$;

-- The probability of each register value, from 0 to the highest, in a sketch with a Poisson
-- distributed number of values with this mean; and the derivative of its logarithm by the mean.
create or replace function @extschema@.hyperloglog_model(mean float8, log2m int4, highest int4, out probabilities float8[], out scores float8[])
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  select
    pg_catalog.array_agg(case each.value when 0 then each.none when highest then each.some else each.none * each.some end order by each.value),
    pg_catalog.array_agg(
      case each.value when 0 then -each.rate when highest then each.rate * each.none / each.some else each.rate * (each.none / each.some - 1) end order by each.value
    )
  into probabilities, scores
  from (
    select weighed.value, weighed.rate, pg_catalog.exp(-weighed.weight) as none,
      -- 1 - none, to the last digit, also for small weights.
      2 * pg_catalog.sinh(weighed.weight / 2) * pg_catalog.exp(-weighed.weight / 2) as some
    from (
      -- Larger weights leave a probability of 0, and no double can hold their exponential.
      select rated.value, rated.rate, least(mean * rated.rate, 230) as weight
      from (
        select value, pg_catalog.power(2::float8, -log2m - least(value, highest - 1)) as rate from pg_catalog.generate_series(0, highest) as value
      ) as rated
    ) as weighed
  ) as each;
end
$$;

-- The standard error of Ertl's estimate, from the Fisher information. 0 for explicit sketches, NaN
-- if the estimate is infinite; null for an undefined sketch.
create or replace function @extschema@.hyperloglog_ertl_error(sketch bytea, estimate float8) returns float8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(sketch);
  model record;
begin
  if ours.kind = 0 then
    return null;
  elsif ours.kind < 3 then
    return 0;
  elsif estimate = 'Infinity' then
    return 'NaN';
  elsif estimate = 0 then
    return pg_catalog.sqrt(pg_catalog.power(2::float8, ours.log2m));
  end if;
  model := @extschema@.hyperloglog_model(estimate, ours.log2m, least((1 << ours.regwidth) - 1, 64 - ours.log2m));
  return (
    select pg_catalog.sqrt(greatest(0, pg_catalog.power(2::float8, -ours.log2m) / pg_catalog.sum(each.p * each.score * each.score) - estimate))
    from rows from (pg_catalog.unnest(model.probabilities), pg_catalog.unnest(model.scores)) as each (p, score)
  );
end
$$;

-- How many values two sketches have: each, in both and in either, and their shares; each number
-- with its standard error. Exact if both are explicit; null if one is undefined or all its
-- registers are at their limit. The number in both is the most likely one for the registers of
-- both, with the sizes that each sketch estimates on its own (Ertl, "New cardinality estimation
-- algorithms for HyperLogLog sketches", 2017, section 4). src/sketch/hll/overlap.ts is the same in
-- TypeScript.
create or replace function @extschema@.hyperloglog_overlap(
  a bytea, b bytea,
  out a_count float8, out a_standard_error float8, out b_count float8, out b_standard_error float8,
  out union_count float8, out union_standard_error float8, out intersection_count float8, out intersection_standard_error float8,
  out jaccard float8, out jaccard_standard_error float8, out a_share float8, out a_share_standard_error float8, out b_share float8, out b_share_standard_error float8
)
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(a);
  theirs record := @extschema@.hyperloglog_parameters(b);
  m float8 := 1 << ours.log2m;
  highest int4 := least((1 << ours.regwidth) - 1, 64 - ours.log2m);
  masks_a varbit[];
  masks_b varbit[];
  below_a varbit;
  below_b varbit;
  rates float8[] := '{}';
  greater_a int8[] := '{}';
  greater_b int8[] := '{}';
  equal int8[] := '{}';
  base float8 := 0;
  slope float8;
  curve float8;
  low float8 := 0;
  high float8;
  at float8;
  next float8;
  only_a float8;
  only_b float8;
  all_a float8;
  all_b float8;
  in_a record;
  in_b record;
  alone_a record;
  alone_b record;
  xx float8;
  xa float8;
  xb float8;
  crossed float8;
  vaa float8;
  vab float8;
  vbb float8;
  vax float8;
  vbx float8;
  vxx float8;
  errors float8[];
begin
  if ours.log2m <> theirs.log2m or ours.regwidth <> theirs.regwidth or ours.expthresh <> theirs.expthresh or ours.sparseon <> theirs.sparseon then
    raise exception 'hyperloglog: sketches of different parameters: log2m %, regwidth %, expthresh %, sparseon % and %, %, %, %',
      ours.log2m, ours.regwidth, ours.expthresh, ours.sparseon, theirs.log2m, theirs.regwidth, theirs.expthresh, theirs.sparseon
      using errcode = 'data_exception';
  end if;
  at := @extschema@.hyperloglog_ertl(a);
  next := @extschema@.hyperloglog_ertl(b);
  if at is null or next is null or at = 'Infinity' or next = 'Infinity' then
    return;
  end if;
  a_count := at;
  b_count := next;
  a_standard_error := @extschema@.hyperloglog_ertl_error(a, a_count);
  b_standard_error := @extschema@.hyperloglog_ertl_error(b, b_count);
  vaa := 0;
  vab := 0;
  vbb := 0;
  vax := 0;
  vbx := 0;
  vxx := 0;

  if a_count = 0 or b_count = 0 then
    intersection_count := 0;
    vaa := a_standard_error * a_standard_error;
    vbb := b_standard_error * b_standard_error;
  elsif ours.kind = 2 and theirs.kind = 2 then
    intersection_count := (
      select pg_catalog.count(*)
      from (
        select pg_catalog.substr(a, place, 8) from pg_catalog.generate_series(4, pg_catalog.length(a), 8) as place
        intersect
        select pg_catalog.substr(b, place, 8) from pg_catalog.generate_series(4, pg_catalog.length(b), 8) as place
      ) as common
    );
  else
    -- By value: how many registers are greater in a, greater in b, or equal.
    masks_a := @extschema@.hyperloglog_masks(@extschema@.hyperloglog_register_bits(a), ours.log2m, ours.regwidth);
    masks_b := @extschema@.hyperloglog_masks(@extschema@.hyperloglog_register_bits(b), ours.log2m, ours.regwidth);
    below_a := pg_catalog.repeat('0', ours.full_bits)::varbit;
    below_b := below_a;
    for value in 0 .. highest loop
      if masks_a[value + 1] is not null or masks_b[value + 1] is not null then
        rates := pg_catalog.array_append(rates, 1 / (m * pg_catalog.power(2::float8, least(value, highest - 1))));
        greater_a := pg_catalog.array_append(greater_a, coalesce(pg_catalog.bit_count(masks_a[value + 1] & below_b), 0));
        greater_b := pg_catalog.array_append(greater_b, coalesce(pg_catalog.bit_count(masks_b[value + 1] & below_a), 0));
        equal := pg_catalog.array_append(equal, coalesce(pg_catalog.bit_count(masks_a[value + 1] & masks_b[value + 1]), 0));
        if value < highest then
          -- Where both are below a value, neither has it; nothing is above the highest.
          base := base + rates[pg_catalog.cardinality(rates)]
            * (greater_a[pg_catalog.cardinality(rates)] + greater_b[pg_catalog.cardinality(rates)] + equal[pg_catalog.cardinality(rates)]);
        end if;
        if value = 0 then
          equal[1] := 0;
        end if;
        below_a := case when masks_a[value + 1] is null then below_a else below_a | masks_a[value + 1] end;
        below_b := case when masks_b[value + 1] is null then below_b else below_b | masks_b[value + 1] end;
      end if;
    end loop;

    -- Where the slope of the likelihood is 0, by Newton's method. A step that leaves the search
    -- interval goes to its middle instead. Both ends are checked first.
    high := least(a_count, b_count);
    for round in -2 .. 99 loop
      at := case round when -2 then 0 when -1 then high * (1 - 1e-12::float8) when 0 then high / 2 else next end;
      select
        base + pg_catalog.sum(each.rate * (each.of_equal * each.share - each.of_a * each.per_a - each.of_b * each.per_b)),
        pg_catalog.sum(
          each.rate * each.rate
          * (each.of_equal * each.share * (1 - each.share) - each.of_a * each.per_a * (1 + each.per_a) - each.of_b * each.per_b * (1 + each.per_b))
        )
      into slope, curve
      from (
        select shown.rate, shown.of_a, shown.of_b, shown.of_equal,
          case when shown.of_a > 0 then 1 / (2 * pg_catalog.sinh(shown.only_a / 2) * pg_catalog.exp(shown.only_a / 2)) else 0 end as per_a,
          case when shown.of_b > 0 then 1 / (2 * pg_catalog.sinh(shown.only_b / 2) * pg_catalog.exp(shown.only_b / 2)) else 0 end as per_b,
          case
            when shown.of_equal > 0
            then pg_catalog.exp(-shown.only_a - shown.only_b - shown.in_both)
              / (1 - pg_catalog.exp(-shown.in_both) + pg_catalog.exp(-shown.in_both) * (1 - pg_catalog.exp(-shown.only_a)) * (1 - pg_catalog.exp(-shown.only_b)))
            else 0
          end as share
        from (
          select counted.*, least((a_count - at) * rate, 230) as only_a, least((b_count - at) * rate, 230) as only_b, least(at * rate, 230) as in_both
          from rows from (pg_catalog.unnest(rates), pg_catalog.unnest(greater_a), pg_catalog.unnest(greater_b), pg_catalog.unnest(equal))
            as counted (rate, of_a, of_b, of_equal)
        ) as shown
      ) as each;
      if round = -2 then
        intersection_count := case when slope <= 0 then 0 end;
      elsif round = -1 then
        intersection_count := case when slope >= 0 then high end;
      else
        if slope > 0 then
          low := at;
        else
          high := at;
        end if;
        next := at - case when curve < 0 then slope / curve end;
        if next is null or next <= low or next >= high then
          next := (low + high) / 2;
        end if;
        if pg_catalog.abs(next - at) <= 1e-10 * least(a_count, b_count) then
          intersection_count := next;
        end if;
      end if;
      exit when intersection_count is not null;
    end loop;
    intersection_count := coalesce(intersection_count, next);

    -- If few or no values are in one sketch only, their number is taken as the one that one
    -- register is expected to show.
    select
      greatest(a_count - intersection_count, 1 / pg_catalog.sum(m * each.rate * pg_catalog.exp(-least(b_count * each.rate_below, 230)))),
      greatest(b_count - intersection_count, 1 / pg_catalog.sum(m * each.rate * pg_catalog.exp(-least(a_count * each.rate_below, 230))))
    into only_a, only_b
    from (
      select pg_catalog.power(2::float8, -ours.log2m - least(value, highest - 1)) as rate, pg_catalog.power(2::float8, 1 - ours.log2m - value) as rate_below
      from pg_catalog.generate_series(1, highest) as value
    ) as each;
    all_a := only_a + intersection_count;
    all_b := only_b + intersection_count;
    in_a := @extschema@.hyperloglog_model(all_a, ours.log2m, highest);
    in_b := @extschema@.hyperloglog_model(all_b, ours.log2m, highest);
    alone_a := @extschema@.hyperloglog_model(only_a, ours.log2m, highest);
    alone_b := @extschema@.hyperloglog_model(only_b, ours.log2m, highest);
    -- The Fisher information of the intersection, with itself and with the two counts; and the
    -- covariance of the sketches' scores of their own counts.
    select
      m * pg_catalog.sum(each.p * each.x * each.x + each.below_b * each.weight_a + each.below_a * each.weight_b),
      m * pg_catalog.sum(each.p * each.x * each.x_a - each.below_b * each.weight_a + each.rate_below * each.below_a * each.slope_b),
      m * pg_catalog.sum(each.p * each.x * each.x_b - each.below_a * each.weight_b + each.rate_below * each.below_b * each.slope_a),
      m * pg_catalog.sum(
        each.p * each.score_a * each.score_b - each.rate_below * (each.below_a * each.alone_b * each.score_b + each.below_b * each.alone_a * each.score_a)
      )
    into xx, xa, xb, crossed
    from (
      select shown.score_a, shown.score_b, shown.alone_a, shown.alone_b, shown.below_a, shown.below_b, shown.rate_below,
        shown.alone_a * shown.alone_score_a as slope_a,
        shown.alone_a * shown.alone_score_a * shown.alone_score_a as weight_a,
        shown.alone_b * shown.alone_score_b as slope_b,
        shown.alone_b * shown.alone_score_b * shown.alone_score_b as weight_b,
        shown.some * case when shown.value = highest then 1 else shown.none end as p,
        case shown.value when 0 then 0 else shown.rate * shown.none / shown.some end + shown.open_rate as x,
        case shown.value when 0 then 0 else shown.rate * (shown.none_a - shown.none) / shown.some end - shown.open_rate as x_a,
        case shown.value when 0 then 0 else shown.rate * (shown.none_b - shown.none) / shown.some end - shown.open_rate as x_b
      from (
        select modelled.*,
          case when modelled.value < highest then modelled.rate else 0 end as open_rate,
          pg_catalog.exp(-least(all_a * modelled.rate, 230)) as none_a,
          pg_catalog.exp(-least(all_b * modelled.rate, 230)) as none_b,
          pg_catalog.exp(-least((only_a + all_b) * modelled.rate, 230)) as none,
          case modelled.value when 0 then 0 else pg_catalog.exp(-least(all_a * modelled.rate_below, 230)) end as below_a,
          case modelled.value when 0 then 0 else pg_catalog.exp(-least(all_b * modelled.rate_below, 230)) end as below_b,
          -- A value in both, or one in each.
          case modelled.value
            when 0 then 1
            else 2 * pg_catalog.sinh(modelled.weight / 2) * pg_catalog.exp(-modelled.weight / 2)
              + pg_catalog.exp(-modelled.weight) * modelled.some_a * modelled.some_b
          end as some
        from (
          select rated.*,
            least(intersection_count * rated.rate, 230) as weight,
            2 * pg_catalog.sinh(least(only_a * rated.rate, 230) / 2) * pg_catalog.exp(-least(only_a * rated.rate, 230) / 2) as some_a,
            2 * pg_catalog.sinh(least(only_b * rated.rate, 230) / 2) * pg_catalog.exp(-least(only_b * rated.rate, 230) / 2) as some_b
          from (
            select listed.place - 1 as value, listed.score_a, listed.score_b, listed.alone_a, listed.alone_score_a, listed.alone_b, listed.alone_score_b,
              pg_catalog.power(2::float8, -ours.log2m - least(listed.place - 1, highest - 1)) as rate,
              pg_catalog.power(2::float8, 2 - ours.log2m - listed.place) as rate_below
            from rows from (
              pg_catalog.unnest(in_a.scores), pg_catalog.unnest(in_b.scores),
              pg_catalog.unnest(alone_a.probabilities), pg_catalog.unnest(alone_a.scores), pg_catalog.unnest(alone_b.probabilities), pg_catalog.unnest(alone_b.scores)
            )
              with ordinality as listed (score_a, score_b, alone_a, alone_score_a, alone_b, alone_score_b, place)
          ) as rated
        ) as modelled
      ) as shown
    ) as each;

    -- The intersection solves an equation that contains the counts: its error has the error of its
    -- own equation and the effect of the counts' errors.
    vaa := a_standard_error * a_standard_error + a_count;
    vbb := b_standard_error * b_standard_error + b_count;
    vab := case when a_standard_error = 0 or b_standard_error = 0 then intersection_count else crossed * vaa * vbb end;
    vax := -(xa * vaa + xb * vab) / xx;
    vbx := -(xa * vab + xb * vbb) / xx;
    vxx := (1 - xa * vax - xb * vbx) / xx - intersection_count;
    -- In the model the numbers are random themselves; these variances included that.
    vaa := vaa - a_count;
    vbb := vbb - b_count;
    vab := vab - intersection_count;
    vax := vax - intersection_count;
    vbx := vbx - intersection_count;
  end if;

  union_count := a_count + b_count - intersection_count;
  jaccard := coalesce(intersection_count / nullif(union_count, 0), 0);
  a_share := coalesce(intersection_count / nullif(a_count, 0), 0);
  b_share := coalesce(intersection_count / nullif(b_count, 0), 0);
  -- To the first order: the derivatives of each number by the two counts and the intersection.
  errors := array(
    select pg_catalog.sqrt(greatest(0, of_a * of_a * vaa + of_b * of_b * vbb + of_x * of_x * vxx + 2 * (of_a * of_b * vab + of_a * of_x * vax + of_b * of_x * vbx)))
    from (
      values
        (1, 1, 1, -1),
        (2, 0, 0, 1),
        (3, -jaccard / nullif(union_count, 0), -jaccard / nullif(union_count, 0), (1 + jaccard) / nullif(union_count, 0)),
        (4, -a_share / nullif(a_count, 0), 0, 1 / nullif(a_count, 0)),
        (5, 0, -b_share / nullif(b_count, 0), 1 / nullif(b_count, 0))
    ) as number (place, of_a, of_b, of_x)
    order by place
  );
  union_standard_error := errors[1];
  intersection_standard_error := errors[2];
  jaccard_standard_error := coalesce(errors[3], 0);
  a_share_standard_error := coalesce(errors[4], 0);
  b_share_standard_error := coalesce(errors[5], 0);
end
$$;
