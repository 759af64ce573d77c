import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { sharedTurnLock, turnLock } from '../../database/transaction/takeTurn.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { defaultThresholds } from '../../logs/miner/families.ts'
import { current, fingerprintOf, Templates, type Template } from '../../logs/miner/templates.ts'
import { wordsIn } from '../../logs/miner/words.ts'
import { placeholder } from '../../logs/pattern.ts'
import { Hll } from '../../sketch/hll/hll.ts'

/** What lines are. */
export interface LearnedLines {
  templateOf: ReadonlyMap<string, Template>
  /** Templates that the database does not know to have become part of another one. */
  merged: readonly Template[]
}

/** How many of a tenant's patterns are loaded: those seen last. Others stay in the database. */
const loaded = 20_000

/** Those that became one are loaded besides, since they tell which words vary. */
const limits = { maxTemplates: 3 * loaded, maxLines: 10_000 }

/**
 * The templates of a tenant's log messages in this process, learnt from `log_pattern`. Only a
 * transaction that has the turn adds to `log_pattern`, so ids grow in the order of commits, and
 * what others have added since is what has a higher id.
 */
export class TenantTemplates {
  #templates!: Templates
  #lastId = '0'
  /** Fingerprints of templates that `log_pattern` redirects. */
  #redirected = new Set<string>()
  #merged = new Map<string, Template>()
  /**
   * For beginnings that exploded the messages that had it, as a sketch: there are too many to keep.
   */
  readonly #exploded = new Map<string, Hll>()
  /** The transaction that wrote what was learnt last. */
  #writer: string | null = null

  constructor() {
    this.forget()
  }

