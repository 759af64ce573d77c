import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import { Command, InvalidArgumentError } from 'commander'
import { ensureTenant } from '../catalog/tenants.ts'
import { tenantScope } from '../database/scope.ts'
import { ingest, type IngestReport } from '../ingest/ingest.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { exitCode } from './exitCode.ts'
import type { Surroundings } from './surroundings.ts'

interface Options {
  database?: string
  schema?: string
  tenant: string
  create?: boolean
  strict?: boolean
  shiftMs?: number
  acceptOld?: boolean
  json?: boolean
}

/** A file that is no telemetry at all has one in every line. */
const shownRejects = 10

/**
 * `pgvantage ingest FILE...`: OTLP/JSON lines into the tenant's rollups, all files as one stream in
 * the order of time.
 */
export function ingestCommand({ env, out, err, interactive, signal }: Surroundings, exit: (code: number) => void): Command {
  return new Command('ingest')
    .description('load OTLP/JSON lines, plain, gzip or zstd, as the OpenTelemetry Collector writes them')
    .argument('<file...>', 'files, one export request a line')
    .requiredOption('-t, --tenant <code>', 'whose data it is')
    .option('--create', 'create the tenant if there is none')
    .option(
      '--strict',
      `end with exit code ${exitCode.findings} when a line was malformed or a record refused (the rest is loaded all the same); without it only when nothing could be read`,
    )
    .option('--shift-ms <ms>', 'milliseconds added to every time', wholeMilliseconds)
    .option('--accept-old', 'also load what is older than its table keeps, to be rolled up before it is dropped')
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (files: string[], options: Options) => {
      const { database, schema, tenant, create, strict, shiftMs, acceptOld, json } = options
      const sizes = await Promise.all(files.map(sizeOf))
      let rejects = 0
      const reject = (what: string) => {
        rejects += 1
        if (rejects <= shownRejects) err(`${what}\n`)
      }
      const report = await withDatabase({ database }, env, async (db) => {
        if (create) await ensureTenant(db, { code: tenant }, { schema })
        const scope = await tenantScope(db, tenant, { schema })
        const streams = files.map((file) => createReadStream(file))
        const bar = interactive
          ? new SingleBar({ format: '{bar} {percentage}% {windows} windows', stream: process.stderr, clearOnComplete: true })
          : null
        bar?.start(
          sizes.reduce((sum, size) => sum + size, 0),
          0,
          { windows: 0 },
        )
        try {
          return await ingest(
            scope,
            streams.map((source, at) => ({
              source,
              origin: { objectBucket: dirname(resolve(files[at]!)), objectKey: basename(files[at]!) },
            })),
            {
              shiftMs,
              acceptOld,
              signal,
              onMalformed: ({ file, line, reason }) => reject(`${file}:${line}: ${reason}`),
              onRefused: ({ file, line, field, records, reason }) =>
                reject(`${file}:${line}: ${field}: ${reason}${records > 1 ? ` (${records} records)` : ''}`),
              onWindow: (_window, { windows }) =>
                bar?.update(
                  streams.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
                  { windows },
                ),
            },
          )
        } finally {
          bar?.stop()
          for (const stream of streams) stream.destroy()
        }
      })
      if (rejects > shownRejects) err(`and ${rejects - shownRejects} more: what was refused is counted by reason\n`)
      out(json ? document({ files, ...report }) : describeReport(report))
      if (rejects > 0 && (strict || report.requests === 0)) exit(exitCode.findings)
    })
}

/** Before anything is written: a misspelt name among many should not be found out half-way. */
async function sizeOf(file: string): Promise<number> {
  try {
    const found = await stat(file)
    if (found.isFile()) return found.size
  } catch (cause) {
    throw new InvalidInputError('file', `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  throw new InvalidInputError('file', `${file} is not a file`)
}

function wholeMilliseconds(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It must be a whole number of milliseconds.')
  return number
}

/** The counts; those that are zero and not of the main ones are left out. */
function describeReport({ refused, late, tooOld, records, journal, ...counts }: IngestReport): string {
  const table = new Table({ head: ['counted', 'number'], style: { head: [], border: [] }, colAligns: ['left', 'right'] })
  const always = ['requests', 'spans', 'logRecords', 'metricPoints', 'windows', 'malformed']
  const reasons = Object.entries(refused).map(([reason, count]) => [`refused: ${reason}`, count] as const)
  const waiting = Object.entries(records).map(([dataset, { waiting }]) => [`${dataset} waiting`, waiting] as const)
  const tooLate = Object.entries(late).map(
    ([resource, { traces, metrics, logs }]) => [`late: ${resource}`, traces + metrics + logs] as const,
  )
  const old = Object.entries(tooOld).map(([dataset, count]) => [`${dataset} too old`, count] as const)
  const kept = [
    ['journal bytes', journal.bytes],
    ['journal windows', journal.windows],
  ] as const
  for (const [name, count] of [...Object.entries(counts), ...reasons, ...old, ...waiting, ...tooLate, ...kept]) {
    if (count > 0 || always.includes(name)) table.push([words(name), count.toLocaleString('en')])
  }
  return `${table.toString()}\n`
}

const words = (name: string) => (name.includes(': ') ? name : name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))
