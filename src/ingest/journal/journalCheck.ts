import { sql } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'

/** Ingest runs every few minutes at least; what waits for longer is considered left behind. */
const leftAfter = '1 hour'
/** The default limit for one tenant is half of this. */
const large = 512 * 1024 * 1024

/** The contents of a tenant's journal. */
interface Held {
  code: string
  bytes: number
  since: Date
  /** Windows that are not rolled up, or not since more was added. */
  unrolled: number
  /** Those of them to which nothing was added for a while. */
  abandoned: number
  /** Spans that are part of no call yet. */
  spans: number
  /** Points without an earlier point to subtract. */
  points: number
}

/**
 * The check of `doctor` for the journal of ingest: its size and contents; a warning for windows
 * that no process rolls up or closes.
 */
export const journalCheck: Check = {
  name: 'journal of ingest',
  async find({ db, installation }) {
    if (installation === null) return []
    const table = (name: string) => sql.id(installation.schema, name)
    // Counts that were stored when windows were rolled up: parts themselves are only decoded by a
    // rollup.
    const { rows } = await sql<Held>`
      select tenant.code, part.bytes, part.since, coalesce(open.unrolled, 0) as unrolled, coalesce(open.abandoned, 0) as abandoned,
        coalesce(open.spans, 0) as spans, coalesce(open.points, 0) as points
      from (
        select tenant_id, pg_catalog.sum(pg_catalog.octet_length(payload))::float8 as bytes, pg_catalog.min(written_at) as since
        from ${table('ingest_journal')}
        where payload is not null
        group by tenant_id
      ) as part
      join ${table('dim_tenant')} as tenant on tenant.tenant_id = part.tenant_id
      left join (
        select tenant_id,
          (pg_catalog.count(distinct window_start) filter (where last_part > rolled_part))::int4 as unrolled,
          (pg_catalog.count(distinct window_start) filter (
            where last_part > rolled_part and changed_at < pg_catalog.clock_timestamp() - ${leftAfter}::interval
          ))::int4 as abandoned,
          (pg_catalog.sum(waiting) filter (where dataset = 'traces'))::float8 as spans,
          (pg_catalog.sum(waiting) filter (where dataset = 'metrics'))::float8 as points
        from ${table('ingest_window')}
        group by tenant_id
      ) as open on open.tenant_id = part.tenant_id
      order by tenant.code collate "C"
    `.execute(db)
    if (rows.length === 0) return []
    const remedy = 'run `pgvantage maintain`, as a scheduler should every half hour, or ingest again for the tenant'
    const all: Finding = {
      severity: 'info',
      code: 'journal',
      message: `the journal of ingest holds ${contents(inSum(rows))}; tenants: ${rows.length}`,
      remedy: 'nothing: windows close and leave the journal while telemetry is loaded, or when `pgvantage maintain` runs',
    }
    const warnings = rows.flatMap((held): Finding[] => {
      if (held.abandoned > 0) {
        const message = `telemetry of tenant ${held.code} was read and is in no rows: ${held.abandoned} windows wait; its journal holds ${contents(held)}`
        return [{ severity: 'warning', code: 'journal-left', message, remedy }]
      }
      if (held.bytes < large) return []
      return [{ severity: 'warning', code: 'journal-large', message: `the journal of tenant ${held.code} holds ${contents(held)}`, remedy }]
    })
    return [...warnings, all]
  },
}

type Contents = Omit<Held, 'code' | 'abandoned'>

const contents = ({ bytes, since, unrolled, spans, points }: Contents): string =>
  `${(bytes / 1e6).toFixed(1)} MB since ${since.toISOString()}; in it wait spans without their other side: ${spans}, first points of counters: ${points}, windows to roll up: ${unrolled}`

function inSum(held: readonly Held[]): Contents {
  const sum = (of: (one: Held) => number) => held.reduce((total, one) => total + of(one), 0)
  return {
    bytes: sum(({ bytes }) => bytes),
    since: held.map(({ since }) => since).reduce((oldest, since) => (since < oldest ? since : oldest)),
    unrolled: sum(({ unrolled }) => unrolled),
    spans: sum(({ spans }) => spans),
    points: sum(({ points }) => points),
  }
}
