import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import protobuf from 'protobufjs/minimal.js'
import { describe, expect, it } from 'vitest'
import { decompressed } from '../../../src/ingest/sources/decompressed.ts'
import { jsonObjects } from '../../../src/ingest/sources/jsonObjects.ts'
import type { MalformedLine, OtlpRequest } from '../../../src/ingest/sources/otlpRequest.ts'
import { readOtlp, type ReadOtlpOptions, type RefusedInput } from '../../../src/ingest/sources/readOtlp.ts'
import { all, at, gauge, log, logs, metrics, point, requests, resource, span, sum } from './telemetry.ts'
import { delimited, protobufOf } from './otlpProtobuf.ts'

async function reading(bytes: Uint8Array, { size = Infinity, ...options }: ReadOtlpOptions & { size?: number } = {}) {
  const malformed: MalformedLine[] = []
  const refused: RefusedInput[] = []
  const chunks =
    size === Infinity ? [bytes] : Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  const read = await all(
    readOtlp(Readable.from(chunks), {
      ...options,
      onMalformed: (entry) => malformed.push(entry),
      onRefused: (entry) => refused.push(entry),
    }),
  )
  return { read, payloads: read.map(({ payload }) => payload), lines: read.map(({ line }) => line), malformed, refused }
}

const payloadOf = (request: object): OtlpRequest['payload'] => requests([request])[0]!.payload

const times = { startTimeUnixNano: at(0), timeUnixNano: at(60) }
const distribution = { ...times, count: '7', sum: 1.5, min: 0, max: 2.5, flags: 1 }
const everything = {
  traces: {
    resourceSpans: [
      {
        resource: resource('shop', { ratio: 0.5, deep: true, count: 9_007_199_254 }),
        scopeSpans: [
          {
            scope: { name: 'lib', version: '1' },
            spans: [
              span({
                id: 'a',
                parent: 'p',
                links: ['l'],
                kind: 'CLIENT',
                from: 0.000000001,
                to: 1,
                failed: true,
                name: 'GÉT 🦊',
                with: { k: -1 },
              }),
              span({ id: 'b', from: 0, to: 1 }),
            ],
          },
        ],
      },
      { resource: resource('cart'), scopeSpans: [{ spans: [span({ id: 'c', kind: 'SERVER', from: 0, to: 1 })] }] },
    ],
  },
  metrics: metrics('shop', [
    gauge('g', [point(0, 1.5), point(1, 0, 0, { cpu: '0' }), { ...times, asInt: '-5' }, { ...times, asInt: '9007199254740993' }]),
    gauge('n', [
      { ...times, asDouble: 'NaN' },
      { ...times, asDouble: '-Infinity', flags: 1 },
    ]),
    sum('s', 'CUMULATIVE', true, [point(0, 1)]),
    {
      name: 'h',
      histogram: {
        aggregationTemporality: 'AGGREGATION_TEMPORALITY_DELTA',
        dataPoints: [{ ...distribution, bucketCounts: ['1', '2', '4'], explicitBounds: [0.5, 1] }],
      },
    },
    {
      name: 'e',
      exponentialHistogram: {
        aggregationTemporality: 2,
        dataPoints: [
          {
            ...distribution,
            scale: -3,
            zeroCount: '2',
            positive: { offset: -7, bucketCounts: ['1', '300', '4294967296'] },
            negative: { offset: 2, bucketCounts: ['1'] },
          },
        ],
      },
    },
    { name: 'y', summary: { dataPoints: [{ ...times, count: '2', sum: 3, quantileValues: [{ quantile: 0.5, value: 1 }] }] } },
  ]),
  logs: logs('shop', [
    log(0, 'first', 17, { a: 'b' }),
    { timeUnixNano: at(1), observedTimeUnixNano: at(2), severityText: 'INFO', eventName: 'started' },
    {
      ...log(3, ''),
      body: { kvlistValue: { values: [{ key: 'list', value: { arrayValue: { values: [{ intValue: '-1' }, { bytesValue: 'AAE=' }] } } }] } },
    },
  ]),
}

