import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Hll, type HllOptions } from '../../../../src/sketch/index.ts'
import { InvalidInputError } from '../../../../src/schema/errors.ts'
import { hashes, parameterSets, sketchOf } from '../../../support/hll/arbitraryHashes.ts'
import { hllVectors } from '../../../support/hll/hllVectors.ts'

const parameters = fc.constantFrom(...parameterSets)
const integers = (count: number, options: HllOptions = {}, from = 1) => {
  const sketch = Hll.create(options)
  for (let value = from; value < from + count; value += 1) sketch.add(value)
  return sketch
}

describe('a sketch', () => {
  it.each(hllVectors.sketches)(
    'of 1 to $count is that of the extension: $log2m, $regwidth, $expthresh, $sparseon',
    ({ count, bytes, cardinality, log2m, regwidth, expthresh, sparseon }) => {
      const sketch = integers(count, { log2m, regwidth, expthresh, sparseon })
      expect(sketch.toString()).toBe(bytes)
      expect(Hll.fromString(bytes).toString()).toBe(bytes)
      // Where its range correction overflows, the extension knows no number.
      if (cardinality !== null) expect(sketch.cardinality()).toBe(cardinality)
      else expect(sketch.cardinality()).toBeGreaterThan(0)
    },
  )

  it('counts exactly while it keeps the values', () => {
    const sketch = Hll.create().add('a').add('b').add('a').add(5).add(5n).add(true).add(Uint8Array.of(97))
    // The text a and the byte of which it is made have one hash, as they have in the extension.
    expect(sketch.cardinality()).toBe(5)
    expect(sketch.representation).toBe('explicit')
  })

  it('names its representation', () => {
    expect([0, 160, 161, 5_000].map((count) => integers(count).representation)).toEqual(['empty', 'explicit', 'sparse', 'full'])
    expect(Hll.fromString('\\x108b7f').representation).toBe('undefined')
  })

  it('is undefined with anything that is, and takes no value then', () => {
    const nothing = Hll.fromString('\\x108b7f')
    expect(integers(3).union(nothing).toString()).toBe('\\x108b7f')
    expect(nothing.copy().union(integers(3)).add('a').toString()).toBe('\\x108b7f')
    expect(nothing.cardinality()).toBeNaN()
  })

  it('leaves alone what it is united with, and copies', () => {
    const [a, b] = [integers(200), integers(200, {}, 500)]
    const before = [a.toString(), b.toString()]
    a.union(b).add('x')
    a.copy().add('x')
    Hll.create().union(b).add('x')
    expect([a.toString(), b.toString()]).toEqual(before)
  })

  it('takes little while it has few values', () => {
    const kept: Hll[] = []
    const before = process.memoryUsage()
    for (let at = 0; at < 20_000; at += 1) kept.push(integers(3, {}, 3 * at))
    const after = process.memoryUsage()
    const bytes = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers
    expect(bytes / kept.length).toBeLessThan(2_000)
  })
})

describe('the algebra of sketches', () => {
  it('union is commutative, associative and idempotent; empty is its unit', () => {
    fc.assert(
      fc.property(parameters, hashes, hashes, hashes, (options, x, y, z) => {
        const [a, b, c] = [x, y, z].map((values) => sketchOf(options, values)) as [Hll, Hll, Hll]
        expect(a.union(b).toString()).toBe(b.union(a).toString())
        expect(a.union(b).union(c).toString()).toBe(a.union(b.union(c)).toString())
        expect(a.union(a).toString()).toBe(a.toString())
        expect(a.union(Hll.create(options)).toString()).toBe(a.toString())
        expect(Hll.create(options).union(a).toString()).toBe(a.toString())
      }),
    )
  })

  it('a union is the sketch of all values, in whatever order they came', () => {
    fc.assert(
      fc.property(parameters, hashes, hashes, (options, a, b) => {
        const together = sketchOf(options, [...a, ...b]).toString()
        expect(sketchOf(options, a).union(sketchOf(options, b)).toString()).toBe(together)
        expect(sketchOf(options, [...b, ...a].reverse()).toString()).toBe(together)
      }),
    )
  })

  it('bytes and text go there and back', () => {
    fc.assert(
      fc.property(parameters, hashes, (options, values) => {
        const sketch = sketchOf(options, values)
        const again = Hll.fromBytes(sketch.toBytes())
        expect(again.toBytes()).toEqual(sketch.toBytes())
        expect(again.registers()).toEqual(sketch.registers())
        expect(again.cardinality()).toBe(sketch.cardinality())
        expect(again.representation).toBe(sketch.representation)
        expect(Hll.fromString(sketch.toString()).toString()).toBe(sketch.toString())
      }),
    )
  })

  it('reads bytes in the middle of a buffer', () => {
    const bytes = integers(100).toBytes()
    const padded = new Uint8Array(bytes.length + 7)
    padded.set(bytes, 5)
    expect(Hll.fromBytes(padded.subarray(5, 5 + bytes.length)).toBytes()).toEqual(bytes)
  })

  it('folded is what fewer registers would have made of the same values', () => {
    fc.assert(
      fc.property(parameters, hashes, fc.nat(13), (options, values, down) => {
        const log2m = Math.max(4, options.log2m - down)
        // A hash whose bits above the index are all 0 has said so little that nothing can be told of it any more.
        const telling = values.filter((value) => BigInt.asUintN(64, value) >> BigInt(options.log2m) !== 0n)
        expect(sketchOf(options, telling).fold(log2m).toString()).toBe(sketchOf({ ...options, log2m }, telling).toString())
      }),
    )
  })
})

