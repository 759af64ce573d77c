import { DummyDriver, Kysely, PostgresAdapter, PostgresQueryCompiler, type PostgresIntrospector } from 'kysely'
import { expect, it } from 'vitest'
import { newTransaction } from '../../../src/database/transaction/inTransaction.ts'

class BreaksAtRollback extends DummyDriver {
  override async rollbackTransaction(): Promise<void> {
    throw new Error('the connection is gone')
  }
}

const db = new Kysely<{}>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new BreaksAtRollback(),
    createIntrospector: (): PostgresIntrospector => {
      throw new Error('not asked for')
    },
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

it('says what stopped the work, also where the connection breaks as it is rolled back', async () => {
  const work = newTransaction(db, 'read only', () => Promise.reject(new Error('the work failed')))
  await expect(work).rejects.toThrow('the work failed')
})

it('gives what the work gives', async () => {
  expect(await newTransaction(db, 'read only', () => Promise.resolve(7))).toBe(7)
})
