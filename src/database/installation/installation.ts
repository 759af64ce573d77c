import { sql, type Kysely } from 'kysely'
import { SchemaVersionError } from '../../schema/errors.ts'
import { assertDelivers, deliveryColumns, type Delivery } from '../connection/delivery.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { placeOfInstallation } from './installationPlaces.ts'
import { plainKysely, type AnyKysely } from '../connection/plainKysely.ts'

/** The number of the newest migration of this version of the library, which it works with. */
export const schemaVersion = 14

export type EmbeddingDistance = 'l2' | 'cosine' | 'ip'

/** pgvector's types: numbers of single precision, or of half precision in half the space. */
export type EmbeddingType = 'vector' | 'halfvec'

/**
 * How the rollup tables are stored:
 *
 * | rung | |
 * |---|---|
 * | `community` | TimescaleDB's community edition: hypertables, jobs, continuous aggregates |
 * | `apache` | TimescaleDB's Apache edition: hypertables, our own rollups |
 * | `native` | PostgreSQL alone: range partitions, our own rollups |
 */
export type TimeRung = 'community' | 'apache' | 'native'

/**
 * The place of our tables and the options of their installation (those of `migrate up`), as the
 * database remembers them.
 */
export interface Installation {
  readonly schema: string
  /** AGE graphs are named `<graphPrefix>_<tenant_id>`. */
  readonly graphPrefix: string
  readonly embeddingDimension: number
  readonly embeddingDistance: EmbeddingDistance
  readonly embeddingType: EmbeddingType
  readonly timeRung: TimeRung
  /** The language of the stemmer for the terms of knowledge. */
  readonly knowledgeLanguage: string
}

/** A table or function of ours in SQL text: schema-qualified and quoted. */
export const qualified = ({ schema }: Pick<Installation, 'schema'>, name: string): string =>
  `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`

interface Located extends Installation {
  /** The number of the newest migration applied. */
  version: number
}

/**
 * Finds our tables in any schema of the database, and reads the options of their installation.
 *
 * @param schema only needed if the database has several installations.
 * @throws SchemaVersionError if nothing is installed, or its schema is older or newer than this
 * library works with.
 * @throws InvalidInputError if there are several and `schema` is not given, or the connection
 * returns wrong values, see {@link assertDelivers}.
 */
export async function findInstallation(db: AnyKysely, schema?: string): Promise<Installation> {
  const found = await read(plainKysely(db), schema)
  if (found !== undefined) assertDelivers(found.delivery)
  return atThisVersion(found?.located, schema)
}

/**
 * {@link findInstallation} for functions that read only the server's catalog: any connection will
 * do.
 */
export const findInCatalog = async (db: Kysely<{}>, schema?: string): Promise<Installation> =>
  atThisVersion(await readInstallation(db, schema), schema)

function atThisVersion(located: Located | undefined, schema: string | undefined): Installation {
  if (located === undefined) {
    const where = schema === undefined ? 'this database' : `schema ${quoteIdentifier(schema)}`
    throw new SchemaVersionError(`pgvantage is not installed in ${where}`, { remedy: { do: 'migrateUp' } })
  }
  const { version, ...installation } = located
  assertVersion(version)
  return installation
}

/** Refuses a schema version that this library does not work with. */
export function assertVersion(version: number): void {
  if (version > schemaVersion) {
    throw new SchemaVersionError(
      `the database's schema is at version ${version}, this library knows ${schemaVersion}: upgrade the pgvantage package before using this database`,
    )
  }
  if (version < schemaVersion) {
    throw new SchemaVersionError(`the database's schema is at version ${version}, this library needs ${schemaVersion}`, {
      remedy: { do: 'migrateUp' },
    })
  }
}

/**
 * The installation, or undefined if nothing is installed.
 *
 * @throws InvalidInputError if there are several and `schema` is not given, or it cannot be a
 * schema's name.
 * @throws VantageError if the installation cannot be trusted, see {@link placeOfInstallation}.
 */
export async function readInstallation(db: AnyKysely, schema?: string): Promise<Located | undefined> {
  return (await read(plainKysely(db), schema))?.located
}

/** The installation, and how the connection returns known values. */
async function read(db: Kysely<{}>, schema: string | undefined): Promise<{ located: Located; delivery: Delivery } | undefined> {
  const place = await placeOfInstallation(db, schema)
  if (place === undefined) return undefined
  const { rows } = await sql<Omit<Located, 'schema'> & Delivery>`
    select
      ${deliveryColumns},
      installation.graph_prefix as "graphPrefix",
      installation.embedding_dimension as "embeddingDimension",
      installation.embedding_distance as "embeddingDistance",
      installation.time_rung as "timeRung",
      -- Before version 13 these columns were not there.
      coalesce(pg_catalog.to_jsonb(installation) ->> 'embedding_type'::text, 'vector'::text) as "embeddingType",
      coalesce(pg_catalog.to_jsonb(installation) ->> 'knowledge_language'::text, 'english'::text) as "knowledgeLanguage",
      coalesce(
        (
          select pg_catalog.max(pg_catalog.substring(name::text, '^[0-9]+'::text)::int4)
          from ${sql.id(place.schema, 'pgvantage_migration')}
        ),
        0
      ) as version
    from ${sql.id(place.schema, 'pgvantage_installation')} as installation
  `.execute(db)
  const [row] = rows
  if (row === undefined) return undefined
  const { graphPrefix, embeddingDimension, embeddingDistance, embeddingType, timeRung, knowledgeLanguage, version, ...delivery } = row
  const embeddings = { embeddingDimension, embeddingDistance, embeddingType }
  const located = { schema: place.schema, graphPrefix, ...embeddings, timeRung, knowledgeLanguage, version }
  return { located, delivery }
}
