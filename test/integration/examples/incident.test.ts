import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { faultyService } from '../../../examples/shop/topology.ts'
import { serviceUrn } from '../../../src/catalog/urn.ts'
import { draw } from '../../../src/cli/demo/draw.ts'
import { investigate } from '../../../src/cli/demo/investigate.ts'
import { load } from '../../../src/cli/demo/replay.ts'
import { tell } from '../../../src/cli/demo/tell.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const recording = (name: string) => fileURLToPath(new URL(`../../../examples/shop/recordings/${name}.jsonl.gz`, import.meta.url))
const urn = (service: string) => serviceUrn(service, 'shop')

/** As examples/shop/recordings/README.md has it: when the payment service became slow. */
const faultAt = Date.UTC(2026, 10, 27, 17, 36, 31)

onEveryLeg("the shop's recordings", () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  it('tell of the incident: since when, who is behind it, who is hit, and what the logs say', async () => {
    const scope = await tenant(test.db, 'incident')
    const { report, range } = await load(scope, recording('incident'), {})
    expect(report).toMatchObject({ malformed: 0, lateRecords: 0, refused: {} })
    const found = await investigate(scope, range)

    expect(found.service).toBe(urn('frontend'))
    expect(Math.abs(found.since!.getTime() - faultAt)).toBeLessThanOrEqual(2 * 60_000)
    expect(found.dependencies.rows[0]!.dst_urn).toBe(urn('checkout'))
    expect(found.suspects.rows[0]).toMatchObject({ urn: urn(faultyService), path: ['frontend', 'checkout', faultyService].map(urn) })
    expect(found.suspects.rows.slice(1).every(({ score }) => score < 0.5)).toBe(true)
    expect(found.oddities.rows.every(({ dst_urn }) => ['frontend', 'checkout', faultyService].map(urn).includes(dst_urn))).toBe(true)
    expect(found.hit!.rows.map((row) => row.urn)).toEqual(expect.arrayContaining(['frontend', 'checkout'].map(urn)))
    expect(found.hit!.rows.map((row) => row.urn)).not.toContain(urn('recommendation'))
    expect(found.patterns.rows[0]).toMatchObject({
      pattern: expect.stringContaining('payment provider took'),
      resources: [urn(faultyService)],
    })
    expect(found.chain!.rows.map(({ dim }) => dim)).toEqual(['metric', 'call', 'trace', 'log'])
    expect(found.chain!.rows.filter(({ object_key }) => object_key === 'incident.jsonl.gz')).toHaveLength(2)

    const story = tell(found, { sql: true })
    expect(story).toContain('payment, reached over frontend -> checkout -> payment')
    expect(story).toContain(leg.age ? 'activeCalls(scope)' : 'callsDuring(scope, { range })')
    const pictures = await draw(scope, found)
    expect(Object.keys(pictures)).toEqual(['call-graph.svg', 'latency.svg', 'incident.html'])
    expect(pictures['call-graph.svg']).toContain('1. payment, score ')
  })

  it('tell of nothing where nothing happened', async () => {
    const scope = await tenant(test.db, 'calm')
    const { range } = await load(scope, recording('calm'), {})
    const found = await investigate(scope, range)
    expect(found.entry.rows[0]!.call_count).toBeGreaterThan(2_000)
    expect(found.points.rows.length).toBeGreaterThanOrEqual(30)
    for (const finding of [found.departure, found.oddities, found.suspects, found.patterns]) expect(finding.rows).toEqual([])
    expect([found.since, found.hit, found.chain]).toEqual([undefined, undefined, undefined])
    expect(tell(found)).toContain('Nothing to report')
  })
})
