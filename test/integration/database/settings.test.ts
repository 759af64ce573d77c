import { sql, type Kysely, type Transaction } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callSeries } from '../../../src/calls/callSeries.ts'
import { ensureResources } from '../../../src/catalog/resources.ts'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { last } from '../../../src/database/range.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { inTransaction } from '../../../src/database/transaction/inTransaction.ts'
import { pinned, pinnedButForNames } from '../../../src/database/transaction/settings.ts'
import { recordEvent } from '../../../src/events/recordEvent.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { planPolicies } from '../../../src/operate/apply/planPolicies.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertCalls } from '../../support/rows.ts'

/**
 * Settings of a connection, and of each a value under which something would be written or read in
 * another way.
 */
const unusual: Readonly<Record<string, string>> = {
  search_path: '"$user", public',
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  timezone: 'Asia/Kathmandu',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  quote_all_identifiers: 'on',
  transform_null_equals: 'on',
  array_nulls: 'off',
}

const set = (db: Kysely<{}>, settings: Readonly<Record<string, string>>) =>
  sql`select ${sql.join(Object.entries(settings).map(([name, value]) => sql`set_config(${name}, ${value}, true)`))}`.execute(db)

async function shown(db: Kysely<{}>): Promise<Record<string, string>> {
  const columns = Object.keys(unusual).map((name) => sql`current_setting(${sql.lit(name)}) as ${sql.id(name)}`)
  return (await sql<Record<string, string>>`select ${sql.join(columns)}`.execute(db)).rows[0]!
}

onEveryLeg('what a connection has set', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
    await tenant(test.db)
  })
  afterAll(() => test.close())

  /** A transaction under other settings, which leaves nothing. */
  const under = <T>(settings: Readonly<Record<string, string>>, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> =>
    test.db
      .transaction()
      .execute(async (trx) => {
        await set(trx, settings)
        throw Object.assign(new Error('undo'), { result: await work(trx) })
      })
      .catch((error: { result?: T }) => {
        if (!('result' in error)) throw error
        return error.result!
      })

  describe('in a transaction of ours', () => {
    it('is what we set it to', async () => {
      expect(Object.keys(pinned).sort()).toEqual(Object.keys(unusual).sort())
      expect(await inTransaction(test.db, shown)).toEqual(pinned)
      expect(await under(unusual, (trx) => inTransaction(trx, shown))).toEqual(pinned)
      expect(await under(unusual, (trx) => inTransaction(trx, shown, pinnedButForNames))).toEqual({
        ...pinned,
        search_path: unusual['search_path'],
      })
    })

    it('is put back in a transaction of the caller, whether the work is done or fails', async () => {
      const before = await under(unusual, shown)
      expect(before).toEqual(unusual)
      expect(
        await under(unusual, async (trx) => {
          await inTransaction(trx, async () => {})
          const done = await shown(trx)
          await inTransaction(trx, () => Promise.reject(new InvalidInputError('field', 'is wrong'))).catch(() => {})
          const refused = await shown(trx)
          await sql`savepoint before`.execute(trx)
          await inTransaction(trx, () => sql`select 1 / 0`.execute(trx)).catch(() => {})
          await sql`rollback to savepoint before`.execute(trx)
          return [done, refused, await shown(trx)]
        }),
      ).toEqual([before, before, before])
    })

    it('gives the reason of a failure, not that nothing can be put back after it', async () => {
      await expect(under(unusual, (trx) => inTransaction(trx, () => sql`select 1 / 0`.execute(trx)))).rejects.toThrow('division by zero')
    })

    it('changes nothing of what is written', async () => {
      const write = async (trx: Transaction<{}>) => {
        await ensureTenant(trx, { code: 'under settings', labels: { 'a\\b': "it's" } })
        const scope = await tenantScope(trx, 'under settings').catch(() => undefined)
        if (scope === undefined) return undefined
        await ensureResources(scope, [{ urn: 'urn:a\\b', type: 'service', name: "a'b" }])
        await recordEvent(scope, {
          severity: 'INFO',
          kind: 'deploy',
          title: 'a\\b',
          detectedAt: new Date(Date.UTC(2026, 1, 3)),
          resource: 'urn:a\\b',
        })
        const { rows } = await sql`
          select to_json(resource.*)::jsonb - '{resource_id,tenant_id,created_at}'::text[] as resource, event.title, extract(epoch from event.detected_at)::float8 as at
          from dim_resource as resource join event_envelope as event using (tenant_id, resource_id)
        `.execute(trx)
        return rows
      }
      const { datestyle: _, extra_float_digits: __, array_nulls: ___, ...writable } = unusual
      const plainly = await under({}, write)
      expect(plainly).toHaveLength(1)
      expect(await under(writable, write)).toEqual(plainly)
    })
  })

  describe('on a connection that would deliver wrong answers', () => {
    it.each([
      ['datestyle', 'German, DMY', 'delivers a timestamptz as'],
      ['datestyle', 'SQL, MDY', 'delivers a timestamptz as'],
      ['extra_float_digits', '0', 'delivers a float8 as'],
      ['array_nulls', 'off', 'reads NULL in an array as a text'],
      ['gin_fuzzy_search_limit', '10', 'leaves out rows that an index finds'],
    ])('is refused by name: %s %s', async (name, value, problem) => {
      const begin = (trx: Kysely<{}>) => tenantScope(trx, 't-001')
      const refusal = await under({ [name]: value }, (trx) => begin(trx).catch((error: unknown) => error))
      // A driver may read some of these all the same; what it reads is right then.
      if (refusal instanceof Error) {
        expect(refusal).toBeInstanceOf(InvalidInputError)
        expect(refusal.message).toContain(problem)
        expect(refusal.message).toContain('set ')
      } else expect(leg.name).not.toBe('server')
      if (refusal instanceof Error) {
        await expect(under({ [name]: value }, async (trx) => (await planPolicies(trx)).length)).rejects.toThrow(problem)
      }
    })

    it.each([
      ['intervalstyle', 'sql_standard'],
      ['timezone', 'America/St_Johns'],
      ['bytea_output', 'escape'],
      ['standard_conforming_strings', 'off'],
      ['transform_null_equals', 'on'],
      ['datestyle', 'ISO, DMY'],
    ])('is not refused for %s %s, which changes no answer', async (name, value) => {
      const at = new Date(Math.floor(Date.now() / 300_000) * 300_000 - 600_000)
      const answer = async (trx: Transaction<{}>) => {
        const scope = await tenantScope(trx, 't-001')
        await insertCalls(scope, [{ bucket: at, src: 'urn:a', dst: 'urn:b', latencies: [1, 2.5] }])
        const series = await callSeries(scope, { measure: 'p95_ms', range: last('1 hour') }).execute()
        return series.map(({ series: name, bucket, value }) => ({ name, bucket, value }))
      }
      const rows = await under({ [name]: value }, answer)
      expect(rows).toMatchObject([{ bucket: at }])
      expect(rows).toEqual(await under({}, answer))
    })
  })
})

