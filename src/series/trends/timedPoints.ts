import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { measuredPoints } from '../measuredPoints.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

/**
 * A select of the points that a line is laid through: what each has risen since its series' first, and how many hours after. Counted from there, neither
 * large values nor the years since 1970 take digits from what is added up.
 *
 * @param also more columns, each after a comma.
 */
export const timedPoints = (scope: Scope, frame: SeriesFrame, also: RawBuilder<unknown> = sql``): RawBuilder<unknown> => sql`select
  point.series, point.bucket${also},
  pg_catalog.first_value(point.value) over earlier as first_value,
  point.value - pg_catalog.first_value(point.value) over earlier as rise,
  extract(epoch from point.bucket - pg_catalog.first_value(point.bucket) over earlier)::float8 / 3600::float8 as hours
from ${measuredPoints(scope, frame)} as point
window earlier as (partition by point.series order by point.bucket rows unbounded preceding)`