describe('what a sketch refuses', () => {
  it.each<[HllOptions, string]>([
    [{ log2m: 3 }, 'log2m: must be between 4 and 17, got 3'],
    [{ log2m: 18 }, 'log2m: must be between 4 and 17, got 18'],
    [{ regwidth: 0 }, 'regwidth: must be between 1 and 8, got 0'],
    [{ expthresh: 3 }, 'expthresh: must be -1, 0 or a power of two of at most 8192, got 3'],
    [{ expthresh: -2 }, 'expthresh: must be -1, 0 or a power of two of at most 8192, got -2'],
    [{ sparseon: 2 as never }, 'sparseon: must be 0 or 1, got 2'],
    [{ seed: 1 } as never, 'options: has no key "seed" (it has expthresh, log2m, regwidth, sparseon), got {"seed":1}'],
  ])('create(%j)', (options, message) => {
    expect(() => Hll.create(options)).toThrow(new InvalidInputError(message.split(': ')[0]!, message.slice(message.indexOf(': ') + 2)))
  })

  it.each([
    [{ log2m: 10 }, 'log2m: the two sketches differ: 11 and 10; fold the finer one to the coarser first'],
    [{ regwidth: 6 }, 'regwidth: the two sketches differ: 5 and 6'],
    [{ expthresh: 0 }, 'expthresh: the two sketches differ: -1 and 0'],
    [{ sparseon: 0 as const }, 'sparseon: the two sketches differ: 1 and 0'],
  ])('a union with one of other parameters: %j', (options, message) => {
    expect(() => Hll.create().union(Hll.create(options))).toThrow(message)
    expect(() => integers(3).merge(integers(500, options))).toThrow(message)
  })

  it.each([
    [1.5, undefined, 'value: does not fit integer, got 1.5'],
    [2 ** 31, undefined, 'value: does not fit integer, got 2147483648'],
    [2 ** 53, 'bigint', 'value: does not fit bigint, got 9007199254740992'],
    [Number.NaN, 'bigint', 'value: does not fit bigint, got NaN'],
    [32_768, 'smallint', 'value: does not fit smallint, got 32768'],
    [2n ** 63n, undefined, 'value: does not fit bigint, got 9223372036854775808n'],
    ['5', 'integer', 'value: does not fit integer, got "5"'],
    [5, 'text', 'value: does not fit text, which takes a string, got 5'],
    ['a', 'bytea', 'value: does not fit bytea, which takes a Uint8Array, got "a"'],
    [1, 'boolean', 'value: does not fit boolean, which takes true or false, got 1'],
    [null, undefined, 'value: does not fit bytea, which takes a Uint8Array, got null'],
    [5, 'int4', 'type: must be one of text, boolean, bytea, smallint, integer, bigint, got "int4"'],
    ['a\0', undefined, 'value: must not contain the NUL character, which PostgreSQL cannot store'],
    ['a\ud83d', undefined, 'value: must be well-formed Unicode (it has a lone surrogate)'],
    ['\udc18a', undefined, 'value: must be well-formed Unicode (it has a lone surrogate)'],
  ])('add(%s, %s): %s', (value, type, message) => {
    expect(() => Hll.create().add(value as never, type as never)).toThrow(message)
  })

  it.each([2n ** 63n, -(2n ** 63n) - 1n, 5 as never])('addHash(%s)', (hash) => {
    expect(() => Hll.create().addHash(hash)).toThrow('hash: must be a bigint of 64 bits with its sign')
  })

  it.each([3, 12, 4.5, Number.NaN])('fold(%s) of 2 ** 11 registers', (log2m) => {
    expect(() => integers(3).fold(log2m)).toThrow('log2m: must be between 4 and 11, which this sketch has')
  })

  it('an estimator that it does not know', () => {
    expect(() => Hll.create().cardinality({ estimator: 'median' as never })).toThrow("estimator: must be 'classic' or 'ertl'")
  })
})

