import type { Kysely } from 'kysely'
import { capabilities } from '../database/capabilities.ts'
import type { TimeRung } from '../database/installation/installation.ts'
import { older } from '../database/older.ts'
import { oldestTimescale } from '../lifecycle/timescaleCheck.ts'

/** How the tables of a new installation are stored, given these extensions. */
export async function timeRung(db: Kysely<{}>, extensions: ReadonlySet<string>): Promise<TimeRung> {
  const { extensions: known, timescaleLicence } = await capabilities(db)
  const version = known.timescaledb.installed ?? known.timescaledb.available
  if (!extensions.has('timescaledb') || version === null || older(version, oldestTimescale)) return 'native'
  return timescaleLicence === 'timescale' ? 'community' : 'apache'
}
