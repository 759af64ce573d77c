import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { otlpLines } from '../../../src/ingest/sources/otlpLines.ts'
import type { MalformedLine } from '../../../src/ingest/sources/otlpRequest.ts'
import { readOtlp } from '../../../src/ingest/sources/readOtlp.ts'
import { all, log, logs, point, span } from './telemetry.ts'

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
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"soon"}]}]}]}',
      '{}',
      '[]',
      'null',
      `{"resourceLogs":[]\0}`,
      `{"resourceLogs":${'['.repeat(100_000)}`,
      JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span({ id: 's', from: 0, to: 1 }), traceId: 'xyz' }] }] }] }),
      JSON.stringify({ resourceLogs: [{ resource: { attributes: [{ key: 1 }] } }] }),
    ]
    const text = [line('first'), ...bad, line('last')].join('\n')
    await writeFile(join(folder, 'bad.jsonl'), text)
    expect(await messages(join(folder, 'bad.jsonl'), malformed)).toEqual(['1:first', '11:last'])
    expect(malformed.map(({ line }) => line)).toEqual(bad.map((_, i) => i + 2))
    expect(malformed.every(({ file }) => file === join(folder, 'bad.jsonl'))).toBe(true)
    expect(malformed[0]!.reason).toMatch(/^not JSON: /)
    expect(malformed[1]!.reason).toContain('resourceLogs.0.scopeLogs.0.logRecords.0.timeUnixNano')
    expect(malformed[2]!.reason).toContain('must have resourceSpans, resourceMetrics or resourceLogs')
    expect(malformed[5]!.reason).toBe('not JSON: it holds a NUL byte')
    expect(malformed[7]!.reason).toContain('traceId: must be 32 hex digits')
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
    expect(await messages(of(text), malformed)).toEqual(['2:b'])
    expect(malformed).toHaveLength(1)
  })

  it('reads the whole lines of a truncated or damaged gzip file and reports the rest', async () => {
    const text = Array.from({ length: 2000 }, (_, i) => line(`message ${i} ${Math.sin(i)}`)).join('\n')
    const packed = gzipSync(text)
    for (const [broken, reason] of [
      [packed.subarray(0, packed.length >> 1), 'the gzip stream ends before its end'],
      [Buffer.concat([packed.subarray(0, packed.length >> 1), Buffer.alloc(1000, 0xff)]), /^damaged gzip: |ends before/],
    ] as const) {
      const malformed: MalformedLine[] = []
      const found = await messages(of(broken), malformed)
      expect(found.length).toBeGreaterThan(500)
      expect(malformed).toHaveLength(1)
      expect(malformed[0]!.line).toBe(found.length + 1)
      expect(malformed[0]!.reason).toMatch(reason)
    }
  })

  it('skips a line that is too long', async () => {
    const lines = await all(otlpLines(of(`ab\n${'x'.repeat(50)}\ncd\n${'y'.repeat(11)}`), 10))
    expect(lines.map((entry) => ('problem' in entry ? entry : { ...entry, bytes: Buffer.from(entry.bytes).toString() }))).toEqual([
      { line: 1, bytes: 'ab' },
      { line: 2, problem: 'longer than 10 bytes' },
      { line: 3, bytes: 'cd' },
      { line: 4, problem: 'longer than 10 bytes' },
    ])
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
    const controller = new AbortController()
    const reading = readOtlp(of(`${line('a')}\n${line('b')}`), { signal: controller.signal })
    await reading.next()
    controller.abort(new Error('enough'))
    await expect(reading.next()).rejects.toThrow('enough')
  })
})
