import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { seededRandom } from '../../../src/graph/analysis/seededRandom.ts'
import { burstingPatterns } from '../../../src/logs/burstingPatterns.ts'
import { vanishedPatterns } from '../../../src/logs/vanishedPatterns.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const payment = 'urn:k8s:svc:shop/payment'
const cart = 'urn:k8s:svc:shop/cart'
/** 24 buckets, and 6 to judge. */
const windows = { baseline: during('08:00', '10:00'), range: during('10:00', '10:30') }
const buckets = Array.from({ length: 30 }, (_, index) => new Date(at('08:00').getTime() + index * 300_000))
const isNow = (bucket: Date) => bucket >= at('10:00')

onEveryLeg('patterns that changed', () => {
  let test: TestDatabase
  let scope: Scope
  const ids = new Map<string, string>()
  /** What a pattern's count is in a bucket. */
  const counts: Record<string, { resource: string; in: (bucket: Date, index: number) => number }> = {
    steady: { resource: payment, in: () => 10 },
    'twice as often': { resource: payment, in: (bucket) => (isNow(bucket) ? 20 : 10) },
    'three times as often': { resource: payment, in: (bucket) => (isNow(bucket) ? 30 : 10) },
    'new and loud': { resource: payment, in: (bucket) => (isNow(bucket) ? 4 : 0) },
    'new and rare': { resource: payment, in: (_, index) => (index === 26 ? 2 : 0) },
    'in bursts anyway': { resource: payment, in: (_, index) => (index % 12 === 5 || index === 26 ? 120 : 0) },
    gone: { resource: payment, in: (bucket) => (isNow(bucket) ? 0 : 2) },
    'gone, but for one': { resource: payment, in: (bucket, index) => (isNow(bucket) ? (index === 24 ? 1 : 0) : 20) },
    'rare and gone': { resource: payment, in: (_, index) => (index % 6 === 0 && index < 24 ? 1 : 0) },
    // The service has a fifth of its traffic: a fifth of a pattern is what can be expected.
    'fewer, as all': { resource: cart, in: (bucket) => (isNow(bucket) ? 2 : 10) },
    'fewer than all': { resource: cart, in: (bucket) => (isNow(bucket) ? 0 : 10) },
    requests: { resource: cart, in: (bucket) => (isNow(bucket) ? 20 : 100) },
    // Silent altogether.
    'of a dead one': { resource: 'urn:dead', in: (bucket) => (isNow(bucket) ? 0 : 10) },
    'another of a dead one': { resource: 'urn:dead', in: (bucket) => (isNow(bucket) ? 0 : 10) },
    'all it said': { resource: 'urn:single', in: (bucket) => (isNow(bucket) ? 0 : 10) },
    // A flood of one message does not make more of the other expected.
    'beside a flood': { resource: 'urn:flood', in: () => 1 },
    flood: { resource: 'urn:flood', in: (bucket) => (isNow(bucket) ? 5_000 : 1) },
  }
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    const patterns = Object.keys(counts)
    const inserted = await insertPatterns(
      scope,
      patterns.map((pattern) => ({ pattern, severity: 'ERROR' as const, sample_message: `${pattern}!` })),
    )
    for (const [index, pattern] of patterns.entries()) ids.set(pattern, inserted[index]!)
    await insertPatternCounts(
      scope,
      Object.entries(counts).flatMap(([pattern, { resource, in: inBucket }]) =>
        buckets.flatMap((bucket, index) => {
          const count_total = inBucket(bucket, index)
          return count_total === 0 ? [] : [{ bucket, resource, fingerprint_id: ids.get(pattern)!, count_total }]
        }),
      ),
    )
  })
  afterAll(() => test.close())

  describe('burstingPatterns', () => {
    it('has what is logged more than twice as often, the most unusual first', async () => {
      const bursts = await burstingPatterns(scope, windows).execute()
      expect(bursts.map(({ pattern }) => pattern)).toEqual(['flood', 'three times as often', 'new and loud'])
      expect(bursts[1]).toEqual({
        fingerprint_id: ids.get('three times as often'),
        pattern: 'three times as often',
        severity: 'ERROR',
        sample_message: 'three times as often!',
        urn: payment,
        resource_id: expect.any(String) as string,
        count_total: 180,
        expected: 60,
        last_bucket: at('10:25'),
        score: expect.closeTo((2 * (Math.sqrt(180.375) - Math.sqrt(60.375))) / Math.sqrt(1.25), 9) as number,
      })
      expect(bursts[2]).toMatchObject({ count_total: 24, expected: 0 })
    })

    it('takes the factor and the threshold', async () => {
      const patterns = async (options: { factor?: number; threshold?: number }) =>
        (await burstingPatterns(scope, { ...windows, ...options, resource: payment }).execute()).map(({ pattern }) => pattern)
      expect(await patterns({ factor: 1.5 })).toEqual(['three times as often', 'new and loud', 'twice as often'])
      expect(await patterns({ threshold: 1 })).toEqual(['three times as often', 'new and loud', 'new and rare', 'in bursts anyway'])
      expect(await patterns({ factor: 4 })).toEqual(['new and loud'])
    })

    it('can be narrowed', () =>
      expectNarrows(
        burstingPatterns(scope, windows),
        (eb) => eb('count_total', '>', 100),
        ({ count_total }) => count_total > 100,
      ))
  })

  describe('vanishedPatterns', () => {
    it('has what is not logged any more although the service goes on, the most unusual first', async () => {
      const gone = await vanishedPatterns(scope, windows).execute()
      expect(gone.map(({ pattern }) => pattern)).toEqual(['gone, but for one', 'all it said', 'fewer than all', 'gone'])
      expect(gone[0]).toMatchObject({ count_total: 1, expected: 120, last_bucket: at('10:00'), urn: payment })
      expect(gone[2]).toMatchObject({ count_total: 0, expected: 12, last_bucket: at('09:55'), urn: cart })
    })

    it('takes the factor and the threshold', async () => {
      const patterns = async (options: { factor?: number; threshold?: number }) =>
        (await vanishedPatterns(scope, { ...windows, ...options, resource: payment }).execute()).map(({ pattern }) => pattern)
      expect(await patterns({ factor: 1000 })).toEqual(['gone'])
      expect(await patterns({ threshold: 0.1 })).toEqual(['gone, but for one', 'gone', 'rare and gone'])
    })

    it('can be narrowed', () =>
      expectNarrows(
        vanishedPatterns(scope, windows),
        (eb) => eb('expected', '>', 20),
        ({ expected }) => expected > 20,
      ))
  })

  it('says nothing of what varies by chance', async () => {
    const quiet = await tenant(test.db, 'quiet')
    const random = seededRandom(11)
    const poisson = (mean: number) => {
      let count = 0
      for (let product = random(); product > Math.exp(-mean); product *= random()) count += 1
      return count
    }
    const means = Array.from({ length: 400 }, (_, index) => [0.05, 0.3, 1, 5, 20][index % 5]!)
    const fingerprints = await insertPatterns(
      quiet,
      means.map((_, index) => ({ pattern: `pattern ${index}` })),
    )
    await insertPatternCounts(
      quiet,
      means.flatMap((mean, index) =>
        buckets.map((bucket) => ({
          bucket,
          resource: `urn:${index % 7}`,
          fingerprint_id: fingerprints[index]!,
          count_total: poisson(mean),
        })),
      ),
    )
    expect(await burstingPatterns(quiet, { ...windows, factor: 1 }).execute()).toEqual([])
    expect(await vanishedPatterns(quiet, { ...windows, factor: 1 }).execute()).toEqual([])
  })
})
