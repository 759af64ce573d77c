-- Student's t distribution, two-sided: the width that contains a variable with `freedom` degrees of
-- freedom (whole or not) with probability `confidence`. `normal` is the same width of the normal
-- distribution. Null below 2 degrees of freedom, where the approximation does not hold. Hill,
-- "Algorithm 396: Student's t-Quantiles" (Communications of the ACM 1970): off by at most 1 in
-- 100,000 from 3 degrees of freedom on, and by 2 in 1,000 below, for confidences from 0.5 to
-- 0.9999.
create or replace function @extschema@.student_t_width(confidence float8, normal float8, freedom float8) returns float8
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  outside float8 := 1 - confidence;
  a float8;
  b float8;
  c float8;
  d float8;
  x float8;
  y float8;
begin
  if freedom < 2 then
    return null;
  end if;
  if freedom = 2 then
    return pg_catalog.sqrt(2 / (outside * (2 - outside)) - 2);
  end if;
  a := 1 / (freedom - 0.5);
  b := 48 / (a * a);
  c := ((20700 * a / b - 98) * a - 16) * a + 96.36;
  d := ((94.5 / (b + c) - 3) / b + 1) * pg_catalog.sqrt(a * pg_catalog.pi() / 2) * freedom;
  y := pg_catalog.power(d * outside, 2 / freedom);
  if y > 0.05 + a then
    x := -normal;
    y := x * x;
    if freedom < 5 then
      c := c + 0.3 * (freedom - 4.5) * (x + 0.6);
    end if;
    c := (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c;
    y := (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x;
    y := a * y * y;
    y := case when y > 0.002 then pg_catalog.exp(y) - 1 else 0.5 * y * y + y end;
  else
    y := ((1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3) + 0.5 / (freedom + 4)) * y - 1)
      * (freedom + 1) / (freedom + 2) + 1 / y;
  end if;
  return pg_catalog.sqrt(freedom * y);
end
$$;
