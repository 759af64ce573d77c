import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { Template } from '../../logs/miner/templates.ts'
import { severities, type Severity } from '../../schema/severity.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import { jsonChunks } from './jsonChunks.ts'
import { mergedType } from '../records/attributes.ts'
import { greaterSeverity } from '../records/severityOf.ts'
import type { PatternRow } from '../rollups/windows/ingestWindow.ts'
import type { WriteRows } from './rejections/byHalves.ts'
import { targetOf, type TenantTemplates } from './tenantTemplates.ts'

/** What a masked line was written as. */
export interface WrittenLine {
  template: Template
  fingerprintId: string
}

/** A row of `log_pattern`, by the hash of its words. */
interface KnownPattern {
  hash: string
  /** Null if it is known by its text. */
  words: string | null
  pattern: string
  sample_message: string | null
  severity: Severity | null
  attrs_schema: Record<string, string>
  first_seen: Date | null
  last_seen: Date | null
}

/** A row that another one stands for, or will. */
interface StoredPattern extends KnownPattern {
  target_hash: string | null
  target_words: string | null
  target_pattern: string | null
}

/**
 * Writes the patterns themselves: which lines they are of, when each was first and last seen, the
 * earliest message, the highest severity, the types of its attributes. A pattern that has become
 * part of a more general one redirects to it, which takes over what is known of it.
 *
 * @returns by line the template that it is of, and the id of its fingerprint.
 */
export async function writePatterns(
  scope: Scope,
  rows: readonly PatternRow[],
  templates: TenantTemplates,
  { isOnly, write, refuse }: PatternWriting,
): Promise<Map<string, WrittenLine>> {
  if (rows.length === 0) return new Map()
  const { templateOf, merged } = await templates.learn(
    scope,
    rows.map((row) => row.maskedLine),
    { isOnly },
  )
  const patterns = new Patterns()
  for (const row of rows) patterns.add(rowOf(templateOf.get(row.maskedLine)!, row))
  for (const template of merged) {
    patterns.add(emptyRow(targetOf(template)))
    patterns.add(emptyRow(template))
  }
  const redirects = merged.map((template) => ({ hash: template.fingerprint, target: targetOf(template).fingerprint }))
  const targets = new Map(redirects.map(({ hash, target }) => [hash, target]))
  const stored = await storedPatterns(scope, patterns.hashes(), [...targets.keys()])
  // Where the database redirects, it is right: other processes may know more.
  const elsewhere = new Map(stored.flatMap(({ hash, target_hash }) => (target_hash === null ? [] : [[hash, target_hash]])))
  for (const { hash, target_hash, target_words, target_pattern } of stored) {
    if (target_hash !== null && target_pattern !== null)
      patterns.move(hash, { hash: target_hash, words: target_words, pattern: target_pattern })
  }
  for (const { target_hash, target_words: _, target_pattern: __, ...row } of stored) {
    const target = targets.get(row.hash)
    if (target_hash === null && target !== undefined) patterns.addTo(elsewhere.get(target) ?? target, row)
  }
  const refused = new Map<string, Error>()
  await write(
    patterns.rows(),
    (some) => upsert(scope, some),
    ({ hash }, error) => refused.set(hash, error),
  )
  await redirect(scope, redirects)
  const ids = await idsOf(
    scope,
    [...templateOf.values()].map((template) => template.fingerprint),
  )
  const written = new Map<string, WrittenLine>()
  for (const [line, template] of templateOf) {
    const { fingerprint } = template
    const error = refused.get(elsewhere.get(fingerprint) ?? fingerprint)
    if (error === undefined) written.set(line, { template, fingerprintId: ids.get(fingerprint)! })
    else refuse(line, error)
  }
  return written
}

/** How patterns are written. */
export interface PatternWriting {
  isOnly: boolean
  write: WriteRows
  /** Called for each line whose pattern the database refuses. */
  refuse: (line: string, error: Error) => void
}

/** Rows by the hash of their words. */
class Patterns {
  readonly #rows = new Map<string, KnownPattern>()

