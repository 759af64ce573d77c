/**
 * Writes what is generated from the migrated schema; with --check only says whether it would differ, and exits 1 if so.
 *
 * Both files in one process, since its databases take longer to start and migrate than the rest.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { openEmbedded } from '../../../src/database/connection/embedded.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { openCommunity } from '../community.ts'
import { manifestOf } from './manifest.ts'
import { tablesOf } from './tables.ts'

const root = new URL('../../../', import.meta.url)
const manifest = new URL('src/operate/manifest.ts', root)
const tables = new URL('src/schema/tables.ts', root)

const embedded = await openEmbedded()
const community = await openCommunity()
for (const { db } of [embedded, community]) await migrateUp(db)
const generated: [URL, string][] = [
  [manifest, await manifestOf(embedded.db, community.db, manifest)],
  [tables, await tablesOf(embedded.db)],
]
await embedded.close()
await community.close()

for (const [file, text] of generated) {
  if (!process.argv.includes('--check')) {
    await writeFile(file, text)
    continue
  }
  const matches = (await readFile(file, 'utf8')) === text
  const name = fileURLToPath(file).slice(fileURLToPath(root).length)
  if (matches) console.log(`${name} matches the migrated schema`)
  else console.error(`${name} does not match the migrated schema: run \`npm run generate\``)
  if (!matches) process.exitCode = 1
}
