import { createHash } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { quoteIdentifier } from '../database/sql/identifier.ts'
import type { Installation } from '../database/installation/installation.ts'
import { extensionSearchPath } from './extensions.ts'
import { withoutTrace } from '../database/transaction/inTransaction.ts'
import { setSettings } from '../database/transaction/settings.ts'
import { execute } from '../lifecycle/statement.ts'
import type { AnyKysely } from '../database/connection/plainKysely.ts'

/**
 * A table in the server's catalog, described in terms that are the same on every server, in any
 * schema and for any embedding.
 */
export interface CatalogTable {
  /** Each column's type, nullability, default or generation. */
  columns: Record<string, string>
  constraints: Record<string, string>
  /** The indexes that no constraint owns. */
  indexes: Record<string, string>
  /**
   * When each fires, what it runs, and whether it is disabled; without those of PostgreSQL and of
   * extensions.
   */
  triggers: Record<string, string>
  /** The time column of a hypertable or of range partitions. */
  cutAlong: string | null
  /** Whether a partitioned table has a default partition; null for any other. */
  hasDefault: boolean | null
}

/**
 * A view in the server's catalog; also a continuous aggregate, which is a view over a hypertable of
 * TimescaleDB.
 */
export interface CatalogView {
  /** Each column's type. */
  columns: Record<string, string>
  /**
   * Its kind, and a hash of its defining query, which is the same on every version of PostgreSQL.
   */
  definition: string
  /**
   * The indexes on the hypertable of a continuous aggregate, by their columns; without
   * TimescaleDB's own.
   */
  indexes: Record<string, string>
}

export interface Catalog {
  tables: Record<string, CatalogTable>
  views: Record<string, CatalogView>
  /** By name and argument types; the value is a hash of the whole definition. */
  functions: Record<string, string>
  domains: Record<string, string>
}

/**
 * The contents of a migrated database; `{dimension}` and `{embedding key}` stand for parts that
 * depend on the installation.
 */
export interface Manifest extends Omit<Catalog, 'functions'> {
  /** The views that are continuous aggregates on the rung that has them, as they are there. */
  continuousAggregates: Record<string, CatalogView>
  /**
   * The tables, and the triggers as `table.trigger`, that exist only without continuous aggregates,
   * in their place.
   */
  insteadOfContinuousAggregates: string[]
  functions: Record<string, { hash: string; requires: string | null }>
}

/**
 * What is installed in the schema: tables, views, functions, aggregates and domains, without
 * members of extensions and without partitions.
 *
 * It changes nothing: it reads in a read-only transaction (or behind a savepoint of the caller's).
 */
export async function readCatalog(db: AnyKysely, installation: Installation): Promise<Catalog> {
  return withoutTrace(db, async (trx) => {
    // Names on the search path are printed without a schema, others with it: with only the
    // extensions on the path, ours are the qualified ones.
    await setSettings(trx, { search_path: 'pg_catalog' })
    await execute(trx, extensionSearchPath)
    // Definitions show dates and intervals in the session's style.
    await setSettings(trx, { timezone: 'UTC', datestyle: 'ISO', intervalstyle: 'postgres' })
    const relations = await readRelations(trx, installation)
    const functions = await readFunctions(trx, installation)
    return { ...relations, functions }
  })
}

interface Described {
  kind: 'table' | 'view' | 'column' | 'constraint' | 'index' | 'trigger' | 'domain'
  owner: string
  name: string
  definition: string
}

