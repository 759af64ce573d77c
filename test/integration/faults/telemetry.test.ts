import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { externalClientUrn, serviceUrn, unknownCallerUrn } from '../../../src/catalog/index.ts'
import { ingest, type IngestOptions, type MalformedLine } from '../../../src/ingest/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { date, gauge, log, logs, metrics, point, spans } from '../../unit/ingest/telemetry.ts'
import { everything } from './everything.ts'
import { asLines, recording } from './recording.ts'

onEveryLeg('faulty telemetry, from the file to the rows', () => {
  let test: TestDatabase
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  async function loaded(text: string, options: IngestOptions = {}) {
    const scope = await tenant(test.db, `t-${++tenants}`)
    const report = await ingest(scope, Readable.from([text]), options)
    return { report, ...(await everything(scope)) }
  }

  it('counts what comes twice once: requests, spans and points', async () => {
    const once = recording({ minutes: 10 })
    const clean = await loaded(asLines(once))
    const twice = await loaded(asLines(once.flatMap((payload) => [payload, payload])))
    expect(twice.report).toMatchObject({ duplicateRequests: once.length, windows: 2 })
    expect(twice).toMatchObject({ metrics: clean.metrics, calls: clean.calls, patterns: clean.patterns })
    // Sent again in another envelope the bytes differ; the span and the point are the same.
    const span = { id: 'a', kind: 'SERVER', from: 1, to: 2 } as const
    const again = await loaded(
      asLines([
        spans('web', [span]),
        spans('web', [span, { ...span, id: 'b' }]),
        metrics('web', [gauge('g', [point(1, 5)])]),
        metrics('web', [gauge('g', [point(1, 5), point(2, 7)])]),
      ]),
    )
    expect(again.report).toMatchObject({ duplicateRequests: 0, duplicateRecords: 2 })
    expect(again.calls).toMatchObject([{ call_count: '2' }])
    expect(again.metrics).toMatchObject([{ sample_count: '2', avg_val: 6 }])
  })

  it('keeps what names no service under unknown_service', async () => {
    const { report, resources, calls, counts } = await loaded(
      asLines([logs(undefined, [log(1, 'hello')]), spans(undefined, [{ id: 'a', kind: 'SERVER', from: 1, to: 2 }])]),
    )
    expect(report.recordsWithoutService).toBe(2)
    const urn = serviceUrn('unknown_service')
    expect(resources).toMatchObject([{ urn: externalClientUrn }, { urn, name: 'unknown_service' }])
    expect(calls).toMatchObject([{ src: externalClientUrn, dst: urn, call_count: '1' }])
    expect(counts).toMatchObject([{ urn, pattern: 'hello' }])
  })

  it('takes a server whose parent never comes as called from outside of what is traced', async () => {
    const { report, calls } = await loaded(asLines([spans('web', [{ id: 'a', parent: 'gone', kind: 'SERVER', from: 1, to: 1.5 }])]))
    expect(report.unpaired.server).toBe(1)
    expect(calls).toMatchObject([{ src: unknownCallerUrn, dst: 'urn:k8s:svc:shop/web', p95_ms: 500, sample: { dataset: 'traces' } }])
  })

  it("lets the caller's clock count where the callee's contradicts it, and drops a span that ends before it starts", async () => {
    const { report, calls } = await loaded(
      asLines([
        spans('web', [
          { id: 'c', kind: 'CLIENT', from: 10, to: 10.2 },
          { id: 'x', kind: 'CLIENT', from: 20, to: 19, with: { 'peer.service': 'cart' } },
        ]),
        // Two minutes slow, and longer at it than its caller waited.
        spans('cart', [{ id: 's', parent: 'c', kind: 'SERVER', from: -110, to: -109 }]),
      ]),
    )
    expect(report).toMatchObject({ skewedCalls: 1, negativeSpans: 1 })
    expect(calls).toMatchObject([
      { bucket: date(0), src: 'urn:k8s:svc:shop/web', dst: 'urn:k8s:svc:shop/cart', call_count: '1', p50_ms: 200, p95_ms: 200 },
    ])
  })

  it('does not let one broken clock close the windows of everybody', async () => {
    const payloads = recording({ minutes: 10 })
    const clean = await loaded(asLines(payloads))
    const ahead = (Date.UTC(2200, 0, 1) - date(0).getTime()) / 1000
    const broken = logs('broken', [log(ahead, 'from the future')])
    const { report, ...rows } = await loaded(asLines([...payloads.slice(0, 20), broken, ...payloads.slice(20)]))
    expect(report).toMatchObject({ futureRecords: 1, lateRecords: 0 })
    expect({ metrics: rows.metrics, patterns: rows.patterns }).toEqual({ metrics: clean.metrics, patterns: clean.patterns })
    expect(rows.calls.length).toBe(clean.calls.length)
  })

  it('tells malformed lines by file and number, and loads the lines around them', async () => {
    const payloads = recording({ minutes: 5 })
    const good = asLines(payloads).split('\n')
    const bad = ['no JSON', '{"resourceLogs": 5}', '{"a": "\u0000"}', '[5]', '"text"', '[[5]]', '\ufffd']
    const malformed: MalformedLine[] = []
    const clean = await loaded(good.join('\n'))
    const { report, ...rows } = await loaded(good.flatMap((line, at) => (bad[at] === undefined ? [line] : [line, bad[at]])).join('\n'), {
      origin: { objectBucket: 'b', objectKey: 'k' },
      onMalformed: (line) => malformed.push(line),
    })
    expect(report.malformed).toBe(bad.length)
    expect(malformed.map(({ file, line }) => [file, line])).toEqual(bad.map((_, at) => ['k', 2 * at + 2]))
    for (const { reason } of malformed) expect(reason).toMatch(/^not (?:JSON|an OTLP export request)/)
    expect(rows.metrics).toEqual(clean.metrics)
    expect(rows.patterns).toEqual(clean.patterns)
    expect(rows.calls.map((call) => ({ ...(call as object), sample: 0 }))).toEqual(
      clean.calls.map((call) => ({ ...(call as object), sample: 0 })),
    )
  })

  it.runIf(leg.concurrent)('loaded by four connections at once gives the rows of one', async () => {
    const text = asLines(recording({ minutes: 60 }))
    const { report: _, ...clean } = await loaded(text)
    const scope = await tenant(test.db, 'together')
    await Promise.all(Array.from({ length: 4 }, () => ingest(scope, Readable.from([text]))))
    expect(await everything(scope)).toEqual(clean)
  })
})
