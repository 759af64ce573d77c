import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { resourceIds } from '../../../src/catalog/resources.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { ingest } from '../../../src/ingest/ingest.ts'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import { writeRollups } from '../../../src/ingest/writer/writeRollups.ts'
import { newPatterns } from '../../../src/logs/newPatterns.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertPatternCounts, insertPatterns } from '../../support/rows.ts'
import { date, log, logs, requests } from '../../unit/ingest/telemetry.ts'

type Said = readonly (readonly [seconds: number, message: string])[]

const said = (service: string, records: Said) =>
  logs(
    service,
    records.map(([seconds, message]) => log(seconds, message)),
  )

const urn = (service: string) => `urn:k8s:svc:shop/${service}`
const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta']
const ended = (name: string) => `session of ${name} has ended`

async function write(scope: Scope, service: string, records: Said): Promise<void> {
  for await (const window of rollUp(requests([said(service, records)]))) await writeRollups(scope, window)
}

/** The patterns that are new to a service, with the second at which it logged each first. */
async function fresh(scope: Scope, service: string | undefined, from: number, to: number): Promise<Record<string, number | null>> {
  const range = { from: date(from), to: date(to) }
  const rows = await newPatterns(scope, { range, ...(service === undefined ? {} : { resource: urn(service) }) }).execute()
  return Object.fromEntries(
    rows.map(({ pattern, first_seen }) => [pattern, first_seen === null ? null : (first_seen.getTime() - date(0).getTime()) / 1000]),
  )
}

async function seen({ db, id, tenantId }: Scope): Promise<{ urn: string; pattern: string; first_seen: Date }[]> {
  const { rows } = await sql<{ urn: string; pattern: string; first_seen: Date }>`
    select resource.urn, pattern.pattern, min(seen.first_seen) as first_seen
    from ${id('log_pattern_seen')} as seen
    join ${id('dim_resource')} as resource on resource.resource_id = seen.resource_id
    join ${id('log_pattern')} as part on part.fingerprint_id = seen.fingerprint_id
    join ${id('log_pattern')} as pattern on pattern.fingerprint_id = coalesce(part.redirect_id, part.fingerprint_id)
    where seen.tenant_id = ${tenantId}::int8
    group by resource.urn, pattern.pattern
    order by resource.urn collate "C", pattern.pattern collate "C"
  `.execute(db)
  return rows
}

