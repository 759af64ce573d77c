-- before: migrations
-- Union and cardinality of HyperLogLog sketches in the bytes of postgresql-hll (storage specification 1.0.0, schema version 1), for servers without the
-- extension: the bytes are those that hll_union_agg gives, the numbers those of hll_cardinality. src/sketch/hll/hll.ts is the same in TypeScript.
--
-- A sketch is a byte of version and representation, one of parameters, one of thresholds, then the data. What is no sketch raises, and so do sketches of
-- different parameters.

-- The parameters of a sketch: what its second and third byte say. `full_bits` is the length of the registers when all are stored.
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

-- The greater of each two registers of two rows of registers. The highest bit in which two differ says which is the greater; everything is done for all
-- registers at once. `rest1`, `rest2` and `rest4` are all bits of a register but its first, first two, first four: they mask what a shift carries over from
-- the register before. Three steps reach over 8 bits.
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
  -- Of the highest bits in which they differ those of b, then all below them.
  reach := b & (reach # ((reach >> 1) & rest1));
  reach := reach | ((reach >> 1) & rest1);
  reach := reach | ((reach >> 2) & rest2);
  reach := reach | ((reach >> 4) & rest4);
  return a # (differ & reach);
end
$$;

-- All registers, of those that are not 0: index and value in one number. Eight registers take as many bytes as one has bits.
create or replace function @extschema@.hyperloglog_registers(pairs int4[], log2m int4, regwidth int4) returns varbit
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select ('x' || pg_catalog.string_agg(pg_catalog.substr(pg_catalog.encode(pg_catalog.int8send(coalesce(eight.bits, 0)), 'hex'), 17 - 2 * regwidth), '' order by place))::varbit
  from pg_catalog.generate_series(0, (1 << (log2m - 3)) - 1) as place
  left join (
    select pair >> (regwidth + 3) as place, pg_catalog.bit_or((pair & ((1 << regwidth) - 1))::int8 << (regwidth * (7 - ((pair >> regwidth) & 7)))) as bits
    from pg_catalog.unnest(pairs) as pair
    group by 1
  ) as eight using (place)
$$;

-- The union of what was collected, in the bytes that hll_union_agg gives. Nulls are skipped; null when nothing is left.
create or replace function @extschema@.hyperloglog_merge_all(sketches bytea[]) returns bytea
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  sketch bytea;
  one record;
  ours record;
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
    if head is null or pg_catalog.substr(sketch, 1, 3) <> head then
      one := @extschema@.hyperloglog_parameters(sketch);
      if ours is null then
        ours := one;
        width := ours.log2m + ours.regwidth;
        highest := least((1 << ours.regwidth) - 1, 64 - ours.log2m);
      elsif one.log2m <> ours.log2m or one.regwidth <> ours.regwidth or one.expthresh <> ours.expthresh or one.sparseon <> ours.sparseon then
        raise exception 'hyperloglog: sketches of different parameters: log2m %, regwidth %, expthresh %, sparseon % and %, %, %, %',
          ours.log2m, ours.regwidth, ours.expthresh, ours.sparseon, one.log2m, one.regwidth, one.expthresh, one.sparseon
          using errcode = 'data_exception';
      end if;
      head := pg_catalog.substr(sketch, 1, 3);
    elsif one.kind <> 2 and one.kind <> 3 then
      -- Of the same head, and so far of the same length.
      if pg_catalog.length(sketch) <> (case one.kind when 4 then 3 + ours.full_bits / 8 else 3 end) then
        perform @extschema@.hyperloglog_parameters(sketch);
      end if;
    end if;
    if one.kind < 2 then
      is_undefined := is_undefined or one.kind = 0;
      continue;
    end if;
    data := ('x' || pg_catalog.encode(pg_catalog.substr(sketch, 4), 'hex'))::varbit;
    if one.kind = 4 then
      if registers is null then
        registers := data;
        rest1 := pg_catalog.repeat(pg_catalog.rpad('0', ours.regwidth, '1'), 1 << ours.log2m)::varbit;
        rest2 := rest1 & (rest1 >> 1);
        rest4 := rest2 & (rest2 >> 2);
      else
        registers := @extschema@.hyperloglog_greatest(registers, data, rest1, rest2, rest4);
      end if;
    elsif one.kind = 3 then
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
    -- A register and its value are one number, so the greatest number of a register has its greatest value.
    select pg_catalog.array_agg(each.pair), pg_catalog.bool_or(each.value = 0 or each.value > highest)
    into pairs, flawed
    from (
      select pg_catalog.max(found.pair) as pair, pg_catalog.max(found.pair) & ((1 << ours.regwidth) - 1) as value
      from (
        select pg_catalog.substring(place.list, place.start, width)::int4 as pair
        from (
          select list, pg_catalog.generate_series(1, pg_catalog.length(list) - width + 1, width) as start from pg_catalog.unnest(sparse) as list
        ) as place
        -- Where a register takes less than a byte, the padding has room for one: it is all 0.
        where width >= 8 or pg_catalog.length(place.list) - place.start >= 7 or pg_catalog.substring(place.list, place.start, width)::int4 > 0
        union all
        select ((hash & ((1 << ours.log2m) - 1))::int4 << ours.regwidth) | least(pg_catalog.bit_count((rest # (rest - 1))::bit(64))::int4, highest)
        -- Without its sign, which a shift would draw in.
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

-- Collects sketches, and puts them together as soon as there are 32: so a union of millions takes no more memory than one of a few.
create or replace function @extschema@.hyperloglog_collect(sketches bytea[], sketch bytea) returns bytea[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if sketch is null then
    return sketches;
  elsif pg_catalog.cardinality(sketches) >= 32 then
    return array[@extschema@.hyperloglog_merge_all(sketches), sketch];
  end if;
  return pg_catalog.array_append(sketches, sketch);
end
$$;

-- The union of sketches: an aggregate. What hll_union_agg is to the extension.
create or replace aggregate @extschema@.hyperloglog_merge(bytea) (
  sfunc = @extschema@.hyperloglog_collect,
  stype = bytea[],
  initcond = '{}',
  finalfunc = @extschema@.hyperloglog_merge_all,
  combinefunc = pg_catalog.array_cat,
  parallel = safe
);

-- How many registers have each value, from 0 to the highest. Null where a sketch holds no registers.
create or replace function @extschema@.hyperloglog_register_counts(sketch bytea) returns int8[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record := @extschema@.hyperloglog_parameters(sketch);
  bits varbit;
  width int4;
  highest int4 := least((1 << ours.regwidth) - 1, 64 - ours.log2m);
  counts int8[];
  worst int4;
begin
  if ours.kind < 3 then
    return null;
  end if;
  if ours.kind = 3 then
    -- Looks at everything there is to look at.
    sketch := @extschema@.hyperloglog_merge_all(array[sketch]);
    ours := @extschema@.hyperloglog_parameters(sketch);
  end if;
  bits := ('x' || pg_catalog.encode(pg_catalog.substr(sketch, 4), 'hex'))::varbit;
  width := case ours.kind when 3 then ours.log2m + ours.regwidth else ours.regwidth end;
  with
    register as materialized (
      select pg_catalog.substring(bits, place * width + 1, width)::int4 & ((1 << ours.regwidth) - 1) as value
      from pg_catalog.generate_series(0, pg_catalog.length(bits) / width - 1) as place
    ),
    counted as (
      select register.value, pg_catalog.count(*) as count from register where register.value > 0 group by register.value
    )
  select
    (1 << ours.log2m) - coalesce(pg_catalog.sum(counted.count), 0)
    || array(
      select coalesce(each.count, 0)
      from pg_catalog.generate_series(1, highest) as value
      left join counted as each on each.value = value.value
      order by value.value
    ),
    pg_catalog.max(counted.value)
  into counts, worst
  from counted;
  if worst > highest then
    raise exception 'hyperloglog: a register of such sketches is at most %, got %', highest, worst using errcode = 'data_exception';
  end if;
  return counts;
end
$$;


-- What hll_cardinality gives, to the last bit; where the extension's limit of its last correction does not fit 64 bits (registers of more than 5 bits), the
-- estimate without one instead of its NaN. Null for an undefined sketch.
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

-- Ertl's improved raw estimator (Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6): no bias from the first value to
-- the last. Exact where the values themselves are kept; null for an undefined sketch.
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
    -- Values above the highest that can be told apart are counted with it.
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
    -- Squares smaller than any double are reported as an error.
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
