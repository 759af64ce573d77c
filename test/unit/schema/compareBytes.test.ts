import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareBytes } from '../../../src/schema/compareBytes.ts'

it('compares as the bytes of UTF-8 do', () => {
  expect(['b', '🦊', 'ä', 'ﬀ', '', 'a', 'aa'].toSorted(compareBytes)).toEqual(['', 'a', 'aa', 'b', 'ä', 'ﬀ', '🦊'])
  const text = fc.string({ unit: 'grapheme' })
  fc.assert(
    fc.property(text, text, text, (start, a, b) => {
      for (const [left, right] of [
        [a, b],
        [start + a, start + b],
      ] as const) {
        expect(Math.sign(compareBytes(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)))
      }
    }),
  )
})
