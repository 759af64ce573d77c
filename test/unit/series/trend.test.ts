import { expect, it } from 'vitest'
import { changePoints } from '../../../src/series/comparison/changePoints.ts'
import { forecast } from '../../../src/series/trends/forecast.ts'
import { linearTrend } from '../../../src/series/trends/linearTrend.ts'
import { timeToThreshold } from '../../../src/series/trends/timeToThreshold.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const frame = unitKysely<{ load: { series: string; bucket: Date; value: number | null } }>().selectFrom('load').selectAll()

/** The frame without what is no measurement. */
const measured = `(
  select "point"."series", "point"."bucket", case when abs(point.value::float8) < '1e-100'::float8 then 0 else point.value::float8 end as "value"
  from (select * from "load") as "point" where abs(point.value::float8) <= '1e100'::float8
)`

it('linearTrend is one statement over the frame', () => {
  expect(compiled(linearTrend(scope, frame, { confidence: 0.9 }))).toEqual({
    sql: oneLine(`
      select "trend".*
      from (
        select "line"."series", "line"."first_at", "line"."last_at",
          line.first_value + line.mean_rise + line.slope * (0::float8 - line.mean_hours) as "first_level",
          line.first_value + line.mean_rise + line.slope * ("line"."last_hours" - line.mean_hours) as "last_level",
          "line"."slope" as "slope_per_hour",
          line.slope - line.uncertainty / sqrt(line.hours_squared) as "slope_lower_per_hour",
          line.slope + line.uncertainty / sqrt(line.hours_squared) as "slope_upper_per_hour", "line"."r2",
          line.points::int4 as "points", "line"."effective_points"
        from (
          with timed as (
            select point.series, point.bucket, pg_catalog.first_value(point.value) over earlier as first_value,
              point.value - pg_catalog.first_value(point.value) over earlier as rise,
              extract(epoch from point.bucket - pg_catalog.first_value(point.bucket) over earlier)::float8 / 3600::float8 as hours
            from ${measured} as point
            window earlier as (partition by point.series order by point.bucket rows unbounded preceding)
          ), fitted as (
            select timed.*, regr_slope(rise, hours) over series as slope, avg(hours) over series as mean_hours,
              avg(rise) over series as mean_rise, regr_sxx(rise, hours) over series as hours_squared, regr_syy(rise,
              hours) over series as rise_squared
            from timed
            window series as (partition by series)
          ), residuals as (
            select fitted.*, case when abs(off) < 1e-140::float8 then 0 else off end as residual
            from fitted
            cross join lateral (
              select rise - mean_rise - slope * (hours - mean_hours) as off
            ) as difference
            where slope is not null
          ), neighbours as (
            select residuals.*, pg_catalog.lag(residual) over (partition by series order by bucket) as residual_before
            from residuals
          ), summed as (
            select series, first_value, slope, mean_hours, mean_rise, hours_squared, min(bucket) as first_at,
              max(bucket) as last_at, max(hours) as last_hours, count(*)::float8 as points,
              sum(residual * residual) as squared,
              case when sum(residual * residual_before) > 1e-3::float8 * sum(residual * residual) then least(0.99,
              sum(residual * residual_before) / sum(residual * residual)) else 0 end as likeness, rise_squared
            from neighbours
            group by series, first_value, slope, mean_hours, mean_rise, hours_squared, rise_squared
          ), weighed as (
            select summed.*, points * (1::float8 - likeness) / (1::float8 + likeness) as effective_points
            from summed
          ) select series, first_at, last_at, first_value, points, last_hours, mean_hours, mean_rise, slope,
            hours_squared, case when rise_squared = 0::float8 then null when squared > 1e-20::float8 * rise_squared then greatest(0, 1::float8 - squared / rise_squared) else 1 end as r2, effective_points, "public"."student_t_width"($1::float8,
            $2::float8, effective_points - 2::float8) * sqrt(squared / nullif(greatest(effective_points - 2::float8, 0), 0::float8)) as uncertainty
          from weighed
        ) as "line"
        order by ("line"."series") collate "C"
      ) as "trend"`),
    parameters: [0.9, 1.6448536269514726],
  })
})

