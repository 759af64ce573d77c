import type { Kysely } from 'kysely'
import { capabilities } from '../../src/database/capabilities.ts'

/** The versions of PostgreSQL and of the extensions that a database has, for the closing table. */
export async function describeDatabase(db: Kysely<{}>): Promise<string> {
  const { version, extensions, timescaleLicence } = await capabilities(db)
  const installed = Object.entries(extensions).flatMap(([name, { installed }]) => {
    if (installed === null) return []
    return [`${name} ${installed}${name === 'timescaledb' ? ` (${timescaleLicence === 'timescale' ? 'community' : 'Apache'})` : ''}`]
  })
  return `${version}; ${installed.join(', ')}`
}
