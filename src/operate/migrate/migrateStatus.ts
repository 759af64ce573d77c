import { sql } from 'kysely'
import { migrations } from '../../../migrations/index.ts'
import { readInstallation, schemaVersion, type Installation } from '../../database/installation/installation.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { MigrateOptions } from './migrateOptions.ts'
import { migrationTable, versionOf } from './planUp.ts'
import type { AnyKysely } from '../../database/connection/plainKysely.ts'

export interface MigrateStatus {
  installed: boolean
  /** The version of the database; 0 if nothing is installed. */
  version: number
  /** The version to which this library brings a database. */
  libraryVersion: number
  applied: { name: string; ranAt: Date }[]
  pending: string[]
  installation: Installation | null
}

/**
 * The migrations that have run and those that are pending. Reads only.
 *
 * @throws InvalidInputError if the database has several installations and `schema` is not given.
 * @example
 * const { pending } = await migrateStatus(db)
 * if (pending.length > 0) console.log('run `pgvantage migrate up`:', pending)
 *
 * // select name, run_on at time zone 'UTC' as "ranAt" from "public"."pgvantage_migration" order by
 * //   name
 */
export async function migrateStatus(db: AnyKysely, options: Pick<MigrateOptions, 'schema'> = {}): Promise<MigrateStatus> {
  const { schema } = parseOptions(schemaOption, options)
  const found = await readInstallation(db, schema)
  if (found === undefined) {
    const pending = migrations.map((migration) => migration.name)
    return { installed: false, version: 0, libraryVersion: schemaVersion, applied: [], pending, installation: null }
  }
  const { version, ...installation } = found
  const { rows: applied } = await sql<{ name: string; ranAt: Date }>`
    select name, run_on at time zone 'UTC' as "ranAt" from ${sql.id(installation.schema, migrationTable)} order by name
  `.execute(db.withoutPlugins())
  return {
    installed: true,
    version,
    libraryVersion: schemaVersion,
    applied,
    pending: migrations.filter((migration) => versionOf(migration) > version).map((migration) => migration.name),
    installation,
  }
}
