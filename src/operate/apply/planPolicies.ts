import { z } from 'zod'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { findInstallation, type Installation } from '../../database/installation/installation.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { storableDate } from '../../schema/date.ts'
import { parseOptions } from '../../schema/parse.ts'
import { declaredPolicies, type DeclaredPolicy } from '../policies/declaredPolicies.ts'
import { checkedPolicies } from '../policies/checkedPolicies.ts'
import { defaultPolicies, type Policies } from '../policies/defaultPolicies.ts'
import { noteDropped } from './noteDropped.ts'
import { planPolicy, removal } from './planPolicy.ts'
import { rollNow, withinReach, type Rolling } from './planRefresh.ts'
import type { PolicyChange } from './policyChange.ts'
import { describeJob } from './policyJobs.ts'
import { readState, type PolicyState } from './policyState.ts'

export interface PlanPoliciesOptions {
  /** The wanted policies. Default: `defaultPolicies`. */
  policies?: Policies
  /** Only needed if the database has several installations. */
  schema?: string
  /**
   * Also remove policies of ours that are no longer declared. Default: they stay, and are listed.
   */
  remove?: boolean
  /** The time to plan for. Default: now. */
  now?: Date
}

export const planOptions = schemaOption.extend({
  policies: z.custom<Policies>().optional(),
  remove: z.boolean().default(false),
  now: storableDate.default(() => new Date()),
})

/**
 * What `applyPolicies` would do on this server, statement by statement; reads only.
 *
 * With TimescaleDB's community edition policies become its jobs. On any other server they are
 * recorded, and `maintain` carries them out. Jobs that pgvantage did not create are listed and left
 * alone.
 *
 * @throws InvalidInputError if a policy could not be kept, see `checkedPolicies`.
 * @throws SchemaVersionError if the database is not at this library's version.
 * @example
 * const plan = await planPolicies(db)
 * for (const { action, object, kind, why } of plan) console.log(action, object, kind, why)
 * // add metric_1h refresh  a job rolls it every 30 minutes, ...
 */
export async function planPolicies(db: AnyKysely, options: PlanPoliciesOptions = {}): Promise<PolicyChange[]> {
  const { policies = defaultPolicies, schema, remove, now } = parseOptions(planOptions, options)
  const declared = declaredPolicies(checkedPolicies(policies))
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const state = await readState(plain, installation, declared)
  const planned = declared.map((policy) => planPolicy(installation, state, withinReach(installation, state, policy, now), now))
  return [
    ...beforeDropping(installation, state, declared, planned, now),
    ...undeclared(installation, state, declared, remove),
    ...foreign(state, declared),
  ]
}

/** Before a retention is added or shortened, everything it could drop has to be rolled up. */
function beforeDropping(
  installation: Installation,
  state: PolicyState,
  declared: readonly DeclaredPolicy[],
  planned: readonly PolicyChange[],
  now: Date,
): PolicyChange[] {
  const rolled = new Set(planned.filter(({ statementsBefore }) => statementsBefore.length > 0).map(({ object }) => object))
  return planned.map((change) => {
    if (change.kind !== 'retention' || (change.action !== 'add' && change.action !== 'change')) return change
    const rollups = declared.filter((policy): policy is Rolling => policy.kind === 'refresh' && policy.job?.source === change.object)
    if (installation.timeRung !== 'community') return change
    return {
      ...change,
      statementsBefore: rollups.filter(({ object }) => !rolled.has(object)).flatMap((policy) => rollNow(installation, state, policy, now)),
    }
  })
}

/** Policies of ours that are no longer declared. */
function undeclared(installation: Installation, state: PolicyState, declared: readonly DeclaredPolicy[], remove: boolean): PolicyChange[] {
  const { applied, jobs } = state
  return applied
    .filter(({ object, kind }) => !declared.some((policy) => policy.object === object && policy.kind === kind))
    .map((policy): PolicyChange => {
      const { object, kind, settings, jobId } = policy
      const change = { object, kind, applied: settings, declared: null, statementsBefore: [] }
      if (!remove) {
        const reason = 'no longer declared: it stays in force until it is removed (remove: true, or --remove)'
        return { ...change, action: 'leave', statements: [], reason }
      }
      const job = jobs.find(({ id }) => id === jobId)
      const chunk = defaultPolicies.time.flatMap(chunks).find(({ name }) => name === object)?.chunk
      return {
        ...change,
        action: 'remove',
        statements: [
          ...(policy.kind === 'retention' && job !== undefined && chunk !== undefined
            ? [noteDropped(installation, policy, chunk, policy.settings.retain)]
            : []),
          ...removal(installation, state, policy),
        ],
        reason: kind === 'compression' ? 'no longer declared; compressed chunks stay compressed' : 'no longer declared',
      }
    })
}

const chunks = ({ table, chunk, rollups }: Policies['time'][number]) => [
  { name: table, chunk },
  ...rollups.map(({ rollup }) => ({ name: rollup.name, chunk: rollup.chunk })),
]

/**
 * Jobs for our tables that are not ours and conflict with no declared policy. (A conflicting job is
 * reported with its policy.)
 */
function foreign({ jobs, applied }: PolicyState, declared: readonly DeclaredPolicy[]): PolicyChange[] {
  return jobs
    .filter((job) => {
      const own = applied.find(({ object, kind }) => object === job.object && kind === job.kind)
      if (own?.jobId === job.id) return false
      const told = declared.some(({ object, kind }) => object === job.object && kind === job.kind)
      return !told || jobs.some(({ id }) => id === own?.jobId)
    })
    .map((job) => ({
      action: 'leave',
      object: job.object,
      kind: job.kind,
      applied: null,
      declared: null,
      statementsBefore: [],
      statements: [],
      reason: `job ${job.id}, which pgvantage did not make, ${describeJob(job)}: left alone`,
    }))
}
