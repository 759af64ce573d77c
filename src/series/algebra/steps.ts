import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export interface StepOptions {
  /** The values only grow until they restart at zero. Default: false. */
  counter?: boolean
}

const stepOptions = z.strictObject({ counter: z.boolean().default(false) })

export const parseStepOptions = (options: StepOptions) => parseOptions(stepOptions, options)

/**
 * Each point of a frame with the value before it and the time of that value. Nulls are skipped:
 * they are a partition of their own.
 */
export function steps(scope: Scope, frame: SeriesFrame) {
  const earlier = sql`over (partition by point.series collate "C", point.value is null order by point.bucket)`
  return scope.db
    .selectFrom(boundedPoints(scope, frame).as('point'))
    .selectAll('point')
    .select([
      sql<number | null>`pg_catalog.lag(point.value) ${earlier}`.as('before'),
      sql<Date | null>`pg_catalog.lag(point.bucket) ${earlier}`.as('since'),
    ])
}

/** The difference between a point of {@link steps} and the one before it. */
export const stepValue = (counter: boolean): RawBuilder<number | null> =>
  counter
    ? // NaN is above every number, so the value after it would look like a drop.
      sql`case when point.value < point.before and point.before <> 'NaN' then point.value else point.value - point.before end`
    : sql`(point.value - point.before)`
