import { encodeHistogram } from '../../../src/sketch/exponentialHistogram.ts'
import { callMeasures } from '../../../src/calls/callSeries.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  callFan,
  callsDuring,
  callSeries,
  callSummary,
  slowestDependencies,
  refreshCallGraph,
  verifyCallGraph,
} from '../../../src/calls/index.ts'
import { callsOfWindow } from '../../../src/calls/callsOfWindow.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { impact } from '../../../src/graph/index.ts'
import { callOddities, callShapeOddities, metricOddities, patternOddities, rankSuspects } from '../../../src/incident/index.ts'
import {
  burstingPatterns,
  newPatterns,
  noisiestPatterns,
  patternDiversity,
  patternSeries,
  vanishedPatterns,
} from '../../../src/logs/index.ts'
import { labelCardinality, latestMetrics, metricSeries } from '../../../src/metrics/index.ts'
import { metricMeasures } from '../../../src/metrics/metricMeasures.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertPatterns, services } from '../../support/rows.ts'
import { seriesReads } from '../../support/seriesReads.ts'

const hour = 3_600_000
const now = new Date(Math.floor(Date.now() / hour) * hour)
/** Two hours of one day that have settled, and that day's end. */
const day = new Date(Math.floor(now.getTime() / (24 * hour)) * 24 * hour - 3 * 24 * hour)
const at = (hours: number, minutes = 0) => new Date(day.getTime() + hours * hour + minutes * 60_000)
const before = { from: at(3), to: at(4) }
const after = { from: at(4), to: at(5) }

/** The ends of the doubles, what is no number, and what is as ever. */
const values = ['1.7e308', '-1.7e308', '1e160', '5e-324', '2.3e-308', '0', '1', 'NaN', 'Infinity', '-Infinity', null]
const largest = '9223372036854775807'
const bytes = (...histogram: number[]) => encodeHistogram(histogram).toString('hex')
/** Histograms: none, good ones, counts that overflow when added, and bytes that are not a histogram. */
const histograms = [
  null,
  bytes(5, 0, 1),
  bytes(5, 65_537, 3, 65_600, 2),
  bytes(5, 0, 2 ** 63, 65_537, 2 ** 63),
  bytes(5, 65_537, 2 ** 63),
  bytes(20, -(2 ** 38), 1, 2 ** 38, 5),
  bytes(-10, 1, 1),
  // No scale, no widths, counts of zero and above the largest, keys that descend, a bucket too short.
  'ff1100000100010001',
  '0fff00000100010001',
  '0f1100000100010000',
  '0f18000001000100ffffffffffffffff',
  '0f1100000100010502040203ff01',
  '0f120000010001000100',
  '0f11',
  '',
]

interface Extreme {
  value: string | null
  count: string
  histogram: string | null
}

function extreme(value: string | null, count = '1', histogram: string | null = null): Extreme {
  return { value, count, histogram }
}

/** Each with itself and with each that comes after it. */
const paired = <T>(all: readonly T[]) => all.flatMap((one, position) => all.slice(position).map((other) => [one, other] as const))

/**
 * What two rows of a series are: every value with every other, of samples as many as they come and
 * as none; and every histogram with every other.
 */
const ofOne = paired(values).map(([one, other]) => [extreme(one), extreme(other)] as const)
const pairs = [
  ...ofOne,
  ...paired(values).map(([one, other]) => [extreme(one, largest), extreme(other, largest)] as const),
  ...paired(values).map(([one, other]) => [extreme(one, '0'), extreme(other)] as const),
  ...paired(histograms).map(([one, other]) => [extreme('1', '2', one), extreme('1', '2', other)] as const),
]

