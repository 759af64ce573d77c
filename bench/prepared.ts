import { createHash } from 'node:crypto'
import { glob, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { sql } from 'kysely'
import { ensureTenant } from '../src/catalog/tenants.ts'
import { openEmbedded } from '../src/database/connection/embedded.ts'
import { tenantScope, type Scope } from '../src/database/scope.ts'
import { migrateUp } from '../src/operate/migrate/migrate.ts'
import { newTenant, openTarget } from './target.ts'

/** A tenant with its data, and what was told when it was loaded. */
export interface Prepared<Told> {
  scope: Scope
  told: Told
  close(): Promise<void>
}

/**
 * A tenant into which `load` put what the files have. In this process it is loaded once and kept in `.cache/`, until a file, a reader or what ingests
 * changes; on a server it is loaded each time.
 *
 * @param files all that `load` reads: files and folders.
 */
export async function prepared<Told>(
  { url, files }: { url: string | undefined; files: readonly string[] },
  load: (scope: Scope) => Promise<Told>,
): Promise<Prepared<Told>> {
  if (url !== undefined) {
    const { db, close } = await openTarget(url)
    const scope = await newTenant(db)
    const told = await load(scope)
    await analyse(scope)
    return { scope, told, close }
  }
  const folder = join('.cache', 'prepared')
  const image = join(folder, `${await keyOf(files)}.tar.gz`)
  const note = await readFile(`${image}.told`).catch(() => undefined)
  const { db, pglite, close } = await openEmbedded(note === undefined ? {} : { image })
  await migrateUp(db)
  await ensureTenant(db, { code })
  const scope = await tenantScope(db, code)
  if (note !== undefined) {
    await analyse(scope)
    return { scope, told: deserialize(note) as Told, close }
  }
  const told = await load(scope)
  await mkdir(folder, { recursive: true })
  await writeFile(`${image}.part`, Buffer.from(await (await pglite.dumpDataDir('gzip')).arrayBuffer()))
  await rename(`${image}.part`, image)
  await writeFile(`${image}.told`, serialize(told))
  await analyse(scope)
  return { scope, told, close }
}

const code = 'prepared'

/** As autovacuum does, were it given the time. */
const analyse = (scope: Scope) => sql`analyze`.execute(scope.db)

/** A name for what decides how the loaded tenant looks: the data, its readers, and what ingests and stores. */
async function keyOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  const add = (text: string) => hash.update(`${text}\n`)
  for (const pattern of ['bench/*.ts', 'migrations/*.ts', 'src/{catalog,ingest,logs,sketch}/**/*.ts', 'package-lock.json']) {
    const found: string[] = []
    for await (const file of glob(pattern)) if (file !== join('bench', 'suspects.ts')) found.push(file)
    for (const file of found.toSorted()) add(`${file} ${await readFile(file, 'utf8')}`)
  }
  for (const given of files) {
    const found: string[] = []
    for await (const file of glob('**/*', { cwd: given })) found.push(join(given, file))
    for (const file of [given, ...found.toSorted()]) {
      const found = await stat(file)
      if (found.isFile()) add(`${file} ${found.size} ${found.mtimeMs}`)
    }
  }
  return hash.digest('hex').slice(0, 32)
}
