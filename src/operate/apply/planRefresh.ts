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
 * A refresh that looks back no further than its source is kept, now and later; or as declared,
 * where `emptiedBy` says that there can be none.
 */
export function withinReach({ timeRung }: Installation, state: PolicyState, policy: DeclaredPolicy, now: Date): DeclaredPolicy {
  if (timeRung !== 'community' || policy.kind !== 'refresh' || policy.job === undefined) return policy
  const reach = reachOf(state, { ...policy, job: policy.job }, now)
  return reach === null ? policy : { ...policy, settings: { ...policy.settings, start: durationOf(reach) } }
}

/**
 * What was dropped until now stays where it is, and the time since grows. A job of others drops on:
 * of what it keeps only its length holds on every day, and not what happens to be left of the chunk
 * that it drops next.
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

/** The retentions of a rollup's source that pgvantage did not make. */
function outrunning({ jobs, applied }: PolicyState, { job }: Rolling): PolicyJob[] {
  const ours = new Set(applied.map(({ jobId }) => jobId))
  return jobs.filter(({ id, object, kind, after }) => kind === 'retention' && object === job.source && !ours.has(id) && after !== null)
}

/**
 * Why a rollup has no job that refreshes it, on this day and on every other: a job that pgvantage
 * did not make drops its source within two days, which leaves no time to roll what was missed. Or
 * its source was dropped a moment ago: then it is a matter of days.
 */
export function emptiedBy(state: PolicyState, policy: Rolling, now: Date): string | undefined {
  const { object, job, settings } = policy
  const until = `until then maintain rolls it`
  const dropping = outrunning(state, policy).find(({ after }) => after! < milliseconds(settings.settle) + 2 * day)
  if (dropping !== undefined) {
    return `job ${dropping.id}, which pgvantage did not make, ${describeJob(dropping)} in ${job.source}, and a job that looked back so far would empty ${object}: \`select delete_job(${dropping.id})\` and apply again; ${until}`
  }
  if (reachOf(state, policy, now) !== null) return undefined
  const gone = goneBefore(state, job.source, now)
  const again = gone + milliseconds(settings.settle) + 2 * milliseconds(job.bucket)
  return `${job.source} was dropped before ${new Date(gone).toISOString()}, and a job that looked back so far would empty ${object}: apply again after ${new Date(again).toISOString()}; ${until}`
}

/** Notes what jobs of others have dropped, for the day they are gone. */
export const droppedByOthers = (installation: Installation, state: PolicyState, policy: Rolling): string[] =>
  outrunning(state, policy).map(({ object, after }) =>
    noteDropped(installation, { object }, durationOf(chunkOf(state, object)), durationOf(after!)),
  )

/**
 * The refreshes that roll all there is of the source up to what has settled: what a retention may
 * then drop.
 *
 * A slice for each chunk of the rollup: each commits, so that a long history takes no long
 * transaction and an interrupted one is taken up again. Nothing is refreshed whose source may have
 * been dropped. What was refreshed already costs nothing.
 */
export function rollNow(installation: Installation, state: PolicyState, { object, settings, job }: Rolling, now: Date): string[] {
  const oldest = oldestChunk(state, job.source)
  const closed = closedBefore(state, job.source, now)
  if (oldest === undefined) return []
  const from = Math.max(oldest, closed)
  const to = now.getTime() - milliseconds(settings.settle)
  const length = milliseconds(job.chunk)
  const bounds = [from]
  // A slice has to hold a whole bucket, and the longest bucket is a day.
  for (let next = (Math.floor(from / length) + 1) * length; next <= to - day; next += length)
    if (next - bounds.at(-1)! >= day) bounds.push(next)
  if (to - from < day) return []
  return bounds.map((start, at) => {
    const window = [start, bounds[at + 1] ?? to].map((moment) => timestamp(new Date(moment)))
    return `call ${state.fn('refresh_continuous_aggregate')}(${quoteLiteral(qualified(installation, object))}::regclass, ${window.join(', ')})`
  })
}
