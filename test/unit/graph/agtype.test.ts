import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AgtypeEdge, AgtypeNumeric, AgtypePath, AgtypeVertex } from '../../../src/graph/cypher/agtype.ts'
import { decodeAgtype } from '../../../src/graph/cypher/decodeAgtype.ts'
import { encodeAgtype, type AgtypeInput } from '../../../src/graph/cypher/encodeAgtype.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { anyAgtype } from '../../support/anyAgtype.ts'

describe('decodeAgtype', () => {
  it.each([
    ['null', null],
    [' true ', true],
    ['"q\\"\\\\\\n\\u001f🦊"', 'q"\\\n\u001f🦊'],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-9223372036854775808', -9223372036854775808n],
    ['1.0', 1],
    ['-0.0', -0],
    ['1e+300', 1e300],
    ['1.8446744073709552e+19', 18446744073709551616],
    ['Infinity', Infinity],
    ['[-Infinity, [NaN], []]', [-Infinity, [NaN], []]],
    ['{"a": {}, "": 1, "x::vertex": "Infinity"}', { a: {}, '': 1, 'x::vertex': 'Infinity' }],
    ['[1.50::numeric, -3::numeric]', [new AgtypeNumeric('1.50'), new AgtypeNumeric('-3')]],
    ['[ 12345678901234567890123.5::numeric ]', [new AgtypeNumeric('12345678901234567890123.5')]],
  ])('reads %s', (text, value) => {
    expect(decodeAgtype(text)).toStrictEqual(value)
  })

  it('reads vertices, edges and paths at any depth, with ids of 64 bits', () => {
    const a =
      '{"id": 18014398509481985, "label": "A", "properties": {"urn": "a", "of": [{"id": 1, "label": "B", "properties": {}}::vertex]}}::vertex'
    const b = '{"id": 844424930131970, "label": "A", "properties": {}}::vertex'
    const e =
      '{"id": 1125899906842625, "label": "E", "end_id": 844424930131970, "start_id": 18014398509481985, "properties": {"w": 2}}::edge'
    const [from, to] = [
      new AgtypeVertex({
        id: '18014398509481985',
        label: 'A',
        properties: { urn: 'a', of: [new AgtypeVertex({ id: '1', label: 'B', properties: {} })] },
      }),
      new AgtypeVertex({ id: '844424930131970', label: 'A', properties: {} }),
    ]
    const edge = new AgtypeEdge({ id: '1125899906842625', label: 'E', start_id: from.id, end_id: to.id, properties: { w: 2 } })
    expect(decodeAgtype(`{"p": [${a}, ${e}, ${b}]::path, "e": ${e}}`)).toStrictEqual({ p: new AgtypePath([from, to], [edge]), e: edge })
  })

  it('takes no key for more than a key', () => {
    const value = decodeAgtype('{"__proto__": {"polluted": true}}') as object
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect('polluted' in {}).toBe(false)
    expect('polluted' in value).toBe(false)
  })

  it.each([
    ['', /has no value at position 0/],
    ['1 2', /more than one value at position 2: "2"/],
    ['[1', /a list that does not end/],
    ['{"a" 1}', /a map without a key/],
    ['{"a": 1', /a map that does not end/],
    ['{a: 1}', /a map without a key/],
    ['nul', /no value/],
    ['"open', /no value/],
    ['"\\x"', /has an invalid string/],
    ['1::vertex', /a value marked as vertex that is not one at position 0: "1::vertex"/],
    ['{"id": "1", "label": "A", "properties": {}}::vertex', /a value marked as vertex/],
    ['[1]::path', /a value marked as path/],
    ['"1"::numeric', /a value marked as numeric/],
  ])('refuses %j', (text, message) => {
    expect(() => decodeAgtype(text)).toThrow(message)
  })
})

describe('encodeAgtype', () => {
  it.each<[AgtypeInput, string]>([
    [null, 'null'],
    [3, '3'],
    [1.5, '1.5'],
    [-0, '-0.0'],
    [2 ** 60, '1152921504606847000.0'],
    [1e300, '1e+300'],
    [-Infinity, '-Infinity'],
    [NaN, 'NaN'],
    [9223372036854775807n, '9223372036854775807'],
    ['"\\\n🦊', '"\\"\\\\\\n🦊"'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [new AgtypeNumeric('1.50'), '1.50::numeric'],
    [{ a: [1, { 'b c': true }] }, '{"a": [1, {"b c": true}]}'],
  ])('writes %o', (value, text) => {
    expect(encodeAgtype(value)).toBe(text)
  })

  class Point {}
  const circle: Record<string, unknown> = {}
  circle.self = circle
  it.each([
    [{ a: undefined }, /^params\.a: must be null, .*, got undefined$/],
    // eslint-disable-next-line no-sparse-arrays
    [{ a: [1, , 2] }, /^params\.a\[1\]: .* got undefined$/],
    [{ a: { 'b c': () => {} } }, /^params\.a\["b c"\]: .* got a function$/],
    [{ a: Symbol('x') }, /got a symbol/],
    [{ a: new Map() }, /got a Map$/],
    [{ a: new Point() }, /got a Point$/],
    [{ a: new Uint8Array(2) }, /got a Uint8Array$/],
    [{ a: 2n ** 63n }, /^params\.a: must be an integer of 64 bits, got 9223372036854775808$/],
    [{ a: new Date(NaN) }, /^params\.a: must be a date/],
    [{ a: 'x\u0000' }, /^params\.a: must not contain the NUL character/],
    [{ '\ud800': 1 }, /^params\[.*\]: must be well-formed Unicode/],
    [{ a: new AgtypeNumeric("1'; --") }, /^params\.a\.digits: must be digits/],
    [{ a: new AgtypeVertex({ id: '1; --', label: 'A', properties: {} }) }, /^params\.a\.id: must be digits/],
    [{ a: new AgtypePath([], []) }, /^params\.a: must have one more vertex than edges/],
    [circle, /^params\.self\.self.*: is circular, or is nested deeper than 100 levels$/],
  ])('refuses what agtype cannot hold: %#', (value, message) => {
    expect(() => encodeAgtype(value as AgtypeInput, 'params')).toThrow(message)
  })
})

it('any value decodes to what was encoded', () => {
  fc.assert(
    fc.property(anyAgtype(), (value) => {
      expect(decodeAgtype(encodeAgtype(value))).toStrictEqual(value)
    }),
    { numRuns: 500 },
  )
})

it('takes values as deep as any stack allows, and refuses deeper ones by name', () => {
  expect(decodeAgtype('['.repeat(1_000) + ']'.repeat(1_000))).toEqual(expect.any(Array))
  for (const opening of ['[', '{"a":', '[{"a":'])
    expect(() => decodeAgtype(opening.repeat(100_000))).toThrow(/^agtype: has more than 1000 levels/)
  expect(() => decodeAgtype(7 as never)).toThrow(InvalidInputError)
})