async function readRelations(trx: Kysely<{}>, installation: Installation): Promise<Omit<Catalog, 'functions'>> {
  const { rows } = await sql<Described>`
    with place as (select oid, nspname from pg_catalog.pg_namespace where nspname = ${installation.schema}),
    relation as (
      select class.oid, class.relname::text as name, class.relkind
      from pg_catalog.pg_class as class
      join place on place.oid = class.relnamespace
      where class.relkind in ('r', 'p', 'v') and not class.relispartition
        and not exists (
          select from pg_catalog.pg_depend as member
          where member.classid = 'pg_class'::regclass and member.objid = class.oid and member.deptype = 'e'
        )
    )
    select 'table' as kind, relation.name as owner, coalesce(pg_get_partkeydef(relation.oid), '') as name,
      coalesce((
        select (partitioned.partdefid <> 0)::text from pg_catalog.pg_partitioned_table as partitioned where partitioned.partrelid = relation.oid
      ), '') as definition
    from relation
    where relation.relkind <> 'v'
    union all
    select 'view', relation.name, '', pg_get_viewdef(relation.oid)
    from relation
    where relation.relkind = 'v'
    union all
    select 'column', relation.name, attribute.attname::text,
      format_type(attribute.atttypid, attribute.atttypmod)
        || case when attribute.attnotnull then ' not null' else '' end
        || case attribute.attidentity when 'a' then ' generated always as identity' when 'd' then ' generated by default as identity' else '' end
        || case
          when attribute.attgenerated <> '' then ' generated always as ' || pg_get_expr(fallback.adbin, fallback.adrelid)
            || case attribute.attgenerated when 's' then ' stored' else ' virtual' end
          when fallback.oid is not null then ' default ' || pg_get_expr(fallback.adbin, fallback.adrelid)
          else ''
        end
    from relation
    join pg_catalog.pg_attribute as attribute on attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
    left join pg_catalog.pg_attrdef as fallback on fallback.adrelid = relation.oid and fallback.adnum = attribute.attnum
    union all
    -- PostgreSQL 18 lists NOT NULL among the constraints; here it belongs to the column on every version.
    select 'constraint', relation.name, owned.conname::text, pg_get_constraintdef(owned.oid)
    from relation
    join pg_catalog.pg_constraint as owned on owned.conrelid = relation.oid and owned.contype in ('c', 'p', 'u', 'f', 'x')
    union all
    select 'index', relation.name, class.relname::text,
      pg_get_indexdef(entry.indexrelid) || case when entry.indisvalid then '' else ' (invalid)' end
    from relation
    join pg_catalog.pg_index as entry on entry.indrelid = relation.oid
    join pg_catalog.pg_class as class on class.oid = entry.indexrelid
    where not exists (select from pg_catalog.pg_constraint as owner where owner.conindid = entry.indexrelid and owner.conrelid = relation.oid)
    union all
    select 'trigger', relation.name, fired.tgname::text,
      pg_get_triggerdef(fired.oid)
        || case fired.tgenabled when 'D' then ' (disabled)' when 'R' then ' (only on a replica)' when 'A' then ' (also on a replica)' else '' end
    from relation
    join pg_catalog.pg_trigger as fired on fired.tgrelid = relation.oid and not fired.tgisinternal
    where not exists (
      select from pg_catalog.pg_depend as member
      where member.classid = 'pg_proc'::regclass and member.objid = fired.tgfoid and member.deptype = 'e'
    )
    union all
    select 'domain', '', type.typname::text, format_type(type.typbasetype, type.typtypmod)
    from pg_catalog.pg_type as type
    join place on place.oid = type.typnamespace
    where type.typtype = 'd'
    order by 1, 2, 3
  `.execute(trx)
  const timescale = await hasTimescale(trx, installation)
  const hypertables = timescale ? await readHypertables(trx, installation) : new Map<string, string>()
  const aggregates = timescale ? await readContinuousAggregates(trx, installation) : new Map<string, ContinuousAggregate>()
  const plain = bare(installation)
  const tables: Record<string, CatalogTable> = {}
  for (const row of rows.filter(({ kind }) => kind === 'table')) {
    const partitionedBy = /^RANGE \((.*)\)$/.exec(row.name)?.[1]
    tables[row.owner] = {
      columns: {},
      constraints: {},
      indexes: {},
      triggers: {},
      cutAlong: partitionedBy ?? hypertables.get(row.owner) ?? null,
      hasDefault: row.definition === '' ? null : row.definition === 'true',
    }
  }
  const views: Record<string, CatalogView> = {}
  for (const row of rows.filter(({ kind }) => kind === 'view')) {
    const aggregate = aggregates.get(row.owner)
    const kind = aggregate === undefined ? 'view' : `continuous aggregate, ${aggregate.realTime ? 'real-time' : 'materialized only'},`
    views[row.owner] = {
      columns: {},
      definition: `${kind} ${hash(query(plain(aggregate?.query ?? row.definition)))}`,
      indexes: mapValues(aggregate?.indexes ?? {}, plain),
    }
  }
  const domains: Record<string, string> = {}
  for (const { kind, owner, name, definition } of rows) {
    if (kind === 'domain') domains[name] = definition
    else if (kind === 'column') (tables[owner] ?? views[owner])!.columns[name] = plain(definition)
    else if (kind === 'constraint') tables[owner]!.constraints[name] = plain(definition)
    else if (kind === 'index') tables[owner]!.indexes[name] = withoutStorage(plain(definition))
    else if (kind === 'trigger') tables[owner]!.triggers[name] = plain(definition)
  }
  return { tables, views, domains }
}

async function hasTimescale(trx: Kysely<{}>, { timeRung }: Installation): Promise<boolean> {
  if (timeRung === 'native') return false
  const { rows } = await sql<{ present: boolean }>`select to_regclass('timescaledb_information.dimensions') is not null as present`.execute(
    trx,
  )
  return rows[0]!.present
}

async function readHypertables(trx: Kysely<{}>, { schema }: Installation): Promise<Map<string, string>> {
  const { rows } = await sql<{ table: string; column: string }>`
    select hypertable_name::text as "table", column_name::text as "column"
    from timescaledb_information.dimensions
    where hypertable_schema = ${schema} and dimension_number = 1
  `.execute(trx)
  return new Map(rows.map(({ table, column }) => [table, column]))
}

