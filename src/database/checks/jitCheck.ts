import { sql } from 'kysely'
import { quoteIdentifier } from '../sql/identifier.ts'
import { withSettings } from '../transaction/settings.ts'
import type { Check } from './check.ts'

/**
 * Checks whether the server compiles statements of this role (JIT).
 *
 * It asks what a new connection begins with: `connect` has turned it off on its own.
 */
export const jitCheck: Check = {
  name: 'JIT',
  async find({ db, server: { role } }) {
    const { rows } = await sql<{ now: string; begins: string }>`
      select setting.setting as now, setting.reset_val as begins from pg_catalog.pg_settings as setting where setting.name = 'jit'::text
    `.execute(db)
    const [jit] = rows
    if (jit?.begins !== 'on') return []
    // With JIT off, the server says that it has none.
    const available = await withSettings(db, { jit: 'on' }, async () => {
      const found = await sql<{ available: boolean }>`select pg_catalog.pg_jit_available() as available`.execute(db)
      return found.rows[0]!.available
    })
    if (!available) return []
    return [
      {
        severity: jit.now === 'on' ? 'warning' : 'info',
        code: 'jit',
        message: `connections of role ${role} compile large statements (JIT), which takes longer than it saves in statements of pgvantage${jit.now === 'on' ? '' : '; connect turns it off, a pool of your own does not'}`,
        remedy: `run \`alter role ${quoteIdentifier(role)} set jit = off\` for each role that reads through a pool of its own, or set it where the pool connects`,
      },
    ]
  },
}
