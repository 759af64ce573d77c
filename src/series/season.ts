import { sql, type Expression, type RawBuilder } from 'kysely'
import { milliseconds } from '../database/range.ts'
import { seasonOrigin } from './anomalies/detection.ts'
import { exactInterval } from './exactInterval.ts'

/** When the slot that a time falls into begins. */
export const slotStart = (slot: string, time: Expression<Date>): RawBuilder<Date> => bin(slot, time)

/** When the season that a time falls into begins: for weeks, Monday 00:00 UTC. */
export const seasonStart = (season: string, time: Expression<Date>): RawBuilder<Date> => bin(season, time)

/** Which slot of its season a time falls into, from 0. */
export function slotNumber({ season, slot }: { season: string; slot: string }, time: Expression<Date>): RawBuilder<number> {
  const begin = slotStart(slot, time)
  return sql<number>`round(extract(epoch from ${begin} - ${seasonStart(season, begin)})::float8 / ${milliseconds(slot) / 1_000}::float8)::int4`
}

/** Both count from one origin, and slots divide the season: no slot lies in two seasons. */
const bin = (length: string, time: Expression<Date>) =>
  sql<Date>`date_bin(${exactInterval(length)}, ${time}, ${sql.lit(seasonOrigin.toISOString())}::timestamptz)`
