import { sql, type Expression, type RawBuilder } from 'kysely'
import { seasonOrigin } from './detection.ts'
import { exactInterval } from './exactInterval.ts'

/** When the slot that a time falls into begins. */
export const slotStart = (slot: string, time: Expression<Date>): RawBuilder<Date> => bin(slot, time)

/** When the season that a time falls into begins: for weeks, Monday 00:00 UTC. */
export const seasonStart = (season: string, time: Expression<Date>): RawBuilder<Date> => bin(season, time)

/** Both count from one origin, and slots divide the season: no slot lies in two seasons. */
const bin = (length: string, time: Expression<Date>) =>
  sql<Date>`date_bin(${exactInterval(length)}, ${time}, ${sql.lit(seasonOrigin.toISOString())}::timestamptz)`