it('timeToThreshold is one statement over the frame', () => {
  expect(compiled(timeToThreshold(scope, frame, { threshold: 5, direction: 'down', horizon: '1 day' }))).toEqual({
    sql: oneLine(`
      select "crossing".*
      from (
        select "line"."series",
          case when line.already then 'already' when line.at is null then 'never' else 'reaches' end as "state",
          "line"."at", "line"."earliest", "line"."latest", "line"."last_at", "line"."last_level", "line"."slope_per_hour"
        from (
          select "line"."series", "line"."already",
            case when not line.already and "line"."line_u" <= line.last_u + $1::float8 then line.first_at +
            pg_catalog.make_interval(secs => 3600::float8 * (line.mean_hours + "line"."line_u")) end as "at",
            case when not line.already and "line"."near_u" <= line.last_u + $2::float8 then line.first_at +
            pg_catalog.make_interval(secs => 3600::float8 * (line.mean_hours + "line"."near_u")) end as "earliest",
            case when not line.already and "line"."far_u" <= line.last_u + $3::float8 then line.first_at +
            pg_catalog.make_interval(secs => 3600::float8 * (line.mean_hours + "line"."far_u")) end as "latest", "line"."last_at",
            line.first_value + line.mean_rise + line.slope * line.last_u as "last_level",
            "line"."slope" as "slope_per_hour"
          from (
            select "line".*, case when line.climb > 0::float8 then line.height / line.climb end as "line_u",
              case when line.climb * line.last_u + line.width * sqrt(1::float8 / line.effective_points + line.last_u *
              line.last_u / line.hours_squared) >= line.height then line.last_u when line.climb >= 0::float8 then
              line.constant / nullif(line.climb * line.height + line.root, 0::float8) when line.quadratic < 0::float8 then (line.climb * line.height - line.root) / line.quadratic end as
              "near_u", case when line.climb > 0::float8 and line.quadratic > 0::float8 then (line.climb * line.height +
              line.root) / line.quadratic end as "far_u"
            from (
              select "line".*, line.climb * line.climb - line.width * line.width / line.hours_squared as
                "quadratic", line.height * line.height - line.width * line.width / line.effective_points as
                "constant", line.width * sqrt(greatest(0,
                line.climb * line.climb / line.effective_points + line.height * line.height /
                line.hours_squared - line.width * line.width / line.effective_points / line.hours_squared)) as
                "root", line.climb * line.last_u >= line.height as "already"
              from (
                select "line".*, case when abs("line"."steepness") / line.unit < 1e-140::float8 then 0 else "line"."steepness" /
                  line.unit end as "climb",
                  case when abs("line"."distance") / line.unit < 1e-140::float8 then 0 else "line"."distance" / line.unit end as
                  "height", case when abs("line"."uncertainty") / line.unit < 1e-140::float8 then 0 else "line"."uncertainty" /
                  line.unit end as "width"
                from (
                  select "line".*, coalesce(nullif(greatest(abs(line.steepness), abs(line.distance),
                    line.uncertainty), 0::float8), 1::float8) as "unit"
                  from (
                    select "line".*, -1::float8 * line.slope as "steepness",
                      -1::float8 * ($4::float8 - line.first_value - line.mean_rise) as "distance",
                      line.last_hours - line.mean_hours as "last_u"
                    from (
                      with timed as (
                        select point.series, point.bucket, pg_catalog.first_value(point.value) over earlier as first_value,
                          point.value - pg_catalog.first_value(point.value) over earlier as rise,
                          extract(epoch from point.bucket - pg_catalog.first_value(point.bucket) over earlier)::float8 / 3600::float8 as
                          hours
                        from ${measured} as point
                        window earlier as (partition by point.series order by point.bucket rows unbounded preceding)
                      ), fitted as (
                        select timed.*, regr_slope(rise, hours) over series as slope,
                          avg(hours) over series as mean_hours, avg(rise) over series as mean_rise, regr_sxx(rise,
                          hours) over series as hours_squared, regr_syy(rise, hours) over series as rise_squared
                        from timed
                        window series as (partition by series)
                      ), residuals as (
                        select fitted.*, case when abs(off) < 1e-140::float8 then 0 else off end as residual
                        from fitted
                        cross join lateral (
                          select rise - mean_rise - slope * (hours - mean_hours) as off
                        ) as difference
                        where slope is not null
                      ), neighbours as (
                        select residuals.*,
                          pg_catalog.lag(residual) over (partition by series order by bucket) as residual_before
                        from residuals
                      ), summed as (
                        select series, first_value, slope, mean_hours, mean_rise, hours_squared,
                          min(bucket) as first_at, max(bucket) as last_at, max(hours) as last_hours,
                          count(*)::float8 as points, sum(residual * residual) as squared,
                          case when sum(residual * residual_before) > 1e-3::float8 * sum(residual * residual) then least(0.99,
                          sum(residual * residual_before) / sum(residual * residual)) else 0 end as likeness,
                          rise_squared
                        from neighbours
                        group by series, first_value, slope, mean_hours, mean_rise, hours_squared, rise_squared
                      ), weighed as (
                        select summed.*, points * (1::float8 - likeness) / (1::float8 + likeness) as effective_points
                        from summed
                      ) select series, first_at, last_at, first_value, points, last_hours, mean_hours, mean_rise,
                        slope, hours_squared,
                        case when rise_squared = 0::float8 then null when squared > 1e-20::float8 * rise_squared then greatest(0, 1::float8 - squared / rise_squared) else 1 end as r2, effective_points,
                        "public"."student_t_width"($5::float8, $6::float8,
                        effective_points - 2::float8) * sqrt(squared / nullif(greatest(effective_points - 2::float8, 0), 0::float8)) as uncertainty
                      from weighed
                    ) as "line"
                  ) as "line"
                ) as "line"
              ) as "line"
            ) as "line"
          ) as "line"
        ) as "line"
        order by line.already desc, line.at nulls last, ("line"."series") collate "C"
      ) as "crossing"`),
    parameters: [24, 24, 24, 5, 0.95, 1.9599639845400536],
  })
})

