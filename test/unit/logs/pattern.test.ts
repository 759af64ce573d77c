import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxPatternLength, patternOf, storable } from '../../../src/logs/pattern.ts'

describe('patternOf', () => {
  it.each([
    [
      'payment provider timed out after 1873 ms for order 8a1f-77, attempt 2',
      'payment provider timed out after <*> ms for order <*>, attempt <*>',
    ],
    ['order 5f2c7a90-12ab-4cde-8f00-0123456789ab placed', 'order <*> placed'],
    ['GET /api/orders/123 200 - 14.2ms', 'GET <*> <*> - <*>'],
    ['reading /etc/app/config.yaml', 'reading /etc/app/config.yaml'],
    ['connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED <*>'],
    ['connect ECONNREFUSED ::1:5432', 'connect ECONNREFUSED <*>'],
    ['mail to ann.smith+x@example.org bounced', 'mail to <*> bounced'],
    ['see https://example.org/a?b=1 for more', 'see <*> for more'],
    ['at 2026-11-22T12:00:00.123Z and 12:30:01', 'at <*> and <*>'],
    ['since Fri Jun 17 07:07:00 2005', 'since <*>'],
    ['uid=0 user="ann smith" tty=', 'uid=<*> user=<*> tty=<*>'],
    ['{"level":"info","items":3}', '{"level":"<*>","items":<*>}'],
    ['"GET /a/b HTTP/1.1" status: 200', '"GET <*>" status: <*>'],
    ["it's done, isn't it", "it's done, isn't it"],
    ["no such key 'abc'", "no such key '<*>'"],
    ['deleted [1, 2, 3, 4] and [5, 6, 7]', 'deleted [<*>] and [<*>]'],
    ['TypeError: x of undefined\n    at foo (a.js:1:2)\n    at bar (b.js:3:4)', 'TypeError: x of undefined'],
    ['  two\twords\n', 'two words'],
    ['', '<empty>'],
    ['a\0b\ud800', 'a\ufffdb\ufffd'],
  ])('of %j is %j', (message, pattern) => {
    expect(patternOf(message)).toBe(pattern)
  })

  it('is the same for the same words with other values', () => {
    const pattern = (id: string, amount: number, host: string) =>
      patternOf(`order ${id} for ${amount} EUR refused by ${host}:8443 after 3 tries`)
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 0 }), fc.ipV4(), (id, amount, host) => {
        expect(pattern(id, amount, host)).toBe('order <*> for <*> EUR refused by <*> after <*> tries')
      }),
    )
  })

  it('is storable, bounded and never empty, whatever the message', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 4000 }), (message) => {
        const pattern = patternOf(message)
        expect(pattern).not.toBe('')
        expect(pattern.length).toBeLessThanOrEqual(maxPatternLength)
        expect(pattern.isWellFormed() && !pattern.includes('\0')).toBe(true)
        expect(patternOf(message)).toBe(pattern)
      }),
    )
  })

  it.each(['a', '"', '1.', 'a-', ':', 'a:', '/', 'a.', 'a@', 'a=', "'", 'a1@b.', 'a+', 'word ', 'Jan ', '\n ', '1:', '[1, '])(
    'takes no more than a moment for %j repeated',
    (text) => {
      const started = performance.now()
      patternOf(text.repeat(10_000))
      expect(performance.now() - started).toBeLessThan(250)
    },
  )
})

describe('storable', () => {
  it('changes nothing that can be stored', () => {
    expect(storable('🦊 "$$" \\ \u0001')).toBe('🦊 "$$" \\ \u0001')
  })
})
