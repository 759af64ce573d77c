import { expect, it } from 'vitest'
import { delta } from '../../../src/series/algebra/delta.ts'
import { ewma } from '../../../src/series/algebra/ewma.ts'
import { movingAverage } from '../../../src/series/algebra/movingAverage.ts'
import { movingQuantile } from '../../../src/series/algebra/movingQuantile.ts'
import { rate } from '../../../src/series/algebra/rate.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitScope } from '../../support/unitScope.ts'
import { bounded, load } from './bounded.ts'

const scope = unitScope()

const windows = [
  [{ points: 12 }, (n: number) => `rows between $${n}::int8 preceding`, 11],
  [{ window: '1 hour' }, (n: number) => `range between $${n}::interval - interval '1 microsecond' preceding`, '3600000 milliseconds'],
] as const

it.each(windows)('movingAverage over %j is one statement over the frame', (window, from, parameter) => {
  expect(compiled(movingAverage(scope, load, window))).toEqual({
    sql: oneLine(`
      select "smoothed".* from (
        select "point"."series", "point"."bucket", (avg(point.value::text::numeric) over (
          partition by point.series collate "C" order by point.bucket ${from(1)} and current row))::float8 as "value"
        from (${bounded}) as "point" order by ("point"."series") collate "C", "point"."bucket"
      ) as "smoothed"`),
    parameters: [parameter],
  })
})

it.each([
  [{ points: 12 }, 'null::timestamptz[]', '$1::int4', 12],
  [
    { window: '1 hour' },
    `pg_catalog.array_agg(point.bucket - ($1::interval - interval '1 microsecond') order by point.bucket)`,
    'null::int4',
    windows[1][2],
  ],
] as const)('movingQuantile over %j is one statement over the frame', (window, starts, held, parameter) => {
  expect(compiled(movingQuantile(unitScope({ installation: { schema: 'obs' } }), load, { q: 0.9, ...window }))).toEqual({
    sql: oneLine(`
      select "smoothed".* from (
        select "history"."series", "point"."bucket", "point"."value"
        from (
          select point.series collate "C" as "key", pg_catalog.any_value(point.series) as "series",
            pg_catalog.array_agg(point.bucket order by point.bucket) as "buckets",
            pg_catalog.array_agg(point.value order by point.bucket) as "values",
            ${starts} as "starts"
          from (${bounded}) as "point" group by point.series collate "C"
        ) as "history"
        cross join lateral "obs"."moving_quantiles"(history.buckets, history.values, history.starts, ${held}, $2::float8) as "point"
        order by "history"."key", "point"."bucket"
      ) as "smoothed"`),
    parameters: [parameter, 0.9],
  })
})

it.each([
  [{ lambda: 0.2 }, '$1::float8', 0.2],
  [
    { halfLife: '10 minutes' },
    `coalesce(1::float8 - power(2::float8, -least(1000, extract(epoch from point.bucket - pg_catalog.lag(point.bucket) over (
      partition by point.series collate "C", point.value - point.value = 0::float8 order by point.bucket
    ))::float8 / extract(epoch from $1::interval)::float8)), 1)`,
    '600000 milliseconds',
  ],
] as const)('ewma by %j is one statement over the frame', (by, weight, parameter) => {
  expect(compiled(ewma(unitScope({ installation: { schema: 'obs' } }), load, by))).toEqual({
    sql: oneLine(`
      select "smoothed".* from (
        select "point"."series", "point"."bucket", "obs"."ewma"(point.value, point.weight) over (
          partition by point.series collate "C" order by point.bucket rows unbounded preceding) as "value"
        from (select "point".*, ${weight} as "weight" from (${bounded}) as "point") as "point" order by ("point"."series") collate "C", "point"."bucket"
      ) as "smoothed"`),
    parameters: [parameter],
  })
})

const earlier = 'over (partition by point.series collate "C", point.value is null order by point.bucket)'
const steps = `
  select "point".*, pg_catalog.lag(point.value) ${earlier} as "before", pg_catalog.lag(point.bucket) ${earlier} as "since" from (${bounded}) as "point"`

it.each([
  [false, '(point.value - point.before)'],
  [true, `case when point.value < point.before and point.before <> 'NaN' then point.value else point.value - point.before end`],
])('delta and rate with counter: %j are one statement over the frame', (counter, change) => {
  expect(compiled(delta(scope, load, { counter }))).toEqual({
    sql: oneLine(`
      select "delta".* from (
        select "point"."series", "point"."bucket", ${change} as "value" from (${steps}) as "point" order by ("point"."series") collate "C", "point"."bucket"
      ) as "delta"`),
    parameters: [],
  })
  expect(compiled(rate(scope, load, { counter }))).toEqual({
    sql: oneLine(`
      select "rate".* from (
        select "point"."series", "point"."bucket", ${change} / nullif(extract(epoch from point.bucket - point.since)::float8, 0::float8) as "value"
        from (${steps}) as "point" order by ("point"."series") collate "C", "point"."bucket"
      ) as "rate"`),
    parameters: [],
  })
})
