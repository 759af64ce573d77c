import { sql } from 'kysely'
import type { Scope } from '../../src/database/scope.ts'
import type { SeriesRow } from '../../src/series/seriesFrame.ts'
import { at } from './rows.ts'

/** A series frame of these points and no table. NaN and the infinities are PostgreSQL's. */
export function frameOf(scope: Scope, points: readonly SeriesRow[]) {
  const given = points.map(({ series, bucket, value }) => ({ series, bucket, value: value === null ? null : String(value) }))
  return scope.db
    .selectFrom(
      sql<SeriesRow>`jsonb_to_recordset(${JSON.stringify(given)}::jsonb)`.as<'given'>(
        sql`given (series text, bucket timestamptz, value float8)`,
      ),
    )
    .selectAll('given')
}

/** Points five minutes apart from 00:00 of the tests' day on; undefined leaves one out. */
export function points(series: string, values: readonly (number | null | undefined)[]): SeriesRow[] {
  return values.flatMap((value, index) => (value === undefined ? [] : [{ series, bucket: bucketAt(index), value }]))
}

/** When the point with this index begins. */
export const bucketAt = (index: number): Date => new Date(at('00:00').getTime() + index * 300_000)