  add(row: KnownPattern): void {
    const known = this.#rows.get(row.hash)
    this.#rows.set(row.hash, known === undefined ? row : together(known, row))
  }

  /** Adds what is known of one pattern to the one it is part of. */
  move(from: string, to: Pick<KnownPattern, 'hash' | 'words' | 'pattern'>): void {
    const row = this.#rows.get(from)
    if (row === undefined) return
    this.#rows.delete(from)
    this.add({ ...row, ...to })
  }

  /** Adds what is known of a pattern to another one. */
  addTo(hash: string, row: KnownPattern): void {
    const target = this.#rows.get(hash)
    if (target !== undefined) this.add({ ...row, hash, words: target.words, pattern: target.pattern })
  }

  hashes = (): string[] => [...this.#rows.keys()]
  rows = (): KnownPattern[] => [...this.#rows.values()].sort((a, b) => compareBytes(a.hash, b.hash))
}

const emptyRow = ({ fingerprint, key, words, text }: Template): KnownPattern => ({
  hash: fingerprint,
  words: words.length < 2 ? null : key,
  pattern: text,
  sample_message: null,
  severity: null,
  attrs_schema: {},
  first_seen: null,
  last_seen: null,
})

const rowOf = (template: Template, row: PatternRow): KnownPattern => ({
  ...emptyRow(template),
  sample_message: row.sampleMessage,
  severity: row.severity,
  attrs_schema: row.attrsSchema,
  first_seen: row.firstSeen,
  last_seen: row.lastSeen,
})

/** What is known of one pattern from two rows, in any order. */
function together(a: KnownPattern, b: KnownPattern): KnownPattern {
  const types = new Map(Object.entries(a.attrs_schema))
  for (const [name, type] of Object.entries(b.attrs_schema)) types.set(name, mergedType(types.get(name), type))
  return {
    hash: a.hash,
    words: a.words ?? b.words,
    pattern: compareBytes(a.pattern, b.pattern) <= 0 ? a.pattern : b.pattern,
    sample_message: isEarlier(b, a) ? b.sample_message : a.sample_message,
    severity: greaterSeverity(a.severity, b.severity),
    attrs_schema: Object.fromEntries(types),
    first_seen: isEarlier(b, a) ? b.first_seen : a.first_seen,
    last_seen: a.last_seen === null || (b.last_seen !== null && b.last_seen > a.last_seen) ? b.last_seen : a.last_seen,
  }
}

/** Whether the first message of a row came before that of another; of messages at one time the smaller text. */
function isEarlier(a: KnownPattern, b: KnownPattern): boolean {
  if (a.first_seen === null || b.first_seen === null) return b.first_seen === null
  const apart = a.first_seen.getTime() - b.first_seen.getTime()
  return apart === 0 ? compareBytes(a.sample_message ?? '', b.sample_message ?? '') < 0 : apart < 0
}

/** Rows that redirect, and rows that are about to. */
async function storedPatterns(scope: Scope, hashes: readonly string[], merged: readonly string[]): Promise<StoredPattern[]> {
  const { rows } = await sql<StoredPattern>`
    select replace(known.pattern_hash::text, '-', '') as hash, known.words, known.pattern, known.sample_message, known.severity, known.attrs_schema,
      known.first_seen, known.last_seen, replace(target.pattern_hash::text, '-', '') as target_hash, target.words as target_words, target.pattern as target_pattern
    from jsonb_array_elements_text(${JSON.stringify(hashes)}::jsonb) as given (hash)
    join ${scope.id('log_pattern')} as known on known.tenant_id = ${scope.tenantId}::int8 and known.pattern_hash = given.hash::uuid
    left join ${scope.id('log_pattern')} as target on target.fingerprint_id = known.redirect_id
    where known.redirect_id is not null or given.hash in (select jsonb_array_elements_text(${JSON.stringify(merged)}::jsonb))
    order by known.pattern_hash
  `.execute(scope.db)
  return rows
}

/** @returns how many rows were written. */
async function upsert(scope: Scope, rows: readonly KnownPattern[]): Promise<number> {
  let written = 0n
  const rank = (severity: string) => sql`coalesce(array_position(${[...severities]}::text[], ${sql.raw(severity)}), 0)`
  // The rule of `mergedType`. An attribute seen with two types is mixed, in any order of windows.
  const types = sql`known.attrs_schema || (
        select coalesce(jsonb_object_agg(given.name, case when known.attrs_schema ->> given.name <> given.type then 'mixed' else given.type end), '{}')
        from jsonb_each_text(excluded.attrs_schema) as given (name, type)
      )`
  // Of messages at one time the smaller text, so that the order of arrival does not matter. A row
  // whose time is not known yet is later than any.
  const earlier = sql`(coalesce(excluded.first_seen, 'infinity'), excluded.sample_message collate "C") < (coalesce(known.first_seen, 'infinity'), known.sample_message)`
  const row = sql`row (
        hash uuid, words text, pattern text, sample_message text, severity text, attrs_schema jsonb, first_seen timestamptz, last_seen timestamptz
      )`
  for (const chunk of jsonChunks(rows)) {
    const { numAffectedRows = 0n } = await sql`
      insert into ${scope.id('log_pattern')} as known (tenant_id, words, pattern, sample_message, severity, attrs_schema, first_seen, last_seen)
      select ${scope.tenantId}::int8, words, pattern, sample_message, severity, attrs_schema, first_seen, last_seen
      from jsonb_to_recordset(${chunk}::jsonb) as ${row}
      order by hash
      on conflict (tenant_id, pattern_hash) do update set
        pattern = least(excluded.pattern collate "C", known.pattern),
        sample_message = case when ${earlier} then excluded.sample_message else known.sample_message end,
        severity = case when ${rank('excluded.severity')} > ${rank('known.severity')} then excluded.severity else known.severity end,
        attrs_schema = ${types},
        first_seen = least(known.first_seen, excluded.first_seen),
        last_seen = greatest(known.last_seen, excluded.last_seen)
      where ${earlier}
        or excluded.pattern collate "C" < known.pattern
        or excluded.last_seen > coalesce(known.last_seen, '-infinity')
        or ${rank('excluded.severity')} > ${rank('known.severity')}
        or known.attrs_schema <> (${types})
    `.execute(scope.db)
    written += numAffectedRows
  }
  return Number(written)
}

/** Lets patterns, and those that redirect to them, redirect to others. */
async function redirect(scope: Scope, redirects: readonly { hash: string; target: string }[]): Promise<void> {
  for (const chunk of jsonChunks(redirects)) {
    await sql`
      update ${scope.id('log_pattern')} as known set redirect_id = redirected.target
      from (
        select old.fingerprint_id, coalesce(target.redirect_id, target.fingerprint_id) as target
        from jsonb_to_recordset(${chunk}::jsonb) as given (hash uuid, target uuid)
        join ${scope.id('log_pattern')} as old on old.tenant_id = ${scope.tenantId}::int8 and old.pattern_hash = given.hash
        join ${scope.id('log_pattern')} as target on target.tenant_id = ${scope.tenantId}::int8 and target.pattern_hash = given.target
      ) as redirected
      where known.tenant_id = ${scope.tenantId}::int8
        and (known.fingerprint_id = redirected.fingerprint_id or known.redirect_id = redirected.fingerprint_id)
        and known.fingerprint_id <> redirected.target
    `.execute(scope.db)
  }
}

/** The ids by hash; of a pattern that redirects, the id of the one it is part of. */
async function idsOf(scope: Scope, hashes: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await sql<{ hash: string; id: string }>`
    select given.hash, coalesce(known.redirect_id, known.fingerprint_id)::text as id
    from jsonb_array_elements_text(${JSON.stringify([...new Set(hashes)])}::jsonb) as given (hash)
    join ${scope.id('log_pattern')} as known on known.tenant_id = ${scope.tenantId}::int8 and known.pattern_hash = given.hash::uuid
  `.execute(scope.db)
  return new Map(rows.map(({ hash, id }) => [hash, id]))
}
