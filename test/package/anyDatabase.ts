import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * What each compiler is asked: every version once, every way of finding modules by several. Below
 * 5.7 the declarations of pg-protocol, which ours import, do not compile: `Buffer` is not generic
 * there.
 */
const compiles: { version: string; resolution: 'nodenext' | 'bundler'; skipLibCheck: boolean }[] = [
  { version: '7.0.2', resolution: 'nodenext', skipLibCheck: false },
  { version: '5.7.3', resolution: 'bundler', skipLibCheck: false },
  { version: '6.0.3', resolution: 'nodenext', skipLibCheck: true },
  { version: '5.9.3', resolution: 'bundler', skipLibCheck: true },
  { version: '5.6.3', resolution: 'nodenext', skipLibCheck: true },
  { version: '5.4.5', resolution: 'nodenext', skipLibCheck: true },
  { version: '5.4.5', resolution: 'bundler', skipLibCheck: true },
  { version: '7.0.2', resolution: 'bundler', skipLibCheck: true },
]
const modules = { nodenext: 'nodenext', bundler: 'esnext' }
const nameOf = (version: string) => `typescript-${version}`

/** The compilers as dependencies, side by side. */
export const compilers = Object.fromEntries(compiles.map(({ version }) => [nameOf(version), `npm:typescript@${version}`]))

/** Compiles {@link anyDatabase} in a folder where the package and the compilers are installed. */
export async function compileAnyDatabase(folder: string): Promise<void> {
  const started = performance.now()
  await writeFile(join(folder, 'types.ts'), anyDatabase)
  for (const [moduleResolution, module] of Object.entries(modules)) {
    const compilerOptions = { module, moduleResolution, target: 'es2022', strict: true, types: ['node'], noEmit: true }
    await writeFile(join(folder, `${moduleResolution}.json`), JSON.stringify({ compilerOptions, files: ['types.ts'] }))
  }
  const left = [...compiles]
  const wrong: string[] = []
  const compileNext = async (): Promise<void> => {
    const next = left.shift()
    if (next === undefined) return
    const { version, resolution, skipLibCheck } = next
    const tsc = join('node_modules', nameOf(version), 'bin', 'tsc')
    const options = ['-p', `${resolution}.json`, '--skipLibCheck', String(skipLibCheck)]
    await promisify(execFile)(process.execPath, [tsc, ...options], { cwd: folder }).catch(({ stdout }: { stdout: string }) => {
      wrong.push(`TypeScript ${version} ${options.join(' ')}:\n${stdout}`)
    })
    await compileNext()
  }
  // Two at a time: each compiler keeps a processor busy.
  await Promise.all([compileNext(), compileNext()])
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  const versions = [...new Set(compiles.map(({ version }) => version))].join(', ')
  console.log(`any database, by TypeScript ${versions}: ok in ${Math.round((performance.now() - started) / 1000)} s`)
}

/**
 * What a user's program does with the types: each kind of Kysely handed to what takes a database,
 * frames nested in each other and in the user's own queries, rows as the docs state them.
 */
const anyDatabase = `
import type { CamelCasePlugin, ControlledTransaction, Generated, Kysely, Transaction } from 'kysely'
import * as pgvantage from 'pgvantage'
import { anomalies, callSeries, fuseRankings, last, metricSeries, rankBy, slowestDependencies, tenantScope, topK, type Scope } from 'pgvantage'
import { graphMermaid } from 'pgvantage/picture'

interface Tables {
  owner: { team: string; service_id: Generated<string>; pages: number; since: Date | null }
  deploy: { service: string; labels: { [name: string]: string } }
}
declare const plugin: CamelCasePlugin
declare const db: Kysely<Tables>
declare const trx: Transaction<Tables>
declare const controlled: ControlledTransaction<Tables, ['before']>
declare const empty: Kysely<{}>
declare const untyped: Kysely<any>
declare const unknown: Transaction<unknown>

export const scopes: Promise<Scope>[] = [
  tenantScope(db, 'acme'),
  tenantScope(trx, 'acme'),
  tenantScope(controlled, 'acme'),
  tenantScope(empty, 'acme'),
  tenantScope(untyped, 'acme'),
  tenantScope(unknown, 'acme'),
  tenantScope(db.withPlugin(plugin), 'acme'),
  tenantScope(trx.withPlugin(plugin), 'acme', { schema: 'ops' }),
  tenantScope(controlled.withSchema('ops'), 'acme'),
  db.transaction().execute((trx) => tenantScope(trx, 'acme')),
]
export const ofAnyTables = <T>(db: Kysely<T>, trx: Transaction<T>) => [tenantScope(db, 'acme'), tenantScope(trx, 'acme')]

export async function everyFunction(db: Kysely<Tables> | Transaction<Tables> | ControlledTransaction<Tables>) {
  await pgvantage.applyPolicies(db)
  await pgvantage.buildVectorIndex(db)
  await pgvantage.capabilities(db)
  await pgvantage.deleteTenant(db, 'acme')
  await pgvantage.doctor(db)
  await pgvantage.ensureTenant(db, { code: 'acme' })
  await pgvantage.grantsFor(db, { role: 'reader', login: 'portal' })
  await pgvantage.listTenants(db)
  await pgvantage.maintain(db)
  await pgvantage.migrateDown(db)
  await pgvantage.migratePlan(db)
  await pgvantage.migrateStatus(db)
  await pgvantage.migrateUp(db, { embeddingDimension: 3 })
  await pgvantage.planConversion(db)
  await pgvantage.planPolicies(db)
  await pgvantage.refreshRange(db, { table: 'metric_1h', range: last('1 day') })
  await pgvantage.schemaDrift(db)
  await pgvantage.settleJournals(db)
}

export async function frames(scope: Scope) {
  const range = last('1 hour')
  const odd = anomalies(scope, callSeries(scope, { measure: 'p95_ms', range }), { method: 'robust-z', threshold: 4 })
  const ours = rankBy(scope, db.selectFrom('owner').select(['service_id', 'pages']), { item: 'service_id', score: 'pages' })
  const rows: { item: string; score: number | null }[] = await topK(scope, ours, 3).execute()
  const scores: number[] = (await topK(scope, odd, 5).execute()).map((row) => row.score)
  const worst: (number | null)[] = (await slowestDependencies(scope, { service: 'urn:a', range }).where('dst_urn', '=', 'b').execute()).map(
    (row) => row.mean_p95_ms,
  )
  const cpu = metricSeries(scope, { metric: 'cpu', measure: 'avg', range })
  const joined = await db.selectFrom('owner').innerJoin(cpu.as('cpu'), 'cpu.resource_id', 'owner.service_id').select(['owner.team', 'cpu.bucket']).execute()
  const teams: [string, Date][] = joined.map((row) => [row.team, row.bucket])
  return { rows, scores, worst, teams, fused: fuseRankings(scope, [odd, rankBy(scope, odd, { item: 'series', score: 'score' })]), drawn: graphMermaid({ title: 'calls', edges: [] }) }
}

// @ts-expect-error a pool is no Kysely
void tenantScope({ query: () => [] }, 'acme')
// @ts-expect-error not a column of the row
export const narrowed = (scope: Scope) => slowestDependencies(scope, { service: 'urn:a', range: last('1 hour') }).where('tenant_id', '=', '2')
`
