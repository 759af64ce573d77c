import type { Check } from './check.ts'

/** The oldest major version that the tests run on. */
const oldestTested = 17

/** Checks that the server is not older than those in the tests. */
export const serverVersionCheck: Check = {
  name: 'version of the server',
  find: ({ server: { version, versionNumber } }) =>
    versionNumber >= oldestTested * 10_000
      ? []
      : [
          {
            severity: 'warning',
            code: 'server-version',
            message: `${version} is older than PostgreSQL ${oldestTested}, the oldest version pgvantage is tested on`,
            remedy: `upgrade to PostgreSQL ${oldestTested} or later, or run pgvantage's tests against this server first (PGVANTAGE_TEST_URL)`,
          },
        ],
}
