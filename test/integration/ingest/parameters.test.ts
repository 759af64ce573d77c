import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { ingest } from '../../../src/ingest/ingest.ts'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import { writeRollups } from '../../../src/ingest/writer/writeRollups.ts'
import { patternDetails, type PatternParameter } from '../../../src/logs/patternDetails.ts'
import { compareBytes } from '../../../src/schema/compareBytes.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { date, log, logs, requests } from '../../unit/ingest/telemetry.ts'

type Said = readonly (readonly [seconds: number, message: string])[]

const range = { from: date(0), to: date(3600) }
const said = (records: Said, service = 'a') =>
  logs(
    service,
    records.map(([seconds, message]) => log(seconds, message)),
  )

async function write(scope: Scope, records: Said, parameters = true): Promise<void> {
  for await (const window of rollUp(requests([said(records)]), { parameters })) await writeRollups(scope, window)
}

/** The parameters of each pattern of the tenant, by its text. */
async function parameters(scope: Scope): Promise<Record<string, PatternParameter[]>> {
  const { rows } = await sql<{ id: string; pattern: string }>`
    select fingerprint_id::text as id, pattern from ${scope.id('log_pattern')} where tenant_id = ${scope.tenantId}::int8 and redirect_id is null
  `.execute(scope.db)
  const found: Record<string, PatternParameter[]> = {}
  for (const { id, pattern } of rows) {
    const details = await patternDetails(scope, { fingerprintId: id, range }).execute()
    found[pattern] = details.flatMap(({ parameters: theirs }) => theirs)
  }
  return found
}

/** A parameter whose values are known exactly. */
const exactly = (after: string | null, values: Record<string, number>): PatternParameter => ({
  after,
  count_total: Object.values(values).reduce((sum, count) => sum + count, 0),
  distinct_count: Object.keys(values).length,
  values: Object.entries(values)
    .sort(([a, countA], [b, countB]) => countB - countA || compareBytes(a, b))
    .map(([value, count]) => ({ value, min_count: count, max_count: count })),
})

const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta']

