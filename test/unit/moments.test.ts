import { glob, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { clockTests, indifferentTests, legsInProcess, longClockTests, moments, momentsOf, zoneTests } from '../support/moment/moments.ts'

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

  it('are gone to by every test that is run at several of them in one process', async () => {
    for (const file of [...clockTests, ...zoneTests]) expect(await readFile(file, 'utf8')).toMatch(/^atEachMoment\(/m)
  })

  it('are eight, of which the server can be moved to those it is run at', () => {
    expect(moments).toHaveLength(8)
    for (const { now } of moments) expect(new Date(now).toISOString()).toBe(now.replace('Z', '.000Z'))
    for (const { now } of momentsOf('server')) expect(now < '2026').toBe(true)
  })

  it('are each gone to on a leg in process, and with --all on both of them', () => {
    expect(moments.filter(({ legs }) => !legsInProcess.some((leg) => legs.includes(leg)))).toEqual([])
    for (const leg of legsInProcess) expect(momentsOf(leg, { all: true })).toEqual(moments)
    expect(momentsOf('server', { all: true }).length).toBeGreaterThanOrEqual(5)
  })

  it.each(legsInProcess)('are five on the %s leg at least: both sides of a boundary of chunks, and some of every other kind', (leg) => {
    const gone = momentsOf(leg)
    expect(gone.length).toBeGreaterThanOrEqual(5)
    const ofKind = Map.groupBy(moments, ({ kind }) => kind)
    expect([...ofKind.keys()]).toEqual(['chunk', 'calendar', 'zone'])
    expect(gone.filter(({ kind }) => kind === 'chunk')).toEqual(ofKind.get('chunk'))
    for (const kind of ofKind.keys()) expect(gone.map((moment) => moment.kind)).toContain(kind)
  })

  it('are a boundary of chunks on the server, and every zone without a database', () => {
    expect(momentsOf('server').map(({ kind }) => kind)).toContain('chunk')
    const zones = new Set(moments.flatMap(({ zone }) => (zone === 'UTC' ? [] : [zone])))
    expect(new Set(momentsOf('unit').map(({ zone }) => zone))).toEqual(zones)
    for (const { zone, kind } of moments) expect(kind === 'zone').toBe(zone !== 'UTC')
  })

  it('lie on both sides of a boundary of chunks of every length', () => {
    const chunks = (now: string) => [7, 30, 90, 180].map((days) => Math.floor(Date.parse(now) / (days * 86_400_000)))
    const [before, after] = moments.map(({ now }) => chunks(now)) as [number[], number[]]
    expect(after).toEqual(before.map((number) => number + 1))
  })
})
