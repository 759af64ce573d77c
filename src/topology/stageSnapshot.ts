import { sql } from 'kysely'
import { z } from 'zod'
import { resourceIds } from '../catalog/resources.ts'
import type { Scope } from '../database/scope.ts'
import type { EdgeFrame, EdgeRow } from '../graph/edgeFrame.ts'
import { explainFrameColumn } from '../graph/frameColumns.ts'
import { InvalidInputError, NotFoundError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'
import { storableObject, urnText, type Json } from '../schema/text.ts'

/** One edge of a snapshot: two resources, and properties of their relation. */
export interface TopologyEdge {
  /** The URN where the edge begins. */
  from: string
  /** The URN where it ends. */
  to: string
  /** The properties of the edge. Default `{}`. */
  props?: Record<string, Json>
}

const topologyEdge = z.strictObject({ from: urnText, to: urnText, props: storableObject.optional() })

/** The number of edges in memory, and in one round trip to the database. */
const batchSize = 5_000

/**
 * A table that lasts until the end of the transaction, for this connection only: a snapshot of any
 * size is compared inside the database.
 */
export const stagedSnapshot = sql.id('pg_temp', 'pgvantage_snapshot')

/**
 * Writes a snapshot into {@link stagedSnapshot}, in a transaction: `src`, `dst` (resource ids) and
 * `props`.
 *
 * @returns the number of its edges.
 * @throws NotFoundError naming the ends that are not resources of the tenant.
 * @throws InvalidInputError if an edge is invalid, or occurs twice.
 */
export async function stageSnapshot<Row extends EdgeRow>(
  scope: Scope,
  snapshot: Iterable<TopologyEdge> | AsyncIterable<TopologyEdge> | EdgeFrame<Row>,
  { attributes, signal }: { attributes: readonly string[]; signal: AbortSignal | undefined },
): Promise<number> {
  await sql`create temporary table if not exists pgvantage_snapshot (src int8, dst int8, props jsonb) on commit drop`.execute(scope.db)
  // The transaction may be the caller's, and hold the table of an earlier snapshot.
  await sql`truncate ${stagedSnapshot}`.execute(scope.db)
  if (Symbol.iterator in snapshot || Symbol.asyncIterator in snapshot) await stageEdges(scope, snapshot, signal)
  else await stageFrame(scope, snapshot, attributes)
  signal?.throwIfAborted()
  return countedEdges(scope)
}

async function stageEdges(
  scope: Scope,
  snapshot: Iterable<TopologyEdge> | AsyncIterable<TopologyEdge>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let position = 0
  let batch: TopologyEdge[] = []
  for await (const edge of snapshot) {
    batch.push(parse(topologyEdge, edge, `snapshot[${position}]`))
    position += 1
    if (batch.length < batchSize) continue
    signal?.throwIfAborted()
    await stageBatch(scope, batch)
    batch = []
  }
  signal?.throwIfAborted()
  if (batch.length > 0) await stageBatch(scope, batch)
}

/**
 * The URNs are looked up in one question: one by one, a statement may read all resources of a tenant
 * for each, where the statistics do not know the tenant.
 */
async function stageBatch(scope: Scope, batch: readonly TopologyEdge[]): Promise<void> {
  const urns = [...new Set(batch.flatMap(({ from, to }) => [from, to]))]
  const known = await resourceIds(scope, urns)
  const missing = urns.filter((urn) => !known.has(urn))
  if (missing.length > 0) throw strangers(scope, missing)
  const edges = JSON.stringify(batch.map(({ from, to, props }) => ({ src: known.get(from), dst: known.get(to), props })))
  await sql`
    insert into ${stagedSnapshot} (src, dst, props)
    select edge.src, edge.dst, coalesce(edge.props, '{}') from jsonb_to_recordset(${edges}::jsonb) as edge (src int8, dst int8, props jsonb)
  `.execute(scope.db)
}

async function stageFrame<Row extends EdgeRow>(scope: Scope, edges: EdgeFrame<Row>, attributes: readonly string[]): Promise<void> {
  const props = attributes.flatMap((name) => [sql`${name}::text`, sql.id('frame', name)])
  await sql`
    insert into ${stagedSnapshot} (src, dst, props)
    select frame.src, frame.dst, ${props.length === 0 ? sql`'{}'::jsonb` : sql`pg_catalog.jsonb_build_object(${sql.join(props)})`} from ${edges} as frame
  `
    .execute(scope.db)
    .catch((error: unknown) => {
      throw explainFrameColumn(error, 'attributes')
    })
  const { rows } = await sql<{ id: string }>`
    select coalesce(named.id::text, 'null') as id
    from (select src as id from ${stagedSnapshot} union select dst from ${stagedSnapshot}) as named
    where not exists (
      select from ${scope.id('dim_resource')} as resource
      where resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = named.id
    )
    order by named.id
  `.execute(scope.db)
  if (rows.length > 0) {
    throw strangers(
      scope,
      rows.map(({ id }) => id),
    )
  }
}

/** The most names in an error message. */
const named = 10

function strangers(scope: Scope, names: readonly string[]): NotFoundError {
  const list = names.slice(0, named).map((name) => preview(name))
  const more = names.length > named ? ` and ${names.length - named} more` : ''
  return new NotFoundError(
    `tenant ${preview(scope.tenantCode)} does not have these resources of the snapshot: ${list.join(', ')}${more}: create the resources with ensureResources before recording edges between them; nothing was recorded`,
  )
}

async function countedEdges(scope: Scope): Promise<number> {
  const { rows } = await sql<{ count: number; from: string | null; to: string | null }>`
    select counted.count, caller.urn as "from", callee.urn as "to"
    from (select count(*)::int4 as count from ${stagedSnapshot}) as counted
    left join (select src, dst from ${stagedSnapshot} group by src, dst having count(*) > 1 order by src, dst limit 1) as repeated on true
    left join ${scope.id('dim_resource')} as caller on caller.resource_id = repeated.src
    left join ${scope.id('dim_resource')} as callee on callee.resource_id = repeated.dst
  `.execute(scope.db)
  const { count, from, to } = rows[0]!
  if (from !== null) {
    throw new InvalidInputError(
      'snapshot',
      `has more than one edge from ${preview(from)} to ${preview(to)}: a source has one edge for each relation, with all its props`,
    )
  }
  return count
}
