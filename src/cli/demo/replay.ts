import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { SingleBar } from 'cli-progress'
import { windowBucket } from '../../database/buckets.ts'
import { milliseconds, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { ingest, type IngestReport } from '../../ingest/ingest.ts'
import { DamagedError, decompressed } from '../../ingest/sources/decompressed.ts'
import { VantageError } from '../../schema/errors.ts'

export interface Replayed {
  report: IngestReport
  /** From the first window's beginning to the last one's end. */
  range: TimeRange
}

const bucket = milliseconds(windowBucket)

/**
 * Loads a recording with its clock shifted by whole 5-minute buckets, so that it ends within the
 * last five minutes.
 *
 * @param file OTLP/JSON lines, plain, gzip or zstd.
 */
export async function replay(
  scope: Scope,
  file: string,
  { signal, interactive, say }: { signal?: AbortSignal; interactive: boolean; say: (text: string) => void },
): Promise<Replayed> {
  const shiftMs = Math.floor((Date.now() - (await endOf(file)).getTime()) / bucket) * bucket
  const { size } = await stat(file)
  const stream = createReadStream(file)
  const bar = interactive
    ? new SingleBar({
        format: 'replaying {bar} {percentage}% | {spans} spans, {logs} logs, {points} metric points',
        stream: process.stderr,
        hideCursor: true,
      })
    : null
  bar?.start(size, 0, { spans: 0, logs: 0, points: 0 })
  try {
    return await load(scope, stream, {
      shiftMs,
      signal,
      origin: { objectBucket: dirname(resolve(file)), objectKey: basename(file) },
      onProgress: ({ spans, logRecords, metricPoints }) => bar?.update(stream.bytesRead, { spans, logs: logRecords, points: metricPoints }),
    })
  } finally {
    bar?.stop()
    stream.destroy()
    if (!interactive) say(`replayed ${basename(file)}\n`)
  }
}

export interface LoadOptions {
  shiftMs?: number
  signal?: AbortSignal
  origin?: { objectBucket: string; objectKey: string }
  onProgress?: (report: IngestReport) => void
}

/** Ingests and remembers what time it covers. */
export async function load(scope: Scope, source: Parameters<typeof ingest>[1], { onProgress, ...options }: LoadOptions): Promise<Replayed> {
  let from: Date | undefined
  let to: Date | undefined
  const report = await ingest(scope, source, {
    ...options,
    onWindow: (window, soFar) => {
      from ??= window.from
      to = window.to
      onProgress?.(soFar)
    },
  })
  if (from === undefined || to === undefined) throw new VantageError('the recording holds no telemetry: nothing can be told about it')
  return { report, range: { from, to } }
}

const time = /"(?:endTimeUnixNano|timeUnixNano)": ?"?(\d{19})/g
const longestTime = 64

/** The latest time in a recording; a pass over the text is enough for that. */
async function endOf(file: string): Promise<Date> {
  let latest = ''
  let text = ''
  try {
    for await (const chunk of decompressed(createReadStream(file))) {
      text = text.slice(-longestTime) + Buffer.from(chunk).toString('latin1')
      for (const [, nanoseconds] of text.matchAll(time)) if (nanoseconds! > latest) latest = nanoseconds!
    }
  } catch (error) {
    // What can be read of it is loaded, so that is what has an end.
    if (!(error instanceof DamagedError)) throw error
  }
  if (latest === '')
    throw new VantageError(`${file} holds no OTLP/JSON lines with times: is it a recording of the OpenTelemetry Collector's file exporter?`)
  return new Date(Number(latest.slice(0, -6)))
}
