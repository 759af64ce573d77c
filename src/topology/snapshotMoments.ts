import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/** The source, relation and moment of a snapshot. */
interface Snapshot {
  at: Date
  relation: string
  source: string
}

/** The number of snapshots to remember for each source and relation. */
const remembered = 10_000

const ofItsKind = (scope: Scope, { relation, source }: Snapshot) =>
  sql`tenant_id = ${scope.tenantId}::int8 and source = ${source} and relation = ${relation}`

/**
 * The end of a snapshot's validity: the moment of the next one, or infinity.
 *
 * @throws InvalidInputError if snapshots that may be between the two are no longer remembered.
 */
export async function nextSnapshot(scope: Scope, snapshot: Snapshot): Promise<RawBuilder<Date>> {
  const { rows } = await sql<{ at: string; moment: Date; after_gap: boolean }>`
    select at::text as at, at as moment, after_gap
    from ${scope.id('topo_snapshot')} as snapshot
    where ${ofItsKind(scope, snapshot)} and snapshot.at > ${snapshot.at}::timestamptz
    order by snapshot.at
    limit 1
  `.execute(scope.db)
  const [next] = rows
  if (next?.after_gap) {
    throw new InvalidInputError(
      'at',
      `must not be before ${next.moment.toISOString()}, the oldest snapshot of source ${preview(snapshot.source)} and relation ${preview(snapshot.relation)} that is still remembered (of ${remembered}), got ${snapshot.at.toISOString()}`,
    )
  }
  // As text: a moment written by hand may have microseconds, which a Date would lose.
  return sql<Date>`${next?.at ?? 'infinity'}::timestamptz`
}

/** Remembers a snapshot, and forgets those beyond the limit. */
export async function rememberSnapshot(scope: Scope, { edgeCount, ...snapshot }: Snapshot & { edgeCount: number }): Promise<void> {
  const table = scope.id('topo_snapshot')
  await sql`
    insert into ${table} as known (tenant_id, source, relation, at, edge_count)
    values (${scope.tenantId}::int8, ${snapshot.source}, ${snapshot.relation}, ${snapshot.at}::timestamptz, ${edgeCount}::int8)
    on conflict (tenant_id, source, relation, at) do update set edge_count = excluded.edge_count where known.edge_count <> excluded.edge_count
  `.execute(scope.db)
  await sql`
    with oldest as materialized (
      select at from ${table} where ${ofItsKind(scope, snapshot)} order by at desc offset ${remembered - 1} limit 1
    ), forgotten as (
      delete from ${table} where ${ofItsKind(scope, snapshot)} and at < (select at from oldest) returning 1
    )
    update ${table} set after_gap = true
    where ${ofItsKind(scope, snapshot)} and at = (select at from oldest) and exists (select from forgotten)
  `.execute(scope.db)
}
