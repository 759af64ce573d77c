import { glob, readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

/**
 * A lock of the session outlives its transaction, and through a pooler its owner: it stays on a
 * connection that somebody else gets.
 */
const ofTheSession = /\bpg_(?:try_)?advisory_(?!xact_)\w*lock/
const ofTheTransaction = /\bpg_(?:try_)?advisory_xact_lock\b/

it('locks for the length of a transaction only, and in TypeScript in one place', async () => {
  const places: Record<string, string[]> = { session: [], transaction: [] }
  let files = 0
  for await (const file of glob(['src/**/*.ts', 'sql/*.sql', 'migrations/*.ts', 'bench/*.ts', 'examples/**/*.ts'])) {
    files += 1
    const text = (await readFile(file, 'utf8')).replaceAll(/^\s*(?:\*|\/\/|--).*$/gm, '')
    if (ofTheSession.test(text)) places['session']!.push(file)
    if (ofTheTransaction.test(text)) places['transaction']!.push(file)
  }
  expect(files).toBeGreaterThan(100)
  expect(places['session']).toEqual([])
  expect(places['transaction']!.sort()).toEqual(['sql/age_call_graph.sql', 'src/database/transaction/takeTurn.ts'])
})

it.each(['pg_advisory_lock(1)', 'pg_try_advisory_lock(1)', 'pg_advisory_lock_shared(1)', 'pg_advisory_unlock_all()'])(
  'would find %s',
  (call) => {
    expect(ofTheSession.test(call)).toBe(true)
  },
)
