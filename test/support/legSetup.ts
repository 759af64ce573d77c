import { fork } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import type { TestProject } from 'vitest/node'
import { connect } from '../../src/database/connection/connect.ts'
import { migrateUp } from '../../src/operate/migrate/migrate.ts'
import { describeDatabase } from './describeDatabase.ts'
import type { LegContext, LegName } from './leg.ts'
import { legFolder } from './legFolder.ts'
import type { Images } from './makeImages.ts'
import { closeToAll } from './server/closeToAll.ts'
import { startServer } from './server/startServer.ts'

declare module 'vitest' {
  interface ProvidedContext {
    legName: LegName
    leg: LegContext
  }
}

declare global {
  var pgvantageLegs: Map<LegName, Promise<Started>> | undefined
}

/** The migrated database that every test file gets a copy of; of this run's own, since another may be under way on the same server. */
const template = `pgvantage_template_${process.pid}`

/** The legs of this run, each from when it is begun with; every project has its own copy of this module. */
const begun: Map<LegName, Promise<Started>> = (globalThis.pgvantageLegs ??= new Map())

/**
 * Prepares one leg: starts what has to be started, migrates one database, and keeps it as the template of the test files' databases.
 * What ran on which versions is written down for the closing table.
 *
 * vitest asks for one leg after another; the first time all legs of the run are begun with.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  for (const { config } of project.vitest.projects) {
    const leg = config.provide.legName
    if (leg === undefined || begun.has(leg)) continue
    const started = start(leg)
    // One that fails is told of when its turn comes.
    started.catch(() => {})
    begun.set(leg, started)
  }
  const name = project.config.provide.legName ?? 'embedded'
  const started = await begun.get(name)!
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
  const { description, ...images } = await makeImages(name)
  return { context: { name, available: true, ...images }, report: { ran: true, description }, stop: async () => {} }
}

function makeImages(name: LegName): Promise<Images> {
  const child = fork(fileURLToPath(new URL('./makeImages.ts', import.meta.url)), [name])
  return new Promise((resolve, reject) => {
    child.once('message', (images: Images) => resolve(images))
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(new Error(`the images of leg ${name} could not be made (${signal ?? `exit code ${code}`})`)),
    )
  })
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
  const description = `${await describeDatabase(db)} (${server.description})`
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