  /**
   * Learns masked lines. If it has to add templates or merge some, no other transaction of the
   * tenant writes patterns until this one ends.
   *
   * @param isOnly whether the transaction writes no other window: one that waited for others to
   * share the turn, and then for all of them to end, would wait for one that does the same.
   */
  async learn(scope: Scope, lines: Iterable<string>, { isOnly }: { isOnly: boolean }): Promise<LearnedLines> {
    const all = [...new Set(lines)].sort()
    await this.#refresh(scope)
    const loadedTemplates = this.#templates
    if (isOnly && this.#merged.size === 0 && all.every((line) => this.#templates.has(line))) {
      await sql`select from ${sharedTurnLock(turnOf(scope))} as turn`.execute(scope.db)
      if (this.#templates !== loadedTemplates) await this.#refresh(scope)
    } else {
      const { rows } = await sql<{ id: string }>`
        select pg_catalog.pg_current_xact_id()::text as id from ${turnLock(turnOf(scope))} as turn
      `.execute(scope.db)
      await this.#refresh(scope)
      this.#writer = rows[0]!.id
    }
    for (const line of all) this.#templates.learn(line)
    const merged = [...this.#merged.values()]
    for (const { fingerprint } of merged) this.#redirected.add(fingerprint)
    this.#merged.clear()
    const templateOf = new Map(all.map((line) => [line, this.#templates.learn(line)]))
    this.#countExploded(templateOf)
    return { templateOf, merged }
  }

  /**
   * How many different masked messages were met of each beginning that too many words follow,
   * about.
   */
  exploded(): Map<string, number> {
    return new Map([...this.#exploded].map(([beginning, lines]) => [beginning, Math.round(lines.cardinality())]))
  }

  #countExploded(templateOf: ReadonlyMap<string, Template>): void {
    if (this.#templates.exploded.size === 0) return
    for (const [line, { words, text }] of templateOf) {
      const beginning = (words.length > 0 ? words : wordsIn(text).map((word) => word.text)).join(' ')
      if (!this.#templates.exploded.has(beginning)) continue
      const lines = this.#exploded.get(beginning) ?? Hll.create()
      this.#exploded.set(beginning, lines)
      lines.add(line)
    }
  }

  /** Forgets what was learnt, since it may not have been written. */
  forget(): void {
    this.#lastId = '0'
    this.#redirected = new Set()
    this.#merged = new Map()
    this.#writer = null
    this.#templates = new Templates(limits, defaultThresholds, (template) => {
      if (!this.#redirected.has(template.fingerprint)) this.#merged.set(template.fingerprint, template)
    })
  }

  /** Learns what has been added to `log_pattern`. */
  async #refresh(scope: Scope): Promise<void> {
    if (this.#writer !== null && !(await wasWritten(scope, this.#writer))) this.forget()
    this.#writer = null
    // Another write through the same scope may fail at the same time: then all is read again.
    let templates: Templates
    let rows: StoredText[]
    do {
      templates = this.#templates
      rows = await storedSince(scope, this.#lastId)
    } while (templates !== this.#templates)
    for (const { words, pattern, target } of rows) {
      if (target === null) continue
      this.#redirected.add(fingerprintOf(words ?? pattern))
      // More than a word less, and the same beginning: that is no family.
      const beginning = target.endsWith(` ${placeholder}`) ? target.slice(0, -placeholder.length - 1) : target
      if (words !== null && words.startsWith(`${beginning} `) && wordCount(words) > wordCount(beginning) + 1) templates.explode(beginning)
    }
    for (const row of rows) templates.load(templateOf(row))
    for (const row of rows) if (row.target === null) this.#noteMerged(row)
    this.#lastId = rows.at(-1)?.id ?? this.#lastId
  }

  /** A stored pattern that others learnt without the templates that it is part of. */
  #noteMerged({ words, pattern }: StoredText): void {
    const { words: own, text } = templateOf({ words, pattern })
    const key = words ?? pattern
    const fingerprint = fingerprintOf(key)
    const next = this.#templates.load({ words: own, text })
    if (next.fingerprint === fingerprint || this.#merged.has(fingerprint) || this.#redirected.has(fingerprint)) return
    this.#merged.set(fingerprint, { ...next, key, words: own, text, fingerprint, next })
  }
}

const wordCount = (words: string): number => words.split(' ').length

/** Of a template that is known by its text, no word is compared. */
const templateOf = ({ words, pattern }: Pick<StoredText, 'words' | 'pattern'>) => ({ words: words?.split(' ') ?? [], text: pattern })

interface StoredText {
  id: string
  /** Null if it is known by its text. */
  words: string | null
  pattern: string
  /** What the one it redirects to is known by. */
  target: string | null
}

/** The rows of `log_pattern` with a higher id; of all of them, those seen last and those that became one. */
async function storedSince(scope: Scope, lastId: string): Promise<StoredText[]> {
  const { rows } = await sql<StoredText>`
    select known.fingerprint_id::text as id, known.words, known.pattern, coalesce(target.words, target.pattern) as target
    from ${scope.id('log_pattern')} as known
    left join ${scope.id('log_pattern')} as target on target.fingerprint_id = known.redirect_id
    where known.tenant_id = ${scope.tenantId}::int8 and known.fingerprint_id > ${lastId}::int8
      and (
        ${lastId !== '0'}::bool
        or known.redirect_id is not null
        or known.fingerprint_id in (
          select merged.redirect_id from ${scope.id('log_pattern')} as merged
          where merged.tenant_id = ${scope.tenantId}::int8 and merged.redirect_id is not null
        )
        or known.fingerprint_id in (
          select latest.fingerprint_id
          from ${scope.id('log_pattern')} as latest
          where latest.tenant_id = ${scope.tenantId}::int8 and latest.redirect_id is null
          order by latest.last_seen desc nulls last, latest.fingerprint_id desc
          limit ${loaded}::int8
        )
      )
    order by known.fingerprint_id
  `.execute(scope.db)
  return rows
}

/** Whether a transaction was committed: else what it taught is not known to others. */
async function wasWritten(scope: Scope, transaction: string): Promise<boolean> {
  const { rows } = await sql<{ written: boolean | null }>`
    select case
        -- A server that took over may not have come as far.
        when ${transaction}::xid8 >= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) then false
        else pg_catalog.pg_xact_status(${transaction}::xid8) = 'committed'
      end as written
  `.execute(scope.db)
  return rows[0]!.written === true
}

/** The template that a merged one is part of now. */
export const targetOf = (merged: Template): Template => current(merged)

const turnOf = ({ installation, tenantId }: Scope): string => `pgvantage patterns ${quoteIdentifier(installation.schema)} ${tenantId}`

const known = new WeakMap<object, TenantTemplates>()

/**
 * The templates that earlier writes through the same scope have learnt. In a caller's transaction
 * they are read again, since a part of it may be rolled back.
 */
export function templatesOf(scope: Scope): TenantTemplates {
  if (scope.db.isTransaction) return new TenantTemplates()
  const templates = known.get(scope) ?? new TenantTemplates()
  known.set(scope, templates)
  return templates
}