describe.skipIf(!leg.available || !leg.concurrent)('a database whose settings are unusual', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
  })
  afterAll(() => test.close())

  it('compiles nothing (JIT) through connect, unless somebody chose to', async () => {
    const jit = async (config: { options?: string } = {}) => {
      const db = connect({ connectionString: test.url!, max: 1, ...config })
      try {
        return (await sql<{ jit: string }>`show jit`.execute(db)).rows[0]!.jit
      } finally {
        await db.destroy()
      }
    }
    expect(await jit()).toBe('off')
    expect(await jit({ options: '-c jit=on' })).toBe('on')
    const database = sql.id(new URL(test.url!).pathname.slice(1))
    await sql`alter database ${database} set jit = on`.execute(test.db)
    expect(await jit()).toBe('on')
    await sql`alter database ${database} reset jit`.execute(test.db)
  })

  it('is told by name where nothing can be written, as on a standby', async () => {
    const reading = connect({ connectionString: test.url!, max: 1, options: '-c default_transaction_read_only=on' })
    try {
      for (const write of [() => maintain(reading), () => applyPolicies(reading), () => migrateUp(reading)]) {
        await expect(write()).rejects.toMatchObject({
          code: 'READ_ONLY',
          message: expect.stringContaining('default_transaction_read_only'),
        })
      }
    } finally {
      await reading.destroy()
    }
  })

  it('is read and kept as any other through connect, and refused on a connection brought along', async () => {
    const scope = await tenant(test.db)
    const day = 86_400_000
    const today = Math.floor(Date.now() / day) * day
    await insertCalls(
      scope,
      Array.from({ length: 10 }, (_, days) => ({
        bucket: new Date(today - (days + 1) * day),
        src: 'urn:a',
        dst: 'urn:b',
        latencies: [1, 2],
      })),
    )
    const { datestyle, ...beside } = unusual
    for (const [name, value] of Object.entries({ ...beside, datestyle: datestyle! })) {
      await sql`alter database ${sql.id(new URL(test.url!).pathname.slice(1))} set ${sql.raw(name)} = ${sql.raw(name === 'search_path' ? value : `'${value}'`)}`.execute(
        test.db,
      )
    }
    const unusually = connect({ connectionString: test.url!, max: 2 })
    const brought = connect({
      connectionString: test.url!,
      max: 1,
      verify: (client, done) => client.query(`set datestyle = 'German'`, (error) => done(error ?? undefined)),
    })
    try {
      await expect(maintain(brought)).rejects.toThrow(InvalidInputError)
      const { steps, notDone } = await maintain(unusually)
      expect(steps.map(({ object, rows }) => [object, rows])).toContainEqual(['service_call_1h', 10])
      expect(notDone).toEqual([])
      const { rows } = await sql<{ count: number }>`select count(*)::int4 as count from service_call_1d`.execute(test.db)
      expect(rows).toEqual([{ count: 10 }])
      const series = callSeries(await tenantScope(unusually, 't-001'), {
        measure: 'call_count',
        range: last('20 days'),
        resolution: '1 day',
      })
      expect((await series.execute()).map(({ bucket, value }) => [bucket.getTime(), value])).toEqual(
        Array.from({ length: 10 }, (_, days) => [today - (10 - days) * day, 2]),
      )
    } finally {
      await unusually.destroy()
      await brought.destroy()
    }
  })
})