onEveryLeg('what a resource has logged before', () => {
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
  const elsewhere = () => tenantScope(test.db, scope.tenantCode)

  it('is not what another has: a pattern that the tenant knows is new to a resource', async () => {
    await write(scope, 'a', [
      [0, 'disk is full'],
      [1, 'started'],
    ])
    await write(scope, 'b', [[10, 'started']])
    await write(scope, 'b', [[1001, 'disk is full']])
    expect(await fresh(scope, 'b', 900, 1800)).toEqual({ 'disk is full': 1001 })
    expect(await fresh(scope, 'a', 900, 1800)).toEqual({})
    expect(await fresh(scope, undefined, 900, 1800)).toEqual({ 'disk is full': 1001 })
    const range = { from: date(900), to: date(1800) }
    expect(await newPatterns(scope, { range }).execute()).toMatchObject([
      { resources: [urn('b')], count_total: 1, first_seen_anywhere: date(0), logs_since: date(10) },
    ])
    // To the second: a range may begin or end within the five minutes.
    expect(await fresh(scope, 'b', 1001, 1200)).toEqual({ 'disk is full': 1001 })
    expect(await fresh(scope, 'b', 1002, 1800)).toEqual({})
    expect(await fresh(scope, 'b', 900, 1001)).toEqual({})
  })

  it('is known from the earliest record, in whichever order windows are written', async () => {
    const times = [1800, 1501, 2107, 600, 901]
    for (const [at, time] of times.entries()) {
      await write(at % 2 === 0 ? scope : await elsewhere(), 'a', [[time, 'took 7 ms']])
      const first = Math.min(...times.slice(0, at + 1))
      expect(await fresh(scope, 'a', 0, 3600)).toEqual({ 'took <*> ms': first })
      expect(await fresh(scope, 'a', first + 1, 3600)).toEqual({})
    }
    // The window again, from more records.
    await write(scope, 'a', [
      [599.5, 'another'],
      [599.75, 'took 9 ms'],
      [600, 'took 7 ms'],
    ])
    expect(await fresh(scope, 'a', 0, 3600)).toEqual({ another: 599.5, 'took <*> ms': 599.75 })
  })

  it('is what any part of a pattern was', async () => {
    await write(scope, 'a', [[0, ended('alpha')]])
    await write(scope, 'b', [[300, ended('beta')]])
    await write(scope, 'a', [[600, ended('gamma')]])
    expect(await fresh(scope, 'a', 600, 900)).toEqual({ [ended('gamma')]: 600 })
    await write(
      scope,
      'c',
      names.slice(2).map((name, at) => [900 + at, ended(name)]),
    )
    expect(await fresh(scope, 'a', 600, 900)).toEqual({})
    expect(await fresh(scope, 'a', 0, 3600)).toEqual({ 'session of <*> has ended': 0 })
    expect(await fresh(scope, 'b', 0, 3600)).toEqual({ 'session of <*> has ended': 300 })
    expect(await fresh(scope, 'c', 0, 3600)).toEqual({ 'session of <*> has ended': 900 })
    await write(await elsewhere(), 'b', [[1200, ended('iota')]])
    expect(await fresh(scope, 'b', 1200, 1500)).toEqual({})
  })

  it('is that of the tenant alone', async () => {
    const other = await tenant(test.db, `t-${++tenants}`)
    await write(other, 'a', [[0, 'disk is full']])
    await write(scope, 'a', [[900, 'disk is full']])
    expect(await fresh(scope, 'a', 900, 1200)).toEqual({ 'disk is full': 900 })
    expect(await fresh(other, 'a', 0, 1200)).toEqual({ 'disk is full': 0 })
  })

  it('is also what rows of somebody else say, to their five minutes', async () => {
    const [known, late] = (await insertPatterns(scope, [
      { pattern: 'known', first_seen: date(7) },
      { pattern: 'late', first_seen: null },
    ])) as [string, string]
    const row = (seconds: number, resource: string, fingerprint_id: string) => ({
      bucket: date(seconds),
      resource: urn(resource),
      fingerprint_id,
      count_total: 1,
    })
    await insertPatternCounts(scope, [row(300, 'b', known), row(0, 'a', known), row(600, 'a', known), row(900, 'a', late)])
    expect(await fresh(scope, 'a', 0, 3600)).toEqual({ known: 7, late: 900 })
    expect(await fresh(scope, 'b', 0, 3600)).toEqual({ known: 300 })
    await sql`
      update ${scope.id('log_pattern_5m')} set bucket = ${date(600)}
      where tenant_id = ${scope.tenantId}::int8 and fingerprint_id = ${late}::int8
    `.execute(scope.db)
    expect(await fresh(scope, 'a', 0, 3600)).toEqual({ known: 7, late: 600 })
    // What was counted is not forgotten with its counts, but with the pattern.
    await sql`delete from ${scope.id('log_pattern_5m')} where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
    expect(await seen(scope)).toHaveLength(3)
    await sql`delete from ${scope.id('log_pattern')} where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
    expect(await seen(scope)).toEqual([])
  })

  it('is not what was rolled back', async () => {
    await expect(
      scope.db.transaction().execute(async (db) => {
        await write({ ...scope, db }, 'a', [[0, 'disk is full']])
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await write(scope, 'a', [[900, 'disk is full']])
    expect(await fresh(scope, 'a', 900, 1200)).toEqual({ 'disk is full': 900 })
  })

  const record = fc.tuple(
    fc.constantFrom('a', 'b'),
    fc.integer({ min: 0, max: 1799 }),
    fc.constantFrom(...names.map(ended), 'started', 'took 7 ms'),
  )

  it('is the same however the input is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 5, maxLength: 40 }), fc.integer({ min: 1, max: 5 }), async (records, parts) => {
        const [together, apart] = [await tenant(test.db, `t-${++tenants}`), await tenant(test.db, `t-${++tenants}`)]
        const source = async function* (given: typeof records) {
          for (const [service, seconds, message] of given) yield `${JSON.stringify(said(service, [[seconds, message]]))}\n`
        }
        const origin = { objectBucket: 'b', objectKey: 'k' }
        await ingest(together, source(records), { origin })
        const size = Math.ceil(records.length / parts)
        const pieces = Array.from({ length: parts }, (_, part) => records.slice(part * size, (part + 1) * size)).toReversed()
        for (const piece of pieces) await ingest(await tenantScope(test.db, apart.tenantCode), source(piece), { origin })
        const rows = await seen(together)
        expect(await seen(apart)).toEqual(rows)
        const firsts = Object.groupBy(records, ([service]) => urn(service))
        for (const [resource, theirs = []] of Object.entries(firsts)) {
          const first = Math.min(...theirs.map(([, seconds]) => seconds))
          const earliest = rows.filter(({ urn }) => urn === resource).map(({ first_seen }) => first_seen.getTime())
          expect(Math.min(...earliest)).toBe(date(first).getTime())
        }
      }),
      { numRuns: 5 },
    )
  })

  it.runIf(leg.concurrent)('is written by several at once, without deadlocks', async () => {
    const messages = Array.from({ length: 40 }, (_, at) => `message ${'abcdefghij'[at % 10]} of ${'klmn'[Math.floor(at / 10)]} came`)
    await write(
      scope,
      'known',
      messages.map((message) => [0, message]),
    )
    await Promise.all(
      Array.from({ length: 6 }, async (_, writer) => {
        const theirs = await elsewhere()
        for (const round of [0, 1, 2, 3]) {
          const records = messages.map((message, at): [number, string] => [300 * (1 + ((writer + round) % 6)) + (at % 7), message])
          await write(theirs, 'a', writer % 2 === 0 ? records : records.toReversed())
        }
      }),
    )
    const rows = (await seen(scope)).filter(({ urn: resource }) => resource === urn('a'))
    expect(rows.length).toBeGreaterThan(0)
    for (const { first_seen } of rows) expect(first_seen.getTime()).toBeLessThan(date(307).getTime())
    expect(await resourceIds(scope, [urn('a')])).toHaveProperty('size', 1)
  })
})
