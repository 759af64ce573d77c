import { z } from 'zod'
import { durationText } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { parseOptions } from '../schema/parse.ts'
import { emptyIngestReport, type IngestReport } from './ingestReport.ts'
import { groups } from './journal/batches.ts'
import { Load } from './load.ts'
import { messageOptions, type MessageOptions } from './records/logMessage.ts'
import { dimensionOptions, hashKeyGiven, type DimensionOptions } from './records/dimension.ts'
import type { ResourceOf } from './records/resourceOf.ts'
import type { MalformedLine, SourceObject } from './sources/otlpRequest.ts'
import type { RefusedInput } from './sources/readOtlp.ts'
import { requestsOf, type OtlpSource, type PlacedSource } from './sources/requestsOf.ts'
import type { RequestFormat } from './sources/requestFormat.ts'
import { textLogOptions, type RecognisedText, type TextLogOptions } from './sources/text/readTextLogs.ts'
import type { IngestWindow } from './rollups/windows/ingestWindow.ts'

export { emptyIngestReport, type IngestReport } from './ingestReport.ts'
export type { OtlpSource, PlacedSource } from './sources/requestsOf.ts'

export interface IngestOptions extends DimensionOptions, MessageOptions {
  /**
   * How long a window waits for late records: a PostgreSQL interval. Default: `'15 minutes'`. A
   * window closes in one of two cases:
   *
   * - the newest record of its resource is this far past the window's end, and nothing was added to
   *   the window for this long
   * - nothing was added for four times as long
   *
   * A call that takes longer than `horizon` counts when it ends.
   */
  horizon?: string
  /**
   * How many bytes of compact records the database keeps for open windows. Beyond this the oldest
   * windows close early. Default: 268,435,456.
   */
  maxJournalBytes?: number
  /** Milliseconds added to every time. */
  shiftMs?: number
  /**
   * Names resources where the default rules do not fit: see `ResourceOf`. It must return the same
   * name for the same input.
   */
  resourceOf?: ResourceOf
  /**
   * Also loads records older than their table's retention: history to roll up before it is dropped.
   * Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
  /** Reads the sources as logs of plain text and not as OTLP: see `readTextLogs`. */
  text?: TextLogOptions
  /** Called for each source of plain text when its format has been chosen. */
  onRecognised?: (recognised: RecognisedText) => void
  /** Called for each piece of the input that is not an export request, or lines that are no record. */
  onMalformed?: (malformed: MalformedLine) => void
  /** Called for records of a request that are refused because a field is wrong. */
  onRefused?: (refused: RefusedInput) => void
  /** Called after each window is committed. */
  onWindow?: (window: IngestWindow, report: IngestReport) => void
  /** The location that locators store for the records. Default: the file's folder and name. */
  origin?: SourceObject
  /** The format of the requests, if their bytes do not show it: see `readOtlp`. */
  format?: RequestFormat
}

/**
 * Options of everything that loads; those that are only passed on are checked by the functions that
 * use them.
 */
export const loadOptions = {
  horizon: durationText.default('15 minutes'),
  maxJournalBytes: z
    .int()
    .min(1)
    .default(256 * 1024 * 1024),
  shiftMs: z.custom<number>((value) => Number.isSafeInteger(value), 'must be a whole number of milliseconds').default(0),
  acceptOld: z.boolean().default(false),
  resourceOf: z.custom<ResourceOf>((value) => typeof value === 'function', 'must be a function').optional(),
  ...dimensionOptions,
  ...messageOptions,
  signal: z.instanceof(AbortSignal).optional(),
  onMalformed: z.custom<IngestOptions['onMalformed']>().optional(),
  onRefused: z.custom<IngestOptions['onRefused']>().optional(),
  onWindow: z.custom<IngestOptions['onWindow']>().optional(),
  format: z.custom<RequestFormat>().optional(),
  text: z.strictObject(textLogOptions).optional(),
  onRecognised: z.custom<IngestOptions['onRecognised']>().optional(),
}

/** A text has no format of requests. */
export function eitherFormatOrText(
  { text, format }: { text?: unknown; format?: unknown },
  context: Pick<z.core.$RefinementCtx, 'addIssue'>,
): void {
  if (text === undefined || format === undefined) return
  context.addIssue({ code: 'custom', path: ['format'], message: 'is of requests: it cannot be given with text' })
}

const ingestOptions = z
  .strictObject({ ...loadOptions, origin: z.custom<SourceObject>().optional() })
  .superRefine(hashKeyGiven)
  .superRefine(eitherFormatOrText)

/**
 * Loads telemetry as it streams in: reads OTLP in JSON or protobuf, or logs of plain text, keeps
 * compact records in the database's journal, and writes the rows of each window in one transaction.
 *
 * | | |
 * |---|---|
 * | **The rows do not depend on how the input arrives** | in files one by one or together, in any order, by several processes at once, the same file twice |
 * | open windows | a window is rolled up again from its journal until it closes (`horizon`) |
 * | late records | arrive for a closed window: counted by kind and resource, and dropped |
 * | old records | open their window at any age within the retention of their table |
 * | stopped and run again from the beginning | leaves exactly the rows of one uninterrupted run |
 * | when the rows are written | at the end of the input; if the input lasts longer, also every minute |
 *
 * @example
 * const report = await ingest(scope, 'telemetry.jsonl.gz', {
 *   onMalformed: ({ file, line, reason }) => console.warn(`${file}:${line}: ${reason}`),
 * })
 * console.log(report.windows, report.malformed, report.records.traces)
 *
 * // insert into "public"."ingest_journal" (tenant_id, dataset, window_start, digest, requests,
 * //   records, payload) values (...)
 * // and, window by window, what `writeRollups` shows
 *
 * @param source a file's path, or a stream of its bytes; or several, read one after the other. With
 * an empty array it rolls up what other processes left, and closes windows.
 * @throws InvalidInputError if an option is wrong, or the scope's transaction is not READ
 * COMMITTED; the signal's reason if aborted (what is in the journal stays, and the next run rolls
 * it up); the errors of `readOtlp` and `writeRollups`.
 */
export async function ingest(
  scope: Scope,
  source: OtlpSource | readonly PlacedSource[],
  options: IngestOptions = {},
): Promise<IngestReport> {
  const { origin, ...parsed } = parseOptions(ingestOptions, options)
  const { signal, format, text, onMalformed, onRefused, onRecognised } = parsed
  const sources: readonly PlacedSource[] = isSeveral(source) ? source : [{ source, origin }]
  await assertReadCommitted(scope.db, 'ingest')
  const report = emptyIngestReport()
  const load = new Load(scope, parsed, report)
  const requests = requestsOf(sources, {
    format,
    text,
    signal,
    onRefused,
    onRecognised,
    onMalformed: (malformed) => {
      report.malformed += 1
      onMalformed?.(malformed)
    },
    onNothing: (source) => report.withoutRequests.push(source),
  })
  let rolledAt = performance.now()
  const batches = groups(
    requests,
    () => load.begin(),
    ({ request }) => request,
  )
  for await (const batch of batches) {
    signal?.throwIfAborted()
    if (batch !== undefined) await load.add(batch)
    if (performance.now() - rolledAt < rollEvery && !(await load.isFull())) continue
    await load.rollUp()
    rolledAt = performance.now()
  }
  signal?.throwIfAborted()
  await load.rollUp()
  await load.settle()
  return report
}

/** How often a long input is rolled up in between, in milliseconds. */
const rollEvery = 60_000

const isSeveral = (source: OtlpSource | readonly PlacedSource[]): source is readonly PlacedSource[] => Array.isArray(source)
