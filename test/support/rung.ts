import { sql, type Kysely } from 'kysely'
import { requiredExtensions } from '../../src/database/capabilities.ts'
import type { TimeRung } from '../../src/database/installation.ts'
import { planUp } from '../../src/operate/planUp.ts'
import { runMigrations } from '../../src/operate/runMigrations.ts'
import { execute, inTransaction } from '../../src/operate/transaction.ts'
import { freshDatabase, type TestDatabase } from './leg.ts'

/** A database migrated when its server could do no more for time than this, whatever it can do now. */
export async function databaseOnRung(rung: TimeRung): Promise<TestDatabase> {
  const test = await freshDatabase({ migrated: false })
  // The embedded build's pgvector has to be loaded by a statement of its own.
  await sql`create extension if not exists vector`.execute(test.db)
  await sql`select '[1]'::vector`.execute(test.db)
  await migrateOnRung(test.db, rung)
  return test
}

const migrateOnRung = (db: Kysely<{}>, rung: TimeRung): Promise<void> =>
  inTransaction(db, async (trx) => {
    for (const name of [...requiredExtensions, ...(rung === 'native' ? [] : ['timescaledb'])]) {
      await sql`create extension if not exists ${sql.id(name)}`.execute(trx)
    }
    const plan = await planUp(trx, {}, new Set(requiredExtensions))
    for (const statement of plan.before) await execute(trx, statement)
    await runMigrations(trx, { ...plan.installation, timeRung: rung }, 'up', plan.pending)
    for (const statement of plan.after) await execute(trx, statement)
  })
