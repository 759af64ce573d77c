import { createReadStream } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { ensureTenant } from '../catalog/tenants.ts'
import type { TimeRange } from '../database/range.ts'
import { tenantScope } from '../database/scope.ts'
import { findFiles } from '../ingest/follow/files/findFiles.ts'
import { followFiles } from '../ingest/follow/followFiles.ts'
import { ingest, type IngestReport, type PlacedSource } from '../ingest/ingest.ts'
import { dimensionPresets, type Dimension, type DimensionOptions } from '../ingest/records/dimension.ts'
import { requestFormats, type RequestFormat } from '../ingest/sources/requestFormat.ts'
import type { RecognisedText, TextLogOptions } from '../ingest/sources/text/readTextLogs.ts'
import { dateOrders, type DateOrder } from '../ingest/sources/text/time/timePatterns.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { exitCode } from './exitCode.ts'
import { describeFiles, describeLag, FollowLines } from './ingest/followLines.ts'
import { openedLate } from './ingest/openedLate.ts'
import { Progress } from './ingest/progress.ts'
import { Rejects } from './ingest/rejects.ts'
import { wholeNumber } from './options.ts'
import { refuseInput, sizeOfReadable } from './readable.ts'
import type { Surroundings } from './surroundings.ts'
import { table } from './table.ts'

interface Options {
  database?: string
  schema?: string
  tenant: string
  create?: boolean
  strict?: boolean
  horizon?: string
  shiftMs?: number
  acceptOld?: boolean
  dimensions?: NonNullable<DimensionOptions['dimensions']>
  messageFields?: string[]
  parameters?: boolean
  format: 'auto' | 'text' | RequestFormat
  service?: string
  header?: string[]
  timeZone?: string
  year?: number
  date?: string
  dateOrder?: DateOrder
  rejects?: string
  follow?: boolean
  node?: string
  json?: boolean
}

const standardInput = '-'

const textHint = 'plain text is read with --format text --service NAME\n'

/** Only this many resources are named that came too late; all records that did are counted. */
const shownLate = 10

