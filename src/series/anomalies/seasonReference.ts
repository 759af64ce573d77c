import { sql } from 'kysely'
import { dateBin } from '../../database/buckets.ts'
import type { Scope } from '../../database/scope.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { SeasonalSettings } from './detection.ts'
import { deviationOf, middleOf, spreadOf } from './medians.ts'

/**
 * Every point of a series frame that has enough points in earlier occurrences of its slot, with the
 * median and spread of those.
 *
 * All points of one occurrence of a slot ("last Monday from 9 to 10") have the same reference.
 * Points are therefore gathered by occurrence first, and each occurrence looks back once. The work
 * grows with points x seasons of history, not with the points of a slot.
 */
export function seasonReference(
  scope: Scope,
  frame: SeriesFrame,
  { season, slot, history, minPoints, floor, minSpread }: Omit<SeasonalSettings, 'method' | 'threshold'>,
) {
  const occurrences = scope.db
    .selectFrom(measuredPoints(scope, frame).as('point'))
    .select([
      'point.series',
      dateBin(slot, sql.ref('point.bucket')).as('slot_start'),
      sql<Date[]>`pg_catalog.array_agg(point.bucket order by point.bucket)`.as('buckets'),
      sql<number[]>`pg_catalog.array_agg(point.value order by point.bucket)`.as('values'),
    ])
    .groupBy(['point.series', 'slot_start'])
  // PostgreSQL cannot aggregate arrays of different lengths into one array, but it can aggregate
  // rows that hold them.
  const looking = scope.db
    .selectFrom(occurrences.as('occurrence'))
    .selectAll('occurrence')
    .select(
      sql`pg_catalog.array_agg(row(occurrence.values)) over (
        partition by occurrence.series, occurrence.slot_start - ${dateBin(season, sql.ref('occurrence.slot_start'))}
        order by occurrence.slot_start range between ${exactInterval(history)} preceding and current row exclude group
      )`.as('earlier'),
    )
  return scope.db
    .selectFrom(looking.as('occurrence'))
    .crossJoinLateral(
      sql<{ before: number[] | null }>`(
        select pg_catalog.array_agg(value) as before
        from pg_catalog.unnest(occurrence.earlier) as earlier (learnt float8[]) cross join lateral pg_catalog.unnest(earlier.learnt) as value
      )`.as('history'),
    )
    .crossJoinLateral(middleOf(sql.ref('history.before')))
    .crossJoinLateral(deviationOf(sql.ref('history.before')))
    .crossJoinLateral(
      sql<{ bucket: Date; value: number }>`unnest(occurrence.buckets, occurrence.values)`.as<'point'>(sql`point (bucket, value)`),
    )
    .where(sql<boolean>`pg_catalog.cardinality(history.before) >= ${minPoints}::int4`)
    .select([
      'occurrence.series',
      'point.bucket',
      'point.value',
      'middle.expected',
      spreadOf(sql.ref('middle.expected'), sql.ref('around.deviation'), { floor, minSpread }).as('spread'),
    ])
}
