import { sql } from 'kysely'
import type { TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import type { PatternRow } from '../rollups/windows/ingestWindow.ts'
import { byId } from './byId.ts'
import { jsonChunks } from './jsonChunks.ts'
import { storedParameters } from './patternParameters.ts'
import type { WrittenLine } from './writePatterns.ts'

/**
 * Writes how often each pattern was logged, and since when by which resource; deletes rows of
 * patterns that are part of another one by now.
 *
 * @param range that of the window.
 * @returns of how many lines the rows were written; those of the others were there, unchanged.
 */
export async function writePatternCounts(
  scope: Scope,
  range: TimeRange,
  counted: readonly CountedPattern[],
  locatorIds: ReadonlyMap<number, string>,
): Promise<number> {
  const rows = counted.map(({ row, parts, resourceId, written: { fingerprintId, template } }) => ({
    bucket: row.bucket,
    resource_id: resourceId,
    fingerprint_id: fingerprintId,
    count_total: row.countTotal,
    count_error: row.countError,
    sample_ref: locatorIds.get(row.locator),
    first_seen: row.firstSeen,
    parameters: storedParameters(parts, template),
    lines: parts.length,
  }))
  let written = 0
  for (const chunk of jsonChunks(rows)) {
    await deleteMerged(scope, range, chunk)
    written += await upsertCounts(scope, chunk)
  }
  return written
}

async function deleteMerged(scope: Scope, { from, to }: TimeRange, chunk: string): Promise<void> {
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
}

async function upsertCounts(scope: Scope, chunk: string): Promise<number> {
  const { rows } = await sql<{ lines: number }>`
    with row as materialized (
      select *
      from jsonb_to_recordset(${chunk}::jsonb) as row (
        bucket timestamptz, resource_id int8, fingerprint_id int8, count_total int8, count_error int8, sample_ref int8, first_seen timestamptz, parameters jsonb, lines int4
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
    ), written as (
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
      returning tally.resource_id, tally.fingerprint_id
    )
    select coalesce(sum(row.lines), 0)::int4 as lines
    from written
    join row on row.resource_id = written.resource_id and row.fingerprint_id = written.fingerprint_id
  `.execute(scope.db)
  return rows[0]!.lines
}

/** One row of `log_pattern_5m`. */
export interface CountedPattern {
  row: PatternRow
  resourceId: string
  /** The rows of each of its lines. */
  parts: PatternRow[]
  written: WrittenLine
}

/**
 * One row for each pattern of a resource, in the order of their ids: writers of different windows
 * then do not deadlock. The locator is that of the earliest message. Lines that were not written
 * are left out.
 */
export function byPattern(
  patterns: readonly PatternRow[],
  lines: ReadonlyMap<string, WrittenLine>,
  resourceIds: ReadonlyMap<string, string>,
): CountedPattern[] {
  const counts = new Map<string, CountedPattern>()
  for (const row of patterns) {
    const written = lines.get(row.maskedLine)
    if (written === undefined) continue
    const key = `${row.resource}\0${written.fingerprintId}`
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { row, resourceId: resourceIds.get(row.resource)!, parts: [row], written })
    else {
      known.row = together(known.row, row)
      known.parts.push(row)
    }
  }
  return [...counts.values()].sort((a, b) => byId(a.resourceId, b.resourceId) || byId(a.written.fingerprintId, b.written.fingerprintId))
}

function together(a: PatternRow, b: PatternRow): PatternRow {
  const apart = a.firstSeen.getTime() - b.firstSeen.getTime() || compareBytes(a.sampleMessage, b.sampleMessage) || a.locator - b.locator
  return { ...(apart <= 0 ? a : b), countTotal: a.countTotal + b.countTotal, countError: a.countError + b.countError }
}
