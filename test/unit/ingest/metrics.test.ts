import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MetricRow } from '../../../src/ingest/rollups/windows/ingestWindow.ts'
import { histogramCount, histogramOf, quantileOf, relativeError } from '../../../src/sketch/exponentialHistogram.ts'
import { at, attributes, date, gauge, metrics, point, rolledUp, sum, urn } from './telemetry.ts'

const rows = async (...payloads: object[]): Promise<MetricRow[]> => (await rolledUp(payloads)).windows.flatMap((window) => window.metrics)
const brief = ({ bucket, avg, max, p95, sampleCount }: MetricRow) => ({ bucket, avg, max, p95, sampleCount })
const one = (seconds: number, value: number) => ({ bucket: date(seconds), avg: value, max: value, p95: value, sampleCount: 1 })

describe('gauges', () => {
  it('are averaged by minute, with their maximum, percentile, count and histogram', async () => {
    const [first, second] = await rows(metrics('a', [gauge('depth', [point(0, 10), point(15, 20), point(30, 60), point(60, 5)], '{item}')]))
    expect(first).toEqual({
      bucket: date(0),
      resource: urn('a'),
      metric: 'depth',
      labels: {},
      unit: '{item}',
      kind: 'gauge',
      avg: 30,
      max: 60,
      p95: 60,
      sampleCount: 3,
      histogram: histogramOf([10, 20, 60]),
    })
    expect(second).toMatchObject({ ...one(60, 5), histogram: null })
  })

  it('have the exact nearest-rank percentile', async () => {
    const points = Array.from({ length: 40 }, (_, i) => point(i, i + 1))
    const [row] = await rows(metrics('a', [gauge('depth', points)]))
    expect(row).toMatchObject({ p95: 38, max: 40, avg: 20.5, sampleCount: 40 })
  })

  it('keep apart what has other attributes, and bring instances of one service together', async () => {
    const of = (instance: string, value: number) =>
      metrics('a', [gauge('depth', [point(1, value, undefined, { q: 'x' }), point(1, 100, undefined, { q: 'y' })])], {
        'service.instance.id': instance,
      })
    const found = await rows(of('i1', 1), of('i2', 3))
    expect(found.map(({ labels, avg, sampleCount }) => ({ labels, avg, sampleCount }))).toEqual([
      { labels: { q: 'x' }, avg: 2, sampleCount: 2 },
      { labels: { q: 'y' }, avg: 100, sampleCount: 2 },
    ])
  })

  it('do not use NaN, infinities, missing values and the flag "no recorded value"', async () => {
    const { windows, report } = await rolledUp([
      metrics('a', [
        gauge('depth', [
          { timeUnixNano: at(1), asDouble: 'NaN' },
          { timeUnixNano: at(2), asDouble: 'Infinity' },
          { timeUnixNano: at(3) },
          { timeUnixNano: at(4), asDouble: 7, flags: 1 },
          { timeUnixNano: at(5), asInt: '-4' },
        ]),
      ]),
    ])
    expect(windows[0]!.metrics.map(brief)).toEqual([one(0, -4)])
    expect(report.unusablePoints).toBe(4)
  })

  it('have a null unit when none is given, and are counted', async () => {
    const { windows, report } = await rolledUp([metrics('a', [gauge('depth', [point(0, 1)], '')])])
    expect(windows[0]!.metrics[0]!.unit).toBeNull()
    expect(report.pointsWithoutUnit).toBe(1)
  })

  it('with two units in one minute: one is kept, the other counted', async () => {
    const { windows, report } = await rolledUp([metrics('a', [gauge('t', [point(0, 1)], 's'), gauge('t', [point(1, 1000)], 'ms')])])
    expect(windows[0]!.metrics).toMatchObject([{ unit: 'ms', avg: 1000 }])
    expect(report.conflictingPoints).toBe(1)
  })
})