onEveryLeg('the parameters of a pattern', () => {
  let test: TestDatabase
  let scope: Scope
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${++tenants}`)
  })
  afterAll(() => test.close())

  it('are its most frequent values, and how many there are', async () => {
    await write(scope, [
      [0, 'payment for order 17 took 250 ms, attempt=1'],
      [1, 'payment for order 18 took 250 ms, attempt=1'],
      [300, 'payment for order 17 took 99 ms, attempt=2'],
    ])
    const expected = {
      'payment for order <*> took <*> ms, attempt=<*>': [
        exactly('order', { 17: 2, 18: 1 }),
        exactly('took', { 250: 2, 99: 1 }),
        exactly('attempt=', { 1: 2, 2: 1 }),
      ],
    }
    expect(await parameters(scope)).toEqual(expected)
    // The same window again, as another process writes it.
    await write(await tenantScope(test.db, scope.tenantCode), [
      [0, 'payment for order 17 took 250 ms, attempt=1'],
      [1, 'payment for order 18 took 250 ms, attempt=1'],
    ])
    expect(await parameters(scope)).toEqual(expected)
  })

  it('are the words that vary as well', async () => {
    await write(
      scope,
      names.flatMap((name, at) => Array.from({ length: at + 1 }, (_, again) => [at, `session ${again} of ${name} has ended`] as const)),
    )
    const [number, name] = (await parameters(scope))['session <*> of <*> has ended']!
    expect(number).toMatchObject({ after: 'session', count_total: 36, distinct_count: 8 })
    expect(number!.values[0]).toEqual({ value: '0', min_count: 8, max_count: 8 })
    expect(name).toEqual(exactly('of', Object.fromEntries(names.map((name, at) => [name, at + 1] as const))))
  })

  it('are read from structured bodies, several after one word, and at the beginning', async () => {
    await write(scope, [
      [0, '{"msg":"errors:5 from 10.0.0.1 10.0.0.2"}'],
      [1, '17 files written'],
    ])
    expect(await parameters(scope)).toEqual({
      'errors:<*> from <*> <*>': [exactly('errors', { 5: 1 }), exactly('from', { '10.0.0.1': 1 }), exactly('from', { '10.0.0.2': 1 })],
      '<*> files written': [exactly(null, { 17: 1 })],
    })
  })

  it('are not stored if nobody asks for them', async () => {
    const records = [[0, 'took 7 ms']] as const
    await write(scope, records)
    await write(scope, records, false)
    const { rows } = await sql`select parameters from ${scope.id('log_pattern_5m')} where tenant_id = ${scope.tenantId}::int8`.execute(
      scope.db,
    )
    expect(rows).toEqual([{ parameters: null }])
    expect(await parameters(scope)).toEqual({ 'took <*> ms': [] })
  })

  it('take few bytes, however many values come and however long they are', async () => {
    const many = Array.from(
      { length: 5_000 },
      (_, at) => [at % 300, `request id${at} of user9 at /x/${'y'.repeat(at % 500)}${at} done`] as const,
    )
    await write(scope, many)
    const { rows } = await sql<{ bytes: number }>`
      select octet_length(parameters::text) as bytes from ${scope.id('log_pattern_5m')} where tenant_id = ${scope.tenantId}::int8
    `.execute(scope.db)
    expect(rows).toHaveLength(1)
    expect(rows[0]!.bytes).toBeLessThan(6_000)
    const [id, path] = Object.values(await parameters(scope))[0]!
    expect(id!.count_total).toBe(5_000)
    expect(Math.abs(id!.distinct_count - 5_000)).toBeLessThan(5_000 * 4 * 0.065)
    for (const { value, max_count } of [...id!.values, ...path!.values]) {
      expect(value.length).toBeLessThanOrEqual(100)
      expect(max_count).toBeGreaterThanOrEqual(1)
    }
  })

  it('may be anything', async () => {
    const values = ['__proto__1', 'constructor2', 'a"b\\3', "o'brien4", '\u0000\uD8005', '🦊6', '<*>7', '$$8']
    await write(
      scope,
      values.map((value, at) => [at, `value ${value} came`]),
    )
    for (const theirs of Object.values(await parameters(scope)))
      for (const { values: found } of theirs) expect(found.length).toBeGreaterThan(0)
    expect(JSON.stringify(await parameters(scope))).toContain('__proto__1')
  })

  const record = fc
    .record({ name: fc.constantFrom(...names), number: fc.integer({ min: 0, max: 3 }), seconds: fc.integer({ min: 0, max: 1799 }) })
    .map(({ name, number, seconds }) => [seconds, `file ${number} was opened by ${name} at last`] as const)

  it('are the same however the input is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 8, maxLength: 40 }), fc.integer({ min: 1, max: 5 }), async (records, parts) => {
        const [together, apart] = [await tenant(test.db, `t-${++tenants}`), await tenant(test.db, `t-${++tenants}`)]
        // Learnt before, so that no window is written under an id that redirects later.
        for (const each of [together, apart])
          await write(
            each,
            names.map((name) => [3000, `file 0 was opened by ${name} at last`]),
          )
        const source = async function* (given: Said) {
          yield `${JSON.stringify(said(given))}\n`
        }
        const options = { origin: { objectBucket: 'b', objectKey: 'k' }, parameters: true }
        await ingest(together, source(records), options)
        const size = Math.ceil(records.length / parts)
        const pieces = Array.from({ length: parts }, (_, part) => records.slice(part * size, (part + 1) * size)).toReversed()
        for (const piece of pieces) await ingest(await tenantScope(test.db, apart.tenantCode), source(piece), options)
        const expected = await parameters(together)
        expect(await parameters(apart)).toEqual(expected)
        const [number, name] = expected['file <*> was opened by <*> at last']!
        expect([number!.count_total, name!.count_total]).toEqual([records.length + 8, records.length + 8])
      }),
      { numRuns: 5 },
    )
  })
})