/** `pgvantage ingest FILE... | -`: OTLP into the tenant's rollups, one file after the other. */
export function ingestCommand({ env, input, out, err, interactive, columns, signal }: Surroundings, exit: (code: number) => void): Command {
  return new Command('ingest')
    .description('load OTLP, in JSON or protobuf, as the OpenTelemetry Collector writes it, or logs of plain text; plain, gzip or zstd')
    .argument('<file...>', 'files; - is the standard input; with --follow also patterns in quotes, such as "/var/log/app/*.log*"')
    .requiredOption('-t, --tenant <code>', 'whose data it is')
    .option('--create', 'create the tenant if there is none')
    .option(
      '-f, --follow',
      'go on with files as they grow, rotate and come, until SIGTERM or Ctrl-C; the next run continues where this one ended, whatever ended it',
    )
    .option('--node <name>', 'with --follow: the machine that the files are on, if its name changes as that of a container does')
    .option(
      '--strict',
      `end with exit code ${exitCode.findings} when something was no request or a record was refused (the rest is loaded all the same); without it only when a file has nothing that can be read, or every record was refused or is of the future`,
    )
    .option('--shift-ms <ms>', 'milliseconds added to every time', wholeMilliseconds)
    .option(
      '--horizon <interval>',
      "how long windows wait for late records (default: '15 minutes'); to load old files in any order, as long as these reach",
    )
    .option('--accept-old', 'also load what is older than its table keeps, to be rolled up before it is dropped')
    .option(
      '--dimensions <list>',
      `values to count in sketches: ${Object.keys(dimensionPresets).join(', ')}, or name:attribute for your own, name:first+second where the first that has a value counts; with @requests, @spans or @logs of which records; with =value or =hash how they are kept (client=value, plan:app.plan+plan@logs=hash). What is hashed needs a key in PGVANTAGE_HASH_KEY`,
      dimensionList,
    )
    .addOption(
      new Option('--format <format>', 'what is read: text is a log of plain text; the others, where the bytes do not show it')
        .choices(['auto', 'text', ...requestFormats])
        .default('auto'),
    )
    .option('--service <name>', 'with --format text: which service wrote the lines')
    .option(
      '--header <template>',
      "with --format text: the header of a record, such as '<time> <level> [<thread>] <logger> - <message>'; several times for several headers (default: recognised)",
      (header: string, others: string[] | undefined) => [...(others ?? []), header],
    )
    .option('--time-zone <zone>', 'with --format text: the zone of times without one, such as Europe/Berlin or +02:00 (default: UTC)')
    .option('--year <year>', 'with --format text: the year of the first line, if times have none', wholeNumber)
    .option('--date <date>', 'with --format text: the date of the first line, such as 2025-03-09, if times have none')
    .addOption(
      new Option(
        '--date-order <order>',
        'with --format text: how to read dates such as 03/04/2025 (default: as fits all of the first lines)',
      ).choices(dateOrders),
    )
    .option(
      '--message-fields <list>',
      'the fields of JSON and logfmt that hold the message, the first with a text counts: event.text,msg',
      (list) => list.split(',').map((field) => field.trim()),
    )
    .option('--parameters', 'also count which values vary in log messages: this stores parts of them (default: only how often)')
    .option('--rejects <file>', 'where everything goes that is not read, a line of JSON each (default: the first ten are shown)')
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (files: string[], options: Options) => {
      const { database, schema, tenant, create, strict, format, json } = options
      const text = textOptions(options)
      if (options.node !== undefined && options.follow !== true)
        throw new InvalidInputError('node', 'is of files that are followed: give --follow with it')
      if (options.follow) return follow(files, options, text, { env, interactive, out, err, signal, columns })
      if (files.indexOf(standardInput) !== files.lastIndexOf(standardInput))
        throw new InvalidInputError('file', `${standardInput}, the standard input, can be read only once`)
      const sizes = await Promise.all(files.map(async (file) => (file === standardInput ? undefined : sizeOfReadable(file, 'file'))))
      if (options.rejects !== undefined) await refuseInput(options.rejects, files)
      const rejects = new Rejects(err, options.rejects)
      let rate = ''
      let range: TimeRange | null = null
      const recognised: RecognisedText[] = []
      const report = await withDatabase({ database }, env, async (db) => {
        if (create) await ensureTenant(db, { code: tenant }, { schema })
        const scope = await tenantScope(db, tenant, { schema })
        const progress = new Progress(interactive, total(sizes))
        const watch = (bytes: number) => progress.read(bytes, rejects.count)
        const sources = files.map((file): PlacedSource =>
          file === standardInput
            ? { source: openedLate(file, () => input, watch), origin: { objectBucket: file, objectKey: file } }
            : {
                source: openedLate(file, () => createReadStream(file, { highWaterMark: 256 * 1024 }), watch),
                origin: { objectBucket: dirname(resolve(file)), objectKey: basename(file) },
              },
        )
        try {
          return await ingest(scope, sources, {
            ...loadingOf(options, env, text),
            signal,
            onRecognised: (found) => {
              recognised.push(found)
              err(describeText(found))
            },
            onMalformed: (malformed) => rejects.malformed(malformed),
            onRefused: (refused) => rejects.refused(refused),
            onWindow: ({ from, to }, { windows }) => {
              range = range === null ? { from, to } : around(range, { from, to })
              progress.windows(windows)
            },
          })
        } finally {
          rate = progress.stop()
          rejects.close()
        }
      })
      err(rejects.summary())
      const empty = report.withoutRequests.filter((file) => !rejects.isIn(file))
      for (const file of empty) err(`${file} is empty\n`)
      if (format === 'auto' && isNoJson(report, rejects)) err(textHint)
      for (const [beginning, messages] of Object.entries(report.exploded)) err(describeExploded(beginning, messages))
      out(
        json
          ? document({ files, range, ...report, ...(text === undefined ? {} : { text: recognised }), rejects: rejects.report() })
          : `${describeReport(report, columns)}${describeRange(range)}${rate}\n`,
      )
      const unread = report.withoutRequests.length > empty.length || nothingTaken(report)
      if (unread || (strict && rejects.count > 0)) exit(exitCode.findings)
    })
}

