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
  shift?: number
  json?: boolean
}

/** `pgvantage ingest FILE...`: OTLP/JSON lines into the tenant's rollups, file by file. */
export function ingestCommand({ env, out, err, interactive, signal }: Surroundings, exit: (code: number) => void): Command {
  return new Command('ingest')
    .description('load OTLP/JSON lines, plain or gzip, as the OpenTelemetry Collector writes them')
    .argument('<file...>', 'files, one export request a line')
    .requiredOption('-t, --tenant <code>', 'whose data it is')
    .option('--create', 'create the tenant if there is none')
    .option('--strict', `end with exit code ${exitCode.findings} when a line was malformed (the rest is loaded all the same)`)
    .option('--shift <ms>', 'milliseconds added to every time', milliseconds)
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (files: string[], options: Options) => {
      const { database, schema, tenant, create, strict, shift, json } = options
      const sizes = await Promise.all(files.map(sizeOf))
      const reports = await withDatabase({ database }, env, async (db) => {
        if (create) await ensureTenant(db, { code: tenant }, { schema })
        const scope = await tenantScope(db, tenant, { schema })
        const done: ({ file: string } & IngestReport)[] = []
        for (const [at, file] of files.entries()) {
          const stream = createReadStream(file)
          const bar = interactive
            ? new SingleBar({
                format: `${basename(file)} {bar} {percentage}% {windows} windows`,
                stream: process.stderr,
                clearOnComplete: true,
              })
            : null
          bar?.start(sizes[at]!, 0, { windows: 0 })
          try {
            const report = await ingest(scope, stream, {
              shift,
              signal,
              origin: { bucket: dirname(resolve(file)), objectKey: basename(file) },
              onMalformed: ({ line, reason }) => err(`${file}:${line}: ${reason}\n`),
              onWindow: (_window, { windows }) => bar?.update(stream.bytesRead, { windows }),
            })
            done.push({ file, ...report })
          } finally {
            bar?.stop()
            stream.destroy()
          }
        }
        return done
      })
      out(json ? document(reports) : describeReports(reports))
      if (strict && reports.some(({ malformed }) => malformed > 0)) exit(exitCode.findings)
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

function milliseconds(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It must be a whole number of milliseconds.')
  return number
}

/** The counts of all files together; those that are zero and not of the main ones are left out. */
function describeReports(reports: ({ file: string } & IngestReport)[]): string {
  const table = new Table({ head: ['counted', 'number'], style: { head: [], border: [] }, colAligns: ['left', 'right'] })
  const always = ['requests', 'spans', 'logRecords', 'metricPoints', 'windows', 'malformed']
  const totals = new Map<string, number>()
  const add = (name: string, count: number) => totals.set(name, (totals.get(name) ?? 0) + count)
  for (const { file: _file, refused, ...counts } of reports) {
    for (const [name, count] of Object.entries(counts)) add(name, count)
    for (const [reason, count] of Object.entries(refused)) add(`refused: ${reason}`, count)
  }
  for (const [name, total] of totals) {
    if (total > 0 || always.includes(name)) table.push([words(name), total.toLocaleString('en')])
  }
  return `${table.toString()}\n`
}

const words = (name: string) => (name.startsWith('refused') ? name : name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))
