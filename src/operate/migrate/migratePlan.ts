import { sql, type Kysely } from 'kysely'
import { capabilities, requiredExtensions, type KnownExtension } from '../../database/capabilities.ts'
import { creatableHere } from '../../database/creatable.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { turnLock } from '../../database/transaction/takeTurn.ts'
import { parseOptions } from '../../schema/parse.ts'
import { extensionsToCreate, installedExtensions } from '../extensions.ts'
import { migrateOptions, type MigrateOptions } from './migrateOptions.ts'
import { assertPlace, migrationTable, migrationTurn, planUp } from './planUp.ts'

export interface MigratePlan {
  installation: Installation
  /** The extensions that would be created. */
  extensions: KnownExtension[]
  /** Each pending migration with its statements. */
  migrations: { name: string; statements: string[] }[]
  /** What cannot be known without changing anything, one sentence each. */
  notices: string[]
  /**
   * The whole plan as one script in one transaction, including the records by which `migrate up`
   * finds nothing left to do.
   */
  sql: string
}

/**
 * What `migrateUp` would do, as SQL; changes nothing. `sql` is a script that a team with its own
 * migration tool can commit.
 *
 * The script is for this server: it creates the extensions that the server offers, and gives the
 * rollup tables the matching form. The edition of TimescaleDB is only visible in a database with
 * the extension. Without it the plan is for the Apache edition, a notice says so, and the script
 * stops if it finds the other edition.
 *
 * @throws as `migrateUp`.
 * @example
 * const { sql } = await migratePlan(db, { schema: 'observability' })
 * await writeFile('V7__pgvantage.sql', sql)
 */
export async function migratePlan(db: AnyKysely, options: MigrateOptions = {}): Promise<MigratePlan> {
  const wanted = parseOptions(migrateOptions, options)
  const plain = plainKysely(db)
  await assertPlace(plain, wanted)
  const server = await capabilities(plain)
  const extensions = extensionsToCreate(server)
  const plan = await planUp(plain, wanted, new Set([...installedExtensions(server), ...extensions]))
  const steps = plan.pending.map((migration) => ({ name: migration.name, statements: migration.up(plan.installation) }))
  const table = qualified(plan.installation, migrationTable)
  const statements = [
    sql`select ${turnLock(migrationTurn)}`.compile(plain).sql,
    ...extensions.map((name) => `create extension if not exists ${name}`),
    ...(extensions.includes('timescaledb') ? [editionGuard(plan.installation)] : []),
    ...plan.before,
    `create table if not exists ${table} (id serial primary key, name varchar(255) not null, run_on timestamp not null)`,
    ...steps.flatMap((step) => [
      `-- ${step.name}\n${step.statements[0]}`,
      ...step.statements.slice(1),
      `insert into ${table} (name, run_on) values ('${step.name}', now() at time zone 'UTC')`,
    ]),
    ...plan.after,
  ]
  return {
    installation: plan.installation,
    extensions,
    migrations: steps,
    notices: [
      ...(await denied(plain, extensions)),
      ...(extensions.includes('timescaledb') && server.timescaleLicence === null
        ? [
            'this plan is for the Apache edition of TimescaleDB. Which edition the server has is known only after `create extension timescaledb`: run that, then plan again, to be sure',
          ]
        : []),
    ],
    sql: `begin;\n\n${statements.map((statement) => `${statement};\n`).join('\n')}\ncommit;\n`,
  }
}

/** What the current role may not create of them. */
async function denied(db: Kysely<{}>, extensions: readonly KnownExtension[]): Promise<string[]> {
  if (extensions.length === 0) return []
  const creatable = await creatableHere(db)
  const closed = extensions.filter((name) => !creatable.has(name))
  const required = closed.filter((name) => requiredExtensions.some((one) => one === name))
  if (closed.length === 0) return []
  return [
    `this role may not create ${closed.join(', ')}: have a superuser run \`create extension\` for ${required.length === 0 ? 'those you want; `up` does without the others' : `${required.join(', ')} at least`}`,
  ]
}

/**
 * Ends the script if the server has the other edition, before a table is created in the wrong form.
 */
const editionGuard = ({ timeRung }: Installation): string => `do $guard$
begin
  if (current_setting('timescaledb.license', true) = 'timescale') is distinct from ${timeRung === 'community'} then
    raise exception 'this script was planned for TimescaleDB''s other edition: create extension timescaledb, then plan again';
  end if;
end
$guard$`
