import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resourceIds } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { newPatterns } from '../../../src/logs/newPatterns.ts'
import { patternSeries } from '../../../src/logs/patternSeries.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const payment = 'urn:k8s:svc:shop/payment'
const cart = 'urn:k8s:svc:shop/cart'
const hostile = `o'brien "<*>" $$ \\ 🦊 --; drop table log_pattern`
const range = during('10:00', '11:00')

onEveryLeg('log patterns', () => {
  let test: TestDatabase
  let scope: Scope
  let old: string
  let timeout: string
  let refused: string
  let odd: string
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    ;[old, timeout, refused, odd] = (await insertPatterns(scope, [
      { pattern: 'listening on <*>', severity: 'INFO', sample_message: 'listening on 80', first_seen: at('08:01') },
      { pattern: 'timed out after <*> ms', severity: 'ERROR', sample_message: 'timed out after 7 ms', first_seen: at('10:07') },
      { pattern: 'connection refused', severity: 'FATAL', first_seen: at('10:07') },
      { pattern: hostile, first_seen: at('10:55') },
    ])) as [string, string, string, string]
    await insertPatterns(scope, [{ pattern: 'never counted', first_seen: at('10:30') }])
    await insertPatternCounts(scope, [
      { bucket: at('08:00'), resource: cart, fingerprint_id: old, count_total: 3 },
      { bucket: at('10:00'), resource: payment, fingerprint_id: old, count_total: 1 },
      { bucket: at('10:05'), resource: payment, fingerprint_id: timeout, count_total: 4, count_error: 4 },
      { bucket: at('10:05'), resource: cart, fingerprint_id: timeout, count_total: 2, count_error: 1 },
      { bucket: at('10:10'), resource: payment, fingerprint_id: timeout, count_total: 5, count_error: 5 },
      { bucket: at('10:05'), resource: cart, fingerprint_id: refused, count_total: 20, count_error: 20 },
      { bucket: at('10:55'), resource: cart, fingerprint_id: odd, count_total: 1 },
      { bucket: at('11:00'), resource: cart, fingerprint_id: refused, count_total: 1_000, count_error: 1_000 },
    ])
    const other = await tenant(test.db, 'another')
    const [theirs] = await insertPatterns(other, [{ pattern: 'timed out after <*> ms', severity: 'ERROR', first_seen: at('10:07') }])
    await insertPatternCounts(other, [
      { bucket: at('10:05'), resource: payment, fingerprint_id: theirs!, count_total: 70, count_error: 70 },
    ])
  })
  afterAll(() => test.close())

  describe('newPatterns', () => {
    it('has what a resource logged for the first time in the range, earliest first, then most frequent', async () => {
      expect(await newPatterns(scope, { range }).execute()).toEqual([
        {
          fingerprint_id: old,
          pattern: 'listening on <*>',
          severity: 'INFO',
          sample_message: 'listening on 80',
          first_seen: at('10:00'),
          first_seen_anywhere: at('08:01'),
          logs_since: at('10:00'),
          count_total: 1,
          count_error: 0,
          resources: [payment],
        },
        {
          fingerprint_id: refused,
          pattern: 'connection refused',
          severity: 'FATAL',
          sample_message: null,
          first_seen: at('10:07'),
          first_seen_anywhere: at('10:07'),
          logs_since: at('08:01'),
          count_total: 20,
          count_error: 20,
          resources: [cart],
        },
        {
          fingerprint_id: timeout,
          pattern: 'timed out after <*> ms',
          severity: 'ERROR',
          sample_message: 'timed out after 7 ms',
          first_seen: at('10:07'),
          first_seen_anywhere: at('10:07'),
          logs_since: at('08:01'),
          count_total: 11,
          count_error: 10,
          resources: [cart, payment],
        },
        expect.objectContaining({ fingerprint_id: odd, pattern: hostile, severity: null, count_total: 1, resources: [cart] }),
      ])
    })

    const ids = async (options: Parameters<typeof newPatterns>[1]) =>
      (await newPatterns(scope, options).execute()).map(({ fingerprint_id }) => fingerprint_id)

    it('counts what one resource logged', async () => {
      const rows = await newPatterns(scope, { range, resource: payment }).execute()
      expect(rows).toMatchObject([
        { fingerprint_id: old, count_total: 1, resources: [payment] },
        { fingerprint_id: timeout, count_total: 9, count_error: 9, resources: [payment] },
      ])
    })

    it('says since when the tenant knows the pattern, and since when the resource logs', async () => {
      const rows = newPatterns(scope, { range })
      const names = async (rows: { execute(): Promise<{ fingerprint_id: string }[]> }) =>
        (await rows.execute()).map(({ fingerprint_id }) => fingerprint_id)
      expect(await names(rows.where('first_seen_anywhere', '>=', range.from))).toEqual([refused, timeout, odd])
      expect(await names(rows.where('logs_since', '<', range.from))).toEqual([refused, timeout, odd])
    })

    it('holds the beginning of the range and not its end', async () => {
      expect(await ids({ range: during('10:07', '10:55') })).toEqual([refused, timeout])
      expect(await ids({ range: during('10:08', '10:55') })).toEqual([])
    })

    it('counts the whole bucket that a range beginning within it and the first record share', async () => {
      expect(await newPatterns(scope, { range: during('10:07', '10:10') }).execute()).toMatchObject([
        { fingerprint_id: refused, count_total: 20 },
        { fingerprint_id: timeout, count_total: 6 },
      ])
    })

    it('takes what was silent for long enough for new again', async () => {
      expect(await ids({ range, silence: '1 hour' })).toEqual([old, refused, timeout, odd])
      expect(await ids({ range, silence: '2 hours' })).toEqual([old, refused, timeout, odd])
      expect(await ids({ range, silence: '2 hours', resource: cart })).toEqual([refused, timeout, odd])
      expect(await ids({ range, silence: '2 hours', resource: payment })).toEqual([old, timeout])
      expect(await ids({ range: during('10:10', '11:00'), silence: '5 minutes' })).toEqual([odd])
    })

    it('is empty for an empty range, and on a day without news', async () => {
      expect(await ids({ range: during('10:07', '10:07') })).toEqual([])
      expect(await ids({ range: during('12:00', '13:00'), silence: '30 minutes' })).toEqual([])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        newPatterns(scope, { range }),
        (eb) => eb('severity', 'in', ['ERROR', 'FATAL']),
        (row) => row.severity === 'ERROR' || row.severity === 'FATAL',
      ))
  })

  describe('patternSeries', () => {
    it('has a series for each pattern, all resources together', async () => {
      const rows = await patternSeries(scope, { measure: 'count_total', range }).execute()
      expect(rows.filter(({ series }) => series === 'timed out after <*> ms')).toEqual([
        { series: 'timed out after <*> ms', bucket: at('10:05'), value: 6, resource_id: null },
        { series: 'timed out after <*> ms', bucket: at('10:10'), value: 5, resource_id: null },
      ])
      expect(new Set(rows.map(({ series }) => series))).toEqual(
        new Set(['listening on <*>', 'timed out after <*> ms', 'connection refused', hostile]),
      )
    })

    it('has a series for each resource, all its patterns together', async () => {
      const ids = await resourceIds(scope, [cart, payment])
      const rows = await patternSeries(scope, { measure: 'count_error', range, by: 'resource' }).execute()
      expect(rows).toEqual([
        { series: cart, bucket: at('10:05'), value: 21, resource_id: ids.get(cart) },
        { series: cart, bucket: at('10:55'), value: 0, resource_id: ids.get(cart) },
        { series: payment, bucket: at('10:00'), value: 0, resource_id: ids.get(payment) },
        { series: payment, bucket: at('10:05'), value: 4, resource_id: ids.get(payment) },
        { series: payment, bucket: at('10:10'), value: 5, resource_id: ids.get(payment) },
      ])
    })

    it.each([
      ['a fingerprint', () => ({ fingerprintId: timeout }), [6, 5]],
      ['a resource', () => ({ resource: payment }), [1, 4, 5]],
      ['a severity', () => ({ severity: 'FATAL' as const }), [20]],
      ['all three', () => ({ fingerprintId: timeout, resource: cart, severity: 'ERROR' as const }), [2]],
      ['what is not there', () => ({ fingerprintId: '9223372036854775807' }), []],
    ])('counts only %s', async (_, filter, expected) => {
      const rows = await patternSeries(scope, { measure: 'count_total', range, ...filter() }).execute()
      expect(rows.map(({ value }) => value)).toEqual(expected)
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        patternSeries(scope, { measure: 'count_total', range }),
        (eb) => eb('value', '>', 5),
        (row) => row.value !== null && row.value > 5,
      ))
  })
})
