/**
 * Writes src/schema/tables.ts from the migrated schema; with --check only says whether it would differ, and exits 1 if so.
 * The schema is that of a fresh embedded PostgreSQL: it has the same tables on every server.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { generate, PostgresDialect } from 'kysely-codegen'
import { openEmbedded } from '../../src/database/embedded.ts'
import { migrateUp } from '../../src/operate/migrate.ts'

const file = new URL('../../src/schema/tables.ts', import.meta.url)

const { db, close } = await openEmbedded()
await migrateUp(db)
const generated = await generate({
  db,
  dialect: new PostgresDialect(),
  outFile: null,
  partitions: false,
  includePattern: 'public.*',
  excludePattern: 'public.{*_p[0-9]*,*_default}',
  typeOnlyImports: true,
})
await close()

if (process.argv.includes('--check')) {
  if ((await readFile(file, 'utf8')) !== generated) {
    console.error('src/schema/tables.ts does not match the migrated schema: run `npm run generate`')
    process.exit(1)
  }
  console.log('src/schema/tables.ts matches the migrated schema')
} else {
  await writeFile(file, generated)
}
