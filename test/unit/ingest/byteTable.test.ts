import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ByteTable } from '../../../src/ingest/sources/direct/byteTable.ts'

it('gives a value only for the bytes and the kind that it was added with', () => {
  const texts = fc.array(fc.tuple(fc.stringMatching(/^[ab]{0,6}$/), fc.nat(1)), { minLength: 20, maxLength: 60 })
  let found = 0
  fc.assert(
    fc.property(texts, (added) => {
      // So small that texts take each other's place.
      const table = new ByteTable<string>(4, 5)
      for (const [text, kind] of added) {
        const bytes = Buffer.from(`(${text})`)
        const [from, to] = [1, bytes.length - 1]
        const value = table.get(bytes, from, to, kind)
        if (value === undefined) table.add(bytes, from, to, `${text} ${kind}`, kind)
        else {
          expect(value).toBe(`${text} ${kind}`)
          found += 1
        }
        const guess = table.guess(bytes, from, kind)
        if (guess !== undefined) expect([text.startsWith(String(Buffer.from(guess.key))), guess.kind]).toEqual([true, kind])
      }
    }),
  )
  expect(found).toBeGreaterThan(100)
})

it('does not see that the bytes change that it was given', () => {
  const table = new ByteTable<string>(4, 5)
  const bytes = Buffer.from('abc')
  table.add(bytes, 0, 3, 'abc')
  table.add(bytes, 0, 3, 'abc')
  bytes.fill('x')
  expect(table.get(bytes, 0, 3)).toBe(undefined)
  expect(table.get(Buffer.from('abc'), 0, 3)).toBe('abc')
})

it('forgets all values when their bytes are too many', () => {
  const table = new ByteTable<string>(4, 4096)
  const given = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => Buffer.from(letter.repeat(3000)))
  for (const bytes of given) for (let time = 0; time < 2; time += 1) table.add(bytes, 0, bytes.length, 'kept')
  expect(given.map((bytes) => table.get(bytes, 0, bytes.length))).toEqual([...Array.from({ length: 5 }), 'kept'])
})
