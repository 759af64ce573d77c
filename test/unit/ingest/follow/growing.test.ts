import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { GrowingReader, ReaderState, Sink } from '../../../../src/ingest/follow/readers/growingReader.ts'
import { GrowingOtlp } from '../../../../src/ingest/follow/readers/growingOtlp.ts'
import { GrowingText } from '../../../../src/ingest/follow/readers/growingText.ts'
import type { OtlpRequest } from '../../../../src/ingest/sources/otlpRequest.ts'
import { readOtlp } from '../../../../src/ingest/sources/readOtlp.ts'
import { readTextLogs } from '../../../../src/ingest/sources/text/readTextLogs.ts'
import { delimited, protobufOf } from '../otlpProtobuf.ts'
import { all, log, logs } from '../telemetry.ts'

const origin = { objectBucket: 'b', objectKey: 'k' }
const service = 'shop'
const shown = (requests: readonly OtlpRequest[]) => requests.map(({ line, digest, payload }) => ({ line, digest, payload }))

/**
 * Reads bytes that come in pieces, by another reader after each of the pieces where `restarts` says
 * so.
 */
function inPieces(
  bytes: Uint8Array,
  { ends, restarts, make }: { ends: readonly number[]; restarts: readonly boolean[]; make: (state?: ReaderState) => GrowingReader },
): OtlpRequest[] {
  const kept: OtlpRequest[] = []
  let fresh: OtlpRequest[] = []
  const sink: Sink = { request: (request) => fresh.push(request), problem: () => {}, refused: () => {}, recognised: () => {} }
  let reader = make()
  let [at, safe]: [number, { at: number; state?: ReaderState }] = [0, { at: 0 }]
  for (const [index, end] of [...ends, bytes.length].entries()) {
    const isEnd = index === ends.length
    for (let read = -1; read !== 0;) {
      const taken = reader.take(bytes.subarray(at, end), { from: at, isEnd, isSettled: end > bytes.length / 2 }, sink)
      if (taken.safe !== undefined) {
        safe = { at: at + taken.safe.at, state: JSON.parse(JSON.stringify(taken.safe.state)) as ReaderState }
        kept.push(...fresh)
        fresh = []
      }
      read = taken.read
      at += read
      if (isEnd) break
    }
    if (isEnd || restarts[index % restarts.length] !== true) continue
    // What was read after the last safe place was not written.
    fresh = []
    at = safe.at
    reader = make(safe.state)
  }
  return kept.concat(fresh)
}

async function expectSame(bytes: Uint8Array, expected: readonly OtlpRequest[], make: (state?: ReaderState) => GrowingReader) {
  expect(expected.length).toBeGreaterThan(5)
  const ends = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }).map((ends) => ends.toSorted((a, b) => a - b))
  fc.assert(
    fc.property(ends, fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }), (ends, restarts) => {
      expect(shown(inPieces(bytes, { ends, restarts, make }))).toEqual(shown(expected))
    }),
    { numRuns: 60, endOnFailure: true },
  )
}

const payloads = Array.from({ length: 12 }, (_, at) => logs('web', [log(at, `order ${at} é ${'x'.repeat(at * 5)}`)]))

describe('reads the same, in whatever pieces it comes and whoever continues it', () => {
  it.each([
    ['requests on a line each', payloads.map((payload) => `${JSON.stringify(payload)}\n`).join('')],
    ['requests over many lines', payloads.map((payload) => `${JSON.stringify(payload, null, 2)}\n`).join('\n')],
    ['an array of requests', `${JSON.stringify(payloads, null, 1)}\n`],
    [
      'lines that are no request between them',
      payloads.map((payload, at) => `${JSON.stringify(payload)}\n${at % 3 ? '' : 'no\n'}`).join(''),
    ],
  ])('%s', async (_, text) => {
    const bytes = Buffer.from(text)
    const expected = await all(readOtlp(Readable.from([bytes]), { origin }))
    await expectSame(bytes, expected, (state) => new GrowingOtlp(origin, undefined, state))
  })

  it('messages that are preceded by their length', async () => {
    const bytes = Buffer.concat(payloads.map((payload) => delimited(protobufOf(payload))))
    const expected = await all(readOtlp(Readable.from([bytes]), { origin }))
    await expectSame(bytes, expected, (state) => new GrowingOtlp(origin, undefined, state))
  })

  it.each([
    [
      'a log with stack traces',
      payloads
        .map(
          (_, at) =>
            `2026-01-01 12:00:${10 + at} ERROR [main] shop.Cart - no stock ${at} é\n${at % 2 ? 'java.lang.Error: a\n\tat b.c(d.java:1)\n' : ''}`,
        )
        .join(''),
    ],
    [
      'a log without years',
      payloads
        .map((_, at) => `Dec 31 23:59:${10 + at} host app[1]: order ${at}\nJan  1 00:00:${10 + at} host app[1]: order ${at}\n`)
        .slice(0, 6)
        .join(''),
    ],
    [
      'lines of a container in parts, of two streams',
      payloads
        .map(
          (_, at) =>
            `2026-01-01T12:00:${10 + at}.0Z stdout P 2026-01-01 12:00:${10 + at} INFO half\n2026-01-01T12:00:${10 + at}.1Z stderr F whole ${at}\n2026-01-01T12:00:${10 + at}.2Z stdout F  and half ${at}\n`,
        )
        .join(''),
    ],
  ])('%s', async (_, text) => {
    const bytes = Buffer.from(text)
    const options = { service, year: 2025 }
    const expected = await all(readTextLogs(Readable.from([bytes]), { ...options, origin }))
    const sampleOf = (state: ReaderState) =>
      state.kind === 'text' ? { state, sample: bytes.subarray(state.sample.from, state.sample.to) } : undefined
    await expectSame(bytes, expected, (state) => new GrowingText(options, origin, state && sampleOf(state)))
  })
})
