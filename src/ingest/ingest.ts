import type { Readable } from 'node:stream'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { inOrderOfTime } from './sources/inOrderOfTime.ts'
import type { MalformedLine, SourceObject } from './sources/otlpRequest.ts'
import { readOtlp, type RefusedInput } from './sources/readOtlp.ts'
import { rollUp } from './rollups/rollUp.ts'
import type { IngestWindow } from './rollups/windows/ingestWindow.ts'
import { emptyReport, type RollUpReport } from './rollups/windows/rollUpReport.ts'
import { writeRollups } from './writer/writeRollups.ts'

/** Where telemetry comes from: a file's path, or a stream of its bytes. */
export type OtlpSource = string | Readable | AsyncIterable<string | Uint8Array>

/** One of several sources that are loaded as one. */
export interface PlacedSource {
  source: OtlpSource
  /** What locators name as the place of its records; a file's own folder and name unless given. */
  origin?: SourceObject
}

export interface IngestOptions {
  /** How long a window waits for late records: a PostgreSQL interval. Default: `'2 minutes'`. */
  lateness?: string
  /** Milliseconds added to every time. */
  shiftMs?: number
  /**
   * Also loads what is older than its table keeps: history that is to be rolled up before it is
   * dropped. Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
  /** Told of every line that is no export request. */
  onMalformed?: (malformed: MalformedLine) => void
  /** Told of the records of a request that are not read, since a field is wrong. */
  onRefused?: (refused: RefusedInput) => void
  /** Told after each window has been committed. */
  onWindow?: (window: IngestWindow, report: IngestReport) => void
  /**
   * What locators name as the place of the records, where it is not the file's own folder and name.
   */
  origin?: SourceObject
}

/** What is only passed on is checked where it is used. */
const ingestOptions = z.strictObject({
  lateness: z.string().optional(),
  shiftMs: z.number().optional(),
  acceptOld: z.boolean().optional(),
  signal: z.instanceof(AbortSignal).optional(),
  onMalformed: z.custom<IngestOptions['onMalformed']>().optional(),
  onRefused: z.custom<IngestOptions['onRefused']>().optional(),
  onWindow: z.custom<IngestOptions['onWindow']>().optional(),
  origin: z.custom<SourceObject>().optional(),
})

/** What became of everything that was read. */
export interface IngestReport extends RollUpReport {
  /** Lines that are no export request. */
  malformed: number
  /**
   * Minutes of metrics, buckets of calls and of patterns that were refused: they are older than
   * their table keeps.
   */
  tooOldMetrics: number
  tooOldCalls: number
  tooOldPatterns: number
}

/**
 * Loads telemetry: reads OTLP/JSON lines, rolls them up and writes each window in one transaction,
 * in constant memory.
 *
 * Stopped anywhere and run again from the beginning, it leaves exactly the rows of one clean run:
 * windows come whole and in order, and one that is there already is written over with itself.
 *
 * @example
 * const report = await ingest(scope, 'telemetry.jsonl.gz', {
 *   onMalformed: ({ file, line, reason }) => console.warn(`${file}:${line}: ${reason}`),
 * })
 * console.log(report.windows, report.malformed)
 *
 * @param source a file's path, or a stream of its bytes. Or several, read in the order of time as
 * one stream: files that a collector has rotated, or one for each signal. Load files that share a
 * window together; only then is the window whole.
 * @throws the signal's reason when aborted (windows already committed stay); what `readOtlp` and
 * `writeRollups` throw.
 */
export async function ingest(
  scope: Scope,
  source: OtlpSource | readonly PlacedSource[],
  options: IngestOptions = {},
): Promise<IngestReport> {
  const { lateness, shiftMs, acceptOld, signal, onMalformed, onRefused, onWindow, origin } = parseOptions(ingestOptions, options)
  const report: IngestReport = { ...emptyReport(), malformed: 0, tooOldMetrics: 0, tooOldCalls: 0, tooOldPatterns: 0 }
  const placed: readonly PlacedSource[] = isSeveral(source) ? source : [{ source, origin }]
  const requests = placed.map((one) =>
    readOtlp(one.source, {
      signal,
      origin: one.origin,
      onRefused,
      onMalformed: (malformed) => {
        report.malformed += 1
        onMalformed?.(malformed)
      },
    }),
  )
  for await (const window of rollUp(inOrderOfTime(requests), { lateness, shiftMs, signal, report })) {
    const { tooOld } = await writeRollups(scope, window, { acceptOld, signal })
    report.tooOldMetrics += tooOld.metrics
    report.tooOldCalls += tooOld.calls
    report.tooOldPatterns += tooOld.patterns
    onWindow?.(window, report)
  }
  return report
}

const isSeveral = (source: OtlpSource | readonly PlacedSource[]): source is readonly PlacedSource[] => Array.isArray(source)
