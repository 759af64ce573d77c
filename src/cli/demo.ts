import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import type { Kysely } from 'kysely'
import { deleteTenant } from '../catalog/deleteTenant.ts'
import { ensureTenant } from '../catalog/tenants.ts'
import { connect } from '../database/connection/connect.ts'
import { openEmbedded } from '../database/connection/embedded.ts'
import { tenantScope, type Scope } from '../database/scope.ts'
import { migrateUp } from '../operate/migrate/migrate.ts'
import { NotFoundError } from '../schema/errors.ts'
import { draw } from './demo/draw.ts'
import { investigate } from './demo/investigate.ts'
import { replay, type Replayed } from './demo/replay.ts'
import { tell } from './demo/tell.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * On a database of the user's, all the demo writes belongs to this tenant. It is deleted and made
 * again.
 */
const tenantCode = 'pgvantage-demo'

export interface DemoOptions {
  database?: string
  sql?: boolean
  out?: string
}

export interface DemoContext {
  signal?: AbortSignal
  interactive: boolean
  say: (text: string) => void
}

/** `pgvantage demo RECORDING`: replays recorded telemetry and tells what it finds. */
export function demoCommand({ signal, interactive, out }: Surroundings): Command {
  return demoOptions(new Command('demo').description('replay recorded telemetry and tell its story'))
    .argument('<recording>', 'OTLP/JSON lines, plain, gzip or zstd, as the OpenTelemetry Collector writes them')
    .action(async (recording: string, options: DemoOptions) => {
      const context: DemoContext = { signal, interactive, say: out }
      await runDemo((scope) => replay(scope, recording, context), options, context)
    })
}

/** The options every form of the demo takes. */
export const demoOptions = (command: Command): Command =>
  command
    .option('-d, --database <url>', `a PostgreSQL to use instead of an embedded one; the demo writes as the tenant ${tenantCode}`)
    .option('--sql', 'print the statement behind each finding')
    .option('--out <folder>', 'where the pictures go', 'demo-output')
    .option('--verbose', 'show stack traces')

/**
 * The demo: migrates a database, fills it by `fill`, investigates, tells the story and draws its
 * pictures.
 *
 * @param fill puts telemetry in, as the demo's tenant, and says which time it covers.
 */
export async function runDemo(
  fill: (scope: Scope) => Promise<Replayed>,
  { database, sql, out = 'demo-output' }: DemoOptions,
  { say }: DemoContext,
): Promise<void> {
  const { db, close } = database === undefined ? await openEmbedded() : connected(database)
  try {
    const started = performance.now()
    const { version } = await migrateUp(db)
    say(`migrated ${database === undefined ? 'an embedded PostgreSQL' : 'the database'} to schema version ${version}\n`)
    await deleteTenant(db, tenantCode).catch(unlessNotFound)
    await ensureTenant(db, { code: tenantCode, name: 'pgvantage demo' })
    const scope = await tenantScope(db, tenantCode)
    const { report, range } = await fill(scope)
    const minutes = (range.to.getTime() - range.from.getTime()) / 60_000
    say(
      `${report.spans.toLocaleString('en')} spans, ${report.logRecords.toLocaleString('en')} log records and ${report.metricPoints.toLocaleString('en')} metric points of ${minutes} minutes, rolled up in ${report.windows} windows\n`,
    )
    const found = await investigate(scope, range)
    say(tell(found, { sql }))
    const pictures = await draw(scope, found)
    await mkdir(out, { recursive: true })
    say('\npictures:\n')
    for (const [name, content] of Object.entries(pictures)) {
      const file = join(out, name)
      await writeFile(file, content)
      say(`   ${pathToFileURL(resolve(file)).href}\n`)
    }
    say(`\ndone in ${((performance.now() - started) / 1000).toFixed(1)} s\n`)
  } finally {
    await close()
  }
}

function connected(url: string): { db: Kysely<{}>; close: () => Promise<void> } {
  const db = connect(url)
  return { db, close: () => db.destroy() }
}

function unlessNotFound(error: unknown): void {
  if (!(error instanceof NotFoundError)) throw error
}
