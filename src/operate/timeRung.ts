import type { Kysely } from 'kysely'
import { capabilities } from '../database/capabilities.ts'
import type { TimeRung } from '../database/installation/installation.ts'
import { older } from './version.ts'

/** TimescaleDB before 2.18 is as if it was not there: its triggers do not see which rows were written. */
export async function timeRung(db: Kysely<{}>, extensions: ReadonlySet<string>): Promise<TimeRung> {
  const { extensions: known, timescaleLicence } = await capabilities(db)
  const version = known.timescaledb.installed ?? known.timescaledb.available
  if (!extensions.has('timescaledb') || version === null || older(version, '2.18')) return 'native'
  return timescaleLicence === 'timescale' ? 'community' : 'apache'
}
