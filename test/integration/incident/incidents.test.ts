import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { rankSuspects, type Suspect } from '../../../src/incident/rankSuspects.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { simulate, type Breakage, type IncidentOptions } from '../../support/incident/simulate.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertCalls, insertMetrics, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const [gateway, orders, catalog, payment, stock, bank, search, audit] = [
  'gateway',
  'orders',
  'catalog',
  'payment',
  'stock',
  'bank',
  'search',
  'audit',
].map((name) => `urn:k8s:svc:shop/${name}`) as [string, string, string, string, string, string, string, string]

const calls: IncidentOptions['calls'] = [
  [gateway, orders, 0.6],
  [gateway, catalog, 0.8],
  [orders, payment, 0.9],
  [orders, stock],
  [payment, bank],
  [catalog, search],
  [catalog, stock, 0.5],
  [orders, audit, 0.3],
]

type Source = 'calls' | 'logs' | 'metrics'
type Given = Partial<IncidentOptions>

onEveryLeg('simulated incidents', () => {
  let test: TestDatabase
  let made = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  /** The suspects of an incident, by what was recorded of it. */
  async function suspects(sources: readonly Source[], given: Given, seed: number): Promise<Suspect[]> {
    const options = { calls, requests: 12, calm: 20, trouble: 15, ...given, seed }
    const begin = at('09:00')
    const recorded = simulate(begin, options)
    const scope: Scope = await tenant(test.db, `incident-${made++}`)
    if (sources.includes('calls')) await insertCalls(scope, recorded.calls)
    if (sources.includes('metrics')) await insertMetrics(scope, recorded.metrics)
    if (sources.includes('logs')) {
      const severityOf = (pattern: string) => (pattern.startsWith('error') ? 'ERROR' : 'INFO')
      const patterns = [...new Set(recorded.logs.map(({ pattern }) => pattern))]
      const ids = await insertPatterns(
        scope,
        patterns.map((pattern) => ({ pattern, severity: severityOf(pattern) })),
      )
      await insertPatternCounts(
        scope,
        recorded.logs.map(({ bucket, resource, pattern, count }) => ({
          bucket,
          resource,
          fingerprint_id: ids[patterns.indexOf(pattern)]!,
          count_total: count,
          count_error: severityOf(pattern) === 'ERROR' ? count : 0,
        })),
      )
    }
    const split = new Date(begin.getTime() + options.calm * 60_000)
    const range = { from: split, to: new Date(split.getTime() + options.trouble * 60_000) }
    return rankSuspects(scope, { service: gateway, range, baseline: { from: begin, to: split } }).execute()
  }

  const everything = ['calls', 'logs', 'metrics'] as const
  const broken = (service: string, how: Breakage, given: Given = {}): Given => ({ ...given, broken: { service, how } })

  describe('the one that broke comes first', () => {
    it.each<[what: string, sources: readonly Source[], incident: Given]>([
      ['slow, by its calls', ['calls'], broken(payment, { slowMs: 300 })],
      ['slow, by metrics without a graph', ['metrics'], broken(bank, { slowMs: 200 })],
      ['slow since a minute before', everything, broken(payment, { slowMs: 300 }, { early: 1, calm: 40 })],
      ['slow, of few requests', everything, broken(payment, { slowMs: 300 }, { requests: 2 })],
      ['throws, by its logs alone', ['logs'], broken(stock, { fails: 0.3 })],
      ['throws, where everybody fails now and then', everything, broken(stock, { fails: 0.3 }, { usualFailures: 0.05 })],
      ['throws, and everybody above logs it', everything, broken(bank, { fails: 0.5 })],
      ['throws, of few requests', ['calls'], broken(stock, { fails: 0.6 }, { requests: 2 })],
      ['throws for three minutes, after ten of calm', everything, broken(stock, { fails: 0.3 }, { calm: 10, trouble: 5, early: -2 })],
      ['returns early, in twice the traffic', everything, broken(orders, { returns: 0.5 }, { requestsThen: 24 })],
      ['calls others ten times as often, and they get busy', everything, broken(orders, { repeats: 10 }, { cpuPerRequest: 0.005 })],
      ['has no CPU left, in twice the traffic', ['metrics'], broken(search, { cpu: 0.5 }, { requestsThen: 24, cpuPerRequest: 0.015 })],
      ['leaks memory', ['metrics'], broken(catalog, { leakBytes: 2e7 })],
      ['is gone', ['calls', 'logs'], broken(bank, { gone: true })],
      ['is gone, and its calls with it', everything, broken(payment, { gone: true, unseen: true })],
      ['is gone, by metrics alone', ['metrics'], broken(bank, { gone: true, unseen: true })],
      ['began to call one that fails', everything, broken(orders, { newCallee: 'urn:k8s:svc:shop/fraud' })],
    ])('%s', async (_, sources, incident) => {
      for (const seed of [11, 12]) {
        const [first] = await suspects(sources, incident, seed)
        expect([seed, first?.urn]).toEqual([seed, incident.broken!.service])
      }
    })
  })

  describe('nobody is suspected', () => {
    it.each<[when: string, given: Given]>([
      ['when all is calm', {}],
      ['when everybody fails now and then', { usualFailures: 0.05 }],
      ['of little traffic', { requests: 1 }],
      ['when little traffic becomes three times as much', { requests: 2, requestsThen: 6 }],
      ['when the traffic doubles, and the CPU that it takes', { requestsThen: 24, cpuPerRequest: 0.015 }],
      ['when the traffic halves', { requestsThen: 6, cpuPerRequest: 0.015 }],
    ])('%s', async (_, given) => {
      for (const sources of [everything, ['metrics'] as const]) {
        const found = await suspects(sources, given, 11)
        expect(found.filter(({ score }) => score > 0.2).map(({ urn, score }) => [urn, score])).toEqual([])
      }
    })
  })

  it('says of one that is gone for how long it was measured before', async () => {
    const [first] = await suspects(everything, broken(payment, { gone: true, unseen: true }), 13)
    expect(first!.path).toEqual([gateway, orders, payment])
    expect(first!.evidence).toMatchObject([
      { kind: 'silence', measure: 'metric_minutes', expected: 15, actual: 0, unit: 'min', lost: null },
    ])
  })
})