/** What files that end and files that grow are loaded with. */
const loadingOf = (
  { horizon, shiftMs, acceptOld, dimensions, messageFields, parameters, format }: Options,
  env: Surroundings['env'],
  text: TextLogOptions | undefined,
) => ({
  horizon,
  shiftMs,
  acceptOld,
  dimensions,
  hashKey: env.PGVANTAGE_HASH_KEY,
  messageFields,
  parameters,
  format: format === 'auto' || format === 'text' ? undefined : format,
  text,
})

/** `--follow`: until the signal. */
async function follow(
  files: readonly string[],
  options: Options,
  text: TextLogOptions | undefined,
  { env, interactive, out, err, signal, columns }: Omit<Surroundings, 'input'>,
): Promise<void> {
  const { database, schema, tenant, create, strict, format, json, node } = options
  if (files.includes(standardInput))
    throw new InvalidInputError('file', `${standardInput}, the standard input, is no file: it cannot be followed`)
  if (strict) throw new InvalidInputError('strict', 'is of a load that ends: it cannot be given with --follow')
  const rejectsFile = options.rejects
  // It may be one of the files before it is there, too.
  const refuseRejects = async () => {
    if (rejectsFile !== undefined)
      await refuseInput(
        rejectsFile,
        [...(await findFiles(files)).values()].map(({ path }) => path),
      )
  }
  await refuseRejects()
  const rejects = new Rejects(err, rejectsFile)
  await refuseRejects()
  const lines = new FollowLines(err, interactive)
  let isHinted = false
  let rate = ''
  let range: TimeRange | null = null
  const report = await withDatabase({ database }, env, async (db) => {
    if (create) await ensureTenant(db, { code: tenant }, { schema })
    const scope = await tenantScope(db, tenant, { schema })
    try {
      return await followFiles(scope, files, {
        ...loadingOf(options, env, text),
        node,
        signal,
        onRecognised: (found) => lines.recognised(describeText(found), found),
        onMalformed: (malformed) => rejects.malformed(malformed),
        onRefused: (refused) => rejects.refused(refused),
        onWindow: ({ from, to }, { windows }) => {
          range = range === null ? { from, to } : around(range, { from, to })
          lines.windows(windows)
        },
        onEvent: (event) => lines.event(event),
        onProgress: (now) => {
          lines.progress(now, rejects.count)
          if (isHinted || format !== 'auto' || !isNoJson(now.report, rejects)) return
          isHinted = true
          err(textHint)
        },
      })
    } finally {
      rate = lines.stop()
      rejects.close()
    }
  })
  err(rejects.summary())
  for (const [beginning, messages] of Object.entries(report.exploded)) err(describeExploded(beginning, messages))
  const { files: followed, lag, bytes: _, ...counts } = report
  out(
    json
      ? document({ range, ...report, rejects: rejects.report() })
      : `${describeReport(counts, columns)}${describeRange(range)}${describeFiles(followed)}; ${describeLag(lag)}\n${rate}\n`,
  )
}

/** The options of a text: undefined for other formats, which have none of them. */
function textOptions({ format, service, header, timeZone, year, date, dateOrder }: Options): TextLogOptions | undefined {
  const given = Object.entries({ service, header, timeZone, year, date, dateOrder }).find(([, value]) => value !== undefined)
  if (format !== 'text') {
    if (given === undefined) return undefined
    throw new InvalidInputError(given[0], 'is of logs of plain text: give --format text with it')
  }
  if (service === undefined) throw new InvalidInputError('service', 'is needed with --format text: which service wrote the lines')
  return { service, header, timeZone, year, date, dateOrder }
}

/** How a text is read: its format, and what was assumed. */
function describeText({ file, format, header, container, timeZone, year }: RecognisedText): string {
  const what = `${container === null ? '' : `${container}, in it `}${format}${header === null ? '' : `: ${header}`}`
  const zone = timeZone === null ? '' : `; times are ${timeZone} (--time-zone)`
  return `${file}: ${what}${zone}${year === null ? '' : `; the first is of ${year} (--year)`}\n`
}

/** That messages are not distinguished any more, for a person who misses their patterns. */
const describeExploded = (beginning: string, messages: number): string =>
  `warning: about ${messages.toLocaleString('en')} different log messages begin with ${preview(beginning)}: they are counted as one pattern\n`

