import { afterAll, beforeAll, expect, it } from 'vitest'
import { callFan, callSeries, callSummary, slowestDependencies } from '../../../src/calls/index.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { newPatterns, patternSeries } from '../../../src/logs/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { joinedReads } from '../../support/joinedReads.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { rounded } from '../../support/narrowed.ts'
import { at, during, insertCalls, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const range = during('10:00', '11:00')
const silent = during('09:00', '10:00')
const names = Array.from({ length: 9 }, (_, index) => `urn:${index}`)
const buckets = Array.from({ length: 26 }, (_, index) => new Date(at('08:55').getTime() + index * 300_000))

onEveryLeg('reads that add up by ids and look names up afterwards', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 'random')
    const random = numbers(7)
    const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!
    for (const owner of [scope, await tenant(test.db, 'another')]) {
      const calls = buckets.flatMap((bucket) =>
        names.flatMap((src) =>
          names
            .filter(() => random() < 0.3)
            .map((dst) => ({ bucket, src, dst, latencies: Array.from({ length: pick([1, 1, 2, 9]) }, () => Math.ceil(random() * 900)) })),
        ),
      )
      await insertCalls(
        owner,
        calls.map((call) => ({ ...call, error_count: Math.floor(random() * 1.5 * call.latencies.length) % (call.latencies.length + 1) })),
      )
      const patterns = await insertPatterns(
        owner,
        Array.from({ length: 60 }, (_, index) => ({
          pattern: `pattern ${index} <*>`,
          severity: pick(['ERROR', 'INFO', null] as const),
          first_seen: pick([...buckets, null]),
        })),
      )
      const counts = buckets.flatMap((bucket) =>
        names.flatMap((resource) =>
          patterns
            .filter(() => random() < 0.01)
            .map((fingerprint_id) => ({
              bucket,
              resource,
              fingerprint_id,
              count_total: Math.ceil(random() * 9),
              count_error: pick([0, 1]),
            })),
        ),
      )
      await insertPatternCounts(owner, counts)
    }
  })
  afterAll(() => test.close())

  it('give what joins of all buckets give', async () => {
    const service = names[0]!
    const reads = {
      callSummary: callSummary(scope, { range, by: 'call' }),
      slowestDependencies: slowestDependencies(scope, { service, range }),
      fanOut: callFan(scope, { by: 'caller', range }),
      fanIn: callFan(scope, { by: 'callee', range }),
      callSeriesByCallee: callSeries(scope, { measure: 'p95_ms', by: 'callee', range }),
      callSeriesByCall: callSeries(scope, { measure: 'p95_ms', by: 'call', range }),
      patternSeries: patternSeries(scope, { measure: 'count_total', by: 'resource', severity: 'ERROR', range }),
      newPatterns: newPatterns(scope, { range }),
      newPatternsAfterSilence: newPatterns(scope, { range, silence: '1 hour' }),
    } satisfies Record<keyof ReturnType<typeof joinedReads>, unknown>
    for (const [name, joined] of Object.entries(joinedReads(scope, range, { service, silent }))) {
      const { rows } = await joined.execute(scope.db)
      const expected = rounded(rows as object[])
      const columns = Object.keys(expected[0]!)
      const answer = rounded(await reads[name as keyof typeof reads].execute())
      expect([name, expected.length > 4]).toEqual([name, true])
      const named = answer.map((row) => Object.fromEntries(columns.map((column) => [column, Reflect.get(row, column)])))
      expect([name, inOrder(named)]).toEqual([name, inOrder(expected)])
    }
  })
})

const inOrder = (rows: object[]) => rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** The same numbers in 0..1 each time (Park and Miller's generator). */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}
