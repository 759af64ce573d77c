import { sql } from 'kysely'
import { leg, type TestDatabase } from './leg.ts'

/** The community leg's build preloads nothing, and refuses to write to a hypertable until a statement has loaded TimescaleDB. */
export async function loadTimescale({ db }: TestDatabase): Promise<void> {
  if (leg.name === 'community') await sql`load 'timescaledb'`.execute(db)
}
