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

  it('cuts off what may be long after three lines, and nothing shorter', () => {
    const rows = [
      ['urn:a', 'short'],
      ['urn:b', '支付 '.repeat(90)],
      ['urn:c', 'x'.repeat(1_000)],
    ]
    for (const width of [30, 31, 60]) {
      const text = table(['URN', 'pattern'], rows, { cut: [1], width })
      const lines = text.split('\n').slice(3, -2)
      expect(widest(text.replaceAll(/[支付]/g, 'xx'))).toBe(width)
      expect(lines.map((line) => line.includes('…'))).toEqual([false, false, false, true, false, false, true])
    }
    expect(table(['URN', 'pattern'], rows.slice(0, 1), { cut: [1], width: 60 })).not.toContain('…')
  })

  it('breaks text at blanks, long words behind a joint, and else where it must', () => {
    expect(wrapped('one two three', 7)).toBe('one two\nthree')
    expect(wrapped('one two three four', 9, '  ')).toBe('one two\n  three\n  four')
    expect(wrapped('urn:db:postgres', 8)).toBe('urn:db:\npostgres')
    expect(wrapped('abcdefghij', 4)).toBe('abcd\nefgh\nij')
    expect(wrapped('a\nlonger line', 6)).toBe('a\nlonger\nline')
  })

  it('shows names of East Asian characters and emoji whole', () => {
    const names = ['支付服务网关系统', '결제 서비스', 'ｐａｙ', '👩‍👩‍👧‍👦💳', '☎️ 1️⃣ 🇩🇪', 'ꀀ𠀀']
    for (const width of [30, 100]) {
      const text = table(
        ['URN', 'name'],
        names.map((name) => [`urn:k8s:svc:shop/${name}`, name]),
        { width },
      )
      expect(text).not.toContain('…')
      const column = (number: number) =>
        text
          .split('\n')
          .map((line) => line.split('│')[number]?.trim() ?? '')
          .join('')
      for (const name of names) expect(column(1).replaceAll(' ', '')).toContain(`shop/${name.replaceAll(' ', '')}`)
    }
    expect(wrapped('支付服务网关系统', 8)).toBe('支付服务\n网关系统')
    expect(wrapped('支付服务网关系统', 9)).toBe('支付服务\n网关系统')
    expect(wrapped('𠀀𠀀𠀀', 5)).toBe('𠀀𠀀\n𠀀')
  })

  it('gives the terminal no orders', () => {
    const text = table(['name'], [['a\u001b[31mred\u0007\r\tb\u202ec']], { width: 80 })
    expect(text).toContain(String.raw`a\u001b[31mred\u0007\u000d\u0009b\u202ec`)
  })
})
