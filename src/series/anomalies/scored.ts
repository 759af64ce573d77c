import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { JudgedFrame } from './judgedFrame.ts'

/** Which way a point left what was expected. */
export type Direction = 'up' | 'down'

/** Adds `score` (by how many spreads the value is off), `direction` and `item`. */
export function scored(scope: Scope, judged: JudgedFrame) {
  return scope.db.selectFrom(judged.as('point')).select([
    'point.series',
    'point.bucket',
    'point.value',
    'point.expected',
    'point.spread',
    sql<number>`case
        when point.value = point.expected then 0
        when point.spread = 0::float8 then 'Infinity'
        else abs(point.value - point.expected) / point.spread
      end`.as('score'),
    sql<Direction>`case when point.value < point.expected then 'down' else 'up' end`.as('direction'),
    'point.series as item',
  ])
}
