import type { Kysely } from 'kysely'
import type { Capabilities } from '../capabilities.ts'
import type { Installation } from '../installation/installation.ts'

/** Something that `doctor` has to say about a database. */
export interface Finding {
  /**
   * `error`: something does not work, or answers may be wrong. `warning`: it works, but will not
   * for long or not well. `info`: worth knowing.
   */
  severity: 'error' | 'warning' | 'info'
  /** Stable, for programs: `not-installed`, `pgvector-vacuum`, `drift`. */
  code: string
  message: string
  /** What to do about it. */
  remedy: string
  /** Who can do that, where not every role can. */
  needs?: 'maintainer' | 'owner' | 'superuser'
}

/** What a check can look at. */
export interface Examined {
  /**
   * For queries of the check's own. Each check has a read-only transaction, or a savepoint of the
   * caller's.
   */
  readonly db: Kysely<{}>
  readonly server: Capabilities
  /** Where and how our tables were installed; null where they are not, or cannot be read. */
  readonly installation: Installation | null
  /** The version of the installed schema; 0 where nothing is installed. */
  readonly version: number
}

/**
 * One thing that `doctor` looks at. A room exports its own, and so can a program that uses the
 * library.
 *
 * @example
 * const tenants: Check = {
 *   name: 'number of tenants',
 *   find: async ({ db, installation }) => {
 *     if (installation === null) return []
 *     const found = await listTenants(db, { schema: installation.schema })
 *     return found.length > 0 ? [] : [{ severity: 'info', code: 'no-tenant', message: '...', remedy: '...' }]
 *   },
 * }
 * await doctor(db, { checks: [tenants] })
 */
export interface Check {
  /** Names the check where it fails. */
  readonly name: string
  /** What there is to say; nothing where all is well. */
  find(examined: Examined): readonly Finding[] | Promise<readonly Finding[]>
}

/** What a room of the library can do on a server. */
export interface Ability {
  /**
   * `full`: everything works. `fallback`: the same answers, by other means. `missing`: nothing
   * works.
   */
  state: 'full' | 'fallback' | 'missing'
  reason: string
}
