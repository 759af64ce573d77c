import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { refreshCallGraph } from '../../../src/calls/refreshCallGraph.ts'
import { verifyCallGraph, type CallGraphDifference } from '../../../src/calls/verifyCallGraph.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { MissingCapabilityError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, insertCalls, type CallRow } from '../../support/rows.ts'

onEveryLeg('verifyCallGraph', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  const now = at('10:00')
  const line = ({ src_urn, dst_urn, difference, property, expected, actual }: CallGraphDifference) =>
    `${src_urn} > ${dst_urn} ${difference}${property === null ? '' : ` ${property}: ${expected} not ${actual}`}`
  const lines = async (scope: Scope, window?: string) => {
    const found = await verifyCallGraph(scope, { now, ...(window && { window }) }).execute()
    return found.map(line).sort()
  }
  /** Changes the graph behind the refresh's back, as Cypher would. */
  const set = (scope: Scope, property: string, value: ReturnType<typeof sql>, label = 'CALLS') =>
    sql`
      update ${sql.id(scope.graphName, label)}
      set properties = ag_catalog.agtype_concat(properties, ag_catalog.agtype_build_map(${property}::text, ${value}))
    `.execute(test.db)

  it.skipIf(leg.age)('says what is missing and what works without it', async () => {
    const scope = await tenant(test.db, 'without-age')
    expect(() => verifyCallGraph(scope)).toThrow(MissingCapabilityError)
  })

  it.skipIf(!leg.age)('finds every edge missing while there is no graph, and none after a refresh', async () => {
    const scope = await tenant(test.db, 'none')
    expect(await lines(scope)).toEqual([])
    await insertCalls(scope, [
      { bucket: at('09:50'), src: 'a', dst: 'b', latencies: [10, 20] },
      { bucket: at('09:55'), src: 'b', dst: 'b', latencies: [10] },
      { bucket: at('09:30'), src: 'b', dst: 'old', latencies: [10] },
    ])
    expect(await lines(scope)).toEqual(['a > b missing', 'b > b missing'])
    await refreshCallGraph(scope, { now })
    expect(await lines(scope)).toEqual([])
    expect(await lines(scope, '1 hour')).toContain('b > old missing')
  })

  it.skipIf(!leg.age)('names the property, what it should be and what it is', async () => {
    const scope = await tenant(test.db, 'values')
    await insertCalls(scope, [
      { bucket: at('09:55'), src: 'a', dst: 'b', latencies: [10, 20] },
      { bucket: at('09:55'), src: 'b', dst: 'c', call_count: 30, p50_ms: null, p95_ms: null },
    ])
    await refreshCallGraph(scope, { now })
    await set(scope, 'p95_ms', sql`7::float8`)
    expect(await lines(scope)).toEqual(['a > b different p95_ms: 20 not 7', 'b > c different p95_ms: null not 7'])
    await set(scope, 'p95_ms', sql`'nonsense'::text`)
    expect(await lines(scope)).toContain('a > b different p95_ms: 20 not nonsense')
    await refreshCallGraph(scope, { now })
    expect(await lines(scope)).toEqual([])
    await set(scope, 'first_seen', sql`'2026-11-22T09:57:00Z'::text`)
    expect(await lines(scope)).toEqual([
      'a > b different first_seen: 2026-11-22T09:55:00Z not 2026-11-22T09:57:00Z',
      'b > c different first_seen: 2026-11-22T09:55:00Z not 2026-11-22T09:57:00Z',
    ])
    await set(scope, 'first_seen', sql`'2026-11-22T08:00:00Z'::text`)
    expect(await lines(scope)).toEqual([])
    await set(scope, 'urn', sql`'other'::text`, 'Resource')
    expect(await lines(scope)).toContain('a > b different dst: b not other')
  })

  it.skipIf(!leg.age)('finds what left the window, what changed in it and a vertex that is gone; narrows as it is', async () => {
    const scope = await tenant(test.db, 'stale')
    await insertCalls(scope, [
      { bucket: at('09:40'), src: 'a', dst: 'b', latencies: [10, 20] },
      { bucket: at('09:40'), src: 'a', dst: 'c', latencies: [10] },
    ])
    await refreshCallGraph(scope, { now: at('09:45') })
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [10, 20, 30, 40] }])
    expect(await lines(scope)).toEqual([
      'a > b different last_seen: 2026-11-22T09:55:00Z not 2026-11-22T09:40:00Z',
      expect.stringMatching(/^a > b different p50_ms: /),
      expect.stringMatching(/^a > b different p95_ms: /),
      expect.stringMatching(/^a > b different rps: /),
      'a > c surplus',
    ])
    await expectNarrows(
      verifyCallGraph(scope, { now }),
      (eb) => eb('difference', '=', 'surplus'),
      ({ difference }) => difference === 'surplus',
    )
    await refreshCallGraph(scope, { now })
    await sql`delete from ${sql.id(scope.graphName, 'Resource')} where ag_catalog.agtype_object_field_text(properties, 'urn') = 'b'`.execute(
      test.db,
    )
    expect(await lines(scope)).toEqual(['a > b different dst: b not null'])
  })

  it.skipIf(!leg.age)('sees one tenant only', async () => {
    const [one, two] = [await tenant(test.db, 'one'), await tenant(test.db, 'two')]
    for (const scope of [one, two]) await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1] }])
    await refreshCallGraph(one, { now })
    expect(await lines(one)).toEqual([])
    expect(await lines(two)).toEqual(['a > b missing'])
  })

  it.skipIf(!leg.age)(
    'has no rows after a refresh of any rows in any window, and a refresh finds nothing to do where it has none',
    async () => {
      const scope = await tenant(test.db, 'random')
      const measure = fc.option(fc.constantFrom(0, 0.1, 7, 250.25, 1e9), { nil: null })
      const row = fc.record<CallRow>({
        bucket: fc.integer({ min: 0, max: 11 }).map((step) => new Date(at('09:05').getTime() + step * 300_000)),
        src: fc.constantFrom('a', 'b', 'c'),
        dst: fc.constantFrom('a', 'b', 'c'),
        latencies: fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 6 }),
      })
      const foreign = fc
        .record({ count: fc.integer({ min: 0, max: 9 }), errors: fc.integer({ min: 0, max: 9 }), p50: measure, p95: measure, rps: measure })
        .map(({ count, errors, p50, p95, rps }) => ({
          call_count: count,
          error_count: Math.min(errors, count),
          rps,
          err_rate: rps === null ? null : 0.125,
          p50_ms: p50,
          p95_ms: p95,
        }))
      const rows = fc.uniqueArray(
        fc
          .tuple(row, fc.option(foreign, { nil: undefined }))
          .map(([own, given]) => ({ ...own, ...(given && { latencies: [], ...given }) })),
        { selector: ({ bucket, src, dst }) => `${bucket.getTime()} ${src} ${dst}`, maxLength: 40 },
      )
      const window = fc.constantFrom('10 minutes', '7 minutes', '1 hour', '1 second', '90 minutes')
      await fc.assert(
        fc.asyncProperty(rows, fc.array(window, { minLength: 1, maxLength: 3 }), async (calls, windows) => {
          await sql`delete from ${scope.id('service_call_5m')} where tenant_id = ${scope.tenantId}`.execute(test.db)
          if (calls.length > 0) await insertCalls(scope, calls)
          for (const each of windows) {
            const options = { window: each, now: at('09:50') }
            await refreshCallGraph(scope, options)
            expect(await verifyCallGraph(scope, options).execute()).toEqual([])
            const { vertices, edges } = await refreshCallGraph(scope, options)
            expect([vertices, edges]).toEqual(Array(2).fill({ added: 0, changed: 0, removed: 0 }))
          }
        }),
        { numRuns: 30 },
      )
    },
  )

  it.skipIf(!leg.age)('refuses what is no window', async () => {
    const scope = await tenant(test.db, 'refused')
    expect(() => verifyCallGraph(scope, { window: 'a while' })).toThrow(/^window: .*"a while"/)
    expect(() => verifyCallGraph(scope, { now: new Date(Number.NaN) })).toThrow(/^now: /)
  })
})
