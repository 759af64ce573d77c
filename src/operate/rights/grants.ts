import type { Kysely } from 'kysely'
import { z } from 'zod'
import { capabilities } from '../../database/capabilities.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { readInstallation } from '../../database/installation/installation.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { MissingCapabilityError, SchemaVersionError, VantageError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { extensionsToCreate } from '../extensions.ts'
import { rightsFacts, type RightsFacts } from './facts.ts'
import { needsOf, roles, type Need, type Role } from './needs.ts'

export interface GrantsOptions {
  /** The purpose of the login. */
  role: Role
  /** The name of the login role, which may not exist yet. */
  login: string
  /**
   * Only needed if the database has several installations; for an `owner` before the first `migrate
   * up`, the schema to install into (default: `public`).
   */
  schema?: string
}

/** One statement to run. */
export interface Grant {
  /** Without its semicolon. */
  statement: string
  /** The role that may run it, besides a superuser; null if only a superuser may. */
  as: string | null
}

const grantsOptions = z.strictObject({ role: z.enum(roles), login: boundedText(63), schema: boundedText(63).optional() })

/**
 * The statements that give a role exactly what it needs; changes nothing. They can be run
 * repeatedly.
 *
 * Run them again after `migrate up` has installed new functions, and after Apache AGE, or an
 * extension in another schema, was added. New graphs need no grants: `refreshCallGraph` and
 * `mirrorGraph` let every `reader` read them.
 *
 * {@link Role} describes the roles. An `owner` can be requested before anything is installed; it
 * then runs `migrate up`.
 *
 * @throws SchemaVersionError if pgvantage is not installed, unless for an `owner`.
 * @throws MissingCapabilityError for a `refresher` without Apache AGE; for an `owner` if the server
 * lacks what the schema needs.
 * @throws VantageError (`OWNER_IS_SUPERUSER`) for a `maintainer` of tables that belong to a
 * superuser, since it would become one.
 * @throws InvalidInputError if an option is malformed, or there are several installations and
 * `schema` is not given.
 * @example
 * const grants = await grantsFor(db, { role: 'writer', login: 'collector' })
 * for (const { statement } of grants) await sql.raw(statement).execute(superuser)
 *
 * // grant connect, temporary on database app to "collector"
 * // grant usage on schema public to "collector"
 * // grant select on public.kb_doc, ... to "collector"
 * // grant execute on function public.exp_histogram(double precision, bigint), ... to "collector"
 */
export async function grantsFor(db: AnyKysely, options: GrantsOptions): Promise<Grant[]> {
  const { role, login, schema } = parseOptions(grantsOptions, options)
  const plain = plainKysely(db)
  const installation = await readInstallation(plain, schema)
  if (installation === undefined && role !== 'owner') {
    throw new SchemaVersionError(
      `pgvantage is not installed in ${schema === undefined ? 'this database' : `schema ${quoteIdentifier(schema)}`}`,
      { remedy: { do: 'migrateUp' } },
    )
  }
  const facts = await rightsFacts(plain, installation, schema)
  if (role === 'refresher' && facts.age === null) {
    throw new MissingCapabilityError('a refresher writes graphs, and this database has no Apache AGE: the other functions do not need it')
  }
  if (role === 'maintainer' && facts.installed?.ownerIsSuperuser) {
    throw new VantageError(
      `the tables belong to ${facts.installed.owner}, a superuser, whom a maintainer would act as: maintain as ${facts.installed.owner}, or restore a dump with --no-owner as a role that is not a superuser`,
      { code: 'OWNER_IS_SUPERUSER' },
    )
  }
  const first = role === 'owner' && facts.installed === null ? await beforeInstalling(plain, facts, login) : []
  return [...first, ...grantsOf(needsOf(role, facts), login), ...(role === 'refresher' ? graphsToOwner(facts, login) : [])]
}

/** Groups each right with the objects it is needed on, in the order of the needs. */
export function grantsOf(needs: readonly Need[], to: string): Grant[] {
  const rightsOn = new Map<string, Need>()
  for (const need of needs) {
    const key = `${need.kind} ${need.on}`
    rightsOn.set(key, { ...need, rights: [...new Set([...(rightsOn.get(key)?.rights ?? []), ...need.rights])] })
  }
  const alike = Map.groupBy(rightsOn.values(), ({ kind, rights, grantor }) => JSON.stringify([kind, rights, grantor]))
  return [...alike.values()].map((group) => {
    const { kind, rights, grantor } = group[0]!
    return {
      statement: statement(
        kind,
        rights,
        group.map(({ on }) => on),
        quoteIdentifier(to),
      ),
      as: grantor,
    }
  })
}

function statement(kind: Need['kind'], rights: readonly string[], things: readonly string[], to: string): string {
  if (kind === 'role') return `grant ${things.join(', ')} to ${to}${rights.includes('set') ? ' with inherit true, set true' : ''}`
  const on = { database: 'database ', schema: 'schema ', relation: '', tables: 'all tables in schema ', function: 'function ' }[kind]
  return `grant ${rights.join(', ')} on ${on}${things.join(', ')} to ${to}`
}

/** Graphs belong to the role that refreshes them; the owner drops them with their tenants. */
function graphsToOwner({ installed }: RightsFacts, to: string): Grant[] {
  if (installed === null || installed.ownerIsSuperuser || installed.owner === to) return []
  return [{ statement: `grant ${quoteIdentifier(to)} to ${installed.quotedOwner}`, as: null }]
}

/**
 * The extensions that only a superuser may create, and their rights for the installing role. Apache
 * AGE created here is not in the facts read before.
 */
async function beforeInstalling(db: Kysely<{}>, { age }: RightsFacts, to: string): Promise<Grant[]> {
  const creatable = extensionsToCreate(await capabilities(db))
  const openAge =
    age === null && creatable.includes('age')
      ? ['grant usage on schema ag_catalog', 'grant select on ag_catalog.ag_graph, ag_catalog.ag_label'].map(
          (right) => `${right} to ${quoteIdentifier(to)}`,
        )
      : []
  return [...creatable.map((name) => `create extension if not exists ${name}`), ...openAge].map((statement) => ({ statement, as: null }))
}
