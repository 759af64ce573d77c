import { sql } from 'kysely'
import type { Check } from '../../database/checks/check.ts'

/** Somebody ingests every few minutes at least; what waits for longer was left. */
const leftAfter = '1 hour'
/** By default the journal of one tenant holds half as much. */
const large = 512 * 1024 * 1024

interface Held {
  code: string
  bytes: number
  unrolled: number
  since: Date
}

/**
 * What `doctor` says of the journal of ingest: what nobody rolls up or closes, and what it takes.
 */
export const journalCheck: Check = {
  name: 'journal of ingest',
  async find({ db, installation }) {
    if (installation === null) return []
    const table = (name: string) => sql.id(installation.schema, name)
    const { rows } = await sql<Held>`
      select tenant.code, pg_catalog.sum(pg_catalog.octet_length(part.payload))::float8 as bytes, pg_catalog.min(part.written_at) as since,
        (
          select pg_catalog.count(distinct open.window_start)
          from ${table('ingest_window')} as open
          where open.tenant_id = tenant.tenant_id and open.last_part > open.rolled_part
            and open.changed_at < pg_catalog.clock_timestamp() - ${leftAfter}::interval
        )::int4 as unrolled
      from ${table('ingest_journal')} as part
      join ${table('dim_tenant')} as tenant on tenant.tenant_id = part.tenant_id
      where part.payload is not null
      group by tenant.tenant_id, tenant.code
      order by tenant.code collate "C"
    `.execute(db)
    const remedy = 'run `pgvantage maintain`, as a scheduler should every half hour, or ingest again for the tenant'
    return rows.flatMap(({ code, bytes, unrolled, since }) => {
      const size = `${(bytes / 1e6).toFixed(1)} MB since ${since.toISOString()}`
      if (unrolled > 0) {
        const message = `telemetry of tenant ${code} was read and is in no rows: ${unrolled} windows wait, ${size}`
        return [{ severity: 'warning' as const, code: 'journal-left', message, remedy }]
      }
      if (bytes < large) return []
      return [{ severity: 'warning' as const, code: 'journal-large', message: `the journal of tenant ${code} holds ${size}`, remedy }]
    })
  },
}
