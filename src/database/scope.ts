import { sql, type AliasedRawBuilder, type Kysely, type RawBuilder, type Selectable } from 'kysely'
import { MissingCapabilityError, NotFoundError } from '../schema/errors.ts'
import { parse, parseOptions, preview } from '../schema/parse.ts'
import type { DB } from '../schema/tables.ts'
import { boundedText } from '../schema/text.ts'
import { knownExtensions, type KnownExtension } from './capabilities.ts'
import { findInstallation, qualified, type Installation } from './installation/installation.ts'
import { plainKysely, type AnyKysely } from './connection/plainKysely.ts'
import { schemaOption } from './installation/schemaOption.ts'

/**
 * A tenant, a connection, and the place of our tables: the first argument of every domain function.
 *
 * No function reads or writes tenant data without one, and a scope belongs to one tenant.
 */
export interface Scope {
  /**
   * Executes the queries of this scope: a Kysely instance, or the transaction the scope was made
   * from.
   */
  readonly db: Kysely<{}>
  readonly tenantId: string
  readonly tenantCode: string
  readonly installation: Installation
  /** The tenant's own AGE graph. */
  readonly graphName: string
  /**
   * Whether that graph had its label for calls when the scope was made, which the first
   * `refreshCallGraph` creates. It must be a table of a role that may create graphs here, not
   * another object of the same name.
   */
  readonly graphMade: boolean
  /** The extensions this database has. */
  readonly extensions: ReadonlySet<KnownExtension>
  /** The schema of the extension `hll`; null if this database does not have it. */
  readonly hllSchema: string | null
  /**
   * One of our tables under an alias, for `selectFrom` and joins, in the schema of the
   * installation.
   */
  table<Name extends keyof DB, Alias extends string>(name: Name, alias: Alias): AliasedRawBuilder<Selectable<DB[Name]>, Alias>
  /** One of our tables or functions for raw SQL: schema-qualified and quoted. */
  id(name: string): RawBuilder<unknown>
  /**
   * Whether this role may read the state of the time tables; if not, the next three return null.
   */
  readonly timesKnown: boolean
  /**
   * The time from which a rollup table still has all its rows: older ones were dropped when the
   * scope was made, or may be by now. Null if nothing was dropped and nothing drops it.
   */
  heldSince(table: string): Date | null
  /**
   * The age in milliseconds at which a job of the server drops a table's rows, as of when the scope
   * was made; null if there is no such job.
   */
  retainedMs(table: string): number | null
  /**
   * The time up to which a coarser rollup's rows are stored, as of when the scope was made (it may
   * be later by now); younger rows are computed from its source. Null if nothing is stored, and if
   * the server manages this itself.
   */
  rolledUntil(rollup: string): Date | null
}

/**
 * The scope of a tenant, on any Kysely instance or transaction, with any database type and plugins.
 *
 * A scope belongs to its connection: inside a transaction, make it from the transaction. You can
 * keep a scope for any time: where an answer depends on the state of the tables, that is read
 * again.
 *
 * @param code the tenant's `code`.
 * @param options `schema` is only needed if the database has several installations.
 * @throws NotFoundError if there is no such tenant.
 * @throws SchemaVersionError if the schema is missing, older or newer than this library works with.
 * @throws InvalidInputError if the connection returns wrong values (`int8` as numbers, which lose
 * digits above 2^53, or dates in another style than ISO), or its `search_path` puts a schema before
 * `pg_catalog`.
 * @example
 * const scope = await tenantScope(db, 't-001')
 * const worst = await slowestDependencies(scope, { service: 'urn:k8s:svc:shop/checkout', range: last('30 minutes') }).execute()
 */