describe('monotonic sums', () => {
  it('cumulative: become the rate since the point before', async () => {
    const points = [point(15, 100, -600), point(30, 250, -600), point(45, 250, -600), point(60, 550, -600)]
    const found = await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, points)]))
    // The first only sets the baseline: its start is ten minutes away. Then 10, 0 and, in the next minute, 20 a second.
    expect(found.map(brief)).toEqual([{ bucket: date(0), avg: 5, max: 10, p95: 10, sampleCount: 2 }, one(60, 20)])
    expect(found[0]).toMatchObject({ kind: 'counter', unit: 'By/s' })
  })

  it('cumulative: the first point counts when the series has just begun', async () => {
    const found = await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, [point(10, 50, 0), point(20, 60, 0)])]))
    // 50 in the minute that ends with it, then 10 in ten seconds.
    expect(found.map(brief)).toEqual([{ bucket: date(0), avg: (50 / 60 + 1) / 2, max: 1, p95: 1, sampleCount: 2 }])
  })

  it('cumulative: a new start is a restart, whose value counts since that start, or for a minute', async () => {
    const before = [point(0, 900, -900), point(60, 960, -900)]
    const after = async (...points: object[]) =>
      (await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, [...before, ...points])]))).slice(1).map(brief)
    expect(await after(point(120, 80, 100))).toEqual([one(120, 80 / 60)])
    expect(await after(point(240, 80, 160))).toEqual([one(240, 1)])
    // A start that somebody made up, a millisecond before the point.
    expect(await after(point(120, 30, 119.999), point(180, 630, 119.999))).toEqual([one(120, 0.5), one(180, 10)])
    // Since the point before, where that is less than a minute ago: 45 in 30 seconds.
    const [both] = await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, [...before, point(90, 45, 89.999)])]))
    expect(brief(both!)).toMatchObject({ bucket: date(60), avg: 1.25, max: 1.5, sampleCount: 2 })
  })

  it('delta and reset: an interval that is made up makes no rate absurd', async () => {
    const found = await rows(metrics('a', [sum('bytes', 'DELTA', true, [point(60, 5, 59.999999)])]))
    expect(found.map(brief)).toEqual([one(60, 5)])
    const reset = await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, [point(0, 900), point(60, 960), point(60.001, 30)])]))
    expect(reset.map(brief)).toMatchObject([{ max: 1, sampleCount: 2 }])
  })

  it('cumulative: a smaller value is a reset nobody mentioned, and counts since the point before', async () => {
    const found = await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, [point(0, 900), point(60, 960), point(120, 30)])]))
    expect(found.map(brief)).toEqual([one(60, 1), one(120, 0.5)])
  })

  it('cumulative: two processes that do not tell themselves apart are told apart by their starts', async () => {
    const first = [point(0, 1000, -1000), point(60, 1060, -1000), point(120, 1120, -1000)]
    const second = [point(1, 5000, -2000), point(61, 5120, -2000), point(121, 5240, -2000)]
    const found = await rows(metrics('a', [sum('bytes', 'CUMULATIVE', true, [...first, ...second])]))
    expect(found.map(brief)).toEqual([60, 120].map((seconds) => ({ bucket: date(seconds), avg: 1.5, max: 2, p95: 2, sampleCount: 2 })))
  })

  it('cumulative: instances stay apart though they share a row', async () => {
    const of = (instance: string, values: number[]) =>
      metrics(
        'a',
        [
          sum(
            'bytes',
            'CUMULATIVE',
            true,
            values.map((value, i) => point(i * 60, value, -900)),
          ),
        ],
        { 'service.instance.id': instance },
      )
    const found = await rows(of('i1', [0, 60, 120]), of('i2', [9000, 9180, 9360]))
    expect(found.map(brief)).toEqual([60, 120].map((seconds) => ({ bucket: date(seconds), avg: 2, max: 3, p95: 3, sampleCount: 2 })))
  })

  it('cumulative: go on from one window to the next', async () => {
    const points = Array.from({ length: 12 }, (_, i) => metrics('a', [sum('bytes', 'CUMULATIVE', true, [point(i * 60, i * 120, -900)])]))
    const found = await rows(...points)
    expect(found.map(brief)).toEqual(Array.from({ length: 11 }, (_, i) => one((i + 1) * 60, 2)))
  })

  it('delta: become their value over their own interval', async () => {
    const found = await rows(metrics('a', [sum('bytes', 'DELTA', true, [point(10, 30, 0), point(20, 50, 10)])]))
    expect(found.map(brief)).toEqual([{ bucket: date(0), avg: 4, max: 5, p95: 5, sampleCount: 2 }])
  })

  it('delta: without a start the interval is that since the point before', async () => {
    const { windows, report } = await rolledUp([metrics('a', [sum('bytes', 'DELTA', true, [point(10, 30), point(20, 50)])])])
    expect(windows[0]!.metrics.map(brief)).toEqual([one(0, 5)])
    expect(report.baselinePoints).toBe(1)
  })

  it('without a temporality are of no use', async () => {
    const { report } = await rolledUp([metrics('a', [{ name: 'x', sum: { isMonotonic: true, dataPoints: [point(0, 1)] } }])])
    expect(report.unusablePoints).toBe(1)
  })
})

