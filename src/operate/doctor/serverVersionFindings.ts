import type { Capabilities } from '../../database/capabilities.ts'
import type { Finding } from '../finding.ts'

/** The oldest major version that the tests run on. */
const oldestTested = 17

/** What there is to say of the server's version. */
export function serverVersionFindings({ version, versionNumber }: Pick<Capabilities, 'version' | 'versionNumber'>): Finding[] {
  if (versionNumber >= oldestTested * 10_000) return []
  return [
    {
      severity: 'warning',
      code: 'server-version',
      message: `${version} is older than PostgreSQL ${oldestTested}, the oldest version pgvantage is tested on`,
      remedy: `upgrade to PostgreSQL ${oldestTested} or later, or run pgvantage's tests against this server first (PGVANTAGE_TEST_URL)`,
    },
  ]
}
