import { sql, type Kysely } from 'kysely'
import type { Finding } from '../../database/checks/check.ts'
import type { Installation } from '../../database/installation/installation.ts'
import { rightsFacts } from './facts.ts'
import { lackingOf } from './lacking.ts'
import { needsOf, roles, type Role } from './needs.ts'

export interface RoleState {
  role: Role
  /**
   * The rights that the current role lacks for it, such as `insert on public.dim_resource`; empty
   * if it has all.
   */
  lacking: string[]
}

/**
 * The roles that the current role can act as, and what it lacks for the others; a `refresher` only
 * with Apache AGE, and an `owner` only if the tables belong to it.
 */
export async function roleStates(db: Kysely<{}>, installation: Installation): Promise<RoleState[]> {
  const facts = await rightsFacts(db, installation)
  const { installed, age } = facts
  if (installed === null) return []
  const { rows } = await sql<{ owns: boolean }>`
    select rolsuper or oid = ${installed.ownerOid}::int8::oid as owns from pg_catalog.pg_roles where rolname = current_user
  `.execute(db)
  const { owns } = rows[0]!
  const states: RoleState[] = []
  for (const role of roles) {
    if (role === 'refresher' && age === null) continue
    if (role === 'owner' && !owns) continue
    states.push({ role, lacking: await lackingOf(db, needsOf(role, facts)) })
  }
  return states
}

/** The findings about the current role: an error only if it can do nothing at all. */
export function rightsFindings(states: readonly RoleState[]): Finding[] {
  const able = states.filter(({ lacking }) => lacking.length === 0).map(({ role }) => role)
  const unable = states.filter(({ lacking }) => lacking.length > 0)
  if (unable.length === 0) return []
  if (able.length === 0) {
    return [
      {
        severity: 'error',
        code: 'rights',
        message: `this role is not even a reader: it lacks ${shortened(unable.find(({ role }) => role === 'reader')!.lacking)}`,
        remedy: 'run what `pgvantage grants --role ROLE NAME` prints for its purpose',
        needs: 'owner',
      },
    ]
  }
  const reading = new Set(states.find(({ role }) => role === 'reader')?.lacking)
  const lacks = unable.map(({ role, lacking }) => {
    const own = role === 'reader' ? lacking : lacking.filter((right) => !reading.has(right))
    return `for ${role} it lacks ${own.length === 0 ? 'the rights it lacks as a reader' : shortened(own)}`
  })
  return [
    {
      severity: 'info',
      code: 'rights',
      message: `this role can be ${able.join(', ')}; ${lacks.join('; ')}`,
      remedy: 'nothing, if this is its purpose; otherwise run what `pgvantage grants --role ROLE NAME` prints',
      needs: 'owner',
    },
  ]
}

/** The full list is in the report's `roles`. */
const shortened = (rights: readonly string[], most = 5) =>
  rights.length <= most ? rights.join(', ') : `${rights.slice(0, most).join(', ')} and ${rights.length - most} more`
