import { sql, type AliasedRawBuilder, type Kysely, type RawBuilder, type Selectable } from 'kysely'
import { InvalidInputError, MissingCapabilityError, NotFoundError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'
import type { DB } from '../schema/tables.ts'
import { boundedText } from '../schema/text.ts'
import { knownExtensions, type KnownExtension } from './capabilities.ts'
import { findInstallation, qualified, type Installation } from './installation.ts'
import { plainKysely } from './plain.ts'

/**
 * Whose data, on which connection, and where our tables are: the first argument of every domain function.
 *
 * No function can read or write tenant data without one, and a scope is of one tenant.
 */
export interface Scope {
  /** Executes what is built with this scope: a Kysely instance, or the transaction the scope was made from. */
  readonly db: Kysely<{}>
  readonly tenantId: string
  readonly tenantCode: string
  readonly installation: Installation
  /** The tenant's own AGE graph. */
  readonly graphName: string
  /** Whether that graph had its label of calls when the scope was made: it has since the first `refreshCallGraph`. */
  readonly graphMade: boolean
  /** The extensions this database has. */
  readonly extensions: ReadonlySet<KnownExtension>
  /** One of our tables under an alias, for `selectFrom` and joins, wherever it is installed. */
  table<Name extends keyof DB, Alias extends string>(name: Name, alias: Alias): AliasedRawBuilder<Selectable<DB[Name]>, Alias>
  /** One of our tables or functions as raw SQL names it: schema-qualified and quoted. */
  id(name: string): RawBuilder<unknown>
  /**
   * From when on a rollup table still has all its rows, as of when the scope was made: what is older is dropped, or may be. Null where nothing was dropped and
   * nothing drops it, and where this role may not read what upkeep knows.
   */
  heldSince(table: string): Date | null
  /**
   * Until when the rows of a coarser rollup are stored beside its view, as of when the scope was made: what is younger is computed from its source. Null
   * where nothing is stored, where the server looks after that by itself, and where this role may read the view only.
   */
  rolledUntil(rollup: string): Date | null
}

/**
 * The scope of a tenant on any Kysely instance or transaction, whatever its database type and plugins.
 *
 * A scope belongs to its connection: inside a transaction, make it from the transaction.
 *
 * @param code the tenant's `code`.
 * @param options `schema` is only needed when one database holds several installations.
 * @throws NotFoundError when there is no such tenant.
 * @throws SchemaVersionError when the schema is missing, older or newer than this library works with.
 * @throws InvalidInputError when the connection delivers `int8` as numbers, which lose digits above 2^53.
 * @example
 * const scope = await tenantScope(db, 't-001')
 * const worst = await slowestDependencies(scope, { service: 'urn:k8s:svc:shop/checkout', range: last('30 minutes') }).execute()
 */
export async function tenantScope<Database>(db: Kysely<Database>, code: string, { schema }: { schema?: string } = {}): Promise<Scope> {
  parse(boundedText(255), code, 'code')
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const { rows } = await sql<{ probe: unknown; tenantId: unknown; extensions: string[]; graphMade: boolean; mayReadTimes: boolean }>`
    select
      9007199254740993::int8 as probe,
      tenant.id as "tenantId",
      (select array(select extname::text from pg_catalog.pg_extension)) as extensions,
      exists (
        select from pg_catalog.pg_class as label join pg_catalog.pg_namespace as graph on graph.oid = label.relnamespace
        where graph.nspname = ${installation.graphPrefix} || '_' || tenant.id and label.relname = 'CALLS'
      ) as "graphMade",
      (
        select bool_and(has_table_privilege(name, 'select'))
        from unnest(${upkeepTables(installation)}::text[]) as name
      ) as "mayReadTimes"
    from (select (select tenant_id from ${sql.id(installation.schema, 'dim_tenant')} where code = ${code}) as id) as tenant
  `.execute(plain)
  const { probe, tenantId, extensions, graphMade, mayReadTimes } = rows[0]!
  if (probe !== '9007199254740993') {
    throw new InvalidInputError(
      'db',
      `this connection delivers int8 as ${typeof probe} (${preview(probe)}) where pgvantage needs strings: leave pg's default parser for type 20, or give PGlite { parsers: { 20: (text) => text } }`,
    )
  }
  if (typeof tenantId !== 'string') {
    throw new NotFoundError(`there is no tenant with code ${preview(code)}: create it with ensureTenant(db, { code: ${preview(code)} })`)
  }
  const times = mayReadTimes ? (await timesOfTables(installation).execute(plain)).rows : []
  return {
    db: plain,
    tenantId,
    tenantCode: code,
    installation,
    graphName: `${installation.graphPrefix}_${tenantId}`,
    graphMade,
    extensions: new Set(knownExtensions.filter((name) => extensions.includes(name))),
    // As text: an identifier would be renamed with the rest by a plugin such as CamelCasePlugin of the Kysely that a query is nested in.
    table: (name, alias) => sql.raw<Selectable<DB[typeof name]>>(qualified(installation, name)).as(alias),
    id: (name) => sql.raw(qualified(installation, name)),
    heldSince: timeOf(times, 'held_since'),
    rolledUntil: timeOf(times, 'rolled_until'),
  }
}

interface TimesOfTable {
  name: string
  held_since: number | null
  rolled_until: number | null
}

/** What upkeep knows of the time tables; a role that only reads them need not see it. */
const upkeepTables = (installation: Installation) =>
  ['pgvantage_time_table', 'pgvantage_policy'].map((name) => qualified(installation, name))

/**
 * The time tables, and since and until when they have what, in milliseconds since 1970.
 *
 * A job of the server that ran just now has dropped chunks that ended longer ago than its policy says, so what is younger than that is there, however the chunks
 * are cut.
 */
const timesOfTables = ({ schema }: Installation) => sql<TimesOfTable>`
  select time_table.name,
    ${milliseconds(sql`greatest(time_table.dropped_before, now() - (retention.settings ->> 'retain')::interval)`)} as held_since,
    case
      when has_table_privilege(to_regclass(format('%I.%I', ${schema}::text, time_table.name || '_stored')), 'select')
      then ${milliseconds(sql`time_table.rolled_until`)}
    end as rolled_until
  from ${sql.id(schema, 'pgvantage_time_table')} as time_table
  left join ${sql.id(schema, 'pgvantage_policy')} as retention
    on retention.object = time_table.name and retention.kind = 'retention' and retention.job_id is not null
`

/** Null for the infinities. */
const milliseconds = (time: RawBuilder<unknown>) =>
  sql`case when isfinite(${time}) then ceil(extract(epoch from ${time}) * 1000)::float8 end`

function timeOf(times: readonly TimesOfTable[], column: 'held_since' | 'rolled_until'): (table: string) => Date | null {
  const known = new Map(times.map((table) => [table.name, table[column]]))
  return (table) => {
    const time = known.get(table) ?? null
    return time === null ? null : new Date(time)
  }
}

/** Refuses to go on where an extension is missing: `what` needs it, and `instead` says what works without it. */
export function requireExtension(scope: Scope, name: KnownExtension, what: string, instead = ''): void {
  if (scope.extensions.has(name)) return
  throw new MissingCapabilityError(
    `${what} needs the extension ${name}, which this database does not have: run \`create extension ${name}\` where the server offers it, then \`pgvantage migrate up\`${instead && `; without it, ${instead}`}`,
  )
}