export async function tenantScope(db: AnyKysely, code: string, options: { schema?: string } = {}): Promise<Scope> {
  const { schema } = parseOptions(schemaOption, options)
  parse(boundedText(255), code, 'code')
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const { rows } = await sql<{
    tenantId: string | null
    extensions: string[]
    hllSchema: string | null
    graphMade: boolean
    mayReadTimes: boolean
  }>`
    select
      tenant.id as "tenantId",
      (select array(select extname::text from pg_catalog.pg_extension)) as extensions,
      (
        select namespace.nspname::text from pg_catalog.pg_extension as extension join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
        where extension.extname = 'hll'
      ) as "hllSchema",
      exists (
        select from pg_catalog.pg_class as label join pg_catalog.pg_namespace as graph on graph.oid = label.relnamespace
        where graph.nspname = ${installation.graphPrefix}::text || '_'::text || tenant.id::text and label.relname = 'CALLS' and label.relkind = 'r'
          and pg_catalog.has_function_privilege(label.relowner, pg_catalog.to_regprocedure(${`${qualified(installation, 'graph_prepare')}(text, text)`}::text)::oid, 'execute'::text)
      ) as "graphMade",
      (
        select bool_and(has_table_privilege(name, 'select'))
        from pg_catalog.unnest(${upkeepTables(installation)}::text[]) as name
      ) as "mayReadTimes"
    from (select (select tenant_id from ${sql.id(installation.schema, 'dim_tenant')} where code = ${code}) as id) as tenant
  `.execute(plain)
  const { tenantId, extensions, hllSchema, graphMade, mayReadTimes } = rows[0]!
  if (tenantId === null) {
    throw new NotFoundError(`there is no tenant with code ${preview(code)}`, { remedy: { do: 'createTenant', code } })
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
    hllSchema,
    // As text: a plugin such as CamelCasePlugin, of the Kysely that a query is nested in, would
    // rename an identifier.
    table: (name, alias) => sql.raw<Selectable<DB[typeof name]>>(qualified(installation, name)).as(alias),
    id: (name) => sql.raw(qualified(installation, name)),
    timesKnown: mayReadTimes,
    ...timesOf(times),
  }
}

interface TimesOfTable {
  name: string
  dropped_before: number | null
  retained_ms: number | null
  rolled_until: number | null
}

/** The state of the time tables; a role that only reads them need not have rights on it. */
const upkeepTables = (installation: Installation) =>
  ['pgvantage_time_table', 'pgvantage_policy', 'pgvantage_stale_bucket'].map((name) => qualified(installation, name))

/**
 * The state of the time tables: up to when they are dropped and stored, in milliseconds since 1970,
 * and how much a job leaves.
 */
const timesOfTables = ({ schema }: Installation) => sql<TimesOfTable>`
  select time_table.name,
    ${epochMilliseconds(sql`time_table.dropped_before`)} as dropped_before,
    (extract(epoch from (retention.settings ->> 'retain'::text)::interval) * 1000::numeric)::float8 as retained_ms,
    case
      when pg_catalog.has_table_privilege(pg_catalog.to_regclass(pg_catalog.format('%I.%I', ${schema}::text, time_table.name || '_stored')), 'select')
      then ${epochMilliseconds(sql`time_table.rolled_until`)}
    end as rolled_until
  from ${sql.id(schema, 'pgvantage_time_table')} as time_table
  left join ${sql.id(schema, 'pgvantage_policy')} as retention
    on retention.object = time_table.name and retention.kind = 'retention' and retention.job_id is not null
`

/** Null for infinite times. */
const epochMilliseconds = (time: RawBuilder<unknown>) =>
  sql`case when isfinite(${time}) then ceil(extract(epoch from ${time}) * 1000::numeric)::float8 end`

/**
 * A job that runs now drops chunks that ended longer ago than its policy says; so younger rows are
 * there, for any length of chunks.
 */
function timesOf(times: readonly TimesOfTable[]): Pick<Scope, 'heldSince' | 'retainedMs' | 'rolledUntil'> {
  const known = new Map(times.map((table) => [table.name, table]))
  const retainedMs = (table: string) => known.get(table)?.retained_ms ?? null
  return {
    retainedMs,
    heldSince: (table) => {
      const retain = retainedMs(table)
      const bounds = [known.get(table)?.dropped_before ?? null, retain === null ? null : Date.now() - retain].filter(
        (bound) => bound !== null,
      )
      return bounds.length === 0 ? null : new Date(Math.max(...bounds))
    },
    rolledUntil: (table) => {
      const until = known.get(table)?.rolled_until ?? null
      return until === null ? null : new Date(until)
    },
  }
}

/** Throws if an extension is missing: `what` needs it, and `instead` says what works without it. */
export function requireExtension(scope: Scope, name: KnownExtension, what: string, instead?: string): void {
  if (scope.extensions.has(name)) return
  throw new MissingCapabilityError(`${what} needs the extension ${name}, which this database does not have`, {
    remedy: { do: 'createExtension', extension: name, instead },
  })
}