describe('bytes that are no sketch', () => {
  const explicit = '00'.repeat(7)
  it.each([
    ['', 'bytes: at byte 0: a sketch has at least 3 bytes, not 0'],
    ['118b', 'bytes: at byte 2: a sketch has at least 3 bytes, not 2'],
    ['218b7f', 'bytes: at byte 0: schema version 2 is not known, only 1'],
    ['158b7f', 'bytes: at byte 0: representation 5 is not known, only 0 to 4'],
    ['11837f', 'bytes: at byte 1: log2m must be between 4 and 17, got 3'],
    ['11927f', 'bytes: at byte 1: log2m must be between 4 and 17, got 18'],
    ['118bff', 'bytes: at byte 2: the first bit must be 0'],
    ['118b60', 'bytes: at byte 2: the explicit threshold must be 63 or at most 31, got 32'],
    ['118b7f00', 'bytes: at byte 3: an empty sketch ends here, 1 more bytes follow'],
    ['108b7f00', 'bytes: at byte 3: an undefined sketch ends here, 1 more bytes follow'],
    [`128b7f${explicit}`, 'bytes: at byte 3: a value has 8 bytes, 7 are left'],
    [`128b7f${explicit}01${explicit}01`, 'bytes: at byte 11: the values must ascend, but this one comes twice'],
    [`128b7f${explicit}01ff${explicit}`, 'bytes: at byte 11: the values must ascend, but this one is below the last'],
    ['14847f0000', 'bytes: at byte 5: 16 registers of 5 bits take 13 bytes, not 5'],
    [`14847f${'00'.repeat(11)}`, 'bytes: at byte 13: 16 registers of 5 bits take 13 bytes, not 14'],
    [`14c47f${'00'.repeat(7)}7a${'00'.repeat(6)}`, 'bytes: at byte 10: a register of such sketches is at most 60, got 61'],
    ['138b7f000100', 'bytes: at byte 5: a register has 16 bits, 8 are left'],
    ['138b7f00410001', 'bytes: at byte 5: the registers must ascend, but 0 follows 2'],
    ['138b7f00410041', 'bytes: at byte 5: the registers must ascend, but 2 follows 2'],
    ['138b7f0040', 'bytes: at byte 3: register 2 is listed, but is 0'],
    ['13847f0881', 'bytes: at byte 4: the last 7 bits must be 0'],
  ])('%s: %s', (hex, message) => {
    expect(() => Hll.fromBytes(Buffer.from(hex, 'hex'))).toThrow(message)
  })

  it.each([
    ['118b7f', 'text: must begin with \\x, got "118b7f"'],
    ['\\x118b7', 'text: must be pairs of hexadecimal digits, which end at character 6'],
    ['\\x11zz7f', 'text: must be pairs of hexadecimal digits, which end at character 4'],
  ])('%s: %s', (text, message) => {
    expect(() => Hll.fromString(text)).toThrow(message)
  })

  it('never make anything but a sketch or an InvalidInputError', () => {
    const head = fc.tuple(fc.integer({ min: 0x10, max: 0x14 }), fc.nat(255), fc.nat(255)).map((bytes) => Uint8Array.from(bytes))
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 60 }), (head, data) => {
        const bytes = Uint8Array.of(...head, ...data)
        let sketch: Hll
        try {
          sketch = Hll.fromBytes(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
          expect((error as Error).message).toMatch(/^bytes: at byte \d+: /)
          return
        }
        expect(Hll.fromBytes(sketch.toBytes()).registers()).toEqual(sketch.registers())
        sketch.cardinality()
        sketch.cardinality({ estimator: 'ertl' })
      }),
      { numRuns: 3_000 },
    )
  })

  it('is any sketch with one byte fewer or more', () => {
    fc.assert(
      fc.property(parameters, hashes, (options, values) => {
        const bytes = sketchOf(options, values).toBytes()
        // What is stored sparsely may end after any pair.
        if (bytes[0] !== 0x13) expect(() => Hll.fromBytes(bytes.subarray(0, -1))).toThrow(InvalidInputError)
        expect(() => Hll.fromBytes(Uint8Array.of(...bytes, 0))).toThrow(InvalidInputError)
      }),
    )
  })
})

describe('the cardinality', () => {
  it('is bounded where a few values fill registers that are too narrow', () => {
    expect(integers(100, { log2m: 4, regwidth: 8, expthresh: 0 }).cardinality()).toBeCloseTo(100, -2)
    expect(integers(60_000, { log2m: 4, regwidth: 1, expthresh: 0 }).cardinality({ estimator: 'ertl' })).toBe(Infinity)
  })

  it.each([5_000, 20_000])('of %s values has no bias by Ertl, and the classic one has the error it is known for', (count) => {
    const seeds = 60
    const errors = { classic: [] as number[], ertl: [] as number[] }
    for (let seed = 1; seed <= seeds; seed += 1) {
      const sketch = Hll.create()
      for (let value = 0; value < count; value += 1) sketch.add(seed * 2 ** 32 + value, 'bigint')
      for (const estimator of ['classic', 'ertl'] as const) errors[estimator].push(sketch.cardinality({ estimator }) / count - 1)
    }
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    const rmse = (values: number[]) => Math.sqrt(mean(values.map((value) => value ** 2)))
    expect(Math.abs(mean(errors.ertl))).toBeLessThan((3 * 0.023) / Math.sqrt(seeds))
    expect(rmse(errors.ertl)).toBeLessThan(0.023 * 1.2)
    expect(rmse(errors.classic)).toBeLessThan(0.04)
  })
})