onEveryLeg('extremes that a tenant sends', () => {
  let test: TestDatabase
  let scope: Scope
  let other: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    // This build of pgvector breaks when it is first loaded from within a function.
    await sql`select '[1]'::vector`.execute(test.db)
    scope = await tenant(test.db)
    other = await tenant(test.db, 't-other')
    await write(scope)
    const ids = await services(other, ['urn:plain'])
    await sql`
      insert into ${other.id('metric_1m')} (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val, sample_count)
      values (${at(3)}, ${other.tenantId}::int8, ${ids.get('urn:plain')}::int8, 'm', 7, 7, 7, 1)
    `.execute(test.db)
  })
  afterAll(() => test.close())

  async function write({ db, tenantId, id }: Scope): Promise<void> {
    const urns = ['urn:front', ...pairs.map((_, position) => `urn:${position}`)]
    const ids = await services(scope, urns)
    const [fingerprint] = await insertPatterns(scope, [{ pattern: 'p' }])
    const rows = pairs.flatMap((pair, position) =>
      // Of each hour there is one, so that the day has two as well; and both are in the last ten minutes of the day's second hour.
      [at(3, 10), at(3, 20), at(4, 50), at(4, 55)].map((bucket, index) => ({
        bucket,
        resource: ids.get(`urn:${position}`),
        position,
        ...pair[index % 2]!,
      })),
    )
    const given = sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (
      bucket timestamptz, resource int8, position int4, value text, count int8, histogram text
    )`
    await sql`
      insert into ${id('metric_1m')} (bucket, tenant_id, resource_id, metric, labels, avg_val, max_val, p95_val, sample_count, histogram)
      select bucket, ${tenantId}::int8, resource, 'm', '{}', value::float8, value::float8, value::float8, count, decode(histogram, 'hex') from ${given}
    `.execute(db)
    await sql`
      insert into ${id('service_call_5m')}
        (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram,
          callee_count, callee_p50_ms, callee_p95_ms, callee_histogram)
      select bucket, ${tenantId}::int8, ${ids.get('urn:front')}::int8, resource, value::float8,
        case when value in ('5e-324', '2.3e-308', '0', '1') then value::float8 end, value::float8, value::float8, count, count, decode(histogram, 'hex'),
        count, value::float8, value::float8, decode(histogram, 'hex')
      from ${given}
    `.execute(db)
    await sql`
      insert into ${id('log_pattern_5m')} (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error)
      select bucket, ${tenantId}::int8, resource, ${fingerprint!}::int8, count, count from ${given}
    `.execute(db)
  }

  it('do not keep maintenance from rolling them, nor anybody’s rows beside them, and nothing is set aside', async () => {
    const { steps, ...rest } = await maintain(test.db, { now })
    expect(rest).toMatchObject({ tooLate: [], notDone: [] })
    expect(steps.length).toBeGreaterThan(0)
    const rolled = async (table: string) => {
      const { rows } = await sql<{ avg: number; count: number }>`
        select avg_val as avg, sample_count::float8 as count from ${other.id(table)} where tenant_id = ${other.tenantId}::int8
      `.execute(test.db)
      return rows
    }
    expect(await rolled('metric_1h')).toEqual([{ avg: 7, count: 1 }])
    expect(await rolled('metric_1d')).toEqual([{ avg: 7, count: 1 }])
    expect((await maintain(test.db, { now })).steps).toEqual([])
  })

  it('come out as saturated sums and means, as the schema says', async () => {
    const mean = async (wanted: readonly [Extreme, Extreme], table = 'metric_1h') => {
      const { rows } = await sql<{ avg: number | null; count: string }>`
        select avg_val as avg, sample_count as count from ${scope.id(table)} as metric
        join ${scope.id('dim_resource')} as resource using (tenant_id, resource_id)
        where tenant_id = ${scope.tenantId}::int8 and resource.urn = ${`urn:${pairs.findIndex((pair) => JSON.stringify(pair) === JSON.stringify(wanted))}`}
        order by bucket limit 1
      `.execute(test.db)
      return rows[0]
    }
    const of = extreme
    for (const table of ['metric_1h', 'metric_1d']) {
      expect(await mean([of('1.7e308'), of('1.7e308')], table)).toMatchObject({ avg: Infinity })
      expect(await mean([of('-1.7e308'), of('1')], table)).toMatchObject({ avg: -Infinity })
      expect(await mean([of('1.7e308'), of('-1.7e308')], table)).toMatchObject({ avg: Number.NaN })
      expect(await mean([of('5e-324'), of('0')], table)).toMatchObject({ avg: 0 })
      expect(await mean([of('1'), of(null)], table)).toMatchObject({ avg: 1 })
      // What no sample stands for weighs nothing, whatever it is.
      expect(await mean([of('1.7e308', '0'), of('1')], table)).toMatchObject({ avg: 1 })
      expect(await mean([of('NaN', '0'), of(null)], table)).toMatchObject({ avg: null })
      expect(await mean([of('1', largest), of('1', largest)], table)).toEqual({ avg: 1, count: largest })
    }
  })

  // Each of these runs hundreds of statements, the same on every leg: in process they take many minutes.
  it.runIf(leg.concurrent)('are answered by every read of theirs', async () => {
    // Without statistics some take 17 s each until autovacuum has been there, a minute or two later.
    await sql`analyze`.execute(test.db)
    const whole = { from: at(0), to: at(24) }
    const reads: Record<string, { execute(): Promise<object[]> }> = {}
    for (const resolution of ['1 minute', '15 minutes', '1 day']) {
      for (const by of ['series', 'resource', 'metric'] as const) {
        for (const measure of metricMeasures) {
          reads[`metricSeries ${resolution} ${by} ${measure}`] = metricSeries(scope, { metric: 'm', measure, by, resolution, range: whole })
        }
      }
    }
    for (const resolution of ['5 minutes', '15 minutes', '1 day']) {
      for (const by of ['call', 'callee', 'caller'] as const) {
        for (const measure of callMeasures) {
          reads[`callSeries ${resolution} ${by} ${measure}`] = callSeries(scope, { measure, by, resolution, range: whole })
        }
      }
      reads[`patternSeries ${resolution}`] = patternSeries(scope, { measure: 'count_total', resolution, range: whole })
    }
    for (const measure of metricMeasures)
      reads[`latestMetrics ${measure}`] = latestMetrics(scope, { metric: 'm', measure, by: 'resource', range: whole })
    reads['callSummary'] = callSummary(scope, { range: whole })
    reads['callSummary, callees'] = callSummary(scope, { range: whole, side: 'callee' })
    reads['callsDuring'] = callsDuring(scope, { range: whole })
    reads['slowestDependencies'] = slowestDependencies(scope, { service: 'urn:front', range: whole, limit: 10_000 })
    reads['callsOfWindow'] = callsOfWindow(scope, { window: '10 minutes', now: at(5) })
    reads['labelCardinality'] = labelCardinality(scope, { range: whole })
    reads['callFan, out'] = callFan(scope, { by: 'caller', range: whole })
    reads['callFan, in'] = callFan(scope, { by: 'callee', range: whole })
    reads['patternDiversity'] = patternDiversity(scope, { range: whole })
    reads['newPatterns'] = newPatterns(scope, { range: whole })
    reads['burstingPatterns'] = burstingPatterns(scope, { range: after, baseline: before })
    reads['noisiestPatterns'] = noisiestPatterns(scope, { range: after, baseline: before })
    reads['vanishedPatterns'] = vanishedPatterns(scope, { range: after, baseline: before })
    reads['callOddities'] = callOddities(scope, { range: after, baseline: before })
    reads['patternOddities'] = patternOddities(scope, { range: after, baseline: before })
    reads['callShapeOddities'] = callShapeOddities(scope, { range: after, baseline: before })
    reads['metricOddities'] = metricOddities(scope, {
      range: after,
      baseline: before,
      meanings: [{ metric: 'm', means: 'cpu' }],
      deviations: 0,
    })
    const suspected = { service: 'urn:front', range: after, baseline: before, meanings: [{ metric: 'm', means: 'latency' as const }] }
    reads['rankSuspects'] = rankSuspects(scope, suspected)
    reads['rankSuspects, errors'] = rankSuspects(scope, { ...suspected, trouble: 'errors' })
    reads['impact'] = impact(scope, callsDuring(scope, { range: whole }), { resource: 'urn:5' })
    const failed: string[] = []
    for (const [name, read] of Object.entries(reads)) {
      await read.execute().catch((error: unknown) => failed.push(`${name}: ${String(error)}`))
    }
    expect(failed).toEqual([])
  })

  it.runIf(leg.concurrent)('go through the whole algebra of series', async () => {
    const resource = ofOne.map((_, position) => `urn:${position}`)
    const range = { from: before.from, to: after.to }
    const frame = metricSeries(scope, { metric: 'm', resource, measure: 'avg', resolution: '5 minutes', range })
    const failed: string[] = []
    for (const [name, read] of Object.entries(seriesReads(scope, frame, { before, after }))) {
      await (read as { execute(): Promise<unknown> }).execute().catch((error: unknown) => failed.push(`${name}: ${String(error)}`))
    }
    expect(failed).toEqual([])
  })

  it.skipIf(!leg.age)('get into the call graph, which is then as the source says', async () => {
    await refreshCallGraph(scope, { window: '10 minutes', now: at(5) })
    expect(await verifyCallGraph(scope, { window: '10 minutes', now: at(5) }).execute()).toEqual([])
  })
})
