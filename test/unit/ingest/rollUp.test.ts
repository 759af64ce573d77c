import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import { emptyReport } from '../../../src/ingest/rollups/windows/rollUpReport.ts'
import { all, date, gauge, log, logs, metrics, noon, point, requests, rolledUp, spans, sum, urn } from './telemetry.ts'

const tick = (seconds: number) => logs('clock', [log(seconds, 'tick')])

describe('windows', () => {
  it('come in order, one for each five minutes with records, with everything that fell into them', async () => {
    const { windows, report } = await rolledUp([tick(0), tick(299.999), tick(900), tick(300)])
    expect(windows.map(({ from, to, patterns }) => [from, to, patterns[0]!.countTotal])).toEqual([
      [date(0), date(300), 2],
      [date(300), date(600), 1],
      [date(900), date(1200), 1],
    ])
    expect(report).toMatchObject({ requests: 4, logRecords: 4, windows: 3, lateRecords: 0 })
  })

  it('name their resources once, sorted, and where their records lie', async () => {
    const [window] = (await rolledUp([tick(0), metrics('a', [gauge('g', [point(1, 1)])], { 'cloud.region': 'eu' }), tick(2)])).windows
    expect(window!.resources).toMatchObject([
      { urn: urn('a'), type: 'service', name: 'a', region: 'eu', labels: { 'service.namespace': 'shop' } },
      { urn: urn('clock'), region: null },
    ])
    expect(window!.locators).toMatchObject([
      { dataset: 'logs', objectBucket: 'b', objectKey: 'k', tFrom: date(0), tTo: date(300), attributes: { first_line: 1, last_line: 3 } },
      { dataset: 'metrics', attributes: { first_line: 2, last_line: 2 } },
    ])
    expect(window!.locators[window!.patterns[0]!.locator]!.dataset).toBe('logs')
  })

  it('count every record once, however many are encoded at a time', async () => {
    const payloads = Array.from({ length: 240 }, (_, at) =>
      logs(
        `s${at % 3}`,
        Array.from({ length: 100 }, (_, record) => log(at + record / 1000, `request ${at} done`)),
      ),
    )
    const { windows, report } = await rolledUp([...payloads, ...payloads.slice(0, 7)])
    expect(windows.flatMap(({ patterns }) => patterns.map(({ countTotal }) => countTotal))).toEqual([8000, 8000, 8000])
    expect(report).toMatchObject({ requests: 247, duplicateRequests: 7 })
    expect(report.records.logs).toEqual({ read: 24_700, rolledUp: 24_000, waiting: 0, duplicate: 700, late: 0, refused: 0 })
  })

  it('take what comes for them until the input ends, however late', async () => {
    const { windows, report } = await rolledUp([tick(0), tick(86_400), tick(250), tick(3600), tick(251)])
    expect(windows.map(({ from, patterns }) => [from, patterns[0]!.countTotal])).toEqual([
      [date(0), 3],
      [date(3600), 1],
      [date(86_400), 1],
    ])
    expect(report.lateRecords).toBe(0)
  })

  it('take a call that lasts longer than the horizon when it ends', async () => {
    const slow = spans('a', [{ id: 's', kind: 'SERVER', from: 10, to: 10 + 901, failed: true }])
    const { windows } = await rolledUp([slow])
    expect(windows.map(({ from, calls }) => [from, calls[0]!.callCount, calls[0]!.errorCount])).toEqual([[date(900), 1, 1]])
    expect((await rolledUp([slow], { horizon: '1 hour' })).windows[0]!.from).toEqual(date(0))
    await expect(rolledUp([], { horizon: 'soon' })).rejects.toThrow('must be a positive interval')
  })

  it('are shifted with their records', async () => {
    const shift = 3 * 300_000
    const plain = await rolledUp([tick(10), metrics('a', [sum('s', 'CUMULATIVE', true, [point(10, 1, 0), point(20, 2, 0)])])])
    const { windows } = await rolledUp([tick(10), metrics('a', [sum('s', 'CUMULATIVE', true, [point(10, 1, 0), point(20, 2, 0)])])], {
      shiftMs: shift,
    })
    expect(windows[0]!.from).toEqual(new Date(noon + shift))
    expect(windows[0]!.patterns[0]).toMatchObject({ firstSeen: new Date(noon + 10_000 + shift) })
    expect(windows[0]!.metrics[0]).toEqual({ ...plain.windows[0]!.metrics[0]!, bucket: new Date(noon + shift) })
    await expect(rolledUp([], { shiftMs: 0.5 })).rejects.toThrow('shiftMs: must be a whole number of milliseconds, got 0.5')
  })
})

describe('what comes twice', () => {
  it('counts once: a request, a span, a point', async () => {
    const request = logs('a', [log(1, 'once')])
    const metric = metrics('a', [gauge('g', [point(1, 5)])])
    const again = metrics('a', [gauge('g', [point(1, 5), point(2, 7)])])
    const { windows, report } = await rolledUp([request, request, metric, again])
    expect(windows[0]!.patterns[0]!.countTotal).toBe(1)
    expect(windows[0]!.metrics[0]).toMatchObject({ sampleCount: 2, avg: 6 })
    expect(report).toMatchObject({ duplicateRequests: 1, duplicateRecords: 1 })
  })
})

