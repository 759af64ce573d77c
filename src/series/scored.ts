import { sql, type SelectQueryBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'

/** A point, and what the points before it let expect. */
export interface JudgedPoint {
  series: string
  bucket: Date
  value: number
  /** The median of what it is compared with. */
  expected: number
  /** The width of what is normal, in the series' unit: floors included, at least 0. */
  spread: number
}

/** A judged point with how far off it is. */
export interface ScoredPoint extends JudgedPoint {
  /** At least 0; `Infinity` where nothing but the expected value is normal. */
  score: number
  direction: Direction
  /** The series: anomalies are a ranking frame too. */
  item: string
}

/** Which way a point left what was expected. */
export type Direction = 'up' | 'down'

/** Adds `score` (by how many spreads the value is off), `direction` and `item`. */
export function scored(scope: Scope, judged: SelectQueryBuilder<any, any, JudgedPoint>) {
  return scope.db.selectFrom(judged.as('point')).select([
    'point.series',
    'point.bucket',
    'point.value',
    'point.expected',
    'point.spread',
    sql<number>`case
        when "point"."value" = "point"."expected" then 0
        when "point"."spread" = 0 then 'Infinity'
        else abs("point"."value" - "point"."expected") / "point"."spread"
      end`.as('score'),
    sql<Direction>`case when "point"."value" < "point"."expected" then 'down' else 'up' end`.as('direction'),
    'point.series as item',
  ])
}
