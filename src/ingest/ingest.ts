import type { Readable } from 'node:stream'
import type { Scope } from '../database/scope.ts'
import type { MalformedLine, SourceObject } from './otlpRequest.ts'
import { readOtlp } from './readOtlp.ts'
import { rollUp } from './rollUp.ts'
import { emptyReport, type RollupReport } from './rollupReport.ts'
import type { RollupWindow } from './rollupWindow.ts'
import { writeRollups } from './writeRollups.ts'

export interface IngestOptions {
  /** How long a window waits for late records: a PostgreSQL interval, `'2 minutes'` by default. */
  lateness?: string
  /** Milliseconds added to every time. */
  shift?: number
  signal?: AbortSignal
  /** Told of every line that is no export request. */
  onMalformed?: (malformed: MalformedLine) => void
  /** Told after each window has been committed. */
  onWindow?: (window: RollupWindow, report: IngestReport) => void
  /** What locators name as the place of the records, where it is not the file's own folder and name. */
  origin?: SourceObject
}

/** What became of everything that was read. */
export interface IngestReport extends RollupReport {
  /** Lines that are no export request. */
  malformed: number
}

/**
 * Loads telemetry: reads OTLP/JSON lines, rolls them up and writes each window in one transaction, in constant memory.
 *
 * Stopped anywhere, and run again from the beginning, it leaves exactly the rows of one clean run: windows come whole, in order, and a window that is
 * there already is written over with itself.
 *
 * @example
 * const report = await ingest(scope, 'telemetry.jsonl.gz', { onMalformed: ({ file, line, reason }) => console.warn(`${file}:${line}: ${reason}`) })
 * console.log(report.windows, report.malformed)
 *
 * @param source a file's path, or a stream of its bytes.
 * @throws the signal's reason when aborted (windows already committed stay); what `readOtlp` and `writeRollups` throw.
 */
export async function ingest(
  scope: Scope,
  source: string | Readable | AsyncIterable<string | Uint8Array>,
  { lateness, shift, signal, onMalformed, onWindow, origin }: IngestOptions = {},
): Promise<IngestReport> {
  const report: IngestReport = { ...emptyReport(), malformed: 0 }
  const requests = readOtlp(source, {
    signal,
    origin,
    onMalformed: (malformed) => {
      report.malformed += 1
      onMalformed?.(malformed)
    },
  })
  for await (const window of rollUp(requests, { lateness, shift, signal, report })) {
    await writeRollups(scope, window, { signal })
    onWindow?.(window, report)
  }
  return report
}
