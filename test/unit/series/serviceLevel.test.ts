import { expect, it } from 'vitest'
import { burnRate } from '../../../src/series/budgets/burnRate.ts'
import { errorBudget } from '../../../src/series/budgets/errorBudget.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const frame = unitKysely<{ load: { series: string; bucket: Date; value: number | null } }>().selectFrom('load').selectAll()
const minute = (minutes: number) => new Date(Date.UTC(2026, 10, 22, 0, minutes))

/** The frame without what is no measurement. */
const measured = `(
  select "point"."series", "point"."bucket", case when abs(point.value::float8) < '1e-100'::float8 then 0 else point.value::float8 end as "value"
  from (select * from "load") as "point" where abs(point.value::float8) <= '1e100'::float8
)`

it('errorBudget is one statement over the frame', () => {
  expect(
    compiled(errorBudget(scope, { total: frame, bad: frame }, { objective: 0.75, range: { from: minute(0), to: minute(60) } })),
  ).toEqual({
    sql: oneLine(`
      select "budget".*
      from (
        select "event"."series", "event"."total", "event"."bad", 1::float8 - event.bad / nullif(event.total, 0::float8) as "sli",
          event.total * $1::float8 / $2::float8 as "allowed",
          1::float8 - event.bad * $3::float8 / nullif(event.total * $4::float8, 0::float8) as "remaining", "event"."series" as "item",
          event.bad * $5::float8 / nullif(event.total * $6::float8, 0::float8) as "score"
        from (
          select "event"."series", coalesce(sum(event.total), 0) as "total", coalesce(sum(event.bad), 0) as "bad"
          from (
            select "point"."series", "point"."bucket", point.value as "total", null::float8 as "bad"
            from ${measured} as "point"
            union all select "point"."series", "point"."bucket", null::float8 as "total", point.value as "bad"
            from ${measured} as "point"
          ) as "event"
          where "event"."bucket" >= $7 and "event"."bucket" < $8
          group by "event"."series"
        ) as "event"
        order by "remaining" asc nulls last, ("event"."series") collate "C"
      ) as "budget"`),
    parameters: [25, 100, 100, 25, 100, 25, minute(0), minute(60)],
  })
})

it('burnRate is one statement over the frame', () => {
  expect(
    compiled(
      burnRate(
        scope,
        { total: frame, bad: frame },
        { objective: 0.75, windows: [{ long: '1 hour', short: '5 minutes', burn: 2 }], at: minute(60) },
      ),
    ),
  ).toEqual({
    sql: oneLine(`
      select "alert".*
      from (
        select "pair"."series", "pair"."long_window", "pair"."short_window", "pair"."burn", "pair"."long_burn",
          "pair"."short_burn", coalesce(pair.long_burn > pair.burn and pair.short_burn > pair.burn,
          false) as "firing"
        from (
          select "event"."series", "pair"."position", "pair"."long_window", "pair"."short_window", "pair"."burn",
            coalesce(sum(event.bad) filter (where event.bucket >= pair.long_from),
            0) * $1::float8 / nullif(sum(event.total) filter (where event.bucket >= pair.long_from) * $2::float8,
            0::float8) as "long_burn",
            coalesce(sum(event.bad) filter (where event.bucket >= pair.short_from),
            0) * $3::float8 / nullif(sum(event.total) filter (where event.bucket >= pair.short_from) * $4::float8,
            0::float8) as "short_burn"
          from (
            select "event".*
            from (
              select "point"."series", "point"."bucket", point.value as "total", null::float8 as "bad"
              from ${measured} as "point"
              union all select "point"."series", "point"."bucket", null::float8 as "total", point.value as "bad"
              from ${measured} as "point"
            ) as "event"
            where "event"."bucket" >= $5 and "event"."bucket" < $6
          ) as "event"
          cross join (values ($7::int4, $8::text, $9::text, $10::float8, $11::timestamptz, $12::timestamptz)) as pair (position,
            long_window, short_window, burn, long_from, short_from)
          group by "event"."series", "pair"."position", "pair"."long_window", "pair"."short_window", "pair"."burn"
        ) as "pair"
        order by ("pair"."series") collate "C", "pair"."position"
      ) as "alert"`),
    parameters: [100, 25, 100, 25, minute(0), minute(60), 0, '1 hour', '5 minutes', 2, minute(0), minute(55)],
  })
})
