import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { parseOptions } from '../../../schema/parse.ts'
import { boundedText, storableText } from '../../../schema/text.ts'
import { DamagedError, decompressed } from '../decompressed.ts'
import type { MalformedLine, OtlpRequest, SourceObject } from '../otlpRequest.ts'
import { chunksOf, nameOfSource, pathOf, placeOfSource } from '../sourceBytes.ts'
import { chooseFormat } from './formats/chooseFormat.ts'
import { HeaderTemplate } from './formats/headerTemplate.ts'
import { LogClock } from './time/logClock.ts'
import { SampledLines } from './sampledLines.ts'
import { textLines } from './textLines.ts'
import { TextRecords, type TextProblem } from './textRecords.ts'
import { TextRequests } from './textRequests.ts'
import { dateOrders, type DateOrder } from './time/timePatterns.ts'
import { timeZone } from './time/timeZone.ts'

/** How text logs are read. */
export interface TextLogOptions {
  /** The service that wrote the lines: `service.name`. At most 255 bytes. */
  service: string
  /**
   * The header of a record: `<time> <level> [<thread>] <logger> - <message>`; see
   * docs/text-logs.md. Of several the first that matches counts. Default: recognised from the first
   * lines.
   */
  header?: string | readonly string[]
  /** The zone of times without one: `Europe/Berlin`, `+02:00`. Default: UTC. */
  timeZone?: string
  /**
   * The year of the first line, if times have none. Default: the last year in which it is not after
   * the last change of the file, or after now.
   */
  year?: number
  /** The date of the first line, `YYYY-MM-DD`, if times have none: they go on past midnight. */
  date?: string
  /** The order of day, month and year in dates such as 03/04/2025. Default: the one that fits all of the first lines. */
  dateOrder?: DateOrder
}

/** What was recognised in a text log. */
export interface RecognisedText {
  readonly file: string
  /** The name of the format. */
  readonly format: string
  /** The header of its records; null for JSON and logfmt. */
  readonly header: string | null
  /** How the lines of containers are kept; null if they are not. */
  readonly container: string | null
  /** The zone of times without one; null if all of the first lines have a zone. */
  readonly timeZone: string | null
  /** The year of the first line; null if times have a year. */
  readonly year: number | null
}

export interface ReadTextLogsOptions extends TextLogOptions {
  signal?: AbortSignal
  /** Called for lines that are not read. Without it they are skipped silently. */
  onMalformed?: (malformed: MalformedLine) => void
  /** Called when the format has been chosen. */
  onRecognised?: (recognised: RecognisedText) => void
  /** The location that locators store for the records. Default: as in `readOtlp`. */
  origin?: SourceObject
}

const headerText = z.string().min(1)

/** @internal */
export const textLogOptions = {
  service: boundedText(255),
  header: z.union([headerText, z.array(headerText).min(1).max(20).readonly()]).optional(),
  timeZone: z.string().min(1).optional(),
  year: z.int().min(1970).max(2999).optional(),
  date: z.iso.date('must be a date such as 2025-03-09').optional(),
  dateOrder: z.enum(dateOrders).optional(),
}

const callback = <F>() => z.custom<F>((value) => typeof value === 'function', 'must be a function').optional()

const readTextLogsOptions = z.strictObject({
  ...textLogOptions,
  signal: z.instanceof(AbortSignal).optional(),
  onMalformed: callback<ReadTextLogsOptions['onMalformed']>(),
  onRecognised: callback<ReadTextLogsOptions['onRecognised']>(),
  origin: z.strictObject({ objectBucket: storableText, objectKey: storableText }).optional(),
})

/**
 * Reads a log of plain text: each record is one request of logs, for `rollUp` or `ingest`.
 *
 * The format is recognised from the first 1,000 lines and holds for all; `header` overrides this.
 * Lines without a header continue the record before: stack traces, statements over many lines.
 * Plain, gzip or zstd; UTF-8, or UTF-16 with a byte order mark. Reading is streaming.
 *
 * A record that is read again counts once, also when the file has grown or was renamed: it is known
 * by its first line and all records before it.
 *
 * @example
 * for await (const window of rollUp(readTextLogs('app.log', { service: 'checkout' }))) {
 *   console.log(window.from, window.patterns)
 * }
 *
 * @throws InvalidInputError naming the option that is unknown or wrong; the file system's error if
 * the file cannot be read; the signal's reason if aborted. Lines that cannot be read, and a file
 * without a header that is known, are passed to `onMalformed`.
 */
export async function* readTextLogs(
  source: string | Readable | AsyncIterable<string | Uint8Array>,
  options: ReadTextLogsOptions,
): AsyncGenerator<OtlpRequest, void> {
  const {
    service,
    header,
    timeZone: zone,
    year,
    date,
    dateOrder,
    signal,
    onMalformed,
    onRecognised,
    origin,
  } = parseOptions(readTextLogsOptions, options)
  const headers = header === undefined ? undefined : [header].flat().map((text) => HeaderTemplate.read(text))
  const clock = {
    zone: zone === undefined ? undefined : timeZone(zone),
    year,
    date: date === undefined ? undefined : Date.parse(date),
    latest: await lastChange(source),
  }
  const file = nameOfSource(source, origin)
  const report = ({ line, reason }: TextProblem) => onMalformed?.({ file, line, reason })
  signal?.throwIfAborted()
  const lines = new SampledLines(textLines(decompressed(chunksOf(source, signal))))
  let lastLine = 0
  try {
    const sample = await lines.first()
    const chosen = chooseFormat(
      sample.map(({ text }) => text),
      { header: headers, dateOrder },
      clock,
    )
    if ('reason' in chosen) {
      if (sample.length > 0) report({ line: 1, reason: chosen.reason })
      else for await (const _ of lines) break
      return
    }
    const { format, container, timeZone, year } = chosen
    onRecognised?.({
      file,
      format: format?.name ?? 'text without a header',
      header: format?.header ?? null,
      container: container?.name ?? null,
      timeZone,
      year,
    })
    const records = new TextRecords(format, { container, clock: new LogClock(clock), onProblem: report })
    const requests = new TextRequests(service, origin ?? placeOfSource(source))
    let damage: DamagedError | undefined
    try {
      for await (const batch of lines) {
        signal?.throwIfAborted()
        for (const line of batch) {
          lastLine = line.number
          for (const record of records.take(line)) yield requests.of(record)
        }
      }
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error
      damage = error
    }
    for (const record of records.end()) yield requests.of(record)
    if (damage !== undefined) throw damage
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error
    report({ line: lastLine + 1, reason: error.message })
  } finally {
    await lines.close()
  }
  signal?.throwIfAborted()
}

/** No record of a file is later than its last change; of a stream, than now. */
async function lastChange(source: string | object): Promise<number> {
  const path = pathOf(source)
  try {
    return path === undefined ? Date.now() : Math.min(Date.now(), (await stat(path)).mtimeMs)
  } catch {
    // A stream may have any path; a file that is not there is told when it is opened.
    return Date.now()
  }
}