it('forecast is one statement over the frame', () => {
  expect(compiled(forecast(scope, frame, { horizon: '1 hour', every: '15 minutes', season: '1 day', slot: '6 hours' }))).toEqual({
    sql: oneLine(`
      select "point".*
      from (
        with timed as (
          select point.series, point.bucket, round(extract(epoch from date_bin($1::interval, "point"."bucket",
            '2000-01-03T00:00:00Z'::timestamptz) - date_bin($2::interval, date_bin($3::interval, "point"."bucket",
            '2000-01-03T00:00:00Z'::timestamptz),
            '2000-01-03T00:00:00Z'::timestamptz))::float8 / $4::float8)::int4 as slot,
            pg_catalog.first_value(point.value) over earlier as first_value,
            point.value - pg_catalog.first_value(point.value) over earlier as rise,
            extract(epoch from point.bucket - pg_catalog.first_value(point.bucket) over earlier)::float8 / 3600::float8 as hours
          from ${measured} as point
          window earlier as (partition by point.series order by point.bucket rows unbounded preceding)
        ), centred as (
          select timed.*, hours - avg(hours) over slot as hours_off, rise - avg(rise) over slot as rise_off,
            avg(hours) over series as mean_hours, max(hours) over series as last_hours,
            max(bucket) over series as last_at
          from timed
          window slot as (partition by series, slot), series as (partition by series)
        ), sloped as (
          select series, slot, first_value, rise, hours, mean_hours, last_hours, last_at,
            case when last_hours >= $5::float8 then coalesce(sum(hours_off * rise_off) over series / nullif(sum(hours_off
            * hours_off) over series, 0::float8), 0) else 0 end as slope,
            case when last_hours >= $6::float8 then nullif(sum(hours_off * hours_off) over series, 0::float8) end as hours_squared
          from centred
          window series as (partition by series)
        ), levelled as (
          select series, slot, min(first_value) as first_value, min(slope) as slope,
            min(hours_squared) as hours_squared, min(mean_hours) as mean_hours, min(last_hours) as last_hours,
            min(last_at) as last_at, pg_catalog.array_agg(hours) as hours, pg_catalog.array_agg(rise - slope * hours) as levels,
            pg_catalog.percentile_cont(0.5::float8) within group (order by rise - slope * hours) as level
          from sloped
          group by series, slot
        ), residuals as (
          select levelled.series, levelled.slot, levelled.first_value, levelled.slope,
            levelled.hours_squared, levelled.mean_hours, levelled.last_hours, levelled.last_at,
            point.hours as at_hours,
            case when abs(point.level - levelled.level) < 1e-140::float8 then 0 else point.level - levelled.level end as
            residual
          from levelled
          cross join lateral unnest(levelled.hours, levelled.levels) as point (hours, level)
        ), neighbours as (
          select residuals.*, pg_catalog.lag(residual) over (partition by series order by at_hours) as residual_before
          from residuals
        ), summed as (
          select series, min(first_value) as first_value, min(slope) as slope, min(hours_squared) as hours_squared,
            min(mean_hours) as mean_hours, min(last_hours) as last_hours, min(last_at) as last_at,
            count(*)::float8 as points, pg_catalog.count(distinct slot)::float8 as slots, sum(residual * residual) as squared,
            case when sum(residual * residual_before) > 1e-3::float8 * sum(residual * residual) then least(0.99,
            sum(residual * residual_before) / sum(residual * residual)) else 0 end as likeness, greatest(0,
            -pg_catalog.percentile_cont($7::float8) within group (order by residual)) as below, greatest(0,
            pg_catalog.percentile_cont($8::float8) within group (order by residual)) as above
          from neighbours
          group by series
        ), weighed as (
          select summed.*, points * (1::float8 - likeness) / (1::float8 + likeness) as effective_points,
            squared / greatest(points - slots - 1::float8, 1) as variance
          from summed
        ), widened as (
          select weighed.*, sqrt((per_slot + 1::float8) / (per_slot - 1::float8)) as widening,
            coalesce("public"."student_t_width"($9::float8, $10::float8, greatest(effective_points - 2::float8, 2)) * sqrt(variance * points / effective_points / hours_squared), 0) as slope_width
          from weighed
          cross join lateral (
            select greatest(effective_points / slots, 1.5) as per_slot
          ) as share
        ), future as (
          select widened.series, round(extract(epoch from date_bin($11::interval, "step"."bucket",
            '2000-01-03T00:00:00Z'::timestamptz) - date_bin($12::interval, date_bin($13::interval, "step"."bucket",
            '2000-01-03T00:00:00Z'::timestamptz),
            '2000-01-03T00:00:00Z'::timestamptz))::float8 / $14::float8)::int4 as slot, step.bucket,
            first_value + slope * (last_hours + step.ahead) as moved,
            case when points >= slots + 3::float8 then widening * below end as below,
            case when points >= slots + 3::float8 then widening * above end as above,
            slope_width * (last_hours + step.ahead - mean_hours) as drift
          from widened
          cross join lateral (
            select last_at + step::float8 * $15::interval as bucket, step::float8 * $16::float8 as ahead
            from generate_series(1, $17::int4) as step
          ) as step
        ), predicted as (
          select met.series, met.bucket, moved + max(level) over (partition by met.series,
            met.slot) as value, below, above, drift
          from (
            select series, slot, bucket, null::float8 as level, moved, below, above, drift
            from future
            union all select series, slot, null, level, null, null, null, null
            from levelled
          ) as met
        ) select series, bucket, value, value - case when greatest(below,
          drift) = 0::float8 then below when below is not null then greatest(below, drift) * sqrt(1::float8 + greatest(1e-100, least(below, drift) / greatest(below, drift)) ^ 2::float8) end as lower, value + case when greatest(above,
          drift) = 0::float8 then above when above is not null then greatest(above, drift) * sqrt(1::float8 + greatest(1e-100, least(above, drift) / greatest(above, drift)) ^ 2::float8) end as upper
        from predicted
        where bucket is not null
        order by series collate "C", bucket
      ) as "point"`),
    parameters: [
      '21600000 milliseconds',
      '86400000 milliseconds',
      '21600000 milliseconds',
      21600,
      48,
      48,
      0.025000000000000022,
      0.975,
      0.95,
      1.9599639845400536,
      '21600000 milliseconds',
      '86400000 milliseconds',
      '21600000 milliseconds',
      21600,
      '900000 milliseconds',
      0.25,
      4,
    ],
  })
})

