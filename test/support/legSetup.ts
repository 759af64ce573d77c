import { mkdir, writeFile } from 'node:fs/promises'
import { sql, type Kysely } from 'kysely'
import type { TestProject } from 'vitest/node'
import { capabilities } from '../../src/database/capabilities.ts'
import { connect } from '../../src/database/connection/connect.ts'
import { migrateUp } from '../../src/operate/migrate/migrate.ts'
import { openCommunity } from './community.ts'
import type { LegContext, LegName } from './leg.ts'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import { legFolder } from './legFolder.ts'
import { closeToAll } from './server/closeToAll.ts'
import { startServer } from './server/startServer.ts'

declare module 'vitest' {
  interface ProvidedContext {
    legName: LegName
    leg: LegContext
  }
}

/** The migrated database that every test file gets a copy of; of this run's own, since another may be under way on the same server. */
const template = `pgvantage_template_${process.pid}`

/**
 * Prepares one leg: starts what has to be started, migrates one database, and keeps it as the template of the test files' databases.
 * What ran on which versions is written down for the closing table.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const name = project.config.provide.legName ?? 'embedded'
  const started = await start(name)
  project.provide('leg', started.context)
  await mkdir(legFolder, { recursive: true })
  await writeFile(`${legFolder}/${name}.json`, JSON.stringify({ name, ...started.report }))
  return started.stop
}

interface Started {
  context: LegContext
  report: { ran: boolean; description: string }
  stop(): Promise<void>
}

async function start(name: LegName): Promise<Started> {
  if (name === 'server') return startOnServer()
  const open = name === 'embedded' ? openEmbedded : openCommunity
  await mkdir(legFolder, { recursive: true })
  const emptyImage = `${legFolder}/${name}-empty.tar`
  const empty = await open()
  // Clearing its 128 MB takes a third of PGlite's start. (The community build is not moved by this.)
  await sql`alter system set shared_buffers = '16MB'`.execute(empty.db)
  await writeFile(emptyImage, Buffer.from(await (await empty.pglite.dumpDataDir('none')).arrayBuffer()))
  await empty.close()
  const migrated = await open({ image: emptyImage })
  await migrateUp(migrated.db)
  const description = await describe(migrated.db)
  const image = `${legFolder}/${name}.tar`
  await writeFile(image, Buffer.from(await (await migrated.pglite.dumpDataDir('none')).arrayBuffer()))
  await migrated.close()
  return { context: { name, available: true, image, emptyImage }, report: { ran: true, description }, stop: async () => {} }
}

async function startOnServer(): Promise<Started> {
  const server = await startServer()
  if (!server.available) {
    return {
      context: { name: 'server', available: false, reason: server.reason },
      report: { ran: false, description: server.reason },
      stop: async () => {},
    }
  }
  const admin = connect({ connectionString: server.url, max: 1 })
  const drop = () => sql`drop database if exists ${sql.id(template)} with (force)`.execute(admin)
  await drop()
  await sql`create database ${sql.id(template)} template template0`.execute(admin)
  const url = new URL(server.url)
  url.pathname = `/${template}`
  const db = connect(url.href)
  await migrateUp(db)
  const description = `${await describe(db)} (${server.description})`
  await db.destroy()
  await closeToAll(admin, template)
  return {
    context: { name: 'server', available: true, url: server.url, template },
    report: { ran: true, description },
    stop: async () => {
      await drop()
      // Those that the test files of a process have in common are closed by none of them.
      const { rows } = await sql<{
        name: string
      }>`select datname as name from pg_database where starts_with(datname, ${`${template}_`})`.execute(admin)
      for (const { name } of rows) await sql`drop database if exists ${sql.id(name)} with (force)`.execute(admin)
      await admin.destroy()
      await server.stop()
    },
  }
}

async function describe(db: Kysely<{}>): Promise<string> {
  const { version, extensions, timescaleLicence } = await capabilities(db)
  const installed = Object.entries(extensions).flatMap(([name, { installed }]) => {
    if (installed === null) return []
    return [`${name} ${installed}${name === 'timescaledb' ? ` (${timescaleLicence === 'timescale' ? 'community' : 'Apache'})` : ''}`]
  })
  return `${version}; ${installed.join(', ')}`
}
