import { Command, Option } from 'commander'
import { extensionUses, requiredExtensions, type KnownExtension } from '../database/capabilities.ts'
import type { EmbeddingDistance, EmbeddingType } from '../database/installation/installation.ts'
import { termLanguage, type TermLanguage } from '../knowledge/terms.ts'
import { migrateDown, migrateUp, type MigrateResult } from '../operate/migrate/migrate.ts'
import { migratePlan, type MigratePlan } from '../operate/migrate/migratePlan.ts'
import { migrateStatus, type MigrateStatus } from '../operate/migrate/migrateStatus.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { wholeNumber } from './options.ts'
import type { Surroundings } from './surroundings.ts'
import { waiting } from './waiting.ts'

interface Options {
  database?: string
  schema?: string
  graphPrefix?: string
  embeddingDimension?: number
  embeddingDistance?: EmbeddingDistance
  embeddingType?: EmbeddingType
  knowledgeLanguage?: TermLanguage
  json?: boolean
}

/** `pgvantage migrate up | down | status | plan`. */
export function migrateCommand({ env, out, err, signal }: Surroundings): Command {
  const migrate = new Command('migrate').description('bring the schema up, take it down, or say what would happen')

  install(base('up', 'create or upgrade the schema: all of it or nothing')).action(async ({ database, json, ...options }: Options) => {
    const result = await withDatabase({ database }, env, (db) =>
      migrateUp(db, { ...installOptions(options), signal, onWait: waiting({ err }) }),
    )
    for (const notice of result.notices) err(`note: ${notice}\n`)
    out(json ? document(result) : describeUp(result))
  })

  base('down', 'drop everything that `up` created, with the data in it; extensions stay')
    .option('--yes', 'yes, drop the data')
    .option('--to-version <version>', 'stop at this schema version', wholeNumber, 0)
    .action(async ({ database, schema, json, yes, toVersion }: Options & { yes?: boolean; toVersion: number }) => {
      if (!yes) throw new InvalidInputError('--yes', 'migrate down drops tables and the data in them: say --yes to have that done')
      const result = await withDatabase({ database }, env, (db) => migrateDown(db, { schema, toVersion, signal, onWait: waiting({ err }) }))
      out(json ? document(result) : describeDown(result))
    })

  base('status', 'which migrations have run, and which would').action(async ({ database, schema, json }: Options) => {
    const status = await withDatabase({ database }, env, (db) => migrateStatus(db, { schema }))
    out(json ? document(status) : describeStatus(status))
  })

  install(base('plan', 'what `up` would do; changes nothing'))
    .addOption(new Option('--sql', 'the whole as one SQL script, to be committed elsewhere').conflicts('json'))
    .action(async ({ database, json, sql, ...options }: Options & { sql?: boolean }) => {
      const plan = await withDatabase({ database }, env, (db) => migratePlan(db, installOptions(options)))
      for (const notice of plan.notices) err(`note: ${notice}\n`)
      out(json ? document(plan) : sql ? plan.sql : describePlan(plan))
    })

  return migrate

  function base(name: string, description: string): Command {
    return migrate
      .command(name)
      .description(description)
      .addOption(databaseOption())
      .addOption(schemaOption())
      .option('--json', 'one JSON document')
  }
}

const install = (command: Command) =>
  command
    .option('--graph-prefix <name>', 'AGE graphs are named <prefix>_<tenant id> (first installation only; default: ops)')
    .option(
      '--embedding-dimension <n>',
      "dimensions of a chunk's embedding, 1 to 4000 (first installation only; default: 1536)",
      wholeNumber,
    )
    .addOption(
      new Option('--embedding-distance <name>', "what the embeddings' index is ordered by (first installation only; default: l2)").choices([
        'l2',
        'cosine',
        'ip',
      ]),
    )
    .addOption(
      new Option(
        '--embedding-type <name>',
        'what embeddings are kept as; halfvec takes half the space (first installation only; default: vector)',
      ).choices(['vector', 'halfvec']),
    )
    .addOption(
      new Option('--knowledge-language <name>', 'whose words documents are found by (first installation only; default: english)').choices(
        termLanguage.options,
      ),
    )

const installOptions = ({ schema, graphPrefix, embeddingDimension, embeddingDistance, embeddingType, knowledgeLanguage }: Options) => ({
  schema,
  graphPrefix,
  embeddingDimension,
  embeddingDistance,
  embeddingType,
  knowledgeLanguage,
})

/** What an extension is for, and whether it can be done without. */
const use = (name: KnownExtension) =>
  `${name}: ${extensionUses[name]}${requiredExtensions.some((required) => required === name) ? ' (required)' : ''}`

const describeUp = ({ ran, extensions, version, installation }: MigrateResult) =>
  `${extensions.map((name) => `created extension ${use(name)}\n`).join('')}${ran.map((name) => `ran ${name}\n`).join('')}schema ${installation.schema} is at version ${version}${ran.length === 0 ? ': nothing to do' : ''}\n`

const describeDown = ({ ran, version, installation }: MigrateResult) =>
  `${ran.map((name) => `undid ${name}\n`).join('')}schema ${installation.schema} ${version === 0 ? 'holds nothing of pgvantage any more' : `is at version ${version}`}\n`

function describeStatus({ version, libraryVersion, applied, pending, installation }: MigrateStatus): string {
  const lines = [
    ...applied.map(({ name, ranAt }) => `ran      ${name}  ${ranAt.toISOString()}`),
    ...pending.map((name) => `pending  ${name}`),
    installation === null
      ? 'pgvantage is not installed here: run `pgvantage migrate up`'
      : `schema ${installation.schema} is at version ${version} of ${libraryVersion}${pending.length > 0 ? ': run `pgvantage migrate up`' : ''}`,
  ]
  return `${lines.join('\n')}\n`
}

function describePlan({ extensions, migrations, installation }: MigratePlan): string {
  const lines = [
    ...extensions.map((name) => `would create extension ${use(name)}`),
    ...migrations.map(({ name, statements }) => `would run ${name}: ${statements.length} statement${statements.length === 1 ? '' : 's'}`),
    migrations.length === 0
      ? `schema ${installation.schema} is up to date: \`migrate up\` would only install the functions of sql/ again`
      : `into schema ${installation.schema}, rollup tables as ${installation.timeRung === 'native' ? 'native partitions' : 'hypertables'}; --sql prints the statements`,
  ]
  return `${lines.join('\n')}\n`
}
