import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export interface StepOptions {
  /** The values only grow, until they start again at zero. Default: false. */
  counter?: boolean
}

const stepOptions = z.strictObject({ counter: z.boolean().default(false) })

export const parseStepOptions = (options: StepOptions) => parseOptions(stepOptions, options)

/**
 * The points of a frame, each with the value before it and when that was; nulls are passed over,
 * being a partition of their own.
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

/** How much a point of {@link steps} differs from the one before it. */
export const stepValue = (counter: boolean): RawBuilder<number | null> =>
  counter
    ? // NaN is above every number, so that what follows one would be a drop.
      sql`case when point.value < point.before and point.before <> 'NaN' then point.value else point.value - point.before end`
    : sql`(point.value - point.before)`
