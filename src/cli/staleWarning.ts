import type { Scope } from '../database/scope.ts'
import { latestData, type LatestData } from '../incident/latestData.ts'
import { preview } from '../schema/parse.ts'

/** What comes in is 5 to 15 minutes old: a window is written once it has closed. */
const usualSeconds = 20 * 60

/** How old the newest data of a kind is at a moment. */
export const newestOf = (scope: Scope, kind: LatestData['kind'], moment: Date): Promise<LatestData> =>
  latestData(scope, { now: moment }).where('kind', '=', kind).executeTakeFirstOrThrow()

/**
 * What to warn of where data is read up to a moment, but the newest is old by then: nothing to see
 * is not all clear. Undefined where it is not.
 */
export function staleWarning(scope: Scope, { kind, newest_at, age_s }: LatestData, moment: Date): string | undefined {
  const tenant = `tenant ${preview(scope.tenantCode)}`
  if (newest_at === null || age_s === null) return `warning: ${tenant} has no ${kind} up to ${moment.toISOString()}\n`
  if (age_s <= usualSeconds) return undefined
  return `warning: the newest ${kind} of ${tenant} are of ${newest_at.toISOString()}, ${Math.round(age_s / 60)} minutes before ${moment.toISOString()}: what happened since is not known\n`
}
