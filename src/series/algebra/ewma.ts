import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import { lengthText } from '../bucketLength.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'
import { oneOf } from './trailingWindow.ts'

/** How fast an exponentially weighted average forgets: by points or by time. */
export type EwmaOptions =
  | {
      /**
       * The weight of a new point, above 0 and at most 1, whatever the time since the last point.
       */
      lambda: number
      halfLife?: undefined
    }
  | {
      /** After this time the old average has half of its weight, whatever the number of points. */
      halfLife: string
      lambda?: undefined
    }

const ewmaOptions = z
  .strictObject({ lambda: z.number().gt(0).max(1).optional(), halfLife: lengthText.optional() })
  .refine(oneOf('lambda', 'halfLife'), 'must have either lambda or halfLife')

/**
 * Smooths each series of a frame exponentially, `s = a * value + (1 - a) * s`, starting with the
 * first value. Ordered by series, then time.
 *
 * Rows: the rows of the frame; `value` is the average so far.
 *
 * | option | the weight `a` of a value | use it for |
 * |---|---|---|
 * | `lambda` | `lambda` | buckets that follow each other without gaps |
 * | `halfLife` | `1 - 2 ^ (-elapsed / halfLife)`, by the time since the last value | everything else: after a long gap the past hardly counts, and two points close together weigh little more than one |
 *
 * On a regular grid the two are the same. Null, NaN and infinities are skipped: the row then has
 * the average so far, or null if there is none yet. For very small and large values see
 * {@link SeriesRow}.
 *
 * Literature: Roberts, "Control Chart Tests Based on Geometric Moving Averages" (Technometrics
 * 1959). For irregular times: Müller, "Specially Weighted Moving Averages with Repeated Application
 * of the EMA Operator" (Olsen & Associates 1991) and Zumbach and Müller, "Operators on
 * Inhomogeneous Time Series" (International Journal of Theoretical and Applied Finance 2001): the
 * EMA operator with next-point interpolation, range halfLife / ln 2.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const load = metricSeries(scope, { metric: 'system.cpu.utilization', measure: 'avg', range: last('6 hours') })
 * await ewma(scope, load, { halfLife: '10 minutes' }).execute()
 *
 * // select "smoothed".* from (
 * //   select "point"."series", "point"."bucket", "public"."ewma"(point.value, point.weight) over (
 * //     partition by point.series collate "C" order by point.bucket rows unbounded preceding) as
 * //       "value"
 * //   from (select ..., coalesce(1::float8 - power(2::float8, -least(1000, ...)), 1) as "weight"
 * //     from (...) as "point") as "point"
 * //   order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "smoothed"
 */
export function ewma(scope: Scope, frame: SeriesFrame, options: EwmaOptions): Finished<SeriesRow, 'smoothed'> {
  const { lambda, halfLife } = parseOptions(ewmaOptions, options)
  // Partitioning by "is finite" makes lag() find the previous finite value. If a frame breaks its
  // rule and has two points at one time, the later one has weight 0.
  const elapsed = sql`extract(epoch from point.bucket - pg_catalog.lag(point.bucket) over (
    partition by point.series collate "C", point.value - point.value = 0::float8 order by point.bucket
  ))::float8`
  const weight =
    halfLife === undefined
      ? sql<number>`${lambda}::float8`
      : // 2 ^ -1100 would be an underflow, which PostgreSQL reports as an error.
        sql<number>`coalesce(1::float8 - power(2::float8, -least(1000, ${elapsed} / extract(epoch from ${exactInterval(halfLife)})::float8)), 1)`
  const weighted = scope.db.selectFrom(boundedPoints(scope, frame).as('point')).selectAll('point').select(weight.as('weight'))
  const smoothed = scope.db
    .selectFrom(weighted.as('point'))
    .select([
      'point.series',
      'point.bucket',
      sql<number | null>`${scope.id('ewma')}(point.value, point.weight) over (
        partition by point.series collate "C" order by point.bucket rows unbounded preceding
      )`.as('value'),
    ])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, smoothed, 'smoothed')
}
