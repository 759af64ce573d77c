import { sql } from 'kysely'
import type { TimeRung } from '../../src/database/installation/installation.ts'
import { freshDatabase, leg, preparedDatabase, type TestDatabase } from './leg.ts'
import { migrateOnRung } from './migrateOnRung.ts'

/** A database migrated when its server could do no more for time than this, whatever it can do now. */
export const databaseOnRung = (rung: TimeRung): Promise<TestDatabase> =>
  preparedDatabase(rung, async (db) => {
    // The embedded build's pgvector has to be loaded by a statement of its own.
    await sql`create extension if not exists vector`.execute(db)
    await sql`select '[1]'::vector`.execute(db)
    await migrateOnRung(db, rung)
  })

/** A migrated database without TimescaleDB, also where the server has it: its time tables are native partitions. */
export const nativeDatabase = (): Promise<TestDatabase> => (leg.name === 'embedded' ? freshDatabase() : databaseOnRung('native'))
