import { describe, expect, it } from 'vitest'
import { sketchLadder } from '../../../src/cardinality/sketchPolicy.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { readingsOver } from '../../../src/lifecycle/rollups/readingsOver.ts'
import { unitScope } from '../../support/unitScope.ts'

const time = (text: string) => new Date(`2026-11-${text}Z`)
const read = (scope: Scope, from: string, to: string) =>
  readingsOver(scope, sketchLadder, { from: time(from), to: time(to) }).map(({ table, range }) => [
    table,
    range.from.toISOString().slice(8, 16),
    range.to.toISOString().slice(8, 16),
  ])
const rolled = (hours: string, days: string) =>
  unitScope({
    installation: { timeRung: 'native' },
    timesKnown: true,
    rolledUntil: (table) => time({ sketch_1h: hours, sketch_1d: days }[table]!),
  })

describe('what a range is read from', () => {
  it('is whole days, the hours around them, and the rest by five minutes', () => {
    expect(read(unitScope(), '20T22:55', '23T01:10')).toEqual([
      ['sketch_5m', '20T22:55', '20T23:00'],
      ['sketch_1h', '20T23:00', '21T00:00'],
      ['sketch_1d', '21T00:00', '23T00:00'],
      ['sketch_1h', '23T00:00', '23T01:00'],
      ['sketch_5m', '23T01:00', '23T01:10'],
    ])
    expect(read(unitScope(), '20T22:10', '20T22:40')).toEqual([['sketch_5m', '20T22:10', '20T22:40']])
    expect(read(unitScope(), '20T22:10', '20T22:10')).toEqual([])
  })

  it('is the finer table where nothing is rolled yet', () => {
    expect(read(rolled('22T05:00', '21T00:00'), '20T00:00', '22T09:00')).toEqual([
      ['sketch_1d', '20T00:00', '21T00:00'],
      ['sketch_1h', '21T00:00', '22T05:00'],
      ['sketch_5m', '22T05:00', '22T09:00'],
    ])
    expect(read(unitScope({ installation: { timeRung: 'native' }, timesKnown: true }), '20T00:00', '22T09:00')).toEqual([
      ['sketch_5m', '20T00:00', '22T09:00'],
    ])
  })

  it('is the coarser table only up to where a finer one still has its rows', () => {
    const held = unitScope({ heldSince: (table) => (table === 'sketch_5m' ? time('21T03:30') : null) })
    expect(read(held, '20T22:55', '21T05:10')).toEqual([
      ['sketch_1h', '20T22:55', '21T04:00'],
      ['sketch_1h', '21T04:00', '21T05:00'],
      ['sketch_5m', '21T05:00', '21T05:10'],
    ])
  })
})