describe('broken clocks', () => {
  const day = 86_400
  const usual = Array.from({ length: 12 }, (_, i) => tick(i * 60))
  const ahead = (Date.UTC(2200, 0, 1) - noon) / 1000

  it('that are ahead of ours cost their own records, whatever stands beside them', async () => {
    const broken = logs('a', [log(5, 'x'), log(ahead, 'x')])
    for (const payloads of [
      [broken, ...usual],
      [...usual, broken],
      [...usual.slice(0, 9), broken, ...usual.slice(9)],
    ]) {
      const { windows, report } = await rolledUp(payloads)
      expect(report).toMatchObject({ futureRecords: 1, lateRecords: 0, records: { logs: { read: 14, rolledUp: 13, refused: 1 } } })
      expect(windows.map(({ from }) => from)).toEqual([0, 300, 600].map(date))
    }
  })

  it('behind, or hours ahead, keep nobody else from being counted', async () => {
    const { windows, report } = await rolledUp([...usual, logs('b', [log(8 * 3600, 'x')]), tick(-56 * 365 * day), tick(721)])
    expect(report.records.logs).toEqual({ read: 15, rolledUp: 15, waiting: 0, duplicate: 0, late: 0, refused: 0 })
    expect(windows.map(({ patterns }) => patterns.reduce((sum, { countTotal }) => sum + countTotal, 0))).toEqual([1, 5, 5, 3, 1])
  })

  it('are not suspected when the data has a gap of days', async () => {
    const after = Array.from({ length: 12 }, (_, i) => tick(5 * day + i * 60))
    const { windows, report } = await rolledUp([...usual, ...after])
    expect(report.futureRecords).toBe(0)
    expect(windows.map(({ from }) => from)).toEqual([0, 300, 600, 5 * day, 5 * day + 300, 5 * day + 600].map(date))
  })
})

describe('the order of requests', () => {
  /** Twenty minutes of telemetry, a request each ten seconds for each of three signals. */
  const payloads = Array.from({ length: 120 }, (_, i) => i * 10).flatMap((seconds) => [
    logs('a', [log(seconds, `order ${seconds} took ${seconds % 7} ms`, seconds % 50 ? 9 : 17), log(seconds + 3, 'steady', 13)]),
    metrics(
      'a',
      [sum('bytes', 'CUMULATIVE', true, [point(seconds, seconds * 3.3, -900)]), gauge('g', [point(seconds + 1, Math.sqrt(seconds))])],
      {
        'service.instance.id': `i${seconds % 3}`,
      },
    ),
    spans('a', [{ id: `c${seconds}`, kind: 'CLIENT', from: seconds + 2, to: seconds + 2.123 + seconds / 1e4 }]),
    spans('b', [
      { id: `s${seconds}`, parent: `c${seconds}`, kind: 'SERVER', from: seconds + 2.01, to: seconds + 2.1, failed: seconds % 110 === 0 },
    ]),
  ])
  const inOrder = requests(payloads)

  it('does not matter, nor how they are cut into batches', async () => {
    const report = emptyReport()
    const expected = await all(rollUp(inOrder, { report }))
    expect(report).toMatchObject({ lateRecords: 0, unpaired: { client: 0, producer: 0, server: 0, consumer: 0 } })
    expect(expected.flatMap(({ calls }) => calls).reduce((sum, { callCount }) => sum + callCount, 0)).toBe(120)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: inOrder.length, maxLength: inOrder.length }),
        async (delays) => {
          const arrival = inOrder.map((request, at) => ({ request, time: Math.floor(at / 4) * 10 + delays[at]! }))
          arrival.sort((a, b) => a.time - b.time)
          const shuffled = arrival.map(({ request }) => request)
          const other = emptyReport()
          expect(await all(rollUp(shuffled, { report: other }))).toEqual(expected)
          expect(other).toEqual(report)
        },
      ),
      { numRuns: 25 },
    )
  })
})

it('counts what was refused of requests, by kind and reason', async () => {
  const request = logs('a', [
    log(0, 'a'),
    { ...log(1, 'b'), body: 1 },
    { ...log(2, 'c'), severityNumber: 'LOUD' },
    { ...log(3, 'd'), body: 2 },
  ])
  const { windows, report } = await rolledUp([request, request])
  expect(windows[0]!.patterns).toMatchObject([{ countTotal: 1 }])
  expect(report).toMatchObject({
    logRecords: 4,
    duplicateRequests: 1,
    refused: {
      'logRecords.body must be an attribute value': 2,
      'logRecords.severityNumber must be a whole number or one of SEVERITY_NUMBER_*': 1,
    },
  })
})

describe('resources without a service', () => {
  it('are the host for metrics and logs, when they have one', async () => {
    const { windows, report } = await rolledUp([metrics(undefined, [gauge('cpu', [point(0, 1)])], { 'host.name': 'node-1' })])
    expect(windows[0]!.metrics[0]!.resource).toBe('urn:host:node-1')
    expect(report.recordsWithoutService).toBe(0)
  })
})

it('stops when it is told to', async () => {
  const controller = new AbortController()
  const windows = rollUp(requests(Array.from({ length: 40 }, (_, i) => tick(i * 60))), { signal: controller.signal })
  await windows.next()
  controller.abort(new Error('enough'))
  await expect(windows.next()).rejects.toThrow('enough')
})
