import type { Installation } from '../../database/installation/installation.ts'
import { durationOf, milliseconds } from '../../database/range.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import { forget, remember } from './remember.ts'
import { type AppliedPolicy } from '../policies/appliedPolicies.ts'
import { type DeclaredPolicy, type JobShape } from '../policies/declaredPolicies.ts'
import { addJob, columnstore } from './addJob.ts'
import { noteDropped } from './noteDropped.ts'
import { droppedByOthers, emptiedBy, rollNow } from './planRefresh.ts'
import type { PolicyChange } from './policyChange.ts'
import { describeJob, doesAsDeclared, type PolicyJob } from './policyJobs.ts'
import type { PolicyState } from './policyState.ts'

export function planPolicy(installation: Installation, state: PolicyState, policy: DeclaredPolicy, now: Date): PolicyChange {
  const { object, kind, settings } = policy
  const applied = state.applied.find((other) => other.object === object && other.kind === kind)
  const change = (
    action: PolicyChange['action'],
    reason: string,
    statements: string[] = [],
    statementsBefore: string[] = [],
  ): PolicyChange => ({
    action,
    object,
    kind,
    applied: applied?.settings ?? null,
    declared: settings,
    statementsBefore,
    statements,
    reason,
  })
  const { job } = policy
  if (installation.timeRung !== 'community' || job === undefined) {
    if (kind === 'compression') return change('leave', `this server cannot compress: ${object} is kept as it is`)
    if (applied !== undefined && sameSettings(applied.settings, settings)) return change('keep', `maintain ${meaning(policy)}`)
    return change(applied === undefined ? 'add' : 'change', `maintain ${meaning(policy)}`, [remember(installation, policy)])
  }
  const here = state.jobs.filter((other) => other.object === object && other.kind === kind)
  const own = here.find(({ id }) => id === applied?.jobId)
  const others = here.filter(({ id }) => id !== own?.id)
  if (own === undefined && others.length > 0) return change('leave', conflict(object, others))
  const rolling = policy.kind === 'refresh' && policy.job !== undefined ? { ...policy, job: policy.job } : undefined
  const obstacle = rolling && emptiedBy(state, rolling, now)
  if (obstacle !== undefined) {
    // A job of ours that stayed would do what a new one must not do.
    return applied === undefined
      ? change('leave', obstacle)
      : { ...change('remove', obstacle, removal(installation, state, applied)), declared: null }
  }
  if (own !== undefined && applied !== undefined && sameSettings(applied.settings, settings) && doesAsDeclared(own, policy)) {
    return change('keep', `job ${own.id} ${meaning(policy)}`)
  }
  const statements = [
    ...(rolling === undefined ? [] : droppedByOthers(installation, state, rolling)),
    ...(own === undefined ? [] : [...droppedSoFar(installation, own, job), `select ${state.fn('delete_job')}(${own.id})`]),
    ...(policy.kind === 'compression' ? enableCompression(installation, state, policy, applied) : []),
    ...addJob(installation, state.fn, policy, job, now),
  ]
  const statementsBefore = rolling === undefined ? [] : rollNow(installation, state, rolling, now)
  const unlikeUntilNow =
    applied === undefined
      ? ''
      : own !== undefined
        ? `; job ${own.id} ${describeJob(own)}${own.scheduled ? '' : ', but is switched off'}`
        : applied.jobId === null
          ? '; until now maintain did'
          : `; its job ${applied.jobId} is gone`
  return change(applied === undefined ? 'add' : 'change', `a job ${meaning(policy)}${unlikeUntilNow}`, statements, statementsBefore)
}

/** What the policy does, as a sentence whose subject is a job or `maintain`. */
function meaning({ object, kind, settings, job }: DeclaredPolicy): string {
  switch (kind) {
    case 'refresh':
      return `rolls ${object} up to ${settings.settle} ago, every ${settings.every}`
    case 'compression':
      return `compresses what is older than ${settings.after}`
    case 'retention':
      return `${job === undefined ? 'deletes' : 'drops'} what is older than ${settings.retain}`
  }
}

const conflict = (object: string, others: readonly PolicyJob[]) =>
  `${others.map((job) => `job ${job.id}, which pgvantage did not make, ${describeJob(job)}`).join('; ')}: ${object} can have only one such policy, so this one is left; to get the declared one instead, \`select delete_job(${others[0]!.id})\` and apply again`

function droppedSoFar(installation: Installation, { object, kind, after }: PolicyJob, { chunk }: JobShape): string[] {
  return kind === 'retention' && after !== null ? [noteDropped(installation, { object }, chunk, durationOf(after))] : []
}

/** Compression settings that someone else made stay theirs: we only add the job. */
function enableCompression(
  installation: Installation,
  { tables }: PolicyState,
  { object, settings }: DeclaredPolicy & { kind: 'compression' },
  applied: AppliedPolicy | undefined,
): string[] {
  return applied === undefined && tables.get(object)?.compressible ? [] : [columnstore(installation, object, settings)]
}

/** The statements that remove a policy of ours, with its job if it still has one. */
export function removal(installation: Installation, { jobs, fn }: PolicyState, policy: AppliedPolicy): string[] {
  const job = jobs.find(({ id }) => id === policy.jobId)
  return [...(job === undefined ? [] : [`select ${fn('delete_job')}(${job.id})`]), forget(installation, policy)]
}

/** Compares settings by meaning, not by text: `'1 week'` equals `'7 days'`. */
function sameSettings(a: object, b: object): boolean {
  const meant = (settings: object) =>
    Object.entries(settings)
      .map(([key, value]: [string, unknown]) => [key, typeof value === 'string' ? milliseconds(value) : value])
      .toSorted(([left], [right]) => compareBytes(String(left), String(right)))
  return JSON.stringify(meant(a)) === JSON.stringify(meant(b))
}
