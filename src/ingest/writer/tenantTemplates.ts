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
const limits = { maxTemplates: 3 * loaded, maxLines: 50_000 }

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
    this.#forget()
  }

  /**
   * Learns masked lines. If it has to add templates or merge some, no other transaction of the
   * tenant writes patterns until this one ends.
   */
  async learn(scope: Scope, lines: Iterable<string>): Promise<LearnedLines> {
    const all = [...new Set(lines)].sort()
    await this.#refresh(scope)
    const isKnown = this.#merged.size === 0 && all.every((line) => this.#templates.has(line))
    if (isKnown) {
      await sql`select from ${sharedTurnLock(turnOf(scope))} as turn`.execute(scope.db)
    } else {
      await sql`select from ${turnLock(turnOf(scope))} as turn`.execute(scope.db)
      await this.#refresh(scope)
      const { rows } = await sql<{ id: string }>`select pg_catalog.pg_current_xact_id()::text as id`.execute(scope.db)
      this.#writer = rows[0]!.id
    }
    for (const line of all) this.#templates.learn(line)
    const merged = [...this.#merged.values()]
    for (const { fingerprint } of merged) this.#redirected.add(fingerprint)
    this.#merged.clear()
    return { templateOf: new Map(all.map((line) => [line, this.#templates.learn(line)])), merged }
  }

  #forget(): void {
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
    if (this.#writer !== null) {
      const { rows } = await sql<{ written: boolean | null }>`
        select ${this.#writer}::xid8 = pg_catalog.pg_current_xact_id_if_assigned()
          or pg_catalog.pg_xact_status(${this.#writer}::xid8) = 'committed' as written
      `.execute(scope.db)
      // It was rolled back, or has not ended: what it taught is not known to the others.
      if (rows[0]!.written !== true) this.#forget()
      this.#writer = null
    }
    const { rows } = await sql<{ id: string; pattern: string; redirected: boolean }>`
      select known.fingerprint_id::text as id, known.pattern, known.redirect_id is not null as redirected
      from ${scope.id('log_pattern')} as known
      where known.tenant_id = ${scope.tenantId}::int8 and known.fingerprint_id > ${this.#lastId}::int8
        and (${this.#lastId !== '0'}::bool or coalesce(known.redirect_id, known.fingerprint_id) in (
          select latest.fingerprint_id
          from ${scope.id('log_pattern')} as latest
          where latest.tenant_id = ${scope.tenantId}::int8 and latest.redirect_id is null
          order by latest.last_seen desc nulls last, latest.fingerprint_id desc
          limit ${loaded}::int8
        ))
      order by known.fingerprint_id
    `.execute(scope.db)
    for (const { pattern, redirected } of rows) {
      if (redirected) this.#redirected.add(this.#templates.fingerprintOf(pattern))
    }
    for (const { pattern } of rows) this.#templates.learn(pattern)
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
