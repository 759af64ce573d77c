import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { severities, type Severity } from '../../schema/severity.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import { jsonChunks } from './jsonChunks.ts'
import { mergedType } from '../records/attributes.ts'
import { greaterSeverity } from '../records/severityOf.ts'
import type { PatternRow } from '../rollups/windows/ingestWindow.ts'

/** A row of `log_pattern`. */
interface KnownPattern {
  pattern: string
  sample_message: string
  severity: Severity | null
  attrs_schema: Record<string, string>
  first_seen: Date
  last_seen: Date
}

/**
 * Writes the patterns themselves: when each was first and last seen, the earliest message, the
 * highest severity, the types of its attributes.
 *
 * @returns the fingerprints' ids by pattern.
 */
export async function writePatterns(scope: Scope, patterns: readonly PatternRow[]): Promise<Map<string, string>> {
  const rank = (severity: string) => sql`coalesce(array_position(${[...severities]}::text[], ${sql.raw(severity)}), 0)`
  // The rule of `mergedType`. An attribute seen with two types is mixed, in any order of windows.
  const types = sql`known.attrs_schema || (
        select coalesce(jsonb_object_agg(given.name, case when known.attrs_schema ->> given.name <> given.type then 'mixed' else given.type end), '{}')
        from jsonb_each_text(excluded.attrs_schema) as given (name, type)
      )`
  // Of messages at one time the smaller text, so that the order of arrival does not matter.
  const earlier = sql`(excluded.first_seen, excluded.sample_message collate "C") < (known.first_seen, known.sample_message)`
  const row = sql`row (pattern text, sample_message text, severity text, attrs_schema jsonb, first_seen timestamptz, last_seen timestamptz)`
  const ids = new Map<string, string>()
  for (const chunk of jsonChunks(knownPatterns(patterns).values())) {
    await sql`
      insert into ${scope.id('log_pattern')} as known (tenant_id, pattern, sample_message, severity, attrs_schema, first_seen, last_seen)
      select ${scope.tenantId}::int8, pattern, sample_message, severity, attrs_schema, first_seen, last_seen
      from jsonb_to_recordset(${chunk}::jsonb) as ${row}
      order by md5(pattern)
      on conflict (tenant_id, pattern_hash) do update set
        sample_message = case when ${earlier} then excluded.sample_message else known.sample_message end,
        severity = case when ${rank('excluded.severity')} > ${rank('known.severity')} then excluded.severity else known.severity end,
        attrs_schema = ${types},
        first_seen = least(known.first_seen, excluded.first_seen),
        last_seen = greatest(known.last_seen, excluded.last_seen)
      where ${earlier}
        or excluded.last_seen > known.last_seen
        or ${rank('excluded.severity')} > ${rank('known.severity')}
        or known.attrs_schema <> (${types})
    `.execute(scope.db)
    const { rows: found } = await sql<{ pattern: string; id: string }>`
      select row.pattern, known.fingerprint_id::text as id
      from jsonb_to_recordset(${chunk}::jsonb) as row (pattern text)
      join ${scope.id('log_pattern')} as known on known.tenant_id = ${scope.tenantId}::int8 and known.pattern_hash = md5(row.pattern)::uuid
    `.execute(scope.db)
    for (const { pattern, id } of found) ids.set(pattern, id)
  }
  return ids
}

/** One row for each pattern over all resources that log it. */
function knownPatterns(patterns: readonly PatternRow[]): Map<string, KnownPattern> {
  const rows = new Map<string, KnownPattern>()
  for (const { pattern, sampleMessage, severity, attrsSchema, firstSeen, lastSeen } of patterns) {
    const row = rows.get(pattern)
    if (row === undefined) {
      rows.set(pattern, {
        pattern,
        sample_message: sampleMessage,
        severity,
        attrs_schema: attrsSchema,
        first_seen: firstSeen,
        last_seen: lastSeen,
      })
      continue
    }
    const earlier = firstSeen.getTime() - row.first_seen.getTime() || compareBytes(sampleMessage, row.sample_message)
    if (earlier < 0) row.sample_message = sampleMessage
    if (firstSeen < row.first_seen) row.first_seen = firstSeen
    if (lastSeen > row.last_seen) row.last_seen = lastSeen
    row.severity = greaterSeverity(row.severity, severity)
    const types = new Map(Object.entries(row.attrs_schema))
    for (const [name, type] of Object.entries(attrsSchema)) types.set(name, mergedType(types.get(name), type))
    row.attrs_schema = Object.fromEntries(types)
  }
  return rows
}
