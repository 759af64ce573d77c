import { glob, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { clockTests, indifferentTests, longClockTests, moments, zoneTests } from '../support/moment/moments.ts'

const readsClock =
  /\bnew Date\(\)|\bDate\.now\(\)|\blast\('|(?<![.\w])now\(\)|\b(?:clock|transaction|statement)_timestamp\b|\bcurrent_(?:date|time)/

describe('the moments', () => {
  it('are those of every test that reads the clock', async () => {
    const reading: string[] = []
    for await (const file of glob('test/{unit,integration}/**/*.test.ts')) {
      if (readsClock.test(await readFile(file, 'utf8'))) reading.push(file)
    }
    const unlisted = reading.filter(
      (file) => file !== 'test/unit/moments.test.ts' && ![...clockTests, ...longClockTests].some((filter) => file.startsWith(filter)),
    )
    expect(unlisted.toSorted()).toEqual(indifferentTests)
  })

  it('are gone to by every test that is run at all of them in one process', async () => {
    for (const file of [...clockTests, ...zoneTests]) expect(await readFile(file, 'utf8')).toMatch(/^atEachMoment\(/m)
  })

  it('are eight, of which the server can be moved to those it is run at', () => {
    expect(moments).toHaveLength(8)
    for (const { now, server } of moments) {
      expect(new Date(now).toISOString()).toBe(now.replace('Z', '.000Z'))
      if (server) expect(now < '2026').toBe(true)
    }
  })

  it('lie on both sides of a boundary of chunks of every length', () => {
    const chunks = (now: string) => [7, 30, 90, 180].map((days) => Math.floor(Date.parse(now) / (days * 86_400_000)))
    const [before, after] = moments.map(({ now }) => chunks(now)) as [number[], number[]]
    expect(after).toEqual(before.map((number) => number + 1))
  })
})
