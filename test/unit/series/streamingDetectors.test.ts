import { expect, it } from 'vitest'
import { restoreDetectors, streamingDetectors } from '../../../src/series/streaming/streamingDetectors.ts'
import { streamingDetector } from '../../../src/series/streaming/streamingDetector.ts'
import { bucketAt, points } from '../../support/points.ts'

const values = [10, 12, 11, 9, 10, 11, 10, 12, 9, 10, 11, 10, 30, 10, 2]

it('judges each series by its own points, whatever their order among each other', () => {
  const detectors = streamingDetectors({ threshold: 3 })
  const alone = streamingDetector({ threshold: 3 })
  for (const [index, point] of points('__proto__', values).entries()) {
    detectors.observe({ series: 'ahead', bucket: bucketAt(index + 100), value: 1_000 })
    const judgement = alone.observe(point)
    expect(detectors.observe(point)).toEqual(judgement && { series: '__proto__', ...judgement })
  }
  expect(detectors.series()).toEqual(['ahead', '__proto__'])
})

it('says after a restart what it would have said without one', () => {
  const straight = streamingDetectors({ method: 'ewma' })
  for (const point of [...points('a', values), ...points('__proto__', values.slice(0, 3))]) straight.observe(point)
  const restarted = restoreDetectors(JSON.parse(JSON.stringify(straight)))
  expect(restarted.series()).toEqual(['a', '__proto__'])
  for (const series of ['a', '__proto__']) {
    const next = { series, bucket: bucketAt(20), value: 40 }
    expect(restarted.observe(next)).toEqual(straight.observe(next))
  }
})

it('forgets a series when told to', () => {
  const detectors = streamingDetectors()
  for (const point of points('a', values)) detectors.observe(point)
  expect([detectors.forget('a'), detectors.forget('a'), detectors.series()]).toEqual([true, false, []])
  expect(detectors.observe({ series: 'a', bucket: bucketAt(0), value: 1 })).toBeNull()
})

it('begins no series with a point that it refuses', () => {
  const detectors = streamingDetectors()
  expect(() => detectors.observe({ series: 'a', bucket: new Date(Number.NaN), value: 1 })).toThrow('observation.bucket')
  expect(() => detectors.observe({ series: 7 as unknown as string, bucket: bucketAt(0), value: 1 })).toThrow(
    'observation.series: must be a string, got 7',
  )
  expect(detectors.series()).toEqual([])
})

it.each([
  ['a name twice', (state: object[]) => [...state, ...state], 'state.series'],
  ['a name that is none', (state: object[]) => state.map((each) => ({ ...each, name: 1 })), 'state.series[0].name'],
])('refuses a state with %s', (_, change, message) => {
  const detectors = streamingDetectors()
  for (const point of points('a', values)) detectors.observe(point)
  const state = detectors.toJSON()
  expect(() => restoreDetectors({ ...state, series: change(state.series) })).toThrow(message)
})
