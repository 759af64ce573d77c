import { sql, type Kysely } from 'kysely'
import { InvalidInputError, VantageError } from '../../schema/errors.ts'
import { parse } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { assertSearchPath } from '../connection/searchPath.ts'

/** A schema with a relation that has the name of our installation table. */
export interface InstallationPlace {
  readonly schema: string
  /** The owner of the table. */
  readonly owner: string
  /** Whether the owner is a superuser, the owner of the database, or the current role. */
  readonly vouched: boolean
  /** Why it cannot be trusted, one reason each; if there is one, nothing is read from it. */
  readonly doubts: readonly string[]
  /** Whether the current role is a superuser. */
  readonly asSuperuser: boolean
}

/**
 * The names of our tables. Any other object with one of these names makes an installation doubtful.
 */
export const tableNames = [
  'dim_resource',
  'dim_tenant',
  'event_envelope',
  'evidence_link',
  'ingest_clock',
  'ingest_file',
  'ingest_follower',
  'ingest_journal',
  'ingest_window',
  'kb_chunk',
  'kb_corpus',
  'kb_doc',
  'kb_reembedding',
  'kb_term',
  'kb_word',
  'log_pattern',
  'log_pattern_1d_stored',
  'log_pattern_1h_stored',
  'log_pattern_5m',
  'log_pattern_seen',
  'metric_1d_stored',
  'metric_1h_stored',
  'metric_1m',
  'metric_series',
  'oo_locator',
  'pgvantage_failure',
  'pgvantage_installation',
  'pgvantage_migration',
  'pgvantage_policy',
  'pgvantage_stale_bucket',
  'pgvantage_time_table',
  'service_call_1d_stored',
  'service_call_1h_stored',
  'service_call_5m',
  'sketch_1d_stored',
  'sketch_1h_stored',
  'sketch_5m',
  'topo_edge_time',
  'topo_snapshot',
] as const

/** Our views: the coarser rollups. */
export const viewNames = [
  'log_pattern_1d',
  'log_pattern_1h',
  'metric_1d',
  'metric_1h',
  'service_call_1d',
  'service_call_1h',
  'sketch_1d',
  'sketch_1h',
] as const

/**
 * The columns that are read before an installation is trusted: a column with a user-defined type
 * could call that type's operators.
 */
const readFirst = {
  pgvantage_installation: ['graph_prefix', 'embedding_dimension', 'embedding_distance', 'time_rung'],
  pgvantage_migration: ['name', 'run_on'],
  pgvantage_time_table: ['name', 'dropped_before', 'rolled_until'],
  pgvantage_policy: ['object', 'kind', 'settings', 'job_id'],
  dim_tenant: ['tenant_id', 'code'],
}

/**
 * Every schema that seems to have an installation, with the reasons not to trust it, from the
 * server's catalog: nothing in the schema is read before.
 *
 * An installation consists of ordinary tables of one owner, in a schema of that owner or of the
 * database's owner; a table of the same name proves nothing. Temporary tables do not count.
 */
