import { expect, it } from 'vitest'
import { MetricMemory } from '../../../src/ingest/rollups/metrics/metricMemory.ts'

const hour = 3_600_000

it('is forgotten after an hour of silence, totals of delta gauges too', () => {
  const memory = new MetricMemory()
  for (let series = 0; series < 100; series += 1) {
    memory.number(`n${series}`).advance(0, 0, 5)
    memory.total(`t${series}`, 1, 0)
    memory.previousTime(`d${series}`, 0)
  }
  memory.forget(hour)
  expect(memory.pack()).toMatchObject({ runs: { length: 100 }, totals: { length: 100 }, lastTimes: { length: 100 } })
  memory.forget(hour + 1)
  expect(memory.pack()).toBeUndefined()
})

it('gives the same answers whenever it is cleared up', () => {
  const [cleared, kept] = [new MetricMemory(), new MetricMemory()]
  const answers = (memory: MetricMemory, clear: boolean) =>
    [0, 60_000, 120_000, 4 * hour, 4 * hour + 60_000].map((time) => {
      if (clear) memory.forget(time)
      return [memory.number('n').advance(0, time, time / 1000), memory.total('t', 1, time), memory.previousTime('d', time)]
    })
  expect(answers(cleared, true)).toEqual(answers(kept, false))
})

it('goes on from JSON as if it had never left', () => {
  const distribution = (count: number) => ({
    count,
    sum: count,
    min: null,
    max: null,
    buckets: { scale: 0, counts: new Map([[1025, count]]) },
  })
  const summary = (count: number) => ({ count, sum: count, p95: 1, max: 2 })
  const before = (memory: MetricMemory) => {
    memory.number('n').advance(5, 10, 100)
    memory.number('n').advance(7, 12, 1)
    memory.distribution('h').advance(0, 10, distribution(3))
    memory.summary('s').advance(0, 10, summary(3))
    memory.total('t', 4, 10)
    memory.previousTime('d', 10)
  }
  const after = (memory: MetricMemory) => [
    memory.number('n').advance(5, 60_000, 160),
    memory.number('n').advance(7, 60_000, 31),
    memory.distribution('h').advance(0, 60_000, distribution(8)),
    memory.summary('s').advance(0, 60_000, summary(8)),
    memory.total('t', 4, 60_000),
    memory.previousTime('d', 60_000),
  ]
  const [whole, first, second] = [new MetricMemory(), new MetricMemory(), new MetricMemory()]
  before(whole)
  before(first)
  second.restore(JSON.parse(JSON.stringify(first.pack())))
  expect(after(second)).toEqual(after(whole))
})
