import { describeServer } from './describeServer.ts'
import type { ServerLeg } from './serverLeg.ts'

/** The server that `PGVANTAGE_TEST_URL` names, if it can do what the tests need; undefined when the variable is not set. */
export async function givenServer(): Promise<ServerLeg | undefined> {
  const url = process.env.PGVANTAGE_TEST_URL
  if (!url) return undefined
  try {
    return { available: true, url, description: `PGVANTAGE_TEST_URL: ${await describeServer(url)}`, stop: async () => {} }
  } catch (error) {
    return { available: false, reason: `PGVANTAGE_TEST_URL: ${error instanceof Error ? error.message : String(error)}` }
  }
}
