import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Kysely } from 'kysely'
import { deleteTenant } from '../catalog/deleteTenant.ts'
import { ensureTenant } from '../catalog/tenants.ts'
import { connect } from '../database/connection/connect.ts'
import { openEmbedded } from '../database/connection/embedded.ts'
import { tenantScope, type Scope } from '../database/scope.ts'
import type { TimeRange } from '../database/range.ts'
import type { IngestReport } from '../ingest/ingest.ts'
import { migrateUp } from '../operate/migrate/migrate.ts'
import { NotFoundError } from '../schema/errors.ts'
import { draw } from './demo/draw.ts'
import { investigate, type Investigation } from './demo/investigate.ts'
import type { Replayed } from './demo/replay.ts'
import { tell } from './demo/tell.ts'
import { demoTenant } from './demo/demoTenant.ts'
import { checkedUrl } from './connection.ts'
import type { DemoOptions } from './demoCommand.ts'

export { replay } from './demo/replay.ts'

export interface DemoContext {
  signal?: AbortSignal
  interactive: boolean
  say: (text: string) => void
}

/** What the demo found, for a program. */
export interface DemoReport {
  range: TimeRange
  ingested: IngestReport
  found: Investigation
  /** The files of the pictures. */
  pictures: string[]
}

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
): Promise<DemoReport> {
  const { db, close } = database === undefined ? await openEmbedded() : connected(database)
  try {
    const started = performance.now()
    const { version } = await migrateUp(db)
    say(`migrated ${database === undefined ? 'an embedded PostgreSQL' : 'the database'} to schema version ${version}\n`)
    await deleteTenant(db, demoTenant).catch(unlessNotFound)
    await ensureTenant(db, { code: demoTenant, name: 'pgvantage demo' })
    const scope = await tenantScope(db, demoTenant)
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
    const files: string[] = []
    for (const [name, content] of Object.entries(pictures)) {
      const file = join(out, name)
      await writeFile(file, content)
      files.push(resolve(file))
      say(`   ${pathToFileURL(resolve(file)).href}\n`)
    }
    say(`\ndone in ${((performance.now() - started) / 1000).toFixed(1)} s\n`)
    return { range, ingested: report, found, pictures: files }
  } finally {
    await close()
  }
}

function connected(url: string): { db: Kysely<{}>; close: () => Promise<void> } {
  const db = connect(checkedUrl('--database', url))
  return { db, close: () => db.destroy() }
}

function unlessNotFound(error: unknown): void {
  if (!(error instanceof NotFoundError)) throw error
}
