import { sql } from 'kysely'
import { z } from 'zod'
import { findInstallation } from '../database/installation/installation.ts'
import { plainKysely, type AnyKysely } from '../database/connection/plainKysely.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { schemaOption } from '../database/installation/schemaOption.ts'
import { parseOptions } from '../schema/parse.ts'
import { boundedText, storableObject, type Json } from '../schema/text.ts'

export interface TenantInput {
  /** The tenant's business key, unique in the installation; at most 255 bytes. */
  code: string
  /** A name for display. Default for a new tenant: the code. */
  name?: string
  labels?: Record<string, Json>
}

/** A tenant of the installation. */
export interface Tenant {
  /** The business key. */
  code: string
  /** A name for display. */
  name: string
}

const tenantInput = z.strictObject({ code: boundedText(255), name: boundedText(1024).optional(), labels: storableObject.optional() })

/**
 * Creates the tenant with this code, or updates the name and labels that are given. Returns its id.
 *
 * Several processes may call it at the same time.
 *
 * @throws InvalidInputError if a field is empty, too long or cannot be stored.
 * @throws SchemaVersionError if the database is not migrated.
 * @example
 * await ensureTenant(db, { code: 't-001', name: 'Shop' })
 * const scope = await tenantScope(db, 't-001')
 *
 * // insert into "public"."dim_tenant" (code, name, labels) values ($1, coalesce($2, $1),
 * //   coalesce($3::jsonb, '{}'))
 * // on conflict (code) do update set name = coalesce($2, dim_tenant.name), labels =
 * //   coalesce($3::jsonb, dim_tenant.labels)
 * // returning tenant_id
 */
export async function ensureTenant(db: AnyKysely, tenant: TenantInput, options: { schema?: string } = {}): Promise<string> {
  const { code, name = null, labels } = parseOptions(tenantInput, tenant)
  const { schema } = parseOptions(schemaOption, options)
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const json = labels === undefined ? null : JSON.stringify(labels)
  const write = sql<{ id: string }>`
    insert into ${sql.id(installation.schema, 'dim_tenant')} as tenant (code, name, labels)
    values (${code}, coalesce(${name}::text, ${code}), coalesce(${json}::jsonb, '{}'))
    on conflict (code) do update set name = coalesce(${name}::text, tenant.name), labels = coalesce(${json}::jsonb, tenant.labels)
    returning tenant_id::text as id
  `
  const { rows } = await inTransaction(plain, (trx) => write.execute(trx))
  return rows[0]!.id
}

/**
 * The tenants of the installation, by code.
 *
 * @throws SchemaVersionError when the database is not migrated.
 * @example
 * await listTenants(db)
 * // [{ code: 't-001', name: 'Shop' }]
 *
 * // select code, name from "public"."dim_tenant" order by code collate "C"
 */
export async function listTenants(db: AnyKysely, options: { schema?: string } = {}): Promise<Tenant[]> {
  const { schema } = parseOptions(schemaOption, options)
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const { rows } = await sql<Tenant>`
    select code, name from ${sql.id(installation.schema, 'dim_tenant')} order by code collate "C"
  `.execute(plain)
  return rows
}
