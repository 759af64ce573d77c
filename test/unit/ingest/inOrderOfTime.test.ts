import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inOrderOfTime } from '../../../src/ingest/sources/inOrderOfTime.ts'
import type { OtlpRequest } from '../../../src/ingest/sources/otlpRequest.ts'
import { readOtlp } from '../../../src/ingest/sources/readOtlp.ts'
import { rollUp } from '../../../src/ingest/rollups/rollUp.ts'
import type { IngestWindow } from '../../../src/ingest/rollups/windows/ingestWindow.ts'

const start = Date.UTC(2026, 0, 1, 12)

/** A request with one log record, so many seconds after noon. */
const log = (second: number, body = `at ${second}`) =>
  JSON.stringify({
    resourceLogs: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'web' } }] },
        scopeLogs: [{ logRecords: [{ timeUnixNano: `${BigInt(start + second * 1000) * 1_000_000n}`, body: { stringValue: body } }] }],
      },
    ],
  })

const requests = (lines: string[]): AsyncIterable<OtlpRequest> => readOtlp(Readable.from(lines.map((line) => `${line}\n`)))

async function secondsOf(stream: AsyncIterable<OtlpRequest>): Promise<number[]> {
  const seconds: number[] = []
  for await (const { payload } of stream) {
    const time = payload.resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!.timeUnixNano
    seconds.push(Number((time ?? 0n) / 1_000_000_000n) - start / 1000)
  }
  return seconds
}

describe('inOrderOfTime', () => {
  it('puts files together by time, whichever is named first', async () => {
    expect(await secondsOf(inOrderOfTime([requests([log(30), log(40)]), requests([log(0), log(35), log(50)])]))).toEqual([
      0, 30, 35, 40, 50,
    ])
  })

  it('keeps the order within a file, and gives nothing for no files or empty ones', async () => {
    expect(await secondsOf(inOrderOfTime([requests([log(20), log(10), log(30)]), requests([log(25)])]))).toEqual([20, 10, 25, 30])
    expect(await secondsOf(inOrderOfTime([]))).toEqual([])
    expect(await secondsOf(inOrderOfTime([requests([]), requests([])]))).toEqual([])
  })

  it('is not held up by one broken clock', async () => {
    const year = 365 * 86_400
    expect(await secondsOf(inOrderOfTime([requests([log(0), log(year), log(10)]), requests([log(5), log(15)])]))).toEqual([
      0,
      year,
      5,
      10,
      15,
    ])
  })

  it('rolls up rotated files, and one file for each of several, as the one stream they were', async () => {
    const roll = async (stream: AsyncIterable<OtlpRequest>) => {
      const windows: Pick<IngestWindow, 'from' | 'patterns'>[] = []
      for await (const { from, patterns } of rollUp(stream))
        windows.push({ from, patterns: patterns.map((row) => ({ ...row, locator: 0 })) })
      return windows
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(3_000), fc.nat(3)), { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        async (given, rotated) => {
          const lines = given
            .map(([second], at) => ({ second, at }))
            .sort((a, b) => a.second - b.second)
            .map(({ second, at }, place) => ({
              line: log(second, `message ${at} of ${second}`),
              file: rotated ? Math.floor((place * 4) / given.length) : given[at]![1],
            }))
          const files = [3, 1, 0, 2].map((file) => lines.filter((line) => line.file === file).map(({ line }) => line))
          expect(await roll(inOrderOfTime(files.map(requests)))).toEqual(await roll(requests(lines.map(({ line }) => line))))
        },
      ),
      { numRuns: 50 },
    )
  })
})
