import { sql, type Kysely } from 'kysely'
import { requiredExtensions } from '../../src/database/capabilities.ts'
import type { TimeRung } from '../../src/database/installation/installation.ts'
import { planUp } from '../../src/operate/migrate/planUp.ts'
import { runMigrations } from '../../src/operate/migrate/runMigrations.ts'
import { execute } from '../../src/lifecycle/statement.ts'

/** `migrate up` as on a server that can do no more for time than this, and has no extension that is not needed for it. */
export const migrateOnRung = (db: Kysely<{}>, rung: TimeRung): Promise<void> =>
  db.transaction().execute(async (trx) => {
    for (const name of [...requiredExtensions, ...(rung === 'native' ? [] : ['timescaledb'])]) {
      await sql`create extension if not exists ${sql.id(name)}`.execute(trx)
    }
    const plan = await planUp(trx, {}, new Set(requiredExtensions))
    for (const statement of plan.before) await execute(trx, statement)
    await runMigrations(trx, { ...plan.installation, timeRung: rung }, 'up', plan.pending)
    for (const statement of plan.after) await execute(trx, statement)
  })