it('changePoints is one statement over the frame', () => {
  expect(compiled(changePoints(scope, frame, { minPoints: 5, penalty: 3 }))).toEqual({
    sql: oneLine(`
      select "change".*
      from (
        select "found"."series", found.buckets[found.at] as "bucket", "earlier"."median" as "before_level",
          "later"."median" as "after_level", later.median - earlier.median as "shift",
          case when later.median < earlier.median then 'down' else 'up' end as "direction",
          found.at - found.previous as "before_points", found.next - found.at as "after_points", "found"."score",
          "found"."series" as "item"
        from (
          select "gathered".*, "found"."at", "found"."score", pg_catalog.lag(found.at, 1,
            1) over (partition by gathered.series order by found.at) as "previous", pg_catalog.lead(found.at, 1,
            pg_catalog.cardinality(gathered.values) + 1) over (partition by gathered.series order by found.at) as "next"
          from (
            select "point"."series", pg_catalog.array_agg(point.bucket order by point.bucket) as "buckets",
              pg_catalog.array_agg(point.value order by point.bucket) as "values"
            from ${measured} as "point"
            group by "point"."series"
          ) as "gathered"
          cross join lateral "public"."change_points"(gathered.values, $1::int4,
            $2::float8 * ln(pg_catalog.cardinality(gathered.values)::float8)) as "found"
        ) as "found"
        cross join lateral (
          select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as median
          from pg_catalog.unnest(found.values["found"."previous":"found"."at" - 1]) as value
        ) as "earlier"
        cross join lateral (
          select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as median
          from pg_catalog.unnest(found.values["found"."at":"found"."next" - 1]) as value
        ) as "later"
        order by ("found"."series") collate "C", "bucket"
      ) as "change"`),
    parameters: [5, 3],
  })
})
