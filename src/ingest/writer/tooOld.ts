import { sql } from 'kysely'
import { callPolicy } from '../../calls/callPolicy.ts'
import { sketchPolicy } from '../../cardinality/sketchPolicy.ts'
import { milliseconds } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { chunkNumber, chunkStretch } from '../../lifecycle/partitions/chunkGrid.ts'
import { patternPolicy } from '../../logs/patternPolicy.ts'
import { metricPolicy } from '../../metrics/metricPolicy.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import { noRows, type RowCounts } from './rejections/rejections.ts'

const policies = { metrics: metricPolicy, calls: callPolicy, patterns: patternPolicy, sketches: sketchPolicy } as const

/** A window younger than this is not checked: no table has a shorter retention. */
const young = 86_400_000

/**
 * A window without the rows that are older than their table's retention, and counts of those rows.
 * Each of them would create a chunk that the retention drops.
 *
 * The retention is that of the policy applied last, to the end of the chunk. Without a policy, or
 * for a role that may not read the policies, all rows are kept.
 */
export async function withoutTooOld<Rows extends Pick<IngestWindow, 'from' | keyof RowCounts>>(
  scope: Scope,
  window: Rows,
  now = new Date(),
): Promise<{ window: Rows; tooOld: RowCounts }> {
  const none = { window, tooOld: noRows() }
  if (window.from.getTime() > now.getTime() - young) return none
  const since = await keptSince(scope, now)
  const kept = <Row extends { bucket: Date }>(kind: keyof RowCounts, rows: Row[]): Row[] => {
    const from = since[kind]
    return from === null ? rows : rows.filter(({ bucket }) => bucket >= from)
  }
  const rest = {
    metrics: kept('metrics', window.metrics),
    calls: kept('calls', window.calls),
    patterns: kept('patterns', window.patterns),
    sketches: kept('sketches', window.sketches),
  }
  return {
    window: { ...window, ...rest },
    tooOld: {
      metrics: window.metrics.length - rest.metrics.length,
      calls: window.calls.length - rest.calls.length,
      patterns: window.patterns.length - rest.patterns.length,
      sketches: window.sketches.length - rest.sketches.length,
    },
  }
}

/** The oldest time that each table keeps; null if it keeps all rows. */
export async function keptSince(scope: Scope, now = new Date()): Promise<Record<keyof RowCounts, Date | null>> {
  const retained = await retentions(scope)
  const since = (kind: keyof RowCounts): Date | null => {
    const { table, chunk } = policies[kind]
    const retain = retained.get(table)
    return retain === undefined ? null : chunkStretch(chunk, chunkNumber(chunk, new Date(now.getTime() - milliseconds(retain)))).from
  }
  return { metrics: since('metrics'), calls: since('calls'), patterns: since('patterns'), sketches: since('sketches') }
}

/** The retention of each table, as far as this role may know. */
async function retentions({ db, installation: { schema } }: Scope): Promise<Map<string, string>> {
  const { rows: rights } = await sql<{ may: boolean }>`
    select pg_catalog.has_table_privilege(class.oid, 'select'::text) as may
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = ${schema} and class.relname = 'pgvantage_policy'
  `.execute(db)
  if (rights[0]?.may !== true) return new Map()
  const { rows } = await sql<{ object: string; retain: string }>`
    select object, settings ->> 'retain' as retain from ${sql.id(schema, 'pgvantage_policy')} where kind = 'retention'
  `.execute(db)
  return new Map(rows.map(({ object, retain }) => [object, retain]))
}
