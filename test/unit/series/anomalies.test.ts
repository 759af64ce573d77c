import { expect, it } from 'vitest'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import { firstDeparture } from '../../../src/series/anomalies/firstDeparture.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const frame = unitKysely<{ load: { series: string; bucket: Date; value: number | null } }>().selectFrom('load').selectAll()

/** The scores, with the numbers of their first parameters. */
const scores = (first: number) => `
  select "point"."series", "point"."bucket", "point"."value", "point"."expected", "point"."spread",
    case when point.value = point.expected then 0
      when point.spread = 0::float8 then 'Infinity'
      else abs(point.value - point.expected) / point.spread end as "score",
    case when point.value < point.expected then 'down' else 'up' end as "direction",
    "point"."series" as "item"
  from (
    select "history"."series", "point"."bucket", "point"."value", "point"."expected",
      greatest(1.4826::float8 * "point"."deviation", abs("point"."expected") * $${first}::float8 / $${first + 1}::float8, $${first + 2}::float8) as "spread"
    from (
      select point.series collate "C" as "key", pg_catalog.any_value(point.series) as "series",
        pg_catalog.array_agg(point.bucket order by point.bucket) as "buckets",
        pg_catalog.array_agg(point.value order by point.bucket) as "values",
        pg_catalog.array_agg(point.bucket - ($${first + 3}::interval) order by point.bucket) as "starts"
      from (
        select "point"."series", "point"."bucket",
          case when abs(point.value::float8) < '1e-100'::float8 then 0 else point.value::float8 end as "value"
        from (select * from "load") as "point" where abs(point.value::float8) <= '1e100'::float8
      ) as "point" group by point.series collate "C"
    ) as "history"
    cross join lateral "public"."moving_medians"(history.buckets, history.values, history.starts, $${first + 4}::int4) as "point"
  ) as "point"`

it('anomalies is one statement over the frame', () => {
  expect(compiled(anomalies(scope, frame, { window: '30 minutes', threshold: 3.5, minPoints: 4, floor: 0.1, minSpread: 2 }))).toEqual({
    sql: oneLine(`
      select "anomaly".* from (
        select "point".* from (${scores(1)}) as "point" where "point"."score" > $6 order by ("point"."series") collate "C", "point"."bucket"
      ) as "anomaly"`),
    parameters: [1, 10, 2, '1800000 milliseconds', 4, 3.5],
  })
})

it('anomalies by surprise judges each series in one function', () => {
  const measured = `(
    select "point"."series", "point"."bucket",
      case when abs(point.value::float8) < '1e-100'::float8 then 0 else point.value::float8 end as "value"
    from (select * from "load") as "point" where abs(point.value::float8) <= '1e100'::float8
  )`
  const remembered = (first: number) => `history.values[greatest(point.place - $${first}::int4, 1):point.place - 1]`
  expect(compiled(anomalies(scope, frame, { method: 'surprise', historyPoints: 500, quietPoints: 9 }))).toEqual({
    sql: oneLine(`
      select "anomaly".* from (
        select "point".* from (
          select "history"."series", history.buckets[point.place] as "bucket", history.values[point.place] as "value", "middle"."expected",
            1.4826::float8 * around.deviation as "spread", "point"."score", "point"."direction", "history"."series" as "item"
          from (
            select point.series collate "C" as "key", pg_catalog.any_value(point.series) as "series",
              pg_catalog.array_agg(point.bucket order by point.bucket) as "buckets",
              pg_catalog.array_agg(point.value order by point.bucket) as "values", null::timestamptz[] as "starts"
            from ${measured} as "point" group by point.series collate "C"
          ) as "history"
          cross join lateral "public"."surprises"( history.values, $1::int4, $2::int4, $3::float8, $4::int4 ) as "point"
          cross join lateral (
            select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as expected
            from pg_catalog.unnest(${remembered(5)}) as value
          ) as "middle"
          cross join lateral (
            select pg_catalog.percentile_cont(0.5::float8) within group (order by abs(value - middle.expected)) as deviation
            from pg_catalog.unnest(${remembered(6)}) as value
          ) as "around"
        ) as "point" where "point"."score" > $7 order by ("point"."series") collate "C", "point"."bucket"
      ) as "anomaly"`),
    parameters: [500, 150, 1, 9, 500, 500, 1],
  })
})

it('firstDeparture is one statement over the frame', () => {
  const columns = ['series', 'bucket', 'value', 'expected', 'spread', 'score', 'direction', 'item'].map((name) => `"point"."${name}"`)
  expect(compiled(firstDeparture(scope, frame, { consecutive: 3 }))).toEqual({
    sql: oneLine(`
      select "departure".* from (
        select "first".* from (
          select distinct on ("point"."series") ${columns.join(', ')} from (
            select "point".*, sum(case when point.score <= $1 then 0 when point.direction = 'up' then 1 else -1 end) over (
              partition by point.series collate "C" order by point.bucket rows between current row and $2::int8 following) as "run"
            from (${scores(3)}) as "point"
          ) as "point" where abs(point.run) = $8::int8 order by "point"."series", "point"."bucket"
        ) as "first" order by "first"."bucket", ("first"."series") collate "C"
      ) as "departure"`),
    parameters: [4, 2, 5, 100, 0, '3600000 milliseconds', 5, 3],
  })
})