interface ContinuousAggregate {
  /** The query as it was declared: the server's own form refers to hypertables by numbers. */
  query: string
  realTime: boolean
  indexes: Record<string, string>
}

async function readContinuousAggregates(trx: Kysely<{}>, { schema }: Installation): Promise<Map<string, ContinuousAggregate>> {
  const { rows } = await sql<ContinuousAggregate & { name: string }>`
    select aggregate.view_name::text as name, aggregate.view_definition as query, not aggregate.materialized_only as "realTime",
      coalesce((
        -- By their columns: the server chooses their names, since they are all in one schema of its own.
        select jsonb_object_agg(keys.text, 'CREATE INDEX ON ' || format('%I.%I', aggregate.view_schema, aggregate.view_name) || ' USING ' || keys.text)
        from pg_catalog.pg_indexes as entry
        cross join lateral (select split_part(entry.indexdef, ' USING ', 2) as text) as keys
        where entry.schemaname = aggregate.materialization_hypertable_schema
          and entry.tablename = aggregate.materialization_hypertable_name
          and entry.indexname <> entry.tablename || '_bucket_idx'
      ), '{}') as indexes
    from timescaledb_information.continuous_aggregates as aggregate
    where aggregate.view_schema = ${schema}
  `.execute(trx)
  return new Map(rows.map(({ name, ...aggregate }) => [name, aggregate]))
}

/**
 * A query without the parts that versions of PostgreSQL print differently: line breaks, and the
 * table before a column.
 */
const query = (text: string) =>
  text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\w.]+/g, (name) => name.replace(/^[a-z_]\w*\.(?=[a-z_])/, ''))
    .trim()

interface Routine {
  signature: string
  header: string
  settings: string[] | null
  body: string
}

async function readFunctions(trx: Kysely<{}>, installation: Installation): Promise<Record<string, string>> {
  const { rows } = await sql<Routine>`
    select
      routine.proname || '(' || pg_get_function_identity_arguments(routine.oid) || ')' as signature,
      concat_ws(' ', routine.prokind, language.lanname, pg_get_function_arguments(routine.oid), pg_get_function_result(routine.oid),
        routine.provolatile, routine.proisstrict, routine.proparallel, routine.prosecdef,
        aggregate.aggtransfn::regproc, aggregate.aggfinalfn::regproc, aggregate.aggcombinefn::regproc, aggregate.aggserialfn::regproc,
        aggregate.aggdeserialfn::regproc, aggregate.aggtranstype::regtype, aggregate.agginitval) as header,
      routine.proconfig as settings,
      case when aggregate.aggfnoid is null then coalesce(pg_get_function_sqlbody(routine.oid), routine.prosrc) else '' end as body
    from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as namespace on namespace.oid = routine.pronamespace
    join pg_catalog.pg_language as language on language.oid = routine.prolang
    left join pg_catalog.pg_aggregate as aggregate on aggregate.aggfnoid = routine.oid
    where namespace.nspname = ${installation.schema}
      and not exists (
        select from pg_catalog.pg_depend as member
        where member.classid = 'pg_proc'::regclass and member.objid = routine.oid and member.deptype = 'e'
      )
    order by 1
  `.execute(trx)
  const plain = bare(installation)
  const here = [installation.schema, quoteIdentifier(installation.schema)]
  const setting = (text: string) =>
    text.startsWith('search_path=')
      ? text.split(', ').map((name) => (here.includes(name.replace('search_path=', '')) ? 'here' : name))
      : text
  return Object.fromEntries(
    rows.map(({ signature, header, settings, body }) => {
      const parts = [plain(header), (settings ?? []).map(setting), body.replaceAll(`${quoteIdentifier(installation.schema)}.`, '')]
      return [plain(signature), hash(JSON.stringify(parts))]
    }),
  )
}

/** Without freely chosen storage options, such as the `m` of an HNSW index. */
const withoutStorage = (index: string) => index.replace(' ON ONLY ', ' ON ').replace(/ WITH \([^()]*\)$/, '')

const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Removes the schema from qualified names, as PostgreSQL writes them: quoted only if needed. */
function bare({ schema }: Installation): (text: string) => string {
  const forms = [`${quoteIdentifier(schema)}.`, `${schema}.`]
  return (text) => forms.reduce(withoutPrefix, text)
}

/** Removes a prefix where a name begins with it; inside a longer or quoted name it stays. */
function withoutPrefix(text: string, prefix: string): string {
  const pieces = text.split(prefix)
  const beginsName = (before: string, at: number) => (before === '' ? at === 0 : !/[\w."]/.test(before.at(-1)!))
  return pieces.map((piece, at) => (at === pieces.length - 1 || beginsName(piece, at) ? piece : piece + prefix)).join('')
}

const mapValues = <From, To>(record: Record<string, From>, change: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
