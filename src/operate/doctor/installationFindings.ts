import type { Kysely } from 'kysely'
import { describeDoubts, installationPlaces } from '../../database/installation/installationPlaces.ts'
import type { Finding } from '../finding.ts'

/**
 * Schemas that look like an installation and are none to believe: an error where nothing else is
 * there, else a warning.
 */
export async function doubtfulInstallations(db: Kysely<{}>, schema: string | undefined): Promise<Finding[]> {
  const places = await installationPlaces(db, schema)
  const severity = places.some(({ doubts }) => doubts.length === 0) ? 'warning' : 'error'
  return places
    .filter(({ doubts }) => doubts.length > 0)
    .map((place) => ({
      severity,
      code: 'doubtful-installation',
      message: describeDoubts(place),
      remedy: 'drop it, or give all our tables there to one owner and take away what is no table of ours',
    }))
}
