import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { directJson } from '../../../src/ingest/sources/direct/directPayload.ts'
import { anyRequest } from '../schema/anyRequest.ts'
import { compare } from './bothWays.ts'
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

const recorded = gunzipSync(readFileSync('examples/shop/recordings/calm.jsonl.gz'))
  .toString()
  .split('\n')
  .filter((line) => line !== '')
  .filter((_, at) => at % 20 === 0)

const attributes = [
  { key: 'text', value: { stringValue: 'GÉT "🦊" \\ \n' } },
  { key: 'whole', value: { intValue: '-9223372036854775808' } },
  { key: 'small', value: { intValue: 7 } },
  { key: 'nan', value: { doubleValue: 'NaN' } },
  { key: 'zero', value: { doubleValue: -0 } },
  { key: 'truth', value: { boolValue: false } },
  { key: 'bytes', value: { bytesValue: 'AAEC/w==' } },
  { key: 'list', value: { arrayValue: { values: [{ stringValue: '' }, {}, { arrayValue: { values: [] } }] } } },
  { key: 'map', value: { kvlistValue: { values: [{ key: 'a', value: { intValue: '9007199254740993' } }, { key: '' }] } } },
  { key: 'text', value: { stringValue: 'twice' } },
  { key: 'empty', value: {} },
  { value: { stringValue: 'no key' } },
]
const resource = { attributes, droppedAttributesCount: 3 }
const times = { startTimeUnixNano: '1795798573189000001', timeUnixNano: '1795798591498999999' }
const scope = { name: 'lib', version: '1', attributes }
const counts = { count: '7', sum: 1.5e-7, min: -0, max: 1e300, flags: 1 }

/** Requests with every field, in JSON. */
const hostile = [
  {
    resourceSpans: [
      {
        resource,
        schemaUrl: 'x',
        scopeSpans: [
          {
            scope,
            spans: [
              {
                traceId: '44c32e3f07e8cd6a87b06b898aeee415',
                spanId: '7acc052cdd623042',
                parentSpanId: '0000000000000000',
                traceState: 'a=1',
                name: 'GET /é',
                kind: 2,
                startTimeUnixNano: '18446744073709551615',
                endTimeUnixNano: '11651379494838206464',
                attributes,
                events: [{ timeUnixNano: '1', name: 'e', attributes }],
                links: [{ traceId: '44c32e3f07e8cd6a87b06b898aeee415', spanId: '7acc052cdd623042', attributes, flags: 3 }],
                status: { code: 2, message: 'no' },
                flags: 769,
              },
              {},
            ],
          },
        ],
      },
      {},
    ],
  },
  {
    resourceLogs: [
      {
        resource: {},
        scopeLogs: [
          {
            logRecords: [
              {
                ...times,
                observedTimeUnixNano: '5',
                severityNumber: 17,
                severityText: 'error',
                eventName: 'e',
                body: { stringValue: 'x' },
              },
              { body: attributes[8]!.value, attributes, traceId: '', spanId: '', flags: 1 },
            ],
          },
        ],
      },
    ],
  },
  {
    resourceMetrics: [
      {
        resource,
        scopeMetrics: [
          {
            scope,
            metrics: [
              {
                name: 'g',
                unit: 's',
                description: 'd',
                metadata: attributes,
                gauge: { dataPoints: [{ ...times, attributes, asDouble: 'NaN' }, {}] },
              },
              {
                name: 's',
                sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...times, asInt: '-9223372036854775808', flags: 1 }] },
              },
              {
                name: 'h',
                histogram: {
                  aggregationTemporality: 1,
                  dataPoints: [
                    { ...times, ...counts, attributes, bucketCounts: ['1', '6', '0'], explicitBounds: [0.005, 1e-7] },
                    { ...times, bucketCounts: [9007199254740991], explicitBounds: [] },
                  ],
                },
              },
              {
                name: 'e',
                exponentialHistogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      ...times,
                      ...counts,
                      attributes,
                      scale: -3,
                      zeroCount: '2',
                      zeroThreshold: 0.1,
                      positive: { offset: -5, bucketCounts: ['1', 0, 4] },
                      negative: {},
                    },
                  ],
                },
              },
              {
                name: 'y',
                summary: { dataPoints: [{ ...times, count: 2, sum: 3, quantileValues: [{ quantile: 0.5, value: 'Infinity' }, {}] }] },
              },
              { name: 'none' },
            ],
          },
        ],
      },
    ],
  },
].map((request) => JSON.stringify(request))

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