describe('protobuf', () => {
  it.each(Object.entries(everything))('gives the payload of the same request in JSON: %s', async (_, request) => {
    const { payloads, malformed, refused } = await reading(protobufOf(request))
    expect(payloads).toEqual([payloadOf(request)])
    expect([...malformed, ...refused]).toEqual([])
  })

  it('and of a recording', async () => {
    const source = decompressed(createReadStream('examples/shop/recordings/incident.jsonl.gz'))
    const documents: object[] = []
    for await (const piece of jsonObjects(source, 1_000_000)) {
      if ('bytes' in piece) documents.push(JSON.parse(Buffer.from(piece.bytes).toString()) as object)
      if (documents.length === 60) break
    }
    // Protobuf does not tell what is left out from zero: written once, JSON's zeros are as left out.
    const bytes = Buffer.concat(documents.map((document) => delimited(protobufOf(document))))
    const { read, malformed, refused } = await reading(bytes)
    expect([...malformed, ...refused]).toEqual([])
    expect(read.map(({ payload }) => withoutDefaults(payload))).toEqual(documents.map((document) => withoutDefaults(payloadOf(document))))
  })

  it('is told by its bytes, also with its length before it, compressed, and both, whatever the chunks', async () => {
    const messages = Object.values(everything).map(protobufOf)
    const expected = Object.values(everything).map(payloadOf)
    const compressed = Buffer.concat(messages.map((message) => delimited(zstdCompressSync(message))))
    const plain = Buffer.concat(messages.map(delimited))
    const json = Buffer.concat(Object.values(everything).map((request) => delimited(Buffer.from(JSON.stringify(request)))))
    const packedJson = Buffer.concat(
      Object.values(everything).map((request) => delimited(zstdCompressSync(Buffer.from(JSON.stringify(request))))),
    )
    for (const bytes of [plain, compressed, json, packedJson]) {
      for (const sent of [bytes, gzipSync(bytes), zstdCompressSync(bytes)]) {
        for (const size of [1, 5, 1000, Infinity]) {
          const { payloads, lines, malformed } = await reading(sent, { size })
          expect(malformed).toEqual([])
          expect(payloads).toEqual(expected)
          expect(lines).toEqual([1, 2, 3])
        }
      }
    }
  })

  it('has the digest of its bytes, however it is packed', async () => {
    const message = protobufOf(everything.logs)
    const digests = await Promise.all(
      [message, gzipSync(message), delimited(message), delimited(zstdCompressSync(message))].map(
        async (bytes) => (await reading(bytes)).read[0]!.digest,
      ),
    )
    expect(new Set(digests).size).toBe(1)
  })

  it('of several messages in one', async () => {
    const bytes = Buffer.concat(Object.values(everything).map(protobufOf))
    const { payloads } = await reading(bytes)
    expect(payloads).toEqual([Object.assign({}, ...Object.values(everything).map(payloadOf))])
  })

  describe('tells what its records are', () => {
    it.each([
      [
        'a span with an id',
        { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), name: 'a' }] }] }] },
      ],
      ['a span with a kind', { resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'a', kind: 3 }] }] }] }],
      ['a span that began', { resourceSpans: [{ scopeSpans: [{ spans: [{ startTimeUnixNano: at(0) }] }] }] }],
      ['a log record with a time', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: at(0) }] }] }] }],
      ['a log record that was seen', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ observedTimeUnixNano: at(0) }] }] }] }],
      ['a log record with a body', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'a' } }] }] }] }],
      ['a log record with a severity', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityNumber: 9 }] }] }] }],
      ['a log record with an attribute', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ attributes: [{ key: 'a' }] }] }] }] }],
      ['a gauge', metrics('shop', [gauge('x', [{}])])],
      ['a gauge with a name of 16 bytes', metrics('shop', [gauge('x'.repeat(16), [point(0, 1)], 'x'.repeat(8))])],
      ['a sum without a name', metrics('shop', [sum('', 'DELTA', true, [point(0, 1)])])],
      ['a summary', metrics('shop', [{ name: 'x', summary: { dataPoints: [times] } }])],
      ['nothing, and then a span', { resourceSpans: [{ scopeSpans: [] }, { scopeSpans: [{ spans: [{}, { kind: 2 }] }] }] }],
    ])('%s', async (_, request) => {
      expect((await reading(protobufOf(request))).payloads.map((payload) => Object.keys(payload))).toEqual([Object.keys(request)])
    })

    it('or is told', async () => {
      const empty = protobufOf({ resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] })
      const { read, malformed } = await reading(empty)
      expect(read).toEqual([])
      expect(malformed).toMatchObject([{ line: 1, reason: expect.stringContaining("such as 'protobuf-logs'") }])
      for (const [format, list] of [
        ['protobuf-logs', 'resourceLogs'],
        ['protobuf-traces', 'resourceSpans'],
        ['protobuf-metrics', 'resourceMetrics'],
      ] as const) {
        for (const bytes of [empty, delimited(empty)])
          expect((await reading(bytes, { format })).payloads.map((payload) => Object.keys(payload))).toEqual([[list]])
      }
    })
  })

  describe('that is wrong', () => {
    it('in a record: it is refused alone, by its field', async () => {
      const good = span({ id: 'a', from: 0, to: 1 })
      const request = {
        resourceSpans: [{ scopeSpans: [{ spans: [{ ...good, traceId: 'ab'.repeat(12) }, good, { ...good, spanId: 'ab' }] }] }],
      }
      const { payloads, refused } = await reading(protobufOf(request))
      expect(payloads[0]!.resourceSpans![0]!.scopeSpans[0]!.spans).toHaveLength(1)
      expect(refused).toMatchObject([
        {
          kind: 'spans',
          records: 1,
          field: 'resourceSpans.0.scopeSpans.0.spans.0.traceId',
          reason: expect.stringContaining('spans.traceId must be'),
        },
        { kind: 'spans', records: 1, field: 'resourceSpans.0.scopeSpans.0.spans.2.spanId' },
      ])
    })

    it('in what a field is written as', async () => {
      // The name, which is field 5, as a number.
      const wrong = Buffer.concat([protobufOf({ resourceSpans: [{ scopeSpans: [{ spans: [{ kind: 2 }] }] }] })])
      wrong[wrong.length - 2] = (5 << 3) | 0
      const { refused } = await reading(wrong, { format: 'protobuf-traces' })
      expect(refused).toMatchObject([{ records: 1, field: 'resourceSpans.0.scopeSpans.0.spans.0.name' }])
    })

    it('in a record that is damaged, and in what follows it', async () => {
      const names = ['first', 'second', 'third']
      const request = {
        resourceSpans: [{ scopeSpans: [{ spans: names.map((name) => span({ id: 'a', name, from: 0, to: 1 })) }] }],
      }
      const bytes = protobufOf(request)
      const length = bytes.indexOf('second') - 1
      bytes[length] = 127
      const { payloads, refused } = await reading(bytes)
      expect(payloads[0]!.resourceSpans![0]!.scopeSpans[0]!.spans.map(({ name }) => name)).toEqual(['first', 'third'])
      expect(refused).toMatchObject([{ records: 1, field: 'resourceSpans.0.scopeSpans.0.spans.1', reason: 'spans are damaged' }])
    })

    it('in a metric of a type that is not known', async () => {
      const later = { name: 'x', later: { dataPoints: [point(0, 1)] } }
      const { refused } = await reading(protobufOf(metrics('shop', [later, gauge('g', [point(0, 1)])])))
      expect(refused).toMatchObject([{ kind: 'metricPoints', records: 1, reason: 'metrics contain field 14, which is unknown' }])
    })

    it('in counts beyond 2^53, while times are exact', async () => {
      const wide = { ...times, count: '18446744073709551615', bucketCounts: ['18446744073709551615'] }
      const { refused, payloads } = await reading(
        protobufOf(metrics('shop', [{ name: 'h', histogram: { dataPoints: [wide, { ...times, timeUnixNano: '18446744073709551615' }] } }])),
      )
      expect(refused).toMatchObject([{ records: 1, reason: 'dataPoints.count must be a whole number from 0 to 2^53 - 1' }])
      expect(payloads[0]!.resourceMetrics![0]!.scopeMetrics[0]!.metrics[0]!.histogram!.dataPoints).toMatchObject([
        { timeUnixNano: 18446744073709551615n },
      ])
    })

    it("in Go's zero time, which is none", async () => {
      const { payloads } = await reading(protobufOf(logs('shop', [{ ...log(0, 'a'), timeUnixNano: '11651379494838206464' }])))
      expect(payloads[0]!.resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!.timeUnixNano).toBe(0n)
    })

    it('as a whole', async () => {
      const message = protobufOf(everything.traces)
      const { read, malformed } = await reading(message.subarray(0, -10))
      expect(read).toEqual([])
      expect(malformed).toMatchObject([{ line: 1, reason: expect.stringContaining('damaged protobuf') }])
      expect((await reading(Buffer.from('{}'), { format: 'protobuf' })).malformed).toHaveLength(1)
      expect((await reading(message, { format: 'json' })).malformed.length).toBeGreaterThan(0)
      expect((await reading(delimited(message), { format: 'json' })).malformed).toMatchObject([
        { reason: expect.stringContaining('not UTF-8') },
      ])
    })

    it('by nesting without a limit', async () => {
      const field = (number: number, content: Uint8Array) =>
        protobuf.Writer.create()
          .uint32((number << 3) | 2)
          .bytes(content)
          .finish()
      for (const depth of [70, 150, 5_000]) {
        let value: Uint8Array = Uint8Array.of(3 << 3, 1)
        for (let nested = 0; nested < depth; nested += 1) value = field(5, field(1, value))
        const deep = field(1, field(2, field(2, field(5, value))))
        const { payloads, refused } = await reading(Buffer.concat([protobufOf(logs('shop', [log(1, 'b')])), deep]))
        expect(payloads[0]!.resourceLogs!.map(({ scopeLogs }) => scopeLogs[0]!.logRecords.length)).toEqual([1, 0])
        expect(refused).toMatchObject([{ kind: 'logRecords', records: 1 }])
      }
    })
  })

  describe('with its length before it', () => {
    const messages = ['first', 'second', 'third'].map((text, second) => protobufOf(logs('shop', [log(second, text)])))
    const found = async (bytes: Uint8Array, size?: number) => {
      const { payloads, lines, malformed } = await reading(bytes, { size })
      return {
        texts: payloads.map(
          (payload, index) => `${lines[index]}:${payload.resourceLogs?.[0]?.scopeLogs[0]?.logRecords[0]?.body?.stringValue}`,
        ),
        malformed: malformed.map(({ line, reason }) => `${line}: ${reason}`),
      }
    }
    const [first, second, third] = messages.map(delimited) as [Buffer, Buffer, Buffer]

    it('is passed over alone where it is damaged', async () => {
      const damaged = Buffer.from(second)
      damaged.fill(0xff, 6)
      const { texts, malformed } = await found(Buffer.concat([first, damaged, third]))
      expect(texts).toEqual(['1:first', '2:third'])
      expect(malformed).toEqual([`2: there is no message in the ${second.length} bytes from byte ${first.length} on`])
      const packed = delimited(zstdCompressSync(messages[1]!))
      packed.fill(0xff, 20)
      const zstd = await found(Buffer.concat([first, packed, third]))
      expect(zstd.texts.map((text) => text.slice(2))).toEqual(['first', 'third'])
      expect(zstd.malformed[0]).toMatch(new RegExp(`^2: damaged zstd: .* \\(the message at byte ${first.length}\\)$`))
    })

    it('is found again wherever the one before it breaks off', async () => {
      for (const pack of [(message: Buffer) => message, zstdCompressSync]) {
        const [one, two, three] = messages.map((message) => delimited(pack(message))) as [Buffer, Buffer, Buffer]
        // Less of its length is zeros, with which files are filled up.
        for (let kept = 4; kept < two.length; kept += 1) {
          const { texts, malformed } = await found(Buffer.concat([one, two.subarray(0, kept), three]))
          expect(texts.map((text) => text.slice(2))).toEqual(['first', 'third'])
          expect(malformed.length).toBeGreaterThan(0)
        }
      }
    })

    it('is said to break off at the end', async () => {
      const { texts, malformed } = await found(Buffer.concat([first, second.subarray(0, 60)]))
      expect(texts).toEqual(['1:first'])
      expect(malformed).toEqual([`2: it ends after 56 of ${second.length - 4} bytes (the message at byte ${first.length})`])
    })

    it('is found between zeros, with which files are filled up', async () => {
      const zeros = Buffer.alloc(5_000)
      for (const size of [7, 4096, 100_000]) {
        const { texts, malformed } = await found(Buffer.concat([first, zeros, second, third, zeros]), size)
        expect(texts).toEqual(['1:first', '2:second', '3:third'])
        expect(malformed).toEqual([])
      }
    })

    it('is read up to where gzip is damaged', async () => {
      const many = Buffer.concat(
        Array.from({ length: 500 }, (_, second) => delimited(protobufOf(logs('shop', [log(second, `${Math.sin(second)}`)])))),
      )
      const packed = gzipSync(many)
      const { texts, malformed } = await found(packed.subarray(0, packed.length >> 1))
      expect(texts.length).toBeGreaterThan(100)
      expect(malformed).toEqual([expect.stringMatching(/^\d+: the gzip stream ends early \(the message at byte \d+\)/)])
    })

    it('is no bomb', async () => {
      const bomb = delimited(zstdCompressSync(Buffer.alloc(100 * 1024 * 1024)))
      const { texts, malformed } = await found(Buffer.concat([bomb, first]))
      expect(texts).toEqual(['2:first'])
      expect(malformed).toEqual([expect.stringContaining('longer than 67108864 bytes')])
    })
  })

  it('is not what text is, nor any binary file', async () => {
    const { payloads } = await reading(Buffer.from(`\n{\n  \n\n ${JSON.stringify(everything.logs).slice(1)}`))
    expect(payloads).toHaveLength(1)
    for (const bytes of [
      Buffer.from('\x7fELF\x02\x01\x01\0\0\0'),
      Buffer.from('PAR1\x15\x04\x15\x10'),
      Buffer.from([0, 0, 0, 0, 0xff, 1, 2, 3]),
    ]) {
      const { read, malformed } = await reading(Buffer.concat([bytes, Buffer.alloc(600, '\0\x01a')]))
      expect(read).toEqual([])
      expect(malformed).toEqual([{ file: '-', line: 1, reason: expect.stringContaining('not a supported format') }])
    }
  })

  it('survives anything', async () => {
    const bytes = Buffer.concat(Object.values(everything).map(protobufOf))
    const framed = Buffer.concat(Object.values(everything).map((request) => delimited(protobufOf(request))))
    const wrong = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(bytes, framed), wrong, async (good, changes) => {
        const changed = Buffer.from(good)
        for (const [where, byte] of changes) changed[where] = byte
        const { read, malformed } = await reading(changed, { format: 'protobuf' })
        expect(read.length + malformed.length).toBeGreaterThan(0)
      }),
      { numRuns: 300 },
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom([], [0, 0, 0, 9], [0x0a, 0x20]), async (rest, head) => {
        await reading(Buffer.from([...head, ...rest]), { format: 'protobuf' })
        await reading(Buffer.from([...head, ...rest]))
      }),
      { numRuns: 300 },
    )
  })
})

/** Without what is as if it were left out: empty texts and lists, zeros, null. Integers are text. */
function withoutDefaults(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutDefaults)
  if (typeof node !== 'object' || node === null) return node
  return Object.fromEntries(
    Object.entries(node)
      .map(([name, value]) => [name, name === 'intValue' ? String(value) : withoutDefaults(value)] as const)
      .filter(
        ([, value]) =>
          !(
            value == null ||
            value === '' ||
            value === 0 ||
            value === 0n ||
            value === false ||
            (Array.isArray(value) && value.length === 0)
          ),
      ),
  )
}
