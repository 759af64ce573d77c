import { sql } from 'kysely'
import type { TimeRung } from '../../src/database/installation/installation.ts'
import { freshDatabase, leg, type TestDatabase } from './leg.ts'
import { migrateOnRung } from './migrateOnRung.ts'

/** A database migrated when its server could do no more for time than this, whatever it can do now. */
export async function databaseOnRung(rung: TimeRung): Promise<TestDatabase> {
  const test = await freshDatabase({ migrated: false })
  // The embedded build's pgvector has to be loaded by a statement of its own.
  await sql`create extension if not exists vector`.execute(test.db)
  await sql`select '[1]'::vector`.execute(test.db)
  await migrateOnRung(test.db, rung)
  return test
}

/** A migrated database without TimescaleDB, also where the server has it: its time tables are native partitions. */
export const nativeDatabase = (): Promise<TestDatabase> => (leg.name === 'embedded' ? freshDatabase() : databaseOnRung('native'))
