import { expect, it } from 'vitest'
import { baselineSeries } from '../../../src/series/anomalies/baselineSeries.ts'
import { compareSeries } from '../../../src/series/comparison/compareSeries.ts'
import { compareWindows } from '../../../src/series/comparison/compareWindows.ts'
import { seasonalBaseline } from '../../../src/series/anomalies/seasonalBaseline.ts'
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

it('seasonalBaseline is one statement over the frame', () => {
  expect(compiled(seasonalBaseline(scope, frame, { season: '1 day', slot: '15 minutes' }))).toEqual({
    sql: oneLine(`
      select "baseline".*
      from (
        select "slot"."series", "slot"."slot", slot.slot::float8 * $1::float8 as "slot_start_s", "middle"."expected",
          1.4826::float8 * around.deviation as "spread", pg_catalog.cardinality(slot.values) as "points"
        from (
          select "point"."series", round(extract(epoch from date_bin($2::interval, "point"."bucket",
            '2000-01-03T00:00:00Z'::timestamptz) - date_bin($3::interval, date_bin($4::interval, "point"."bucket",
            '2000-01-03T00:00:00Z'::timestamptz),
            '2000-01-03T00:00:00Z'::timestamptz))::float8 / $5::float8)::int4 as "slot",
            pg_catalog.array_agg(point.value) as "values"
          from ${measured} as "point"
          group by "point"."series", "slot"
        ) as "slot"
        cross join lateral (
          select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as expected
          from pg_catalog.unnest("slot"."values") as value
        ) as "middle"
        cross join lateral (
          select pg_catalog.percentile_cont(0.5::float8) within group (order by abs(value - middle.expected)) as deviation
          from pg_catalog.unnest("slot"."values") as value
        ) as "around"
        order by ("slot"."series") collate "C", "slot"."slot"
      ) as "baseline"`),
    parameters: [900, '900000 milliseconds', '86400000 milliseconds', '900000 milliseconds', 900],
  })
})

it('baselineSeries is one statement over the frame', () => {
  expect(
    compiled(baselineSeries(scope, frame, { range: { from: minute(0), to: minute(60) }, season: '1 day', slot: '15 minutes', spreads: 2 })),
  ).toEqual({
    sql: oneLine(`
      select "point".*
      from (
        select "slot"."series", "time"."bucket", "slot"."expected" as "value",
          slot.expected - $1::float8 * slot.spread as "lower", slot.expected + $2::float8 * slot.spread as "upper"
        from (
          select "baseline".*
          from (
            select "slot"."series", "slot"."slot", slot.slot::float8 * $3::float8 as "slot_start_s", "middle"."expected",
              1.4826::float8 * around.deviation as "spread", pg_catalog.cardinality(slot.values) as "points"
            from (
              select "point"."series", round(extract(epoch from date_bin($4::interval, "point"."bucket",
                '2000-01-03T00:00:00Z'::timestamptz) - date_bin($5::interval, date_bin($6::interval, "point"."bucket",
                '2000-01-03T00:00:00Z'::timestamptz),
                '2000-01-03T00:00:00Z'::timestamptz))::float8 / $7::float8)::int4 as "slot",
                pg_catalog.array_agg(point.value) as "values"
              from ${measured} as "point"
              group by "point"."series", "slot"
            ) as "slot"
            cross join lateral (
              select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as expected
              from pg_catalog.unnest("slot"."values") as value
            ) as "middle"
            cross join lateral (
              select pg_catalog.percentile_cont(0.5::float8) within group (order by abs(value - middle.expected)) as deviation
              from pg_catalog.unnest("slot"."values") as value
            ) as "around"
            order by ("slot"."series") collate "C", "slot"."slot"
          ) as "baseline"
        ) as "slot"
        cross join lateral generate_series(date_bin($8::interval, $9::timestamptz,
          '2000-01-03T00:00:00Z'::timestamptz) + pg_catalog.make_interval(secs => slot.slot_start_s), $10::timestamptz,
          $11::interval) as time (bucket)
        where "time"."bucket" >= $12 and "time"."bucket" < $13
        order by ("slot"."series") collate "C", "time"."bucket"
      ) as "point"`),
    parameters: [
      2,
      2,
      900,
      '900000 milliseconds',
      '86400000 milliseconds',
      '900000 milliseconds',
      900,
      '86400000 milliseconds',
      minute(0),
      minute(60),
      '86400000 milliseconds',
      minute(0),
      minute(60),
    ],
  })
})

