import type { Scope } from '../database/scope.ts'
import { latestData } from '../incident/latestData.ts'
import { preview } from '../schema/parse.ts'

/** Calls that come in are 5 to 15 minutes old: a window is written once it has closed. */
const usualSeconds = 20 * 60

/**
 * What to warn of where calls are read up to a moment, but the newest are old by then: nothing to
 * see is not all clear. Undefined where they are not.
 */
export async function staleWarning(scope: Scope, moment: Date): Promise<string | undefined> {
  const { newest_at, age_s } = await latestData(scope, { now: moment }).where('kind', '=', 'calls').executeTakeFirstOrThrow()
  const tenant = `tenant ${preview(scope.tenantCode)}`
  if (newest_at === null || age_s === null) return `warning: ${tenant} has no calls up to ${moment.toISOString()}\n`
  if (age_s <= usualSeconds) return undefined
  return `warning: the newest calls of ${tenant} are of ${newest_at.toISOString()}, ${Math.round(age_s / 60)} minutes before ${moment.toISOString()}: what happened since is not known\n`
}
