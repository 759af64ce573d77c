import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { sharedTurnLock, turnLock } from '../../database/transaction/takeTurn.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { defaultThresholds } from '../../logs/miner/families.ts'
import { current, Templates, type Template } from '../../logs/miner/templates.ts'

/** What lines are. */
export interface LearnedLines {
  templateOf: ReadonlyMap<string, Template>
  /** Templates that the database does not know to have become part of another one. */
  merged: readonly Template[]
}

/** How many of a tenant's patterns are loaded: those seen last. The others stay in the database. */
const loaded = 20_000

/** Those that redirect to a loaded pattern are loaded with it, since they tell which words vary. */
const limits = { maxTemplates: 3 * loaded, maxLines: 10_000 }

/**
 * The templates of a tenant's log messages in this process, learnt from `log_pattern`. Only a
 * transaction that has the turn adds to `log_pattern`, so ids grow in the order of commits, and what
 * others have added since is what has a higher id.
 */
export class TenantTemplates {
  #templates!: Templates
  #lastId = '0'
  /** Fingerprints of templates that `log_pattern` redirects. */
  #redirected = new Set<string>()
  #merged = new Map<string, Template>()
  /** The transaction that wrote what was learnt last. */
  #writer: string | null = null

  constructor() {
    this.forget()
  }

  /**
   * Learns masked lines. If it has to add templates or merge some, no other transaction of the
   * tenant writes patterns until this one ends.
   */
  async learn(scope: Scope, lines: Iterable<string>): Promise<LearnedLines> {
    const all = [...new Set(lines)].sort()
    await this.#refresh(scope)
    const loadedTemplates = this.#templates
    if (this.#merged.size === 0 && all.every((line) => this.#templates.has(line))) {
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
    return { templateOf: new Map(all.map((line) => [line, this.#templates.learn(line)])), merged }
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
    for (const { pattern, redirected } of rows) if (redirected) this.#redirected.add(templates.fingerprintOf(pattern))
    for (const { pattern } of rows) templates.learn(pattern)
    for (const { pattern, redirected } of rows) if (!redirected) this.#noteMerged(pattern)
    this.#lastId = rows.at(-1)?.id ?? this.#lastId
  }

  /** A stored pattern that others learnt without the templates that it is part of. */
  #noteMerged(pattern: string): void {
    const fingerprint = this.#templates.fingerprintOf(pattern)
    const template = this.#templates.learn(pattern)
    if (template.fingerprint === fingerprint || this.#merged.has(fingerprint) || this.#redirected.has(fingerprint)) return
    this.#merged.set(fingerprint, { ...template, fingerprint, text: pattern, next: template })
  }
}

interface StoredText {
  id: string
  pattern: string
  redirected: boolean
}

/** The rows of `log_pattern` with a higher id; of all of them, those of the patterns seen last. */
async function storedSince(scope: Scope, lastId: string): Promise<StoredText[]> {
  const { rows } = await sql<StoredText>`
    select known.fingerprint_id::text as id, known.pattern, known.redirect_id is not null as redirected
    from ${scope.id('log_pattern')} as known
    where known.tenant_id = ${scope.tenantId}::int8 and known.fingerprint_id > ${lastId}::int8
      and (${lastId !== '0'}::bool or coalesce(known.redirect_id, known.fingerprint_id) in (
        select latest.fingerprint_id
        from ${scope.id('log_pattern')} as latest
        where latest.tenant_id = ${scope.tenantId}::int8 and latest.redirect_id is null
        order by latest.last_seen desc nulls last, latest.fingerprint_id desc
        limit ${loaded}::int8
      ))
    order by known.fingerprint_id
  `.execute(scope.db)
  return rows
}

/** Whether a transaction is this one or was committed: else what it taught is not known to others. */
async function wasWritten(scope: Scope, transaction: string): Promise<boolean> {
  const { rows } = await sql<{ written: boolean | null }>`
    select case
        when ${transaction}::xid8 = pg_catalog.pg_current_xact_id_if_assigned() then true
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

/** The templates that earlier writes through the same scope have learnt. */
export function templatesOf(scope: Scope): TenantTemplates {
  const templates = known.get(scope) ?? new TenantTemplates()
  known.set(scope, templates)
  return templates
}