it('compareWindows is one statement over the frame', () => {
  expect(
    compiled(
      compareWindows(scope, frame, {
        baseline: { from: minute(0), to: minute(30) },
        candidate: { from: minute(30), to: minute(60) },
        alpha: 0.05,
        minEffect: 0.2,
        minPoints: 5,
      }),
    ),
  ).toEqual({
    sql: oneLine(`
      select "comparison".*
      from (
        select "pair"."series", pair.baseline_points::int4 as "baseline_points",
          pair.candidate_points::int4 as "candidate_points", "pair"."baseline_median", "pair"."candidate_median",
          pair.candidate_median - pair.baseline_median as "shift", "pair"."effect", "pair"."p_value",
          case when least(pair.baseline_points,
          pair.candidate_points) < $1::float8 then 'unknown' when pair.p_value > $2::float8 or abs(pair.effect) <
          $3::float8 then 'same' when pair.effect > 0::float8 then 'up' else 'down' end as "verdict", "pair"."series" as "item",
          abs(pair.effect) as "score"
        from (
          select "pair".*, (2::float8 * pair.u - pair.pairs) / nullif(pair.pairs, 0::float8) as "effect",
            case when pair.pairs = 0::float8 then null else least(1,
            erfc((abs(pair.u - pair.pairs / 2::float8) - 0.5::float8) / nullif(sqrt(2::float8 * pair.pairs / 12::float8 * greatest(0,
            pair.points + 1::float8 - pair.ties / (pair.points * (pair.points - 1::float8)))), 0::float8))) end as "p_value"
          from (
            select "pair".*, pair.rank_sum - pair.candidate_points * (pair.candidate_points + 1::float8) / 2::float8 as "u",
              pair.baseline_points * pair.candidate_points as "pairs",
              pair.baseline_points + pair.candidate_points as "points"
            from (
              select "point"."series", (count(*) filter (where not point.candidate))::float8 as "baseline_points",
                (count(*) filter (where point.candidate))::float8 as "candidate_points",
                pg_catalog.percentile_cont(0.5::float8) within group (order by point.value) filter (where not point.candidate) as
                "baseline_median", pg_catalog.percentile_cont(0.5::float8) within group (order by point.value) filter (where point.candidate)
                as "candidate_median",
                sum(point.least_rank + (point.tied - 1::float8) / 2::float8) filter (where point.candidate) as "rank_sum",
                sum(point.tied * point.tied - 1::float8) as "ties"
              from (
                select "point"."series", "point"."candidate", "point"."value",
                  (rank() over (partition by point.series order by point.value))::float8 as "least_rank",
                  (count(*) over (partition by point.series, point.value))::float8 as "tied"
                from (
                  select "point"."series", "point"."value",
                    (point.bucket >= $4::timestamptz and point.bucket < $5::timestamptz) as "candidate"
                  from ${measured} as "point"
                  where (("point"."bucket" >= $6 and "point"."bucket" < $7) or ("point"."bucket" >= $8 and "point"."bucket" <
                    $9))
                ) as "point"
              ) as "point"
              group by "point"."series"
            ) as "pair"
          ) as "pair"
        ) as "pair"
        order by "score" desc nulls last, ("pair"."series") collate "C"
      ) as "comparison"`),
    parameters: [5, 0.05, 0.2, minute(30), minute(60), minute(0), minute(30), minute(30), minute(60)],
  })
})

it('compareSeries is one statement over the frame', () => {
  expect(compiled(compareSeries(scope, { baseline: frame, candidate: frame }, { minPoints: 5 }))).toEqual({
    sql: oneLine(`
      select "comparison".*
      from (
        select "pair"."series", pair.baseline_points::int4 as "baseline_points",
          pair.candidate_points::int4 as "candidate_points", "pair"."baseline_median", "pair"."candidate_median",
          pair.candidate_median - pair.baseline_median as "shift", "pair"."effect", "pair"."p_value",
          case when least(pair.baseline_points,
          pair.candidate_points) < $1::float8 then 'unknown' when pair.p_value > $2::float8 or abs(pair.effect) <
          $3::float8 then 'same' when pair.effect > 0::float8 then 'up' else 'down' end as "verdict", "pair"."series" as "item",
          abs(pair.effect) as "score"
        from (
          select "pair".*, (2::float8 * pair.u - pair.pairs) / nullif(pair.pairs, 0::float8) as "effect",
            case when pair.pairs = 0::float8 then null else least(1,
            erfc((abs(pair.u - pair.pairs / 2::float8) - 0.5::float8) / nullif(sqrt(2::float8 * pair.pairs / 12::float8 * greatest(0,
            pair.points + 1::float8 - pair.ties / (pair.points * (pair.points - 1::float8)))), 0::float8))) end as "p_value"
          from (
            select "pair".*, pair.rank_sum - pair.candidate_points * (pair.candidate_points + 1::float8) / 2::float8 as "u",
              pair.baseline_points * pair.candidate_points as "pairs",
              pair.baseline_points + pair.candidate_points as "points"
            from (
              select "point"."series", (count(*) filter (where not point.candidate))::float8 as "baseline_points",
                (count(*) filter (where point.candidate))::float8 as "candidate_points",
                pg_catalog.percentile_cont(0.5::float8) within group (order by point.value) filter (where not point.candidate) as
                "baseline_median", pg_catalog.percentile_cont(0.5::float8) within group (order by point.value) filter (where point.candidate)
                as "candidate_median",
                sum(point.least_rank + (point.tied - 1::float8) / 2::float8) filter (where point.candidate) as "rank_sum",
                sum(point.tied * point.tied - 1::float8) as "ties"
              from (
                select "point"."series", "point"."candidate", "point"."value",
                  (rank() over (partition by point.series order by point.value))::float8 as "least_rank",
                  (count(*) over (partition by point.series, point.value))::float8 as "tied"
                from (
                  select "point"."series", "point"."value", false as "candidate"
                  from ${measured} as "point"
                  union all select "point"."series", "point"."value", true as "candidate"
                  from ${measured} as "point"
                ) as "point"
              ) as "point"
              group by "point"."series"
            ) as "pair"
          ) as "pair"
        ) as "pair"
        order by "score" desc nulls last, ("pair"."series") collate "C"
      ) as "comparison"`),
    parameters: [5, 0.01, 0.33],
  })
})
