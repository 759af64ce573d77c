import { sql, type Kysely } from 'kysely'
import { callPolicy } from '../../src/calls/callPolicy.ts'
import { patternPolicy } from '../../src/logs/patternPolicy.ts'
import { metricPolicy } from '../../src/metrics/metricPolicy.ts'
import { maintain } from '../../src/operate/maintain/maintain.ts'
import type { PolicyChange } from '../../src/operate/apply/policyChange.ts'
import { defaultPolicies, type Policies } from '../../src/operate/policies/defaultPolicies.ts'
import { leg } from './leg.ts'

/** Whether the server has jobs of its own that keep policies. */
export const jobs = leg.name === 'community'

/** The policies of the three rollups, by table. */
export const declared = { metric_1m: metricPolicy, service_call_5m: callPolicy, log_pattern_5m: patternPolicy }

export const withMetrics = (changes: Partial<typeof metricPolicy>): Policies => ({
  ...defaultPolicies,
  time: [{ ...metricPolicy, ...changes }, callPolicy, patternPolicy],
})

export const ourJobs = async (db: Kysely<{}>): Promise<number[]> => {
  const { rows } = await sql<{ id: number }>`select job_id as id from pgvantage_policy where job_id is not null order by job_id`.execute(db)
  return rows.map(({ id }) => id)
}

/** What the server does by itself, or a scheduler calls. */
export async function keepPolicies(db: Kysely<{}>): Promise<void> {
  for (const id of await ourJobs(db)) await sql`call run_job(${sql.lit(id)})`.execute(db)
  await maintain(db)
}

/** The changes of a plan for which something is to be done. */
export const changed = (plan: readonly PolicyChange[]): string[] =>
  plan.filter(({ statements }) => statements.length > 0).map(({ action, object, kind }) => `${action} ${object} ${kind}`)

export const actions = (plan: readonly PolicyChange[]) => Object.groupBy(plan, ({ action }) => action)

export const named = (changes: readonly PolicyChange[] | undefined): string[] =>
  (changes ?? []).map(({ object, kind }) => `${object} ${kind}`)
