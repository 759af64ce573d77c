import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { directJson } from '../../../src/ingest/sources/direct/directPayload.ts'
import { anyRequest } from '../schema/anyRequest.ts'
import { compare } from './bothWays.ts'
import { hostile, recorded } from './everyField.ts'
import { protobufOf } from './otlpProtobuf.ts'

/** Some bytes put in the place of others. */
const changes = fc.array(
  fc.record({
    at: fc.nat(),
    remove: fc.nat(3),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(...'{}[]",:\\ -.eE0129ntf\u0001é\uFEFF'.split(''), 'null', '"a":1', '\\u0041', '"_x":', '{}', '1e400', '00')
        .map((text) => Buffer.from(text)),
    ),
  }),
  { minLength: 1, maxLength: 3 },
)

const changed = (bytes: Buffer, made: { at: number; remove: number; put: Buffer }[]): Buffer =>
  made.reduce((text, { at, remove, put }) => {
    const from = at % (text.length + 1)
    return Buffer.concat([text.subarray(0, from), put, text.subarray(from + remove)])
  }, bytes)

/** JSON with what generators of documents have and JSON has not left out. */
const jsonOf = (document: unknown, indent?: number): Buffer =>
  Buffer.from(JSON.stringify(document, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value), indent) ?? 'null')

describe('a request read straight from its bytes', () => {
  it('in JSON is as the document gives it', () => {
    let read = 0
    fc.assert(
      fc.property(anyRequest, fc.constantFrom(undefined, 1), (document, indent) => {
        if (compare('json', jsonOf(document, indent))) read += 1
      }),
      { numRuns: 2_000 },
    )
    expect(read).toBeGreaterThan(200)
  })

  it.each(['json', 'protobuf'] as const)('with every field is read in %s', (format) => {
    for (const line of [...hostile, ...hostile, ...hostile]) {
      expect(compare(format, format === 'json' ? Buffer.from(line) : protobufOf(JSON.parse(line)))).toBe(true)
    }
  })

  it.each(['json', 'protobuf'] as const)('of a recording is read in %s, and the second time as the first', (format) => {
    for (const line of [...recorded, ...recorded])
      expect(compare(format, format === 'json' ? Buffer.from(line) : protobufOf(JSON.parse(line)))).toBe(true)
  })

  it.each(['json', 'protobuf'] as const)('with changed bytes in %s is as the document gives it, or is not read', (format) => {
    const given = fc.oneof(fc.constantFrom(...recorded.filter(({ length }) => length < 4_000).slice(0, 60)), fc.constantFrom(...hostile))
    let read = 0
    fc.assert(
      fc.property(given, changes, (line, made) => {
        const bytes = format === 'json' ? Buffer.from(line) : protobufOf(JSON.parse(line))
        if (compare(format, changed(bytes, made))) read += 1
      }),
      { numRuns: 1_500 },
    )
    expect(read).toBeGreaterThan(30)
  })

  it.each([
    '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"description":[]}]}]}]}',
    '{"resourceSpans":[{"scopeSpans":[{"schemaUrl":[]}]}]}',
    '{"resourceSpans":[{"instrumentationLibrarySpans":[]}]}',
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"start_time_unix_nano":"1"}]}]}]}',
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":1,"kind":2}]}]}]}',
    '{"resourceSpans":[],}',
    '{"resourceSpans":[]}{}',
  ])('is not %s: the document shows what it is', (text) => {
    expect(directJson(Buffer.from(text))).toBe(undefined)
  })

  it('has frozen attributes, which others share', () => {
    const bytes = Buffer.from(recorded[0]!)
    const [, , third, fourth] = [1, 2, 3, 4].map(() => directJson(bytes)!)
    const [of, again] = [third!, fourth!].map((payload) => Object.values(payload)[0]![0]!.resource.attributes)
    expect(again).toBe(of)
    expect(Object.isFrozen(of) && Object.isFrozen(of![0]!.value)).toBe(true)
  })
})
