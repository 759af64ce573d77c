import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'

/**
 * Runs `work` under planner settings that hold for this transaction only, and puts back what was set before: the transaction may be the caller's.
 * When `work` fails there is nothing to put back: the transaction, or the savepoint around it, is rolled back with its settings.
 */
export async function withPlannerSettings<T>(scope: Scope, settings: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const names = Object.keys(settings)
  const { rows } = await sql<{ name: string; before: string }>`
    select name, current_setting(name) as before from unnest(${names}::text[]) as given (name)
  `.execute(scope.db)
  await set(scope, settings)
  const result = await work()
  await set(scope, Object.fromEntries(rows.map(({ name, before }) => [name, before])))
  return result
}

const set = (scope: Scope, settings: Record<string, string>) =>
  sql`
    select set_config(name, value, true) from unnest(${Object.keys(settings)}::text[], ${Object.values(settings)}::text[]) as given (name, value)
  `.execute(scope.db)
