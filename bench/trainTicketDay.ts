import { glob, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql, type Kysely } from 'kysely'
import { Client } from 'pg'
import type { Scope } from '../src/database/scope.ts'
import { ingest } from '../src/ingest/ingest.ts'
import type { Figure } from './benchmark.ts'
import { copyIn } from './copyIn.ts'
import { csvRecords } from './csv.ts'
import { dayTelemetry, nezhaDays, type NezhaDay } from './nezha.ts'
import { newTenant, seconds } from './target.ts'
import { unpack } from './unpacked.ts'

const runs = 3

/**
 * The last day of Train Ticket below `data`: its OTLP, which is made of it before the clock starts,
 * from the file to committed rows of all windows, against a COPY of its files as they are,
 * comma-separated, into tables without an index. Both read files, and end with a commit.
 */
export async function* trainTicketDay(db: Kysely<{}>, url: string, data: string): AsyncGenerator<Figure> {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const archives: string[] = []
    for await (const archive of glob('**/trainticket-*.tar.gz', { cwd: data })) archives.push(archive)
    const archive = archives.toSorted().at(-1)
    if (archive === undefined) return
    await unpack(join(data, archive), folder)
    const [day] = await nezhaDays(folder)
    if (day === undefined) throw new Error(`${archive} has no day`)
    const file = join(folder, 'day.jsonl')
    await writeFile(file, dayTelemetry(day))
    const tables = await tablesOf(day)
    const [ours, copied]: [number[], number[]] = [[], []]
    let scope: Scope | undefined
    let records = 0
    for (let run = 0; run < runs; run++) {
      const into = (scope = await newTenant(db))
      ours.push(
        await seconds(async () => {
          const report = await ingest(into, file)
          records = report.spans + report.logRecords + report.metricPoints
        }),
      )
      copied.push(await copyDay(client, tables))
    }
    yield { figure: 'ingest.day.vs_copy', value: median(copied) / median(ours), unit: 'x' }
    yield { figure: 'ingest.day', value: median(ours), unit: 's' }
    yield { figure: 'ingest.day.copy', value: median(copied), unit: 's' }
    yield { figure: 'ingest.day.records', value: records, unit: 'records' }
    yield { figure: 'ingest.day.rows', value: await rowsOf(scope!), unit: 'rows' }
  } finally {
    await client.end()
    await rm(folder, { recursive: true })
  }
}

/** The files of a day by their first line, which names the columns. */
async function tablesOf({ faulty, calm }: NezhaDay): Promise<Map<string, string[]>> {
  const tables = new Map<string, string[]>()
  for (const folder of [calm, faulty]) {
    for await (const name of glob('{trace,log,metric}/*.csv', { cwd: folder })) {
      const file = join(folder, name)
      const header = (await readFile(file, 'utf8')).split('\n', 1)[0]!
      const files = tables.get(header)
      if (files === undefined) tables.set(header, [file])
      else files.push(file)
    }
  }
  return tables
}

async function copyDay(client: Client, tables: ReadonlyMap<string, readonly string[]>): Promise<number> {
  const plain = [...tables].map(([header, files], index) => ({ table: `plain_${index}`, header, files }))
  for (const { table, header } of plain) {
    const [columns = []] = csvRecords(header)
    // An index has no name.
    const names = columns.map((name, at) => client.escapeIdentifier(name.trim() || `column_${at}`))
    await client.query(`create table ${table} (${names.map((name) => `${name} text`).join(', ')})`)
  }
  const spent = await seconds(async () => {
    await client.query('begin')
    for (const { table, files } of plain) {
      for (const file of files) await copyIn(client, `copy ${table} from stdin (format csv, header)`, await readFile(file))
    }
    await client.query('commit')
  })
  for (const { table } of plain) await client.query(`drop table ${table}`)
  return spent
}

async function rowsOf({ db, tenantId, id }: Scope): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select ((select count(*) from ${id('metric_1m')} where tenant_id = ${tenantId}::int8)
      + (select count(*) from ${id('service_call_5m')} where tenant_id = ${tenantId}::int8)
      + (select count(*) from ${id('log_pattern_5m')} where tenant_id = ${tenantId}::int8))::float8 as count
  `.execute(db)
  return rows[0]!.count
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
