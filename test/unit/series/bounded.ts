import { unitKysely } from '../../support/unitScope.ts'

/** A frame of a user's own table. */
export const load = unitKysely<{ load: { series: string; bucket: Date; value: number | null } }>().selectFrom('load').selectAll()

/** Its value, within what arithmetic bears. */
export const boundedValue = `
  case when abs(point.value::float8) < '1e-100'::float8 then 0
    when abs(point.value::float8) > '1e100'::float8 then point.value::float8 * 'Infinity'::float8
    else point.value::float8 end`

/** Its points with such values. */
export const bounded = `select "point"."series", "point"."bucket", ${boundedValue} as "value" from (select * from "load") as "point"`
