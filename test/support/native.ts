import { freshDatabase, leg, type TestDatabase } from './leg.ts'
import { migrateNative } from './migrateNative.ts'

/** A migrated database without TimescaleDB, also where the server has it: its time tables are native partitions. */
export async function nativeDatabase(): Promise<TestDatabase> {
  if (leg.name === 'embedded') return freshDatabase()
  const test = await freshDatabase({ migrated: false })
  await migrateNative(test.db)
  return test
}
