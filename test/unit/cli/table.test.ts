import { describe, expect, it } from 'vitest'
import { table, wrapped } from '../../../src/cli/table.ts'

const widest = (text: string) => Math.max(...text.split('\n').map(({ length }) => length))

describe('a table of the command line', () => {
  it('is as wide as what it holds', () => {
    expect(table(['a', 'count'], [['x', '12']], { right: [1], width: 80 })).toBe(
      ['┌───┬───────┐', '│ a │ count │', '├───┼───────┤', '│ x │    12 │', '└───┴───────┘', ''].join('\n'),
    )
  })

  it.each([80, 100])('fits %i columns, and loses nothing of long values', (width) => {
    const urn = `urn:k8s:svc:${'a-very-long-namespace'.repeat(6)}/checkout`
    const rows = [
      ['keep', 'service_call_5m', urn],
      ['add', 'x', 'maintain drops what is older than 180 days, '.repeat(5).trim()],
    ]
    const text = table(['', 'table', 'what'], rows, { width })
    expect(widest(text)).toBeLessThanOrEqual(width)
    const last = (from: number, to: number) =>
      text
        .split('\n')
        .slice(from, to)
        .map((line) => line.split('│')[3]?.trim() ?? '')
    const begin = text.split('\n').findIndex((line) => line.includes('│ add'))
    expect(last(3, begin).join('')).toBe(urn)
    expect(last(begin, -2).join(' ')).toBe(rows[1]![2])
  })

  it('breaks text at blanks, long words behind a joint, and else where it must', () => {
    expect(wrapped('one two three', 7)).toBe('one two\nthree')
    expect(wrapped('one two three four', 9, '  ')).toBe('one two\n  three\n  four')
    expect(wrapped('urn:db:postgres', 8)).toBe('urn:db:\npostgres')
    expect(wrapped('abcdefghij', 4)).toBe('abcd\nefgh\nij')
    expect(wrapped('a\nlonger line', 6)).toBe('a\nlonger\nline')
  })
})
