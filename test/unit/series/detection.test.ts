import { expect, it } from 'vitest'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const frame = unitKysely<{ load: { series: string; bucket: Date; value: number | null } }>().selectFrom('load').selectAll()

/** The frame without what is no measurement. */
const measured = `(
  select "point"."series", "point"."bucket", case when abs(point.value::float8) < '1e-100'::float8 then 0 else point.value::float8 end as "value"
  from (select * from "load") as "point" where abs(point.value::float8) <= '1e100'::float8
)`

it('anomalies by the season is one statement over the frame', () => {
  expect(
    compiled(
      anomalies(scope, frame, {
        method: 'seasonal',
        season: '1 day',
        slot: '15 minutes',
        history: '3 days',
        threshold: 3,
        minPoints: 4,
        floor: 0.1,
        minSpread: 2,
      }),
    ),
  ).toEqual({
    sql: oneLine(`
      select "anomaly".*
      from (
        select "point".*
        from (
          select "point"."series", "point"."bucket", "point"."value", "point"."expected", "point"."spread",
            case when point.value = point.expected then 0 when point.spread = 0::float8 then 'Infinity' else
            abs(point.value - point.expected) / point.spread end as "score",
            case when point.value < point.expected then 'down' else 'up' end as "direction", "point"."series" as "item"
          from (
            select "occurrence"."series", "point"."bucket", "point"."value", "middle"."expected",
              greatest(1.4826::float8 * "around"."deviation", abs("middle"."expected") * $1::float8 / $2::float8, $3::float8) as "spread"
            from (
              select "occurrence".*, pg_catalog.array_agg(row(occurrence.values)) over (partition by occurrence.series,
                occurrence.slot_start - date_bin($4::interval, "occurrence"."slot_start",
                '2000-01-03T00:00:00Z'::timestamptz) order by occurrence.slot_start range between $5::interval preceding
                and current row exclude group) as "earlier"
              from (
                select "point"."series", date_bin($6::interval, "point"."bucket",
                  '2000-01-03T00:00:00Z'::timestamptz) as "slot_start",
                  pg_catalog.array_agg(point.bucket order by point.bucket) as "buckets",
                  pg_catalog.array_agg(point.value order by point.bucket) as "values"
                from ${measured} as "point"
                group by "point"."series", "slot_start"
              ) as "occurrence"
            ) as "occurrence"
            cross join lateral (
              select pg_catalog.array_agg(value) as before
              from pg_catalog.unnest(occurrence.earlier) as earlier (learnt float8[])
              cross join lateral pg_catalog.unnest(earlier.learnt) as value
            ) as "history"
            cross join lateral (
              select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as expected
              from pg_catalog.unnest("history"."before") as value
            ) as "middle"
            cross join lateral (
              select pg_catalog.percentile_cont(0.5::float8) within group (order by abs(value - middle.expected)) as deviation
              from pg_catalog.unnest("history"."before") as value
            ) as "around"
            cross join lateral unnest(occurrence.buckets, occurrence.values) as point (bucket, value)
            where pg_catalog.cardinality(history.before) >= $7::int4
          ) as "point"
        ) as "point"
        where "point"."score" > $8
        order by ("point"."series") collate "C", "point"."bucket"
      ) as "anomaly"`),
    parameters: [1, 10, 2, '86400000 milliseconds', '259200000 milliseconds', '900000 milliseconds', 4, 3],
  })
})

it('anomalies by a control chart is one statement over the frame', () => {
  expect(compiled(anomalies(scope, frame, { method: 'ewma', window: '30 minutes', lambda: 0.5, clip: 6 }))).toEqual({
    sql: oneLine(`
      select "anomaly".*
      from (
        select "point".*
        from (
          select "point"."series", "point"."bucket", "point"."value", "point"."expected", "point"."spread",
            abs(point.mean) / sqrt($1::float8 * (1::float8 - power($2::float8, least(2 * point.observed, $3::float8)))) as "score",
            case when point.mean < 0::float8 then 'down' else 'up' end as "direction", "point"."item"
          from (
            select "point".*, "public"."ewma"(point.residual, $4::float8,
              0::float8) over (partition by point.series collate "C" order by point.bucket rows unbounded preceding) as "mean",
              row_number() over (partition by point.series collate "C" order by point.bucket) as "observed"
            from (
              select "point".*, case when point.direction = 'down' then -least(point.score,
                $5::float8) else least(point.score, $6::float8) end as "residual"
              from (
                select "point"."series", "point"."bucket", "point"."value", "point"."expected", "point"."spread",
                  case when point.value = point.expected then 0 when point.spread = 0::float8 then 'Infinity' else
                  abs(point.value - point.expected) / point.spread end as "score",
                  case when point.value < point.expected then 'down' else 'up' end as "direction",
                  "point"."series" as "item"
                from (
                  select "history"."series", "point"."bucket", "point"."value", "point"."expected",
                    greatest(1.4826::float8 * "point"."deviation", abs("point"."expected") * $7::float8 / $8::float8, $9::float8) as "spread"
                  from (
                    select point.series collate "C" as "key", pg_catalog.any_value(point.series) as "series",
                      pg_catalog.array_agg(point.bucket order by point.bucket) as "buckets",
                      pg_catalog.array_agg(point.value order by point.bucket) as "values",
                      pg_catalog.array_agg(point.bucket - ($10::interval) order by point.bucket) as "starts"
                    from ${measured} as "point"
                    group by point.series collate "C"
                  ) as "history"
                  cross join lateral "public"."moving_medians"(history.buckets, history.values, history.starts, $11::int4) as "point"
                ) as "point"
              ) as "point"
            ) as "point"
          ) as "point"
        ) as "point"
        where "point"."score" > $12
        order by ("point"."series") collate "C", "point"."bucket"
      ) as "anomaly"`),
    parameters: [0.3333333333333333, 0.5, 58, 0.5, 6, 6, 5, 100, 0, '1800000 milliseconds', 5, 4],
  })
})