describe('sums that also fall', () => {
  it('cumulative: are gauges', async () => {
    const found = await rows(metrics('a', [sum('open', 'CUMULATIVE', false, [point(0, 5, -9), point(30, 3, -9)], '1')]))
    expect(found).toMatchObject([{ kind: 'gauge', unit: '1', avg: 4, max: 5, sampleCount: 2 }])
  })

  it('delta: are added up', async () => {
    const found = await rows(metrics('a', [sum('open', 'DELTA', false, [point(0, 5), point(60, -2), point(120, 4)])]))
    expect(found.map(brief)).toEqual([one(0, 5), one(60, 3), one(120, 7)])
  })
})

const histogram = (temporality: 'DELTA' | 'CUMULATIVE', dataPoints: object[]) => ({
  name: 'duration',
  unit: 'ms',
  histogram: { aggregationTemporality: `AGGREGATION_TEMPORALITY_${temporality}`, dataPoints },
})
const buckets = (seconds: number, counts: number[], total: number, more: object = {}) => ({
  timeUnixNano: at(seconds),
  startTimeUnixNano: at(-900),
  count: String(counts.reduce((all, count) => all + count, 0)),
  sum: total,
  bucketCounts: counts.map(String),
  explicitBounds: [10, 20, 40],
  attributes: [],
  ...more,
})

