import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MalformedLine } from '../../../src/ingest/sources/otlpRequest.ts'
import { readOtlp, type RefusedInput } from '../../../src/ingest/sources/readOtlp.ts'
import { pointsOf } from '../../../src/schema/otlp.ts'
import { all, gauge, log, logs, point, resource, span } from './telemetry.ts'

const line = (text: string) => JSON.stringify(logs('a', [log(0, text)]))
const messages = async (source: string | Readable | AsyncIterable<string | Uint8Array>, malformed: MalformedLine[] = []) =>
  (await all(readOtlp(source, { onMalformed: (entry) => malformed.push(entry) }))).map(
    ({ payload, line }) => `${line}:${payload.resourceLogs?.[0]?.scopeLogs[0]?.logRecords[0]?.body?.stringValue}`,
  )
const of = (text: string | Uint8Array) => Readable.from([text])

describe('readOtlp', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'otlp-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('reads plain and gzip alike, whatever the file is called, and says where each request stands', async () => {
    const text = `${line('x')}\r\n\n  ${line('y')}\n`
    await writeFile(join(folder, 'plain.gz'), text)
    await writeFile(join(folder, 'packed.txt'), gzipSync(text))
    for (const name of ['plain.gz', 'packed.txt']) {
      expect(await messages(join(folder, name))).toEqual(['1:x', '3:y'])
      const [first] = await all(readOtlp(join(folder, name)))
      expect(first!.origin).toEqual({ objectBucket: folder, objectKey: name })
    }
  })

  it('reads the same whatever the chunks', async () => {
    const bytes = Buffer.from(`\ufeff${line('ä')}\n${line('🦊')}`)
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.integer({ min: 1, max: 40 }), async (packed, size) => {
        const sent = packed ? gzipSync(bytes) : bytes
        const chunks = Array.from({ length: Math.ceil(sent.length / size) }, (_, i) => sent.subarray(i * size, (i + 1) * size))
        expect(await messages(Readable.from(chunks))).toEqual(['1:ä', '2:🦊'])
      }),
      { numRuns: 30 },
    )
  })

  it('reports a malformed line by file, number and reason, and reads the rest', async () => {
    const malformed: MalformedLine[] = []
    const bad = [
      '{"resourceLogs":',
      '{"resourceLogs":[]]',
      '{}',
      'null',
      `{"resourceLogs":[]\0}`,
      `{"resourceLogs":${'['.repeat(100_000)}`,
      JSON.stringify({ resourceSpans: 'none', resourceLogs: [] }),
    ]
    const text = [line('first'), ...bad, line('last')].join('\n')
    await writeFile(join(folder, 'bad.jsonl'), text)
    expect(await messages(join(folder, 'bad.jsonl'), malformed)).toEqual(['1:first', '9:last'])
    expect(malformed.map(({ line }) => line)).toEqual(bad.map((_, i) => i + 2))
    expect(malformed.every(({ file }) => file === join(folder, 'bad.jsonl'))).toBe(true)
    expect(malformed[0]!.reason).toMatch(/^not JSON: /)
    expect(malformed[2]!.reason).toContain('must have resourceSpans, resourceMetrics or resourceLogs')
    expect(malformed[4]!.reason).toBe('not JSON: it contains a NUL byte')
    expect(malformed[6]!.reason).toMatch(/^not an OTLP export request: resourceSpans: /)
  })

  it('reports what is not UTF-8', async () => {
    const malformed: MalformedLine[] = []
    const bytes = Buffer.concat([Buffer.from(`${line('a')}\n{"x":"`), Buffer.from([0xff]), Buffer.from(`"}\n${line('b')}`)])
    expect(await messages(of(bytes), malformed)).toEqual(['1:a', '3:b'])
    expect(malformed).toEqual([{ file: '-', line: 2, reason: 'not UTF-8' }])
  })

  it('takes nesting without a limit for what it is', async () => {
    const malformed: MalformedLine[] = []
    const deep = `${'{"arrayValue":{"values":['.repeat(5000)}{"intValue":1}${']}}'.repeat(5000)}`
    const text = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${deep}}]}]}]}\n${line('b')}`
    expect(await messages(of(text), malformed)).toEqual(['1:undefined', '2:b'])
    expect(malformed).toEqual([])
    const snakes = '{"resource_logs":'.repeat(20_000) + '1' + '}'.repeat(20_000)
    expect(await messages(of(snakes), malformed)).toEqual([])
    expect(malformed).toHaveLength(1)
  })

  describe('refuses a record alone', () => {
    /** What is refused of a request, and how many spans, points and log records of it are read. */
    const reading = async (request: object) => {
      const refused: RefusedInput[] = []
      const [read] = await all(readOtlp(of(`\n${JSON.stringify(request)}`), { onRefused: (entry) => refused.push(entry) }))
      const { resourceSpans, resourceMetrics, resourceLogs } = read!.payload
      return {
        refused,
        spans: resourceSpans?.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)) ?? [],
        points: resourceMetrics?.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics.flatMap(pointsOf))) ?? [],
        logRecords: resourceLogs?.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)) ?? [],
      }
    }

    it('whose time is none, and says where it stands', async () => {
      const bad = ['soon', '1736244000000000000000000', -1, 1.5, {}].map((timeUnixNano) => ({ ...log(0, 'bad'), timeUnixNano }))
      const { refused, logRecords } = await reading(logs('shop', [log(0, 'a'), ...bad, log(1, 'b')]))
      expect(logRecords.map(({ body }) => body?.stringValue)).toEqual(['a', 'b'])
      expect(refused).toEqual(
        bad.map((_, index) => ({
          file: '-',
          line: 2,
          kind: 'logRecords',
          records: 1,
          field: `resourceLogs.0.scopeLogs.0.logRecords.${index + 1}.timeUnixNano`,
          reason: 'logRecords.timeUnixNano must be a whole number of nanoseconds, of 20 digits at most',
        })),
      )
    })

    it.each([
      ['an id', { traceId: 'xyz' }, 'spans.traceId must be 32 hex digits, 24 characters of base64, or empty'],
      ['a link', { links: [{ spanId: 'xyz' }] }, 'spans.links.spanId must be 16 hex digits, 12 characters of base64, or empty'],
      ['an attribute', { attributes: [{ key: 1 }] }, 'spans.attributes must be a list of keys and values'],
      ['two fields', { kind: 'SPAN_KIND_NEW', status: 1 }, 'spans.kind must be a whole number or one of SPAN_KIND_*'],
    ])('for %s', async (_, wrong, reason) => {
      const good = span({ id: 'a', from: 0, to: 1 })
      const { refused, spans } = await reading({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...good, ...wrong }, good] }] }] })
      expect(spans).toHaveLength(1)
      expect(refused).toMatchObject([{ kind: 'spans', records: 1, reason }])
    })

    it('and points alone, but all of a metric, scope or resource that is wrong itself', async () => {
      const points = [point(0, 1), point(60, 2), point(120, 3)]
      const wrong = [
        gauge('one', [...points, { ...point(0, 1), asDouble: 'many' }]),
        { ...gauge('all', points), unit: 7 },
        { name: 'later', laterKind: { dataPoints: points } },
        gauge('good', points),
      ]
      const { refused, points: read } = await reading({
        resourceMetrics: [
          { scopeMetrics: [{ metrics: wrong }, { scope: 'mine', metrics: [gauge('c', points), gauge('d', points)] }] },
          { resource: { attributes: 'none' }, scopeMetrics: [{ metrics: [gauge('e', points)] }] },
          { laterMetrics: [{ metrics: [gauge('f', points)] }] },
        ],
      })
      expect(read).toHaveLength(6)
      expect(refused.map(({ records, reason }) => [records, reason])).toEqual([
        [3, 'metrics contain laterKind, which is unknown'],
        [1, 'resourceMetrics contain laterMetrics, which is unknown'],
        [1, 'dataPoints.asDouble must be a number'],
        [3, 'metrics.unit must be text'],
        [6, 'scopeMetrics.scope must be an object'],
        [3, 'resourceMetrics.resource.attributes must be a list of keys and values'],
      ])
    })

    it('once, also where what it is in is wrong too', async () => {
      const good = span({ id: 'a', from: 0, to: 1 })
      const scopeSpans = [{ scope: { name: 7 }, spans: [good, { ...good, traceId: 'none' }] }]
      const { refused } = await reading({ resourceSpans: [{ resource: 1, scopeSpans }, { scopeSpans: [{ scope: 1, spans: [] }] }] })
      expect(refused.map(({ records }) => records).toSorted()).toEqual([0, 0, 1, 1])
    })

    it('one of many, and many', async () => {
      const many = (count: number, more: object) => Array.from({ length: count }, (_, second) => ({ ...log(second, 'a'), ...more }))
      expect((await reading(logs('shop', [...many(5_000, {}), ...many(1, { body: 1 })]))).logRecords).toHaveLength(5_000)
      const { refused, logRecords } = await reading(logs('shop', [...many(20_000, { body: 1 }), log(0, 'b')]))
      expect([refused.length, logRecords.length]).toEqual([20_000, 1])
      const malformed: MalformedLine[] = []
      expect(await messages(of(`${JSON.stringify(logs('shop', many(200_000, { body: 1 })))}\n${line('b')}`), malformed)).toEqual(['2:b'])
      expect(malformed).toMatchObject([{ line: 1, reason: expect.stringContaining('wrong in too many places') }])
    })
  })

  describe('reads what producers write', () => {
    const first = async (request: object) => (await all(readOtlp(of(JSON.stringify(request)))))[0]!.payload
    const spanOf = async (fields: object) =>
      (await first({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span({ id: 'a', from: 0, to: 1 }), ...fields }] }] }] }))
        .resourceSpans![0]!.scopeSpans[0]!.spans[0]

    it('that leave out what is empty', async () => {
      const { resourceSpans, resourceMetrics, resourceLogs } = await first({
        resourceSpans: [{ scopeSpans: [{ spans: [{ links: [{}] }] }] }],
        resourceMetrics: [{ scopeMetrics: [{ metrics: [{ gauge: { dataPoints: [{}] } }] }] }],
        resourceLogs: [{ scopeLogs: [{ logRecords: [{ attributes: [{ value: { stringValue: 'a' } }, {}] }] }] }],
      })
      expect(resourceSpans![0]!.scopeSpans[0]!.spans[0]).toMatchObject({ traceId: '', spanId: '', links: [{ traceId: '', spanId: '' }] })
      expect(resourceMetrics![0]!.scopeMetrics[0]!.metrics[0]).toMatchObject({ name: '' })
      expect(resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!.attributes).toHaveLength(2)
    })

    it('that write ids as protobuf does elsewhere, or zeros for none', async () => {
      const ids = { traceId: 'W47/95gDgQPSabYzgT/GDA==', spanId: '7uGbfsPBsXM=', parentSpanId: '0000000000000000' }
      expect(await spanOf(ids)).toMatchObject({ traceId: '5b8efff798038103d269b633813fc60c', spanId: 'eee19b7ec3c1b173', parentSpanId: '' })
      expect(await spanOf({ parentSpanId: 'AAAAAAAAAAA=' })).toMatchObject({ parentSpanId: '' })
    })

    it('that write numbers as text, and no time as Go does', async () => {
      expect(await spanOf({ kind: '3', status: { code: '2' } })).toMatchObject({ kind: 3, status: { code: 2 } })
      expect(await spanOf({ endTimeUnixNano: '-6795364578871345152' })).toMatchObject({ endTimeUnixNano: 0n })
      const exponential = { dataPoints: [{ count: '1', scale: '-2', flags: '1', positive: { offset: '3', bucketCounts: ['1'] } }] }
      const { resourceMetrics } = await first({
        resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'm', exponentialHistogram: exponential }] }] }],
      })
      expect(resourceMetrics![0]!.scopeMetrics[0]!.metrics[0]!.exponentialHistogram!.dataPoints[0]).toMatchObject({
        scale: -2,
        flags: 1,
        positive: { offset: 3, bucketCounts: [1] },
      })
    })

    it('that are older, or write the names of the .proto files', async () => {
      const today = {
        resourceSpans: [{ resource: resource('a'), scopeSpans: [{ scope: { name: 's' }, spans: [span({ id: 'a', from: 0, to: 1 })] }] }],
        resourceMetrics: [{ resource: resource('a'), scopeMetrics: [{ scope: { name: 's' }, metrics: [gauge('m', [point(0, 1)])] }] }],
        resourceLogs: [{ resource: resource('a'), scopeLogs: [{ scope: { name: 's' }, logRecords: [log(0, 'a', 9, { a_b: 'c_d' })] }] }],
      }
      const text = JSON.stringify(today)
      const older = text
        .replaceAll(/"scope(Spans|Metrics|Logs)"/g, '"instrumentationLibrary$1"')
        .replaceAll('"scope":', '"instrumentationLibrary":')
        .replaceAll('"logRecords"', '"logs"')
      const snakes = (written: string) =>
        written.replaceAll(
          /"([a-zA-Z]+)":/g,
          (_, name: string) => `"${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}":`,
        )
      const both = older.replaceAll('"instrumentationLibrarySpans"', '"scopeSpans":[],"instrumentationLibrarySpans"')
      for (const written of [text, older, both, snakes(text), snakes(older)])
        expect(await first(JSON.parse(written) as object)).toEqual(await first(today))
      expect(snakes(older)).toContain('instrumentation_library_spans')
    })
  })

  it('reads the whole lines of a truncated or damaged gzip file and reports the rest', async () => {
    const text = Array.from({ length: 2000 }, (_, i) => line(`message ${i} ${Math.sin(i)}`)).join('\n')
    const packed = gzipSync(text)
    for (const [broken, reason] of [
      [packed.subarray(0, packed.length >> 1), 'the gzip stream ends early'],
      [Buffer.concat([packed.subarray(0, packed.length >> 1), Buffer.alloc(1000, 0xff)]), /^damaged gzip: |ends early/],
    ] as const) {
      const malformed: MalformedLine[] = []
      const found = await messages(of(broken), malformed)
      expect(found.length).toBeGreaterThan(500)
      expect(malformed).toHaveLength(1)
      expect(malformed[0]!.line).toBe(found.length + 1)
      expect(malformed[0]!.reason).toMatch(reason)
    }
  })

  it('reads zstd too, and files appended to each other, with zeros between them', async () => {
    const texts = [`${line('a')}\n`, `${line('b')}\n`, line('c')]
    for (const pack of [gzipSync, zstdCompressSync]) {
      for (const zeros of [0, 1, 5, 512, 40_000]) {
        const bytes = Buffer.concat(texts.flatMap((text) => [pack(text), Buffer.alloc(zeros)]))
        for (const size of [1, 7, 100_000]) {
          if (size === 1 && zeros > 5) continue
          const malformed: MalformedLine[] = []
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
          expect(await messages(Readable.from(chunks), malformed)).toEqual(['1:a', '2:b', '3:c'])
          expect(malformed).toEqual([])
        }
      }
    }
  })

  it('says where something else follows what is compressed, or it breaks off', async () => {
    for (const [pack, name] of [
      [gzipSync, 'gzip'],
      [zstdCompressSync, 'zstd'],
    ] as const) {
      const packed = pack(`${line('a')}\n`)
      const wrong = Buffer.from(packed)
      wrong[wrong.length - 1]! ^= 1
      for (const [bytes, read, reason] of [
        [Buffer.concat([packed, Buffer.from('more')]), undefined, new RegExp(`follows the ${name}|damaged ${name}`)],
        [Buffer.concat([packed, Buffer.alloc(9), Buffer.from('more')]), ['1:a'], new RegExp(`follows the ${name}`)],
        [packed.subarray(0, -1), undefined, new RegExp(`the ${name} stream ends early`)],
        [wrong, undefined, new RegExp(`damaged ${name}`)],
      ] as const) {
        if (pack === zstdCompressSync && bytes === wrong) continue
        const malformed: MalformedLine[] = []
        const found = await messages(of(bytes), malformed)
        if (read !== undefined) expect(found).toEqual(read)
        expect(malformed).toMatchObject([{ reason: expect.stringMatching(reason) }])
      }
    }
  })

  it('reads what follows a line of control characters', async () => {
    const malformed: MalformedLine[] = []
    expect(await messages(of(`\0\0\0\n${line('a')}`), malformed)).toEqual(['2:a'])
    expect(malformed).toHaveLength(1)
  })

  it('fills no memory with a bomb, and passes over empty lines in no time', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('{'), Buffer.alloc(200 * 1024 * 1024, ' '), Buffer.from(`\n}\n${line('a')}`)]))
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const malformed: MalformedLine[] = []
    async function* watched() {
      for (let at = 0; at < bomb.length; at += 256 * 1024) {
        yield bomb.subarray(at, at + 256 * 1024)
        most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      }
    }
    expect(await messages(watched(), malformed)).toEqual(['3:a'])
    expect(malformed).toMatchObject([{ line: 1, reason: 'longer than 67108864 bytes' }])
    expect(most).toBeLessThan(160 * 1024 * 1024)
    expect(await messages(of(gzipSync(`${'\n'.repeat(50_000_000)}${line('a')}`)))).toEqual(['50000001:a'])
  })

  it('understands every spelling of the protocol', async () => {
    const request = {
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                {
                  ...span({ id: 'a', kind: 'CLIENT', from: 0, to: 1 }),
                  status: { code: 'STATUS_CODE_ERROR' },
                  links: null,
                  new: { field: 1 },
                },
                {
                  ...span({ id: 'b', from: 0, to: 1 }),
                  kind: 2,
                  traceId: 'ABCDEF0123456789ABCDEF0123456789',
                  startTimeUnixNano: 1767268800000000000,
                },
              ],
            },
          ],
        },
      ],
      resourceMetrics: [
        {
          scopeMetrics: [
            { metrics: [{ name: 'm', unit: null, sum: { aggregationTemporality: 2, dataPoints: [{ ...point(0, 1), asDouble: 'NaN' }] } }] },
          ],
        },
      ],
    }
    const [read] = await all(readOtlp(of(JSON.stringify(request))))
    const [a, b] = read!.payload.resourceSpans![0]!.scopeSpans[0]!.spans
    expect(a).toMatchObject({ kind: 3, status: { code: 2 }, links: [] })
    expect(b).toMatchObject({ kind: 2, traceId: 'abcdef0123456789abcdef0123456789', startTimeUnixNano: 1_767_268_800_000_000_000n })
    expect(read!.payload.resourceMetrics![0]!.scopeMetrics[0]!.metrics[0]!.sum!.dataPoints[0]!.asDouble).toBeNaN()
  })

  it('survives anything', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, packed) => {
        const malformed: MalformedLine[] = []
        expect(await messages(of(packed ? gzipSync(bytes) : bytes), malformed)).toEqual([])
      }),
    )
  })

  it('throws what the file system says, and stops when it is told to', async () => {
    await expect(messages(join(folder, 'missing'))).rejects.toThrow('ENOENT')
    const stopped = readOtlp(join(folder, 'missing'), { signal: AbortSignal.abort(new Error('before')) })
    await expect(stopped.next()).rejects.toThrow('before')
    const controller = new AbortController()
    const reading = readOtlp(of(`${line('a')}\n${line('b')}`), { signal: controller.signal })
    await reading.next()
    controller.abort(new Error('enough'))
    await expect(reading.next()).rejects.toThrow('enough')
  })
})
