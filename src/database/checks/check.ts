import type { Kysely } from 'kysely'
import type { Capabilities } from '../capabilities.ts'
import type { Installation } from '../installation/installation.ts'

/** A finding of `doctor` about a database. */
export interface Finding {
  /**
   * | severity | |
   * |---|---|
   * | `error` | something does not work, or answers may be wrong |
   * | `warning` | it works, but not well or not for long |
   * | `info` | worth knowing |
   */
  severity: 'error' | 'warning' | 'info'
  /** Stable, for programs: `not-installed`, `pgvector-vacuum`, `drift`. */
  code: string
  message: string
  /** What to do about it. */
  remedy: string
  /** The role that can do it, if not every role can. */
  needs?: 'maintainer' | 'owner' | 'superuser'
}

/** The input of a check. */
export interface Examined {
  /**
   * For the check's own queries. Each check has a read-only transaction, or a savepoint of the
   * caller's.
   */
  readonly db: Kysely<{}>
  readonly server: Capabilities
  /** The place and options of our tables; null if they are not installed, or cannot be read. */
  readonly installation: Installation | null
  /** The version of the installed schema; 0 if nothing is installed. */
  readonly version: number
}

/**
 * One check of `doctor`. Parts of the library export theirs, and a program can add its own.
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
  /** Names the check if it fails. */
  readonly name: string
  /** The findings; an empty array if all is well. */
  find(examined: Examined): readonly Finding[] | Promise<readonly Finding[]>
}

/** What a part of the library can do on a server. */
export interface Ability {
  /**
   * `full`: everything works. `fallback`: the same answers, by other means. `missing`: nothing
   * works.
   */
  state: 'full' | 'fallback' | 'missing'
  reason: string
}