describe('explicit-bucket histograms', () => {
  it('delta: count and mean are exact, percentiles as exact as the buckets', async () => {
    const [row] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [0, 80, 20, 0], 2000)])]))
    expect(row).toMatchObject({ kind: 'histogram', unit: 'ms', sampleCount: 100, avg: 20, max: 40 })
    expect(histogramCount(row!.histogram!)).toBe(100)
    // Rank 95 is the 15th of 20 evenly spaced in (20, 40]: 34.5.
    expect(Math.abs(row!.p95! - 34.5)).toBeLessThanOrEqual(34.5 * relativeError(5))
    // Rank 40 is the 40th of 80 in (10, 20]: 14.9375.
    expect(Math.abs(quantileOf(row!.histogram!, 0.4) - 14.9375)).toBeLessThanOrEqual(14.9375 * relativeError(5))
  })

  it('delta: use minimum and maximum where they are given', async () => {
    const [row] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [10, 0, 0, 10], 5090, { min: 8, max: 1000 })])]))
    expect(row!.max).toBe(1000)
    expect(quantileOf(row!.histogram!, 0)).toBeGreaterThan(8 * (1 - relativeError(5)))
    expect(quantileOf(row!.histogram!, 1)).toBeGreaterThan(900)
  })

  it('delta: what lies above all bounds is where the sum says, when no maximum is given', async () => {
    const [all] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [0, 0, 0, 5], 500)])]))
    expect(all).toMatchObject({ max: 100, p95: 100, avg: 100, sampleCount: 5 })
    // 50 below 10, at 5 each, leave 1,000 for each of the 50 others.
    const [half] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [50, 0, 0, 50], 50_250)])]))
    expect(half).toMatchObject({ max: 1000, avg: 502.5 })
    expect(Math.abs(half!.p95! - 1000)).toBeLessThanOrEqual(1000 * relativeError(5))
    const [unknown] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [50, 0, 0, 50], 0, { sum: null })])]))
    expect(unknown).toMatchObject({ max: 40, p95: 40 })
  })

  it('are spread in no time however many values lie however close', async () => {
    const count = String(Number.MAX_SAFE_INTEGER)
    for (const max of [1.0000000000000002, 1.0000000000000004, 1e-320]) {
      const extremes = { min: max < 1 ? 0 : 1, max, count, bucketCounts: [count, '0'], explicitBounds: [5] }
      const [row] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [1], 1, extremes)])]))
      expect(histogramCount(row!.histogram!)).toBe(Number.MAX_SAFE_INTEGER)
    }
  })

  it('have a maximum that is never below the average, whatever they say', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }),
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true })),
        async (counts, total, max) => {
          const found = await rows(metrics('a', [histogram('DELTA', [buckets(1, counts, total, { max })])]))
          for (const row of found) {
            expect(row.max).toBeGreaterThanOrEqual(row.avg!)
            expect(row.p95).toBeLessThanOrEqual(row.max!)
          }
        },
      ),
    )
  })

  it('a single observation is its sum, exactly', async () => {
    const [row] = await rows(metrics('a', [histogram('DELTA', [buckets(1, [0, 1, 0, 0], 13.5)])]))
    expect(row).toMatchObject({ ...one(0, 13.5), histogram: null })
  })

  it('cumulative: are the difference of two points; a reset begins anew', async () => {
    const points = [
      buckets(0, [5, 5, 0, 0], 100),
      buckets(60, [5, 7, 0, 0], 132),
      buckets(120, [0, 0, 1, 0], 30, { startTimeUnixNano: at(90) }),
      buckets(180, [0, 0, 1, 0], 30, { startTimeUnixNano: at(90) }),
    ]
    const found = await rows(metrics('a', [histogram('CUMULATIVE', points)]))
    expect(found).toMatchObject([
      { bucket: date(60), sampleCount: 2, avg: 16 },
      { bucket: date(120), sampleCount: 1, avg: 30 },
    ])
    expect(found[0]!.histogram!.length).toBeGreaterThan(1)
  })

  it('whose buckets contradict count or bounds are of no use', async () => {
    const { report } = await rolledUp([
      metrics('a', [
        histogram('DELTA', [
          buckets(1, [1, 1, 1, 1], 9, { count: '5' }),
          buckets(2, [1, 1], 9),
          buckets(3, [1, 1, 1, 1], 9, { explicitBounds: [10, 10, 40] }),
        ]),
      ]),
    ])
    expect(report.unusablePoints).toBe(3)
  })

  it('spread every count, however skewed, negative or large, without losing one', async () => {
    const [row] = await rows(
      metrics('a', [
        histogram('DELTA', [
          buckets(1, [7, 13, 1_000_001, 3], 1, { explicitBounds: [-10, 5, 1e9], min: -50, max: 5e9 }),
          buckets(2, [2, 0, 0, 2], 1, { explicitBounds: [-10, -5, 0] }),
        ]),
      ]),
    )
    expect(row!.sampleCount).toBe(1_000_028)
    expect(histogramCount(row!.histogram!)).toBe(1_000_028)
  })
})

