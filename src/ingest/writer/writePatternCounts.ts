import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import type { IngestWindow, PatternRow } from '../rollups/windows/ingestWindow.ts'
import { jsonChunks } from './jsonChunks.ts'
import { storedParameters } from './patternParameters.ts'
import type { WrittenLine } from './writePatterns.ts'

/**
 * Writes how often each pattern was logged, and since when by which resource; deletes rows of
 * patterns that are part of another one by now.
 *
 * @returns the number of rows.
 */
export async function writePatternCounts(
  scope: Scope,
  { from, to, patterns }: IngestWindow,
  resourceIds: ReadonlyMap<string, string>,
  locatorIds: readonly string[],
  lines: ReadonlyMap<string, WrittenLine>,
): Promise<number> {
  const rows = byPattern(patterns, lines)
    .map(({ row, parts, written: { fingerprintId, template } }) => ({
      bucket: row.bucket,
      resource_id: resourceIds.get(row.resource)!,
      fingerprint_id: fingerprintId,
      count_total: row.countTotal,
      count_error: row.countError,
      sample_ref: locatorIds[row.locator],
      first_seen: row.firstSeen,
      parameters: storedParameters(parts, template),
    }))
    // In one order over all statements, so that writers of different windows do not deadlock.
    .sort((a, b) => byId(a.resource_id, b.resource_id) || byId(a.fingerprint_id, b.fingerprint_id))
  for (const chunk of jsonChunks(rows)) {
    await sql`
      delete from ${scope.id('log_pattern_5m')} as tally
      using jsonb_to_recordset(${chunk}::jsonb) as row (bucket timestamptz, resource_id int8, fingerprint_id int8),
        ${scope.id('log_pattern')} as merged
      where merged.tenant_id = ${scope.tenantId}::int8 and merged.redirect_id = row.fingerprint_id
        and tally.bucket = row.bucket and tally.tenant_id = ${scope.tenantId}::int8
        and tally.resource_id = row.resource_id and tally.fingerprint_id = merged.fingerprint_id
        -- Known when it is planned, so that no other chunk is touched, let alone decompressed.
        and tally.bucket >= ${from}::timestamptz and tally.bucket < ${to}::timestamptz
    `.execute(scope.db)
    await sql`
      with row as materialized (
        select *
        from jsonb_to_recordset(${chunk}::jsonb) as row (
          bucket timestamptz, resource_id int8, fingerprint_id int8, count_total int8, count_error int8, sample_ref int8, first_seen timestamptz, parameters jsonb
        )
      ), noted as (
        -- To the millisecond: the trigger of the counts knows five minutes.
        insert into ${scope.id('log_pattern_seen')} as seen (tenant_id, resource_id, fingerprint_id, first_seen)
        select ${scope.tenantId}::int8, row.resource_id, row.fingerprint_id, row.first_seen
        from row
        -- A value, not a join, so that each is looked up in the index however large the table is.
        where coalesce(row.first_seen < (
          select known.first_seen
          from ${scope.id('log_pattern_seen')} as known
          where known.fingerprint_id = row.fingerprint_id and known.resource_id = row.resource_id
        ), true)
        order by row.resource_id, row.fingerprint_id
        on conflict (fingerprint_id, resource_id) do update set first_seen = least(seen.first_seen, excluded.first_seen)
      )
      insert into ${scope.id('log_pattern_5m')} as tally (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error, sample_ref, parameters)
      select bucket, ${scope.tenantId}::int8, resource_id, fingerprint_id, count_total, count_error, sample_ref, parameters
      from row
      order by resource_id, fingerprint_id
      on conflict (bucket, tenant_id, resource_id, fingerprint_id) do update set
        count_total = excluded.count_total,
        count_error = excluded.count_error,
        sample_ref = excluded.sample_ref,
        parameters = excluded.parameters
      where (tally.count_total, tally.count_error, tally.sample_ref, tally.parameters)
        is distinct from (excluded.count_total, excluded.count_error, excluded.sample_ref, excluded.parameters)
    `.execute(scope.db)
  }
  return rows.length
}

/** The order of ids, which are whole numbers as texts. */
const byId = (a: string, b: string): number => a.length - b.length || compareBytes(a, b)

interface Counted {
  row: PatternRow
  /** The rows of each of its lines. */
  parts: PatternRow[]
  written: WrittenLine
}

/** One row for each pattern of a resource; the locator is that of the earliest message. */
function byPattern(patterns: readonly PatternRow[], lines: ReadonlyMap<string, WrittenLine>): Counted[] {
  const counts = new Map<string, Counted>()
  for (const row of patterns) {
    const written = lines.get(row.maskedLine)!
    const key = `${row.resource}\0${written.fingerprintId}`
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { row, parts: [row], written })
    else {
      known.row = together(known.row, row)
      known.parts.push(row)
    }
  }
  return [...counts.values()]
}

function together(a: PatternRow, b: PatternRow): PatternRow {
  const apart = a.firstSeen.getTime() - b.firstSeen.getTime() || compareBytes(a.sampleMessage, b.sampleMessage) || a.locator - b.locator
  return { ...(apart <= 0 ? a : b), countTotal: a.countTotal + b.countTotal, countError: a.countError + b.countError }
}