export async function installationPlaces(db: Kysely<{}>, schema?: string): Promise<InstallationPlace[]> {
  const first = Object.entries(readFirst).flatMap(([table, columns]) => columns.map((column) => `${table}.${column}`))
  // Every scope begins with this query, and most of its cost is planning: so it joins few tables.
  const { rows } = await sql<InstallationPlace>`
    with place as (
      select namespace.oid, namespace.nspname, namespace.nspowner, class.relowner as owner,
        (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database()) as database_owner
      from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where class.relname = 'pgvantage_installation' and class.relkind in ('r', 'p', 'v', 'm', 'f') and class.relpersistence <> 't'
        and (${schema ?? null}::text is null or namespace.nspname = ${schema ?? null}::text)
    ),
    relation as (
      select place.oid as place, place.owner as place_owner, class.oid, class.relname::text as name, class.relowner as owner,
        class.relkind in ('r', 'p') as is_table, class.relkind = 'v' as is_view, class.relhasrules, class.relrowsecurity,
        class.relname = any(${[...viewNames]}::name[]) as to_be_view
      from place
      join pg_catalog.pg_class as class on class.relnamespace = place.oid
      where class.relname = any(${[...tableNames, ...viewNames]}::name[])
    ),
    doubt (place, reason) as (
      select relation.place, relation.name || problem.text
      from relation
      cross join lateral (
        values
          (case when to_be_view and not is_view then ' is no view' when not to_be_view and not is_table then ' is no table' end),
          (case when owner <> place_owner then ' belongs to ' || pg_catalog.pg_get_userbyid(owner)::text end),
          (case when relhasrules and is_table and not to_be_view then ' has rules' end),
          (case when relrowsecurity and name in ('pgvantage_installation', 'pgvantage_migration') then ' has row-level security' end)
      ) as problem (text)
      where problem.text is not null
      union all
      -- Objects that are not built in have an oid of at least 16384.
      select relation.place, relation.name || '.' || attribute.attname::text || ' has a user-defined type'
      from relation
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = relation.oid
      where relation.name || '.' || attribute.attname::text = any(${first}::text[]) and attribute.atttypid >= 16384::oid
      union all
      select oid, 'the schema belongs to ' || pg_catalog.pg_get_userbyid(nspowner)::text || ', its tables do not'
      from place
      where nspowner <> owner and nspowner <> database_owner
        and not exists (
          select from pg_catalog.pg_roles as role where role.oid = place.nspowner and (role.rolsuper or role.rolname = 'pg_database_owner')
        )
    )
    select place.nspname::text as schema, pg_catalog.pg_get_userbyid(place.owner)::text as owner,
      place.owner = place.database_owner or pg_catalog.pg_get_userbyid(place.owner) = current_user
        or (select rolsuper from pg_catalog.pg_roles where oid = place.owner) as vouched,
      array(select doubt.reason from doubt where doubt.place = place.oid order by doubt.reason collate "C") as doubts,
      (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as "asSuperuser"
    from place
    order by place.nspname
  `.execute(db)
  return rows
}

/** PostgreSQL's limit for a name is 63 bytes. */
const schemaName = boundedText(63).optional()

/**
 * The place of our tables; undefined if there is none.
 *
 * Without a name it is the only installation that can be trusted, or, of several, the one whose
 * owner is a superuser, the database's owner or the current role. So a forged installation does not
 * hide the real one, unless the two cannot be distinguished: then the schema must be named.
 *
 * @throws InvalidInputError if there are several candidates, if a superuser would have to trust an
 * ordinary role, or if the search path puts a schema before `pg_catalog`.
 * @throws VantageError (`DOUBTFUL_INSTALLATION`) naming the reasons not to trust the only
 * installation.
 */
export async function placeOfInstallation(db: Kysely<{}>, schema?: string): Promise<InstallationPlace | undefined> {
  parse(schemaName, schema, 'schema')
  await assertSearchPath(db)
  const places = await installationPlaces(db, schema)
  const sound = places.filter(({ doubts }) => doubts.length === 0)
  const [doubtful] = places
  if (sound.length === 0 && doubtful !== undefined) {
    throw new VantageError(describeDoubts(doubtful), {
      code: 'DOUBTFUL_INSTALLATION',
      remedy: { do: 'nameSchema', advice: 'drop it, give all our tables there to one owner, or name another schema' },
    })
  }
  const vouched = sound.filter((place) => place.vouched)
  const candidates = vouched.length === 1 ? vouched : sound
  const [place] = candidates
  if (candidates.length > 1) {
    const names = candidates.map((candidate) => candidate.schema).join(', ')
    throw new InvalidInputError('schema', `this database holds several installations (${names})`, {
      remedy: { do: 'nameSchema', advice: 'say which' },
    })
  }
  if (place !== undefined && schema === undefined && place.asSuperuser && !place.vouched) {
    throw new InvalidInputError(
      'schema',
      `the installation in schema ${quoteIdentifier(place.schema)} belongs to ${place.owner}, which a superuser must name explicitly`,
      { remedy: { do: 'nameSchema', advice: 'name it' } },
    )
  }
  return place
}

/** The reasons not to trust an installation. */
export const describeDoubts = ({ schema, owner, doubts }: InstallationPlace): string =>
  `schema ${quoteIdentifier(schema)} has a pgvantage_installation of ${owner}'s that cannot be trusted (${doubts.join('; ')}), so nothing of it was read`