/** The range that holds both. */
const around = (one: TimeRange, other: TimeRange): TimeRange => ({
  from: one.from < other.from ? one.from : other.from,
  to: one.to > other.to ? one.to : other.to,
})

/** The times that were loaded. An old file explains an empty answer about the last hour. */
const describeRange = (range: TimeRange | null): string =>
  range === null ? '' : `windows from ${range.from.toISOString()} to ${range.to.toISOString()}\n`

/** Whether all that there was is text, and none of it JSON. */
const isNoJson = ({ requests }: IngestReport, rejects: Rejects): boolean => {
  const { first } = rejects.report()
  return requests === 0 && first.length > 0 && first.every(({ reason }) => reason.startsWith('not JSON'))
}

/** Whether every record that there was has been refused, or is of the future. */
function nothingTaken({ spans, logRecords, metricPoints, refused, futureRecords }: IngestReport): boolean {
  const all = Object.values(refused).reduce((sum, count) => sum + count, futureRecords)
  return all > 0 && spans + logRecords + metricPoints === all
}

/** The size of all; undefined where that of one is not known. */
const total = (sizes: readonly (number | undefined)[]): number | undefined =>
  sizes.reduce<number | undefined>((sum, size) => (sum === undefined || size === undefined ? undefined : sum + size), 0)

function wholeMilliseconds(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It must be a whole number of milliseconds.')
  return number
}

/** `user,client=value,plan:app.plan+plan@logs=hash`. */
export function dimensionList(text: string): NonNullable<DimensionOptions['dimensions']> {
  return text.split(',').map((entry): Dimension => {
    const [what = '', kept] = entry.trim().split('=')
    const keep = (['value', 'hash'] as const).find((way) => way === kept)
    if (kept !== undefined && keep === undefined) throw new InvalidArgumentError(`${entry} must end with =value or =hash.`)
    const [named = '', source] = what.split('@')
    const of = (['requests', 'spans', 'logs'] as const).find((records) => records === source)
    if (source !== undefined && of === undefined) throw new InvalidArgumentError(`${entry} must say @requests, @spans or @logs.`)
    const [name = '', ...attribute] = named.split(':')
    if (attribute.length > 0) return { dimension: name, from: attribute.join(':').split('+'), of, keep }
    const preset = Object.values(dimensionPresets).find(({ dimension }) => dimension === name)
    if (preset === undefined)
      throw new InvalidArgumentError(`${name} must be one of ${Object.keys(dimensionPresets).join(', ')}, or your own as name:attribute.`)
    return { ...preset, of: of ?? preset.of, keep: keep ?? preset.keep }
  })
}

/** The counts; those that are zero and not of the main ones are left out. */
function describeReport(report: IngestReport, width: number): string {
  const { refused, late, tooOld, records, journal, unpaired, values, withoutRequests, exploded: _, ...counts } = report
  const always = ['requests', 'spans', 'logRecords', 'metricPoints', 'windows', 'malformed']
  const reasons = Object.entries(refused).map(([reason, count]) => [`refused: ${reason}`, count] as const)
  const waiting = Object.entries(records).map(([dataset, { waiting }]) => [`${dataset} waiting`, waiting] as const)
  const tooLate = Object.entries(late)
    .map(([resource, { traces, metrics, logs }]) => [`late: ${resource}`, traces + metrics + logs] as const)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, shownLate)
  const old = Object.entries(tooOld).map(([dataset, count]) => [`${dataset} too old`, count] as const)
  const counted = Object.entries(values).map(([dimension, count]) => [`values: ${dimension}`, count] as const)
  const alone = Object.entries(unpaired).map(([kind, count]) => [`unpaired ${kind} spans`, count] as const)
  const kept = [
    ['journal bytes', journal.bytes],
    ['journal windows', journal.windows],
    ['files without a request', withoutRequests.length],
  ] as const
  const all = [...Object.entries(counts), ...counted, ...alone, ...reasons, ...old, ...waiting, ...tooLate, ...kept]
  const rows = all.filter(([name, count]) => count > 0 || always.includes(name))
  return table(
    ['counted', 'number'],
    rows.map(([name, count]) => [words(name), count.toLocaleString('en')]),
    { right: [1], width },
  )
}

const words = (name: string) => (name.includes(': ') ? name : name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))
