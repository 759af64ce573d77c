import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { timescaleFunctions, type TimescaleFunction } from '../../lifecycle/timescale.ts'
import { appliedPolicies, type AppliedPolicy } from '../policies/appliedPolicies.ts'
import type { DeclaredPolicy } from '../policies/declaredPolicies.ts'
import { policyJobs, type PolicyJob } from './policyJobs.ts'

export interface PolicyState {
  applied: readonly AppliedPolicy[]
  jobs: readonly PolicyJob[]
  fn: TimescaleFunction
  tables: ReadonlyMap<string, TableState>
  declared: readonly DeclaredPolicy[]
}

interface TableState {
  /** Buckets that began before this may have been dropped. */
  droppedBefore: Date | null
  /** The start of its oldest chunk; null if it has no chunk. */
  oldest: Date | null
  compressible: boolean
}

export async function readState(db: Kysely<{}>, installation: Installation, declared: readonly DeclaredPolicy[]): Promise<PolicyState> {
  const applied = await appliedPolicies(db, installation)
  const objects = [...new Set([...declared, ...applied].map(({ object }) => object))]
  return {
    applied,
    declared,
    jobs: await policyJobs(db, installation, objects),
    // The names are only used if there are jobs, and so the extension.
    fn: (await timescaleFunctions(db)) ?? ((name) => name),
    tables: installation.timeRung === 'community' ? await readTables(db, installation) : new Map(),
  }
}

async function readTables(db: Kysely<{}>, { schema }: Installation): Promise<Map<string, TableState>> {
  const { rows } = await sql<{ name: string } & TableState>`
    select known.name, nullif(known.dropped_before, '-infinity') as "droppedBefore",
      (
        select min(chunk.range_start) from timescaledb_information.chunks as chunk
        where chunk.hypertable_schema = coalesce(aggregate.materialization_hypertable_schema, ${schema})
          and chunk.hypertable_name = coalesce(aggregate.materialization_hypertable_name, known.name)
      ) as oldest,
      coalesce(hypertable.compression_enabled, false) as compressible
    from ${sql.id(schema, 'pgvantage_time_table')} as known
    left join timescaledb_information.continuous_aggregates as aggregate on aggregate.view_schema = ${schema} and aggregate.view_name = known.name
    left join timescaledb_information.hypertables as hypertable
      on hypertable.hypertable_schema = ${schema} and hypertable.hypertable_name = known.name
  `.execute(db)
  return new Map(rows.map(({ name, ...state }) => [name, state]))
}

export const chunkOf = ({ declared }: PolicyState, object: string): number =>
  milliseconds(declared.find((policy) => policy.object === object && policy.kind === 'retention')!.job!.chunk)

/** The start of the oldest rows of a table, or of its source. */
export function oldestChunk(state: PolicyState, object: string): number | undefined {
  const source = state.declared.find((policy) => policy.object === object && policy.kind === 'refresh')?.job?.source
  const starts = [state.tables.get(object)?.oldest?.getTime(), source === undefined ? undefined : oldestChunk(state, source)]
  const known = starts.filter((start) => start !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/**
 * The time before which rows of a table may have been dropped, by a present or an earlier
 * retention.
 */
export const closedBefore = (state: PolicyState, object: string, now: Date): number =>
  Math.max(state.tables.get(object)?.droppedBefore?.getTime() ?? Number.NEGATIVE_INFINITY, droppedByJobs(state, object, now))

/**
 * The time before which rows of a table are gone. If more was dropped than the present retentions
 * explain, rows may have been dropped after that was recorded: times without a chunk count as
 * dropped too.
 */
export function goneBefore(state: PolicyState, object: string, now: Date): number {
  const closed = closedBefore(state, object, now)
  const { droppedBefore = null, oldest = null } = state.tables.get(object) ?? {}
  const byOtherRules = droppedBefore !== null && droppedBefore.getTime() > droppedByJobs(state, object, now)
  return byOtherRules ? Math.max(closed, oldest?.getTime() ?? closed) : closed
}

/**
 * The time before which the present retentions may have dropped. They drop whole chunks, so it
 * advances by chunks.
 */
function droppedByJobs(state: PolicyState, object: string, now: Date): number {
  const chunk = chunkOf(state, object)
  return Math.max(
    ...state.jobs.flatMap(({ object: other, kind, after }) =>
      other === object && kind === 'retention' && after !== null ? [Math.floor((now.getTime() - after) / chunk) * chunk] : [],
    ),
  )
}
