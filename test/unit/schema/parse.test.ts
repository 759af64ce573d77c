import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { oneOrMore } from '../../../src/schema/oneOrMore.ts'
import { parse, parseOptions, preview } from '../../../src/schema/parse.ts'

const byKind = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('x'), a: z.int().optional() }),
  z.strictObject({ kind: z.literal('y'), b: z.int().optional() }),
])
const [a, b] = [z.object({ a: z.string() }), z.object({ b: z.array(z.int()) })]

function messageOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing'
}

describe('parse says what is wrong in plain words', () => {
  it.each<[z.ZodType, unknown, string]>([
    [z.number(), 'a', 'must be a number, got "a"'],
    [z.number(), Number.NaN, 'must be a finite number, got NaN'],
    [z.number(), -Infinity, 'must be a finite number, got -Infinity'],
    [z.array(z.number()), [1, Number.NaN], 'must be a finite number, got NaN'],
    [z.int(), 1.5, 'must be a whole number, got 1.5'],
    [z.int(), 1e300, 'must be at most 9007199254740991, got 1e+300'],
    [z.number().min(0), -1, 'must be at least 0, got -1'],
    [z.number().max(1), 2, 'must be at most 1, got 2'],
    [z.number().gt(0), 0, 'must be more than 0, got 0'],
    [z.number().lt(0), 0, 'must be less than 0, got 0'],
    [z.number().multipleOf(2), 3, 'must be a multiple of 2, got 3'],
    [z.string(), undefined, 'must be text, got undefined'],
    [z.string().min(1), '', 'must not be empty, got ""'],
    [z.string().min(2), 'a', 'must have at least 2 characters, got "a"'],
    [z.string().max(1), 'ab', 'must have at most 1 character, got "ab"'],
    [z.string().regex(/^a$/), 'b', 'must match /^a$/, got "b"'],
    [z.url(), 'b', 'must be a valid URL, got "b"'],
    [z.boolean(), 1, 'must be true or false, got 1'],
    [z.bigint(), 1, 'must be a bigint, got 1'],
    [z.date(), 'x', 'must be a Date, got "x"'],
    [z.date(), new Date(Number.NaN), 'must be a valid Date, got Invalid Date'],
    [z.array(z.string()), null, 'must be an array, got null'],
    [z.array(z.string()).min(1), [], 'must not be empty, got []'],
    [z.array(z.string()).length(2), ['a'], 'must have exactly 2 items, got ["a"]'],
    [z.tuple([z.string()]), ['a', 'b'], 'must have at most 1 item, got ["a","b"]'],
    [z.strictObject({}), 1, 'must be an object, got 1'],
    [z.strictObject({}), { b: 1 }, 'has no key "b", got {"b":1}'],
    [z.strictObject({ c: z.string(), a: z.string().optional() }), { c: '', b: 1 }, 'has no key "b" (it has a, c), got {"c":"","b":1}'],
    [byKind, { kind: 'x', b: 1 }, 'has no key "b" (it has a, kind), got {"kind":"x","b":1}'],
    [z.preprocess((given) => given, byKind), { kind: 'y', a: 1 }, 'has no key "a" (it has b, kind), got {"kind":"y","a":1}'],
    [z.array(z.strictObject({ a: z.string().optional() })).optional(), [{ b: 1 }], 'has no key "b" (it has a), got {"b":1}'],
    [z.record(z.string(), z.string()), [], 'must be an object, got []'],
    [z.enum(['a', 'b']), 'c', 'must be one of "a", "b", got "c"'],
    [z.literal('a'), 1, 'must be "a", got 1'],
    [z.instanceof(AbortSignal), 1, 'must be an AbortSignal, got 1'],
    [z.never(), 1, 'must be left out, got 1'],
    [z.custom(() => false), 1, 'is not valid, got 1'],
    [z.union([z.string(), z.literal(Infinity)]), 1, 'must be text or Infinity, got 1'],
    [z.union([a, b]), {}, 'a must be text, got {}'],
    [oneOrMore(z.string()), [1], 'must be text, got 1'],
    [z.number('must be so'), 'a', 'must be so, got "a"'],
  ])('%#', (schema, value, message) => {
    expect(messageOf(() => parse(schema, value, 'value'))).toMatch(/^value(\[\d\])?: /)
    expect(messageOf(() => parse(schema, value, 'value')).replace(/^[^:]*: /, '')).toBe(message)
  })

  it('names the field as the caller wrote it', () => {
    const options = z.strictObject({ range: z.strictObject({ from: z.date() }) })
    expect(() => parseOptions(options, { range: { from: 1 } })).toThrow(/^range\.from: must be a Date, got 1$/)
  })
})

describe('preview', () => {
  it.each([
    [Number.NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [{ a: [1, Number.NaN] }, '{"a":[1,"NaN"]}'],
    [null, 'null'],
    [0.1, '0.1'],
  ])('shows %s', (value, shown) => {
    expect(preview(value)).toBe(shown)
  })
})
