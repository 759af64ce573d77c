import { expect, it } from 'vitest'
import { gapfill } from '../../../src/series/algebra/gapfill.ts'
import { resample } from '../../../src/series/algebra/resample.ts'
import { shift } from '../../../src/series/algebra/shift.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'
import { bounded, load } from './bounded.ts'

const scope = unitScope()

it.each([
  ['avg', 'avg(point.value)'],
  ['sum', 'sum(point.value)'],
  ['min', 'min(point.value)'],
  ['max', 'max(point.value)'],
  ['count', 'pg_catalog.count(point.value)::float8'],
  ['median', 'pg_catalog.percentile_cont(0.5::float8) within group (order by point.value)'],
  ['first', '(pg_catalog.array_agg(point.value order by point.at) filter (where point.value is not null))[1]'],
  ['last', '(pg_catalog.array_agg(point.value order by point.at desc) filter (where point.value is not null))[1]'],
] as const)('resample with %s is one statement over the frame', (how, value) => {
  expect(compiled(resample(scope, load, { every: '1 day', with: how }))).toEqual({
    sql: oneLine(`
      select "resampled".* from (
        select "point"."series", "point"."bucket", ${value} as "value" from (
          select "point"."series", date_bin($1::interval, "point"."bucket", '2000-01-03T00:00:00Z'::timestamptz) as "bucket",
            "point"."bucket" as "at", "point"."value"
          from (${bounded}) as "point"
        ) as "point" group by "point"."series", "point"."bucket" order by ("point"."series") collate "C", "point"."bucket"
      ) as "resampled"`),
    parameters: ['86400000 milliseconds'],
  })
})

const range = during('10:00', '11:00')
const length = '300000 milliseconds'

/** The rows of the frame and those that it lacks; the last two parameters of gapfill follow. */
const present = `
  with "measured" as (${bounded}), "slotted" as (
    select "measured"."series", "measured"."bucket", "measured"."value",
      date_bin($1::interval, "measured"."bucket", '2000-01-03T00:00:00Z'::timestamptz) as "slot", true as "is_point"
    from "measured"
    union all
    select "name"."series", "slot"."bucket", null::float8 as "value", "slot"."bucket" as "slot", false as "is_point"
    from (select distinct "measured"."series" from "measured") as "name"
    cross join generate_series(
      date_bin($2::interval, $3::timestamptz - interval '1 microsecond', '2000-01-03T00:00:00Z'::timestamptz) + $4::interval,
      $5::timestamptz - interval '1 microsecond',
      $6::interval
    ) as slot (bucket)
  ), "present" as (
    select "point"."series", "point"."bucket", "point"."value" from (
      select "slotted".*,
        bool_or(slotted.is_point and slotted.bucket < $7) over (partition by slotted.series, slotted.slot) as "is_taken"
      from "slotted"
    ) as "point" where point.is_point or not point.is_taken
  )`
const rows = 'select "point"."series", "point"."bucket", "point"."value" from "present" as "point"'

it.each([
  ['null', rows],
  ['zero', `select "point"."series", "point"."bucket", coalesce(point.value, 0) as "value" from (${rows}) as "point"`],
  [
    'last',
    `select "point"."series", "point"."bucket", max(point.value) over (partition by point.series collate "C", point.stretch) as "value" from (
       select "point"."series", "point"."bucket", "point"."value",
         pg_catalog.count(point.value) over (partition by point.series collate "C" order by point.bucket) as "stretch"
       from "present" as "point"
     ) as "point"`,
  ],
  [
    'linear',
    `select "point"."series", "point"."bucket",
       case when point.value is not null then point.value
         when point.since is not null and point.until is not null then point.first + (point.next - point.first)
           * extract(epoch from point.bucket - point.since)::float8 / extract(epoch from point.until - point.since)::float8
       end as "value"
     from (
       select "point".*, max(point.value) over (partition by point.series collate "C", point.since) as "first",
         max(point.value) over (partition by point.series collate "C", point.until) as "next"
       from (
         select "point"."series", "point"."bucket", "point"."value",
           max(point.bucket) filter (where point.value is not null)
             over (partition by point.series collate "C" order by point.bucket) as "since",
           min(point.bucket) filter (where point.value is not null)
             over (partition by point.series collate "C" order by point.bucket desc) as "until"
         from "present" as "point"
       ) as "point"
     ) as "point"`,
  ],
] as const)('gapfill with %s is one statement over the frame', (fill, filled) => {
  expect(compiled(gapfill(scope, load, { every: '5 minutes', range, fill }))).toEqual({
    sql: oneLine(`
      select "filled".* from (
        ${present} select "point"."series", "point"."bucket", "point"."value" from (${filled}) as "point"
        where "point"."bucket" >= $8 and "point"."bucket" < $9 order by ("point"."series") collate "C", "point"."bucket"
      ) as "filled"`),
    parameters: [length, length, range.from, length, range.to, length, range.to, range.from, range.to],
  })
})

it.each([
  [{ later: '7 days' }, '+', '604800000 milliseconds'],
  [{ earlier: '1 hour' }, '-', '3600000 milliseconds'],
] as const)('shift by %j is one statement over the frame', (by, sign, distance) => {
  expect(compiled(shift(scope, load, by))).toEqual({
    sql: oneLine(`
      select "shifted".* from (
        select "point"."series", point.bucket ${sign} $1::interval as "bucket", point.value::float8 as "value"
        from (select * from "load") as "point" order by ("point"."series") collate "C", "point"."bucket"
      ) as "shifted"`),
    parameters: [distance],
  })
})
