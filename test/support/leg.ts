import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sql, type Kysely } from 'kysely'
import { describe, inject } from 'vitest'
import { ensureTenant } from '../../src/catalog/tenants.ts'
import { connect } from '../../src/database/connection/connect.ts'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import { tenantScope, type Scope } from '../../src/database/scope.ts'
import { migrateUp } from '../../src/operate/migrate/migrate.ts'
import { openCommunity } from './community.ts'
import { inMoments, momentNow } from './moment/moment.ts'
import { closeToAll } from './server/closeToAll.ts'

export type LegName = 'embedded' | 'community' | 'server'

/** What the setup of a leg hands to its test files. */
export type LegContext =
  | { name: 'embedded' | 'community'; available: true; image: string; emptyImage: string }
  | { name: 'server'; available: true; url: string; template: string }
  | { name: LegName; available: false; reason: string }

const context = inject('leg')
// Files of one leg share a process, and this is asked once in it.
if (process.env.PGVANTAGE_LEG !== context.name) throw new Error(`a process of leg ${context.name} was given a file of another`)

/** The leg this test file runs on, and what can be asked of it. */
export const leg = {
  name: context.name,
  available: context.available,
  /** Apache AGE, so Cypher and the call graph's mirror. */
  age: context.name !== 'community',
  /** TimescaleDB in any edition. */
  timescaledb: context.name !== 'embedded',
  /** Several connections at once. */
  concurrent: context.name === 'server',
}

/** `describe` that is skipped where the leg could not be had; the closing table says so. */
export const onEveryLeg = describe.skipIf(!leg.available)

/**
 * The same for what has nothing to do with how a server keeps its tables of time: not on the
 * community leg, whose PostgreSQL the server's leg has as well, and whose driver the embedded one.
 * What it has of its own are TimescaleDB's aggregates, compression and jobs.
 */
export const apartFromTime = describe.skipIf(!leg.available || leg.name === 'community')

export interface TestDatabase {
  db: Kysely<{}>
  /** A connection string; only on the server leg. */
  url: string | undefined
  close(): Promise<void>
}

export interface FreshOptions {
  migrated?: boolean
  icu?: string
}

/**
 * A database of this test file's own: a copy of the migrated one, or with `migrated: false` an
 * empty one, on the server leg in the order of a language where `icu` names one (`de`). Close it
 * when done.
 *
 * While the tests of a process are at a moment of their own, the migrated one was migrated then.
 */
export function freshDatabase({ migrated = true, icu }: FreshOptions = {}): Promise<TestDatabase> {
  if (!context.available) throw new Error(`leg ${context.name} is not available: ${context.reason}`)
  if (context.name === 'server') return copyOnServer(migrated ? context.template : emptyTemplate, icu)
  if (!migrated) return openImage(context.emptyImage)
  return inMoments ? preparedDatabase('migrated', async (db) => void (await migrateUp(db))) : openImage(context.image)
}

/** The file that a database in process begins with, migrated or empty. */
export function imageOf({ migrated }: { migrated: boolean }): string {
  if (!context.available || context.name === 'server') throw new Error(`leg ${context.name} has no images`)
  return migrated ? context.image : context.emptyImage
}

async function openImage(image: string): Promise<TestDatabase & { pglite: { dumpDataDir(compression: 'none'): Promise<Blob> } }> {
  const { db, pglite, close } = await (leg.name === 'embedded' ? openEmbedded : openCommunity)({ image })
  return { db, pglite, url: undefined, close }
}

/** Nobody can be connected to it; whoever looks into template1, as TimescaleDB does, keeps it from being copied. */
const emptyTemplate = 'template0'

async function copyOnServer(source: string, icu?: string): Promise<TestDatabase & { name: string; admin: Kysely<{}> }> {
  if (!context.available || context.name !== 'server') throw new Error('this is not the server leg')
  const admin = connect({ connectionString: context.url, max: 1 })
  const name = `${context.template}_${randomUUID().replaceAll('-', '')}`
  const locale = icu === undefined ? sql`` : sql`locale_provider icu icu_locale ${sql.lit(icu)} locale 'C' encoding 'UTF8'`
  await sql`create database ${sql.id(name)} template ${sql.id(source)} ${locale}`.execute(admin)
  const url = new URL(context.url)
  url.pathname = `/${name}`
  // AGE before 1.7 breaks a connection that has met many graphs' labels (apache/age#2245), and a test file makes many graphs.
  const db = connect({ connectionString: url.href, maxUses: 100 })
  return {
    db,
    name,
    admin,
    url: url.href,
    close: async () => {
      await db.destroy()
      await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
      await admin.destroy()
    },
  }
}

const prepared = new Map<string, Promise<() => Promise<TestDatabase>>>()

/** A copy of what `prepare` makes of an empty database, which it does once in a process (and moment) for each `key`. */
export async function preparedDatabase(key: string, prepare: (db: Kysely<{}>) => Promise<void>): Promise<TestDatabase> {
  const ofMoment = `${key}-${momentNow()?.replaceAll(':', '') ?? 'now'}`
  const copy = prepared.get(ofMoment) ?? makeCopyable(ofMoment, prepare)
  prepared.set(ofMoment, copy)
  return (await copy)()
}

async function makeCopyable(key: string, prepare: (db: Kysely<{}>) => Promise<void>): Promise<() => Promise<TestDatabase>> {
  if (!context.available) throw new Error(`leg ${context.name} is not available: ${context.reason}`)
  if (context.name !== 'server') {
    const made = await openImage(context.emptyImage)
    await prepare(made.db)
    const image = `${dirname(context.image)}/${context.name}-${key}-${process.pid}.tar`
    await writeFile(image, Buffer.from(await (await made.pglite.dumpDataDir('none')).arrayBuffer()))
    let first: TestDatabase | undefined = made
    return async () => {
      const one = first
      first = undefined
      return one ?? openImage(image)
    }
  }
  const made = await copyOnServer(emptyTemplate)
  await prepare(made.db)
  await made.db.destroy()
  await closeToAll(made.admin, made.name)
  await made.admin.destroy()
  return () => copyOnServer(made.name)
}

let shared: Promise<TestDatabase> | undefined

/**
 * The migrated database that the test files of a process have in common: for those that write
 * nothing but their tenant, and ask of rows they bring along in the question. It ends with the
 * process; the leg's setup drops it.
 */
export async function sharedDatabase(): Promise<TestDatabase> {
  shared ??= freshDatabase()
  return { ...(await shared), close: async () => {} }
}

/** A tenant of that code, created if need be, and its scope. */
export async function tenant(db: Kysely<{}>, code = 't-001'): Promise<Scope> {
  await ensureTenant(db, { code })
  return tenantScope(db, code)
}
