/**
 * Packs the package as it would be published, looks at what is in it, installs it into a scratch
 * project together with the embedded database's packages, and compiles and runs a program there;
 * another one is compiled by every TypeScript that docs/kysely.md names. Beside that it follows
 * README and the pages that begin with nothing, as a reader would, in empty folders. Needs the npm
 * registry and a build.
 *
 * Exits with 1 and says why when something is missing or too much, or does not work as printed.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compileAnyDatabase, compilers } from './anyDatabase.ts'
import { followPages } from './followPages.ts'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> }

const wanted = [
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'package.json',
  'dist/src/index.js',
  'dist/src/index.d.ts',
  'dist/src/cli/main.js',
  'dist/migrations/0001_installation.js',
  'dist/sql/exponential_histogram.sql',
  'examples/shop/recordings/incident.jsonl.gz',
]
const allowed =
  /^(README\.md|LICENSE|CHANGELOG\.md|package\.json|docs\/.+\.(md|svg|png)|dist\/(src|migrations)\/.+\.(js|d\.ts)|dist\/sql\/\w+\.sql|examples\/shop\/(README\.md|recordings\/(README\.md|incident\.jsonl\.gz)))$/

const program = `
import { sql } from 'kysely'
import { InvalidInputError, ensureResource, ensureTenant, last, migrateStatus, migrateUp, slowestDependencies, tenantScope } from 'pgvantage'
import { openEmbedded } from 'pgvantage/embedded'

const { db, close } = await openEmbedded()
await migrateUp(db, { embeddingDimension: 3 })
const status = await migrateStatus(db)
if (status.pending.length > 0) throw new Error('migrations are pending: ' + status.pending)
await ensureTenant(db, { code: 'acme' })
const scope = await tenantScope(db, 'acme')
const service = 'urn:k8s:svc:shop/checkout'
await ensureResource(scope, { urn: service, type: 'service', name: 'checkout' })
const worst = await slowestDependencies(scope, { service, range: last('30 minutes') }).execute()
const urns: string[] = worst.map((row) => row.dst_urn)
if (urns.length !== 0) throw new Error('rows from nowhere')
const { rows } = await sql<{ buckets: string }>\`select exp_histogram_count(exp_histogram(1.5)) as buckets\`.execute(db)
if (rows[0]?.buckets !== '1') throw new Error('the functions of sql/ are missing')
if (!(new InvalidInputError('a', 'b') instanceof Error)) throw new Error('no error')
await close()
console.log('scratch project: migrated and queried')
`

// PGlite's own declarations do not compile by themselves, hence skipLibCheck below.
const folder = await mkdtemp(join(tmpdir(), 'pgvantage-scratch-'))
try {
  const { stdout } = await execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  const paths = packed.files.map(({ path }) => path)
  const missing = wanted.filter((path) => !paths.includes(path))
  const surplus = paths.filter((path) => !allowed.test(path))
  if (missing.length > 0 || surplus.length > 0)
    throw new Error(`missing from the package: ${missing.join(', ')}; not wanted in it: ${surplus.join(', ')}`)
  console.log(`the package holds ${paths.length} files, all of them wanted`)

  await Promise.all([scratchProject(packed.filename), followPages(join(folder, packed.filename))])
} catch (error) {
  const output = error instanceof Error ? Reflect.get(error, 'stdout') : undefined
  console.error(error instanceof Error ? error.message : error, typeof output === 'string' ? output : '')
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Compiles and runs {@link program} where the package is installed. */
async function scratchProject(packed: string): Promise<void> {
  const exact = (name: string) => [name, devDependencies[name]]
  const scratch = {
    private: true,
    type: 'module',
    dependencies: {
      pgvantage: `file:${packed}`,
      ...Object.fromEntries(
        ['@electric-sql/pglite', '@electric-sql/pglite-age', '@electric-sql/pglite-pgvector', 'typescript', '@types/node', '@types/pg'].map(
          exact,
        ),
      ),
      ...compilers,
    },
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify(scratch))
  await writeFile(join(folder, 'main.ts'), program)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { module: 'nodenext', target: 'es2024', strict: true, types: ['node'], skipLibCheck: true, noEmit: true },
      files: ['main.ts'],
    }),
  )
  const inside = async (command: string, ...args: string[]) => (await execute(command, args, { cwd: folder })).stdout
  await inside('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline')
  // Kysely comes with pgvantage; the program imports it as a user's would.
  console.log(await inside(process.execPath, 'main.ts'))
  console.log(`pgvantage ${await inside(process.execPath, join('node_modules', '.bin', 'pgvantage'), '--version')}`)
  console.log(`types: ${(await inside(process.execPath, join('node_modules', 'typescript', 'bin', 'tsc'), '-p', '.')) || 'ok'}`)
  await compileAnyDatabase(folder)
}
