import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashBigint, hashBoolean, hashBytes, hashInteger, hashSmallint, hashText } from '../../../../src/sketch/index.ts'
import { hllVectors, type HllVectors } from '../../../support/hll/hllVectors.ts'

const hashOf: Record<HllVectors['hashes'][number]['type'], (value: string, seed: number) => bigint> = {
  text: hashText,
  bytea: (value, seed) => hashBytes(Buffer.from(value.slice(2), 'hex'), seed),
  boolean: (value, seed) => hashBoolean(value === 'true', seed),
  smallint: (value, seed) => hashSmallint(Number(value), seed),
  integer: (value, seed) => hashInteger(Number(value), seed),
  bigint: (value, seed) => hashBigint(BigInt(value), seed),
}

describe('hashes', () => {
  it.each(hllVectors.hashes)('of $type $value with seed $seed is that of the extension', ({ type, value, seed, hash }) => {
    expect(hashOf[type](value, seed)).toBe(BigInt(hash))
  })

  it('of a text is that of its bytes in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), fc.integer(), (text, seed) => {
        fc.pre(!text.includes('\0'))
        expect(hashText(text, seed)).toBe(hashBytes(new TextEncoder().encode(text), seed))
      }),
    )
  })

  it('of a number is that of its bytes, lowest first', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const bytes = new DataView(new ArrayBuffer(8))
        bytes.setBigInt64(0, BigInt(value), true)
        expect(hashBigint(value)).toBe(hashBytes(new Uint8Array(bytes.buffer)))
        expect(hashBigint(BigInt(value))).toBe(hashBigint(value))
        expect(hashInteger(value | 0)).toBe(hashBytes(new Uint8Array(bytes.buffer, 0, 4)))
        expect(hashSmallint((value << 16) >> 16)).toBe(hashBytes(new Uint8Array(bytes.buffer, 0, 2)))
      }),
    )
  })

  it('of more than the scratch space holds is right, and so is the next one', () => {
    const long = 'ä'.repeat(50_000)
    expect(hashText(long)).toBe(hashBytes(Buffer.from(long)))
    expect(hashText('hello world')).toBe(5_998_619_086_395_760_910n)
  })

  it.each([1.5, 2 ** 31, Number.NaN])('refuses the seed %s', (seed) => {
    expect(() => hashText('a', seed)).toThrow('seed: must be a signed 32-bit number')
  })
})
