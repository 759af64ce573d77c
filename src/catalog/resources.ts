import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { parse, parseOptions } from '../schema/parse.ts'
import { boundedText, storableObject, urnText, type Json } from '../schema/text.ts'

export interface ResourceInput {
  /** The uniform resource name, unique per tenant; at most 1,024 bytes. */
  urn: string
  /** `service`, `host`, `database`, `queue`, ... */
  type: string
  /** A name for display. */
  name: string
  env?: string | null
  region?: string | null
  zone?: string | null
  labels?: Record<string, Json>
}

export const resourceInput = z.strictObject({
  urn: urnText,
  type: boundedText(255),
  name: boundedText(1024),
  env: boundedText(255).nullish(),
  region: boundedText(255).nullish(),
  zone: boundedText(255).nullish(),
  labels: storableObject.optional(),
})

/**
 * Creates or updates one resource and returns its id. See {@link ensureResources}.
 */
export async function ensureResource(scope: Scope, resource: ResourceInput): Promise<string> {
  parseOptions(resourceInput, resource)
  const ids = await ensureResources(scope, [resource])
  return ids.get(resource.urn)!
}

/**
 * Creates the resources whose URNs the tenant does not have yet and updates the others; returns the
 * ids by URN.
 *
 * | | |
 * |---|---|
 * | a given field | replaces the stored one |
 * | `env`, `region`, `zone` absent or null; `labels` absent or empty | the stored ones stay |
 * | a URN given several times | the last one counts |
 * | writes | one statement for any number; unchanged rows are neither written nor locked |
 *
 * @throws InvalidInputError naming the resource and field that cannot be stored; then nothing is
 * written.
 * @example
 * const ids = await ensureResources(scope, [{ urn: 'urn:k8s:svc:shop/checkout', type: 'service', name: 'checkout' }])
 *
 * // insert into "public"."dim_resource" as resource (tenant_id, urn, type, name, env, region,
 * //   zone, labels)
 * // select $1, ... from jsonb_to_recordset($2) as given (...)
 * // where not exists (select from known where known.urn = given.urn and not known.differs)
 * // order by given.urn
 * // on conflict (tenant_id, urn) do update set ... where (...) is distinct from (...)
 */
export async function ensureResources(scope: Scope, resources: readonly ResourceInput[]): Promise<Map<string, string>> {
  const given = parse(z.array(resourceInput), resources, 'resources')
  return given.length === 0 ? new Map() : inTransaction(scope.db, (db) => writeResources({ ...scope, db }, given))
}

/** The same of resources that have been checked, in a transaction of ours that has begun. */
export async function writeResources(scope: Scope, resources: readonly ResourceInput[]): Promise<Map<string, string>> {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]))
  // Only rows that are new or would change are written, and locked: writers of the same resources
  // do not wait for each other. They are sorted by URN, so that two that change them do not
  // deadlock.
  const write = sql<{ urn: string; id: string }>`
    with given as materialized (
      select *
      from jsonb_to_recordset(${JSON.stringify([...byUrn.values()])}::jsonb)
        as row (urn text, type text, name text, env text, region text, zone text, labels jsonb)
    ), known as materialized (
      select resource.urn, resource.resource_id, ${differs(sql`given`)} as differs
      from given
      join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.urn = given.urn
    ), written as (
      insert into ${scope.id('dim_resource')} as resource (tenant_id, urn, type, name, env, region, zone, labels)
      select ${scope.tenantId}::int8, urn, type, name, env, region, zone, coalesce(labels, '{}')
      from given
      where not exists (select from known where known.urn = given.urn and not known.differs)
      order by urn collate "C"
      on conflict (tenant_id, urn) do update set
        type = excluded.type,
        name = excluded.name,
        env = coalesce(excluded.env, resource.env),
        region = coalesce(excluded.region, resource.region),
        zone = coalesce(excluded.zone, resource.zone),
        labels = case when excluded.labels = '{}' then resource.labels else excluded.labels end
      where ${differs(sql`excluded`)}
      returning urn, resource_id::text as id
    )
    select urn, id from written
    union
    select urn, resource_id::text from known
  `
  const { rows } = await write.execute(scope.db)
  const ids = new Map(rows.map((row) => [row.urn, row.id]))
  // A row that another writer committed after this statement began is not in its snapshot, although
  // the conflict with it was seen.
  const unseen = [...byUrn.keys()].filter((urn) => !ids.has(urn))
  return unseen.length === 0 ? ids : new Map([...ids, ...(await resourceIds(scope, unseen))])
}

/** Whether what is given would change the row. */
const differs = (given: RawBuilder<unknown>) => sql`(
        (resource.type, resource.name) is distinct from (${given}.type, ${given}.name)
        or resource.env is distinct from coalesce(${given}.env, resource.env)
        or resource.region is distinct from coalesce(${given}.region, resource.region)
        or resource.zone is distinct from coalesce(${given}.zone, resource.zone)
        or coalesce(${given}.labels <> '{}' and resource.labels <> ${given}.labels, false)
      )`

/**
 * The ids of the URNs that the tenant has; others are left out.
 *
 * @throws InvalidInputError naming a value that cannot be a URN.
 */
export async function resourceIds(scope: Scope, urns: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await sql<{ urn: string; id: string }>`
    select urn, resource_id::text as id
    from ${scope.id('dim_resource')}
    where tenant_id = ${scope.tenantId}::int8 and urn = any(${parse(z.array(urnText), urns, 'urns')}::text[])
  `.execute(scope.db)
  return new Map(rows.map((row) => [row.urn, row.id]))
}
