import { qualified, type Installation } from '../../database/installation/installation.ts'
import { durationOf, milliseconds } from '../../database/range.ts'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import { type DeclaredPolicy, type RefreshShape } from '../policies/declaredPolicies.ts'
import { refreshReach } from './refreshReach.ts'
import { timestamp } from './literals.ts'
import { noteDropped } from './noteDropped.ts'
import { describeJob, type PolicyJob } from './policyJobs.ts'
import { chunkOf, closedBefore, goneBefore, oldestChunk, type PolicyState } from './policyState.ts'

export type Rolling = DeclaredPolicy & { kind: 'refresh'; job: RefreshShape }

const day = 86_400_000

/**
 * A refresh that looks back no further than its source is kept, now and later. If `emptiedBy` gives
 * a reason why there can be no such refresh, the refresh as declared.
 */
export function withinReach({ timeRung }: Installation, state: PolicyState, policy: DeclaredPolicy, now: Date): DeclaredPolicy {
  if (timeRung !== 'community' || policy.kind !== 'refresh' || policy.job === undefined) return policy
  const reach = reachOf(state, { ...policy, job: policy.job }, now)
  return reach === null ? policy : { ...policy, settings: { ...policy.settings, start: durationOf(reach) } }
}

/**
 * The age up to which the source is complete. What was dropped until now stays at its time, so its
 * age grows. A foreign retention keeps dropping: only the length it keeps is certain on every day,
 * not the rest of the chunk it drops next.
 */
function reachOf(state: PolicyState, policy: Rolling, now: Date): number | null {
  const { source, bucket } = policy.job
  const { start, settle } = policy.settings
  const applied = state.applied.find(({ object, kind }) => object === policy.object && kind === 'refresh')
  return refreshReach({
    start: milliseconds(start),
    settle: milliseconds(settle),
    bucket: milliseconds(bucket),
    chunk: chunkOf(state, source),
    kept: Math.min(now.getTime() - goneBefore(state, source, now), ...outrunning(state, policy).map(({ after }) => after!)),
    current: applied?.kind === 'refresh' ? milliseconds(applied.settings.start) : 0,
  })
}

/** The retentions of a rollup's source that pgvantage did not create. */
function outrunning({ jobs, applied }: PolicyState, { job }: Rolling): PolicyJob[] {
  const ours = new Set(applied.map(({ jobId }) => jobId))
  return jobs.filter(({ id, object, kind, after }) => kind === 'retention' && object === job.source && !ours.has(id) && after !== null)
}

/**
 * Why a rollup cannot have a job that refreshes it; undefined if it can. Either a foreign job drops
 * its source within two days, which leaves no time to roll up late rows: this is true on every day.
 * Or its source was dropped recently: this passes after some days.
 */
export function emptiedBy(state: PolicyState, policy: Rolling, now: Date): string | undefined {
  const { object, job, settings } = policy
  const until = `until then maintain rolls it`
  const dropping = outrunning(state, policy).find(({ after }) => after! < milliseconds(settings.settle) + 2 * day)
  if (dropping !== undefined) {
    return `job ${dropping.id}, which pgvantage did not make, ${describeJob(dropping)} in ${job.source}, and a job that looks back that far would empty ${object}: \`select delete_job(${dropping.id})\` and apply again; ${until}`
  }
  if (reachOf(state, policy, now) !== null) return undefined
  const gone = goneBefore(state, job.source, now)
  const again = gone + milliseconds(settings.settle) + 2 * milliseconds(job.bucket)
  return `${job.source} was dropped before ${new Date(gone).toISOString()}, and a job that looks back that far would empty ${object}: apply again after ${new Date(again).toISOString()}; ${until}`
}

/** Records what foreign jobs have dropped, for the time after they are removed. */
export const droppedByOthers = (installation: Installation, state: PolicyState, policy: Rolling): string[] =>
  outrunning(state, policy).map(({ object, after }) =>
    noteDropped(installation, { object }, durationOf(chunkOf(state, object)), durationOf(after!)),
  )

/**
 * The refreshes that roll up everything in the source that has settled and that a retention may
 * then drop.
 *
 * There is one slice per chunk of the rollup. Each slice commits, so a long history takes no long
 * transaction, and an interrupted run continues. Buckets whose source may be dropped are not
 * refreshed. Slices that are already refreshed cost nothing.
 */
export function rollNow(installation: Installation, state: PolicyState, { object, settings, job }: Rolling, now: Date): string[] {
  const oldest = oldestChunk(state, job.source)
  const closed = closedBefore(state, job.source, now)
  if (oldest === undefined) return []
  const from = Math.max(oldest, closed)
  const to = now.getTime() - milliseconds(settings.settle)
  const length = milliseconds(job.chunk)
  const bounds = [from]
  // A slice must contain a whole bucket, and the longest bucket is a day.
  for (let next = (Math.floor(from / length) + 1) * length; next <= to - day; next += length)
    if (next - bounds.at(-1)! >= day) bounds.push(next)
  if (to - from < day) return []
  return bounds.map((start, at) => {
    const window = [start, bounds[at + 1] ?? to].map((moment) => timestamp(new Date(moment)))
    return `call ${state.fn('refresh_continuous_aggregate')}(${quoteLiteral(qualified(installation, object))}::regclass, ${window.join(', ')})`
  })
}
