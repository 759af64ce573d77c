import { sql } from 'kysely'
import { momentNow } from './moment/moment.ts'
import { freshDatabase, leg, type TestDatabase } from './leg.ts'
import { look, putBack, type Untouched } from './untouched.ts'

let idle: { test: TestDatabase; untouched: Untouched; moment: string | undefined } | undefined

/**
 * A migrated database as `freshDatabase()` gives it, for tests that write rows and make graphs.
 * Closing it puts it back as it was and keeps it for the next, where that is quicker (opening one in
 * process takes one to two seconds of processor time, putting it back a third of one); if anything
 * is left that was not there before, it is closed.
 */
export async function cleanDatabase(): Promise<TestDatabase> {
  // A server copies a database in no time.
  if (leg.name === 'server') return freshDatabase()
  let kept = idle
  idle = undefined
  if (kept !== undefined && kept.moment !== momentNow()) {
    await kept.test.close()
    kept = undefined
  }
  if (kept === undefined) {
    const test = await freshDatabase()
    // This build of pgvector breaks when it is first loaded from within a function.
    await sql`select '[1]'::vector`.execute(test.db)
    kept = { test, untouched: await look(test.db), moment: momentNow() }
  }
  const { test, untouched, moment } = kept
  return {
    ...test,
    close: async () => {
      const back = idle === undefined && (await putBack(test.db, untouched).catch(() => false))
      if (back) idle = { test, untouched, moment }
      else await test.close()
    },
  }
}
