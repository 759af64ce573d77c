import { sql, type Kysely, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { pinned, pinnedButForNames, withSettings } from '../database/transaction/settings.ts'
import { takeTurn } from '../database/transaction/takeTurn.ts'
import type { Scope } from '../database/scope.ts'
import type { EdgeFrame, EdgeRow } from '../graph/edgeFrame.ts'
import { frameColumns } from '../graph/frameColumns.ts'
import { storableDate } from '../schema/date.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parseOptions, preview } from '../schema/parse.ts'
import { boundedText } from '../schema/text.ts'
import { nextSnapshot, rememberSnapshot } from './snapshotMoments.ts'
import { stagedSnapshot, stageSnapshot, type TopologyEdge } from './stageSnapshot.ts'

export interface RecordTopologyOptions {
  /** The moment of the snapshot. */
  at: Date
  /** The relation of its edges: `calls`, `runs_on`, `depends_on`, ... At most 255 bytes. */
  relation: string
  /**
   * The source: `kubernetes`, `tracing`, ... At most 255 bytes. Each source has its own history of
   * an edge.
   */
  source: string
  /** A snapshot without edges is refused as a failed export, unless this is true. */
  allowEmpty?: boolean
  /**
   * Aborts before the next statement or the commit. The work is rolled back, unless the transaction
   * is the caller's.
   */
  signal?: AbortSignal
}

export interface RecordFrameOptions<Row extends EdgeRow> extends RecordTopologyOptions {
  /**
   * The columns that become the edges' props. Default: none. A measure with a new value each time
   * makes a new version of every edge each time.
   */
  attributes?: readonly (keyof Row & string)[]
}

/** The number of edges that a snapshot opened, closed, changed the props of, and left unchanged. */
export interface TopologyCounts {
  opened: number
  closed: number
  changed: number
  unchanged: number
}

const recordOptions = z.strictObject({
  at: storableDate,
  relation: boundedText(255),
  source: boundedText(255),
  attributes: frameColumns.default([]),
  allowEmpty: z.boolean().default(false),
  signal: z.instanceof(AbortSignal).optional(),
})

/**
 * Records the topology of a source: from `at` until the next snapshot of that relation, the source
 * has exactly the edges of the snapshot. Returns what changed. The resources at both ends must
 * exist: call `ensureResources` first.
 *
 * | | |
 * |---|---|
 * | a new edge | opens at `at` |
 * | a missing edge | closes at `at` |
 * | an edge with other props | closes and opens again |
 * | an equal edge | is not touched: the same snapshot twice changes nothing |
 * | an error | nothing is recorded |
 * | a late snapshot | is valid from its own `at` until the next known one: any order of arrival gives the same history |
 * | another snapshot of the same moment | replaces the first |
 * | older than the last 10,000 snapshots of the source and relation | is refused: only these moments are remembered |
 *
 * - A snapshot is an array of edges between URNs, an iterable of such edges, or an edge frame. An
 *   iterable is streamed, 5,000 edges at a time, while a transaction is open. A frame never leaves
 *   the database.
 * - Sources do not affect each other's edges, or those written without a source. {@link topologyAt}
 *   combines them.
 * - Recorders of one source wait for each other; others do not.
 * - It runs in its own transaction, or in the one the scope was made from. It creates a temporary
 *   table there, which PostgreSQL allows every role unless the right was revoked.
 *
 * @throws NotFoundError naming the resources that the tenant does not have; nothing is then
 * written.
 * @throws InvalidInputError if an edge is invalid or occurs twice; if the snapshot is empty without
 * `allowEmpty`, or older than the remembered ones; if the scope was made from a REPEATABLE READ or
 * SERIALIZABLE transaction, which would not see what other recorders write. The signal's reason if
 * it was aborted.
 * @example
 * // Create the resources first. Give all edges: an edge that is not in the snapshot closes.
 * await ensureResources(scope, [
 *   { urn: 'urn:k8s:svc:shop/checkout', type: 'service', name: 'checkout' },
 *   { urn: 'urn:k8s:svc:shop/cart', type: 'service', name: 'cart' },
 *   { urn: 'urn:k8s:node:eu-1/worker-7', type: 'node', name: 'worker-7' },
 * ])
 * const snapshot = [
 *   { from: 'urn:k8s:svc:shop/checkout', to: 'urn:k8s:node:eu-1/worker-7', props: { image: 'checkout:4.2' } },
 *   { from: 'urn:k8s:svc:shop/cart', to: 'urn:k8s:node:eu-1/worker-7' },
 * ]
 * await recordTopology(scope, snapshot, { at: new Date(), relation: 'runs_on', source: 'kubernetes' })
 * // { opened: 2, closed: 0, changed: 0, unchanged: 0 }
 * const week = last('7 days')
 * await recordTopology(scope, callsDuring(scope, { range: week }), { at: week.to, relation: 'calls', source: 'tracing' })
 *
 * // select pg_advisory_xact_lock(hashtextextended($1, 0));
 * // with version as materialized (select ... from "public"."topo_edge_time" where tenant_id = $2
 * //   and source = $3 and relation = $4 and ...),
 * //   deleted as (delete from "public"."topo_edge_time" ...), shortened as (update
 * //     "public"."topo_edge_time" set valid = ...)
 * // insert into "public"."topo_edge_time" (tenant_id, src_resource_id, dst_resource_id, relation,
 * //   source, valid, props) select ... ;
 * // insert into "public"."topo_snapshot" (tenant_id, source, relation, at, edge_count) values
 * //   (...) on conflict ... do update set ...
 */
export function recordTopology<Row extends EdgeRow>(
  scope: Scope,
  snapshot: EdgeFrame<Row>,
  options: RecordFrameOptions<Row>,
): Promise<TopologyCounts>
export function recordTopology(
  scope: Scope,
  snapshot: Iterable<TopologyEdge> | AsyncIterable<TopologyEdge>,
  options: RecordTopologyOptions,
): Promise<TopologyCounts>
export async function recordTopology(
  scope: Scope,
  snapshot: Iterable<TopologyEdge> | AsyncIterable<TopologyEdge> | EdgeFrame,
  options: RecordTopologyOptions | RecordFrameOptions<EdgeRow>,
): Promise<TopologyCounts> {
  const { at, relation, source, attributes, allowEmpty, signal } = parseOptions(recordOptions, options)
  assertSnapshot(snapshot, attributes)
  signal?.throwIfAborted()
  await assertReadCommitted(scope.db, 'recordTopology')
  const record = async (db: Kysely<{}>): Promise<TopologyCounts> => {
    const inner = { ...scope, db }
    const edgeCount = await stageSnapshot(inner, snapshot, { attributes, signal })
    if (edgeCount === 0 && !allowEmpty) {
      throw new InvalidInputError(
        'snapshot',
        `is empty, which would close every edge of source ${preview(source)} and relation ${preview(relation)}: give allowEmpty: true if the source really has no edges`,
      )
    }
    // From here on nothing of the caller's is used.
    return withSettings(db, { search_path: pinned['search_path']! }, () => write(inner, { at, relation, source, edgeCount, signal }))
  }
  return inTransaction(scope.db, record, pinnedButForNames)
}

/** Writes the differences from the staged snapshot, when it is this recorder's turn. */
async function write(
  scope: Scope,
  { edgeCount, signal, ...snapshot }: { at: Date; relation: string; source: string; edgeCount: number; signal: AbortSignal | undefined },
): Promise<TopologyCounts> {
  await takeTurn(scope.db, turn(scope, snapshot.source))
  signal?.throwIfAborted()
  const until = await nextSnapshot(scope, snapshot)
  // The planner's estimates for a temporary table, and for one that was just filled, would make it
  // compare every edge with every version.
  const counts = await withSettings(scope.db, { jit: 'off', enable_nestloop: 'off' }, () => writeDifference(scope, { ...snapshot, until }))
  await rememberSnapshot(scope, { ...snapshot, edgeCount })
  signal?.throwIfAborted()
  return counts
}

/** The key of the lock that recorders of one tenant and source share. */
const turn = ({ installation, tenantId }: Scope, source: string): string =>
  `pgvantage topology ${installation.schema} ${tenantId} ${source}`

function assertSnapshot(snapshot: unknown, attributes: readonly string[]): void {
  const given = typeof snapshot === 'object' && snapshot !== null ? snapshot : {}
  const edges = Symbol.iterator in given || Symbol.asyncIterator in given
  if (!edges && !('toOperationNode' in given)) {
    throw new InvalidInputError('snapshot', `must be edges or an edge frame, got ${preview(snapshot)}`)
  }
  if (edges && attributes.length > 0) {
    throw new InvalidInputError(
      'attributes',
      `are columns of a frame, but the edges given here have their own props, got ${preview(attributes)}`,
    )
  }
}

/**
 * Makes the source's versions in `[at, until)` equal to the staged snapshot. A version that
 * contradicts it loses that part of its validity. A version that agrees is extended over the whole
 * of it and merged with its neighbours.
 *
 * A version is deleted, shortened or left alone, and new ones are added. The additions wait for the
 * count of the others, because two versions of an edge must never be valid at once, even for an
 * instant. `until` is `infinity` if no snapshot follows.
 *
 * Versions are found by their place alone, and then checked to be the tenant's (`is true`): where
 * the statistics do not know the tenant, each of its versions would be looked for in all places.
 */
async function writeDifference(
  scope: Scope,
  { at, until, relation, source }: { at: Date; until: RawBuilder<Date>; relation: string; source: string },
): Promise<TopologyCounts> {
  const table = scope.id('topo_edge_time')
  const from = sql`${at}::timestamptz`
  const window = sql`tstzrange(${from}, nullif(${until}, 'infinity'))`
  const { rows } = await sql<TopologyCounts>`
    with version as materialized (
      select
        old.ctid as place, old.src_resource_id as src, old.dst_resource_id as dst, old.props, lower(old.valid) as opens,
        coalesce(upper(old.valid), 'infinity') as closes, old.valid && ${window} as meets, snapshot.props is not null as wanted,
        snapshot.props is not distinct from old.props as agrees
      from ${table} as old
      left join ${stagedSnapshot} as snapshot on snapshot.src = old.src_resource_id and snapshot.dst = old.dst_resource_id
      where old.tenant_id = ${scope.tenantId}::int8 and old.source = ${source} and old.relation = ${relation}
        and lower(old.valid) <= ${until} and (upper(old.valid) >= ${from} or upper(old.valid) is null)
    ),
    edge as materialized (
      select
        src, dst, bool_or(meets) as met, bool_or(wanted) as wanted, bool_or(agrees and opens <= ${from} and closes >= ${until}) as whole,
        least(min(opens) filter (where agrees), ${from}) as opens, greatest(max(closes) filter (where agrees), ${until}) as closes
      from version
      group by src, dst
    ),
    contradicted as materialized (select * from version where meets and not agrees),
    incomplete as materialized (
      select version.place from version join edge on edge.src = version.src and edge.dst = version.dst where version.agrees and not edge.whole
    ),
    deleted as (
      delete from ${table} as old
      where (old.tenant_id = ${scope.tenantId}::int8) is true
        and old.ctid = any (array(
          select place from contradicted where opens >= ${from} and closes <= ${until} union all select place from incomplete
        ))
      returning 1
    ),
    shortened as (
      update ${table} as old
      set valid = case
        when lower(old.valid) < ${from} then tstzrange(lower(old.valid), ${from}) else tstzrange(${until}, upper(old.valid))
      end
      where (old.tenant_id = ${scope.tenantId}::int8) is true
        and old.ctid = any (array(select place from contradicted where opens < ${from} or closes > ${until}))
      returning 1
    ),
    made_room as materialized (select (select count(*) from deleted) + (select count(*) from shortened) as versions),
    missing as (
      select
        snapshot.src, snapshot.dst, snapshot.props,
        tstzrange(coalesce(edge.opens, ${from}), nullif(coalesce(edge.closes, ${until}), 'infinity')) as valid
      from ${stagedSnapshot} as snapshot
      left join edge on edge.src = snapshot.src and edge.dst = snapshot.dst
      where edge.whole is not true
      union all
      select src, dst, props, tstzrange(${until}, nullif(closes, 'infinity')) from contradicted where opens < ${from} and closes > ${until}
    ),
    added as (
      insert into ${table} (tenant_id, src_resource_id, dst_resource_id, relation, source, valid, props)
      select ${scope.tenantId}::int8, missing.src, missing.dst, ${relation}, ${source}, missing.valid, missing.props
      from missing
      where (select versions from made_room) >= 0
      returning 1
    ),
    tally as (
      select
        count(*) filter (where wanted and met)::int4 as held, count(*) filter (where wanted and whole)::int4 as unchanged,
        count(*) filter (where met and not wanted)::int4 as closed
      from edge
    )
    select (select count(*)::int4 from ${stagedSnapshot}) - held as opened, closed, held - unchanged as changed, unchanged from tally
  `.execute(scope.db)
  return rows[0]!
}
