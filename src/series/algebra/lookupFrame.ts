import type { SelectQueryBuilder } from 'kysely'

/** Which group a series belongs to. */
export interface LookupRow {
  series: string
  /** Null: to none that has a name. */
  group: string | null
}

/** Any query that names the group of each series, in one row a series, whatever database type it was built on. */
export type LookupFrame = SelectQueryBuilder<any, any, LookupRow>
