import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as api from '../../../src/index.ts'
import type { Scope } from '../../../src/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { frameOf } from '../../support/points.ts'
import { at, insertCalls, insertMetrics, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const ever = { from: new Date(-8.64e15), to: new Date(8.64e15) }
const bucket = at('10:05')
const embedding = Array<number>(1536).fill(0.1)

/** Everything that takes a range, over one row of each kind; all of them find it in all of time. */
const reads: Record<string, (scope: Scope, range: api.TimeRange) => { execute(): Promise<unknown[]> }> = {
  metricSeries: (scope, range) => api.metricSeries(scope, { metric: 'm', measure: 'avg', range, resolution: '1 minute' }),
  'metricSeries by the length of the range': (scope, range) => api.metricSeries(scope, { metric: 'm', measure: 'avg', range }),
  latestMetrics: (scope, range) => api.latestMetrics(scope, { metric: 'm', measure: 'avg', range }),
  labelCardinality: (scope, range) => api.labelCardinality(scope, { range }),
  callFan: (scope, range) => api.callFan(scope, { by: 'caller', range }),
  callSeries: (scope, range) => api.callSeries(scope, { measure: 'rps', range }),
  callSummary: (scope, range) => api.callSummary(scope, { range }),
  callsDuring: (scope, range) => api.callsDuring(scope, { range }),
  slowestDependencies: (scope, range) => api.slowestDependencies(scope, { service: 'urn:a', range }),
  patternSeries: (scope, range) => api.patternSeries(scope, { measure: 'count_total', range }),
  patternDiversity: (scope, range) => api.patternDiversity(scope, { range }),
  newPatterns: (scope, range) => api.newPatterns(scope, { range }),
  'newPatterns after a silence': (scope, range) => api.newPatterns(scope, { range, silence: '365000 days' }),
  topologyChanges: (scope, range) => api.topologyChanges(scope, { range }),
  searchKnowledge: (scope, range) => api.searchKnowledge(scope, { embedding, where: { addedDuring: range } }),
  errorBudget: (scope, range) => {
    const counts = frameOf(scope, [{ series: 's', bucket, value: 1 }])
    return api.errorBudget(scope, { total: counts, bad: counts }, { objective: 0.9, range })
  },
  firstDeparture: (scope, range) => {
    const values = Array.from({ length: 12 }, (_, index) => ({
      series: 's',
      bucket: new Date(bucket.getTime() + index * 60_000),
      value: index < 8 ? 1 : 9,
    }))
    return api.firstDeparture(scope, frameOf(scope, values), { range })
  },
}

onEveryLeg('the ends of what can be given', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await insertMetrics(scope, [{ bucket, resource: 'urn:a', metric: 'm', labels: { l: 1 }, samples: [1] }])
    await insertCalls(scope, [{ bucket, src: 'urn:a', dst: 'urn:b', latencies: [1, 2] }])
    const [fingerprint_id] = await insertPatterns(scope, [{ pattern: 'p', first_seen: bucket, last_seen: bucket }])
    await insertPatternCounts(scope, [{ bucket, resource: 'urn:a', fingerprint_id: fingerprint_id!, count_total: 1 }])
    await api.recordTopology(scope, [{ from: 'urn:a', to: 'urn:b' }], { at: bucket, relation: 'r', source: 's' })
    await api.addDocuments(scope, [{ source: 's', title: 't', chunks: [{ content: 'c', embedding }] }])
  })
  afterAll(() => test.close())

  it.each(Object.entries(reads))('%s reads all of time, from the earliest of dates to the latest', async (_, read) => {
    expect(await read(scope, ever).execute()).toHaveLength(1)
    // By the day, a range is that of whole days.
    expect(await read(scope, { from: ever.from, to: new Date(at('00:00').getTime() - 86_400_000) }).execute()).toEqual([])
    expect(await read(scope, { from: ever.to, to: ever.to }).execute()).toEqual([])
  })

  it.each([new Date(-8.64e15), new Date(8.64e15), new Date(Date.UTC(10_000, 0)), new Date('-000001-01-01T00:00:00Z')])(
    'refuses the moment %j, which PostgreSQL cannot store',
    async (moment) => {
      const event = { severity: 'INFO', kind: 'k', title: 't', detectedAt: moment } as const
      await expect(api.recordEvent(scope, event)).rejects.toThrow('detectedAt: must be a valid Date from the year 1 to 9999')
      await expect(api.recordTopology(scope, [], { at: moment, relation: 'r', source: 's' })).rejects.toThrow('at: must be a valid Date')
      expect(() => api.topologyAt(scope, { at: moment })).toThrow('at: must be a valid Date')
      const counts = frameOf(scope, [{ series: 's', bucket, value: 1 }])
      expect(() => api.burnRate(scope, { total: counts, bad: counts }, { objective: 0.9, at: moment })).toThrow('at: must be a valid Date')
    },
  )

  it('looks back a thousand years from the first of days', async () => {
    const first = new Date('0001-01-01T00:00:00Z')
    const counts = frameOf(scope, [{ series: 's', bucket, value: 1 }])
    const windows = [{ long: '365000 days', short: '1 day', burn: 1 }]
    expect(await api.burnRate(scope, { total: counts, bad: counts }, { objective: 0.9, at: first, windows }).execute()).toEqual([])
    expect(api.last('365000 days', () => first)).toEqual({ from: first, to: first })
  })

  it('makes no more than a million rows of a range', () => {
    const counts = frameOf(scope, [{ series: 's', bucket, value: 1 }])
    const range = { from: new Date(0), to: bucket }
    expect(() => api.baselineSeries(scope, counts, { season: '2 seconds', slot: '1 second', range })).toThrow(
      'slot: must divide the range into at most 1000000 buckets',
    )
    expect(() => api.gapfill(scope, counts, { every: '1 second', range, fill: 'zero' })).toThrow('every: must divide the range')
    expect(() => api.gapfill(scope, counts, { every: '1 day', range: ever, fill: 'zero' })).toThrow('every: must divide the range')
  })

  describe.skipIf(!leg.age)('of graphs', () => {
    it('refuses a label that is the name of something else in the graph', async () => {
      await api.refreshCallGraph(scope, { window: '1 day', now: at('11:00') })
      const edges = api.callsDuring(scope, { range: ever })
      for (const label of ['Resource_pkey', 'Resource_id_seq', 'CALLS_id_seq', 'CALLS_end_id_idx']) {
        const attempt = api.mirrorGraph(scope, edges, { label, attributes: [] })
        await expect(attempt).rejects.toThrow(/^label: (is the name of something else in the graph|must)/)
        await expect(attempt).rejects.toThrow(api.InvalidInputError)
      }
      await expect(api.mirrorGraph(scope, edges, { attributes: ['elsewhere' as 'weight'] })).rejects.toThrow(
        'attributes: must name columns that the frame has',
      )
    })

    it.skipIf(leg.name !== 'server')('asks in Cypher whatever a connection takes a backslash for', async () => {
      const off = api.connect({
        connectionString: test.url!,
        max: 1,
        options: '-c standard_conforming_strings=off -c escape_string_warning=off',
      })
      try {
        const own = await api.tenantScope(off, 't-001')
        await api.refreshCallGraph(own, { window: '1 day', now: at('11:00') })
        const found = await api.cypher(own, { columns: { e: 'edge', t: 'text' } }, `MATCH ()-[e]->() RETURN e, 'a\\\\b"'`).execute()
        expect(found).toMatchObject([{ t: 'a\\b"' }])
      } finally {
        await off.destroy()
      }
    })
  })
})
