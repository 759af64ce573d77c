import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkedRange, timeRange } from '../../../src/database/range.ts'
import { parseOptions } from '../../../src/schema/parse.ts'

const at = (hour: string) => new Date(`2026-03-01T${hour}:00:00.000Z`)
const options = z.strictObject({ range: timeRange, limit: z.int().optional() })

describe('a time range in options', () => {
  it('is what was given', () => {
    const range = { from: at('10'), to: at('11') }
    expect(parseOptions(options, { range })).toEqual({ range })
  })

  it('may be empty', () => {
    expect(checkedRange({ from: at('10'), to: at('10') })).toEqual({ from: at('10'), to: at('10') })
  })

  it('ends where nothing more can be stored', () => {
    const ever = { from: new Date(-8.64e15), to: new Date(8.64e15) }
    expect(checkedRange(ever)).toEqual({ from: new Date('0001-01-01T00:00:00.000Z'), to: new Date('9999-12-31T00:00:00.000Z') })
  })

  it.each([
    [
      { range: { from: at('11'), to: at('10') } },
      'range.from: must not be after to (2026-03-01T10:00:00.000Z), got 2026-03-01T11:00:00.000Z',
    ],
    [{ range: { from: new Date(Number.NaN), to: at('10') } }, 'range.from: must be a valid Date, got Invalid Date'],
    [{ range: { from: at('11'), to: '2026-03-01' } }, 'range.to: must be a valid Date, got "2026-03-01"'],
    [{ range: '1 hour' }, 'range: must be a time range { from, to }'],
    [{}, 'range: must be a time range { from, to }'],
    [{ range: { from: at('10'), to: at('11') }, limit: 1.5 }, 'limit: '],
    [{ range: { from: at('10'), to: at('11') }, 'to:\n': 1 }, 'options: has no key "to:\\n"'],
    ['range', 'options: '],
  ])('is named as the caller wrote it: %j', (given, message) => {
    expect(() => parseOptions(options, given)).toThrow(message)
  })
})