describe('exponential histograms', () => {
  const exponential = (dataPoints: object[]) => ({
    name: 'duration',
    unit: 's',
    exponentialHistogram: { aggregationTemporality: 2, dataPoints },
  })
  const fresh = { timeUnixNano: at(60), startTimeUnixNano: at(0) }

  it('of the recording scale and coarser ones keep their buckets, finer ones are made coarser', async () => {
    // At scale 5 bucket 32 is (2, 2.04]; at scale 6 buckets 64 and 65 are its halves; at scale 0 bucket 1 is (2, 4].
    const buckets = (scale: number, offset: number, bucketCounts: string[]) => ({
      ...fresh,
      scale,
      count: 3,
      sum: 6.06,
      positive: { offset, bucketCounts },
    })
    const [at5] = await rows(metrics('a', [exponential([buckets(5, 32, ['3'])])]))
    const [at6] = await rows(metrics('a', [exponential([buckets(6, 64, ['1', '2'])])]))
    const [at0] = await rows(metrics('a', [exponential([buckets(0, 1, ['3'])])]))
    expect(at5!.histogram).toEqual([5, 65_569, 3])
    expect(at6!.histogram).toEqual([5, 65_569, 3])
    expect(at0!.histogram).toEqual([0, 2050, 3])
    expect(at5!.avg).toBeCloseTo(2.02, 12)
  })

  it('have zeros and negative values, and are subtracted at the coarser of two scales', async () => {
    const found = await rows(
      metrics('a', [
        exponential([
          {
            timeUnixNano: at(0),
            startTimeUnixNano: at(-900),
            scale: 1,
            count: 4,
            sum: 0,
            zeroCount: 1,
            positive: { offset: 2, bucketCounts: ['3'] },
          },
          {
            timeUnixNano: at(60),
            startTimeUnixNano: at(-900),
            scale: 0,
            count: 9,
            sum: 0,
            zeroCount: 2,
            positive: { offset: 1, bucketCounts: ['4'] },
            negative: { offset: 0, bucketCounts: ['3'] },
          },
        ]),
      ]),
    )
    expect(found.map(({ histogram }) => histogram)).toEqual([[0, -2049, 3, 0, 1, 2050, 1]])
  })
})

describe('summaries', () => {
  it('keep count, mean and the quantiles they bring', async () => {
    const summary = (seconds: number, count: number, total: number) => ({
      timeUnixNano: at(seconds),
      startTimeUnixNano: at(-900),
      count,
      sum: total,
      quantileValues: [
        { quantile: 0.5, value: 3 },
        { quantile: 0.95, value: 8 },
        { quantile: 1, value: 9 },
      ],
    })
    const found = await rows(metrics('a', [{ name: 'gc', unit: 's', summary: { dataPoints: [summary(0, 10, 40), summary(60, 14, 60)] } }]))
    expect(found).toMatchObject([{ kind: 'summary', bucket: date(60), sampleCount: 4, avg: 5, p95: 8, max: 9, histogram: null }])
  })

  it('have zeros where protobuf leaves them out', async () => {
    const summary = (seconds: number, more: object) => ({
      timeUnixNano: at(seconds),
      startTimeUnixNano: at(-10),
      quantileValues: [{ quantile: 0.95 }, { quantile: 1 }],
      ...more,
    })
    const dataPoints = [summary(0, {}), summary(60, { count: 4 })]
    const found = await rows(metrics('a', [{ name: 'gc', unit: 's', summary: { dataPoints } }]))
    expect(found).toContainEqual(expect.objectContaining({ bucket: date(60), sampleCount: 4, avg: 0, p95: 0, max: 0 }))
  })
})

describe('names', () => {
  it('are data, or refused by name when they are too long', async () => {
    const hostile = `'; drop table metric_1m; -- $$ "q" \\ 🦊`
    const { windows, report } = await rolledUp([
      metrics('a', [
        gauge(hostile, [{ ...point(0, 1), attributes: attributes({ [hostile]: hostile, 'nul\0': 'x\ud800' }) }]),
        gauge('x'.repeat(256), [point(0, 1)]),
        gauge('', [point(0, 1)]),
      ]),
      metrics('y'.repeat(10_000), [gauge('depth', [point(0, 1), point(1, 1)])]),
    ])
    expect(windows[0]!.metrics).toMatchObject([{ metric: hostile, labels: { [hostile]: hostile, 'nul\ufffd': 'x\ufffd' } }])
    expect(report.refused).toEqual({
      'metric name is longer than 255 bytes': 1,
      'metric name is empty': 1,
      'urn is too long': 2,
    })
  })
})
