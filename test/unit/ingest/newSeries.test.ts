import { expect, it } from 'vitest'
import { KnownSeries } from '../../../src/ingest/writer/newSeries.ts'

it('knows the series of transactions that were committed, and no others', () => {
  const known = new KnownSeries()
  const [committed, failed] = [known.begin(), known.begin()]
  committed.note(['a', 'b'])
  failed.note(['c'])
  expect(['a', 'b', 'c'].filter((key) => committed.has(key))).toEqual([])
  known.add(committed)
  expect(['a', 'b', 'c'].filter((key) => known.has(key))).toEqual(['a', 'b'])
  expect(known.begin().has('a')).toBe(true)
})

it('keeps no more than fifty thousand', () => {
  const known = new KnownSeries()
  for (let at = 0; at < 30; at++) {
    const one = known.begin()
    one.note(Array.from({ length: 2_000 }, (_, index) => `${at} ${index}`))
    known.add(one)
  }
  // It begins again when it is full.
  expect([known.has('29 0'), known.has('0 0')]).toEqual([true, false])
  const wide = known.begin()
  wide.note(Array.from({ length: 60_000 }, (_, index) => `wide ${index}`))
  known.add(wide)
  expect(known.has('wide 0')).toBe(false)
})
