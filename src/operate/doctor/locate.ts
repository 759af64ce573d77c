import type { Kysely } from 'kysely'
import type { Finding } from '../../database/checks/check.ts'
import { readInstallation, type Installation } from '../../database/installation/installation.ts'
import { describeDoubts, installationPlaces } from '../../database/installation/installationPlaces.ts'
import { sqlStateOf } from '../../database/sqlState.ts'
import { VantageError } from '../../schema/errors.ts'

/** The installation and its version, if they can be read, and what is wrong with its place. */
export async function locate(
  db: Kysely<{}>,
  schema: string | undefined,
): Promise<{ located?: Installation & { version: number }; findings: Finding[] }> {
  try {
    const located = await readInstallation(db, schema)
    if (located !== undefined) return { located, findings: await doubtfulInstallations(db, undefined) }
  } catch (cause) {
    if (cause instanceof VantageError && cause.code === 'DOUBTFUL_INSTALLATION') {
      return { findings: await doubtfulInstallations(db, schema) }
    }
    if (cause instanceof VantageError) throw cause
    if (sqlStateOf(cause) === '42501') return { findings: [await hidden(db, schema)] }
    const reason = cause instanceof Error ? cause.message : String(cause)
    const remedy = 'restore them from a backup'
    return {
      findings: [{ severity: 'error', code: 'unreadable', message: `the installation's own tables cannot be read: ${reason}`, remedy }],
    }
  }
  const where = schema === undefined ? 'this database' : `schema ${schema}`
  return {
    findings: [
      {
        severity: 'error',
        code: 'not-installed',
        message: `pgvantage is not installed in ${where}`,
        remedy: 'run `pgvantage migrate up`',
        needs: 'owner',
      },
    ],
  }
}

/** An installation that the current role may not read. */
async function hidden(db: Kysely<{}>, schema: string | undefined): Promise<Finding> {
  const places = (await installationPlaces(db, schema)).filter(({ doubts }) => doubts.length === 0)
  return {
    severity: 'error',
    code: 'unreadable',
    message: `this role may not read the installation in schema ${places.map((place) => place.schema).join(', ')}: it could not be checked`,
    remedy: 'run what `pgvantage grants --role ROLE NAME` prints for the purpose of this role',
    needs: 'owner',
  }
}

/**
 * Schemas that look like an installation and cannot be trusted: an error if there is no other,
 * otherwise a warning.
 */
async function doubtfulInstallations(db: Kysely<{}>, schema: string | undefined): Promise<Finding[]> {
  const places = await installationPlaces(db, schema)
  const severity = places.some(({ doubts }) => doubts.length === 0) ? 'warning' : 'error'
  return places
    .filter(({ doubts }) => doubts.length > 0)
    .map((place) => ({
      severity,
      code: 'doubtful-installation',
      message: describeDoubts(place),
      remedy: 'drop it, or give all our tables there to one owner and remove everything that is not a table of ours',
    }))
}
