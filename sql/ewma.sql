-- The exponentially weighted moving average: s = alpha * value + (1 - alpha) * (s before). Roberts,
-- "Control Chart Tests Based on Geometric Moving Averages", Technometrics 1959. Its aggregates are
-- meant as window functions, ordered by time; as plain aggregates they need their own ORDER BY.

-- One step. Null, NaN and infinities change nothing (they would stay in every later value), and
-- neither does a null alpha; alpha is 0..1. Magnitudes below 1e-200 and alphas below 1e-100 count
-- as 0: the weight of a value long past becomes that small, and PostgreSQL reports an underflow as
-- an error.
create or replace function @extschema@.ewma_step(state float8, value float8, alpha float8) returns float8
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if value is null or alpha is null or value - value <> 0 then
    return state;
  end if;
  if state is null or state - state <> 0 or alpha >= 1 then
    return value;
  end if;
  if alpha < 1e-100 then
    return state;
  end if;
  return case when pg_catalog.abs(value) < 1e-200 then 0 else alpha * value end
    + case when pg_catalog.abs(state) < 1e-200 then 0 else (1 - alpha) * state end;
end
$$;

-- The same, written out: a call adds a third to a half of the time.
create or replace function @extschema@.ewma_step(state float8, value float8, alpha float8, start float8) returns float8
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  state := coalesce(state, start);
  if value is null or alpha is null or value - value <> 0 then
    return state;
  end if;
  if state is null or state - state <> 0 or alpha >= 1 then
    return value;
  end if;
  if alpha < 1e-100 then
    return state;
  end if;
  return case when pg_catalog.abs(value) < 1e-200 then 0 else alpha * value end
    + case when pg_catalog.abs(state) < 1e-200 then 0 else (1 - alpha) * state end;
end
$$;

-- Begins with the first finite value; null before it.
create or replace aggregate @extschema@.ewma(value float8, alpha float8) (
  sfunc = @extschema@.ewma_step,
  stype = float8,
  parallel = safe
);

-- Begins with `start`, the average before the first value: the target of a control chart. A null
-- start counts as no start.
create or replace aggregate @extschema@.ewma(value float8, alpha float8, start float8) (
  sfunc = @extschema@.ewma_step,
  stype = float8,
  parallel = safe
);
