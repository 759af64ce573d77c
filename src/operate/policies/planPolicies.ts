import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import { findInstallation, qualified, type Installation } from '../../database/installation/installation.ts'
import { plainKysely } from '../../database/connection/plainKysely.ts'
import { durationOf, milliseconds } from '../../database/range.ts'
import { storableDate } from '../../schema/date.ts'
import { parseOptions } from '../../schema/parse.ts'
import { appliedPolicies, type AppliedPolicy, type PolicyKind, type PolicySettings } from './applied.ts'
import { declaredPolicies, type DeclaredPolicy, type JobShape, type RefreshShape } from './declared.ts'
import { checkedPolicies, defaultPolicies, type Policies } from './defaultPolicies.ts'
import {
  addJob,
  columnstore,
  describeJob,
  doesAsDeclared,
  forget,
  noteDropped,
  policyJobs,
  remember,
  timescaleFunctions,
  timestamp,
  type PolicyJob,
  type TimescaleFunction,
} from './timescaleJobs.ts'
import { refreshReach } from './refreshReach.ts'

/** What becomes of one policy of one table. */
export interface PolicyChange {
  /** `keep`: it is as declared already. `leave`: it is left as it is, and `why` says what stands in the way. */
  action: 'add' | 'change' | 'remove' | 'keep' | 'leave'
  /** `metric_1m`, `metric_1h`, `event_envelope`, `oo_locator`. */
  object: string
  kind: PolicyKind
  /** What was applied before; null where nothing was. */
  from: PolicySettings[PolicyKind] | null
  /** What is declared; null where nothing is. */
  to: PolicySettings[PolicyKind] | null
  /** Statements that run first, each for itself: TimescaleDB refreshes in no transaction. */
  before: string[]
  /** Statements that run together in one transaction. */
  sql: string[]
  /** What it means on this server, a sentence for a person. */
  why: string
}

export interface PlanPoliciesOptions {
  /** What is wanted. Default: what the rooms declare, `defaultPolicies`. */
  policies?: Policies
  /** Only needed when one database holds several installations. */
  schema?: string
  /** Take away policies of ours that are no longer declared. Default: they are left, and listed. */
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
 * With TimescaleDB's community edition policies become its jobs; on any other server they are written down, and `maintain` keeps them. Jobs that
 * pgvantage did not make are listed and left alone.
 *
 * @throws InvalidInputError when a policy could not be kept, see `checkedPolicies`.
 * @throws SchemaVersionError when the database is not at this library's version.
 * @example
 * const plan = await planPolicies(db)
 * for (const { action, object, kind, why } of plan) console.log(action, object, kind, why)
 * // add metric_1h refresh  a job rolls it every 30 minutes, ...
 */
export async function planPolicies<Database>(db: Kysely<Database>, options: PlanPoliciesOptions = {}): Promise<PolicyChange[]> {
  const { policies = defaultPolicies, schema, remove, now } = parseOptions(planOptions, options)
  const declared = declaredPolicies(checkedPolicies(policies))
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const state = await readState(plain, installation, declared)
  const planned = declared.map((policy) => planOne(installation, state, withinReach(installation, state, policy, now), now))
  return [
    ...beforeDropping(installation, state, declared, planned, now),
    ...undeclared(installation, state, declared, remove),
    ...foreign(state, declared),
  ]
}

interface State {
  applied: readonly AppliedPolicy[]
  jobs: readonly PolicyJob[]
  fn: TimescaleFunction
  tables: ReadonlyMap<string, TableState>
  declared: readonly DeclaredPolicy[]
}

interface TableState {
  /** What began before may have been dropped. */
  droppedBefore: Date | null
  /** Where the oldest of its chunks begins; null without any. */
  oldest: Date | null
  compressible: boolean
}

async function readState(db: Kysely<{}>, installation: Installation, declared: readonly DeclaredPolicy[]): Promise<State> {
  const applied = await appliedPolicies(db, installation)
  const objects = [...new Set([...declared, ...applied].map(({ object }) => object))]
  return {
    applied,
    declared,
    jobs: await policyJobs(db, installation, objects),
    fn: await timescaleFunctions(db),
    tables: installation.timeRung === 'community' ? await readTables(db, installation) : new Map(),
  }
}

async function readTables(db: Kysely<{}>, { schema }: Installation): Promise<Map<string, TableState>> {
  const { rows } = await sql<{ name: string } & TableState>`
    select known.name, nullif(known.dropped_before, '-infinity') as "droppedBefore",
      (
        select min(chunk.range_start) from timescaledb_information.chunks as chunk
        where chunk.hypertable_schema = coalesce(aggregate.materialization_hypertable_schema, ${schema})
          and chunk.hypertable_name = coalesce(aggregate.materialization_hypertable_name, known.name)
      ) as oldest,
      coalesce(hypertable.compression_enabled, false) as compressible
    from ${sql.id(schema, 'pgvantage_time_table')} as known
    left join timescaledb_information.continuous_aggregates as aggregate on aggregate.view_schema = ${schema} and aggregate.view_name = known.name
    left join timescaledb_information.hypertables as hypertable
      on hypertable.hypertable_schema = ${schema} and hypertable.hypertable_name = known.name
  `.execute(db)
  return new Map(rows.map(({ name, ...state }) => [name, state]))
}

/**
 * A refresh that looks back no further than its source is kept, now and later; or as declared,
 * where `emptiedBy` says that there can be none.
 */
function withinReach({ timeRung }: Installation, state: State, policy: DeclaredPolicy, now: Date): DeclaredPolicy {
  if (timeRung !== 'community' || policy.kind !== 'refresh' || policy.job === undefined) return policy
  const reach = reachOf(state, { ...policy, job: policy.job }, now)
  return reach === null ? policy : { ...policy, settings: { ...policy.settings, start: durationOf(reach) } }
}

/**
 * What was dropped until now stays where it is, and the time since grows. A job of others drops on:
 * of what it keeps only its length holds on every day, and not what happens to be left of the chunk
 * that it drops next.
 */
function reachOf(state: State, policy: Rolling, now: Date): number | null {
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

/**
 * Before when rows of a table are gone already. Where more was dropped than by the retentions of
 * now, it may have gone on after it was noted: what there is no chunk for may have been dropped
 * too.
 */
function goneBefore(state: State, object: string, now: Date): number {
  const closed = closedBefore(state, object, now)
  const { droppedBefore = null, oldest = null } = state.tables.get(object) ?? {}
  const byOtherRules = droppedBefore !== null && droppedBefore.getTime() > droppedByJobs(state, object, now)
  return byOtherRules ? Math.max(closed, oldest?.getTime() ?? closed) : closed
}

const chunkOf = ({ declared }: State, object: string): number =>
  milliseconds(declared.find((policy) => policy.object === object && policy.kind === 'retention')!.job!.chunk)

function planOne(installation: Installation, state: State, policy: DeclaredPolicy, now: Date): PolicyChange {
  const { object, kind, settings } = policy
  const applied = state.applied.find((other) => other.object === object && other.kind === kind)
  const change = (action: PolicyChange['action'], why: string, statements: string[] = [], before: string[] = []): PolicyChange => ({
    action,
    object,
    kind,
    from: applied?.settings ?? null,
    to: settings,
    before,
    sql: statements,
    why,
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
    // A job of ours that stayed in force would do what a new one must not.
    return applied === undefined
      ? change('leave', obstacle)
      : { ...change('remove', obstacle, removal(installation, state, applied)), to: null }
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
  const before = rolling === undefined ? [] : rollNow(installation, state, rolling, now)
  const reason =
    applied === undefined
      ? ''
      : own !== undefined
        ? `; job ${own.id} ${describeJob(own)}${own.scheduled ? '' : ', but is switched off'}`
        : applied.jobId === null
          ? '; until now maintain did'
          : `; its job ${applied.jobId} is gone`
  return change(applied === undefined ? 'add' : 'change', `a job ${meaning(policy)}${reason}`, statements, before)
}

/** What the policy asks for, as a sentence whose subject is a job or `maintain`. */
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
  `${others.map((job) => `job ${job.id}, which pgvantage did not make, ${describeJob(job)}`).join('; ')}: ${object} takes one such policy, so this one is left; to have the declared one instead, \`select delete_job(${others[0]!.id})\` and apply again`

/** The retentions of a rollup's source that pgvantage did not make. */
function outrunning({ jobs, applied }: State, { job }: Rolling): PolicyJob[] {
  const ours = new Set(applied.map(({ jobId }) => jobId))
  return jobs.filter(({ id, object, kind, after }) => kind === 'retention' && object === job.source && !ours.has(id) && after !== null)
}

/**
 * Why a rollup has no job that refreshes it, on this day and on every other: a job that pgvantage
 * did not make drops its source within two days, which leaves no time to roll what was missed. Or
 * its source was dropped a moment ago: then it is a matter of days.
 */
function emptiedBy(state: State, policy: Rolling, now: Date): string | undefined {
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
const droppedByOthers = (installation: Installation, state: State, policy: Rolling): string[] =>
  outrunning(state, policy).map(({ object, after }) =>
    noteDropped(installation, { object }, durationOf(chunkOf(state, object)), durationOf(after!)),
  )

function droppedSoFar(installation: Installation, { object, kind, after }: PolicyJob, { chunk }: JobShape): string[] {
  return kind === 'retention' && after !== null ? [noteDropped(installation, { object }, chunk, durationOf(after))] : []
}

/** Compression that somebody has set up already is theirs: only the job is ours then. */
function enableCompression(
  installation: Installation,
  { tables }: State,
  { object, settings }: DeclaredPolicy & { kind: 'compression' },
  applied: AppliedPolicy | undefined,
): string[] {
  return applied === undefined && tables.get(object)?.compressible ? [] : [columnstore(installation, object, settings)]
}

/**
 * The refreshes that roll all there is of the source up to what has settled: what a retention may then drop.
 *
 * A slice for each chunk of the rollup: each commits, so that a long history takes no long transaction and an interrupted one is taken up again.
 * Nothing is refreshed whose source may have been dropped. What was refreshed already costs nothing.
 */
function rollNow(installation: Installation, state: State, { object, settings, job }: Rolling, now: Date): string[] {
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

type Rolling = DeclaredPolicy & { kind: 'refresh'; job: RefreshShape }

const day = 86_400_000

/** Where the rows of a table begin, or of what it is made from. */
function oldestChunk(state: State, object: string): number | undefined {
  const source = state.declared.find((policy) => policy.object === object && policy.kind === 'refresh')?.job?.source
  const starts = [state.tables.get(object)?.oldest?.getTime(), source === undefined ? undefined : oldestChunk(state, source)]
  const known = starts.filter((start) => start !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** Before when rows of a table may have been dropped, by a retention of now or of before. */
const closedBefore = (state: State, object: string, now: Date): number =>
  Math.max(state.tables.get(object)?.droppedBefore?.getTime() ?? Number.NEGATIVE_INFINITY, droppedByJobs(state, object, now))

/** Before when the retentions of now may have dropped: whole chunks, so this moves on by chunks. */
function droppedByJobs(state: State, object: string, now: Date): number {
  const chunk = chunkOf(state, object)
  return Math.max(
    ...state.jobs.flatMap(({ object: other, kind, after }) =>
      other === object && kind === 'retention' && after !== null ? [Math.floor((now.getTime() - after) / chunk) * chunk] : [],
    ),
  )
}

/** Before a retention is new or drops sooner, all it could drop has to be rolled. */
function beforeDropping(
  installation: Installation,
  state: State,
  declared: readonly DeclaredPolicy[],
  planned: readonly PolicyChange[],
  now: Date,
): PolicyChange[] {
  const rolled = new Set(planned.filter(({ before }) => before.length > 0).map(({ object }) => object))
  return planned.map((change) => {
    if (change.kind !== 'retention' || (change.action !== 'add' && change.action !== 'change')) return change
    const rollups = declared.filter((policy): policy is Rolling => policy.kind === 'refresh' && policy.job?.source === change.object)
    if (installation.timeRung !== 'community') return change
    return {
      ...change,
      before: rollups.filter(({ object }) => !rolled.has(object)).flatMap((policy) => rollNow(installation, state, policy, now)),
    }
  })
}

/** Policies of ours that are declared no more. */
function undeclared(installation: Installation, state: State, declared: readonly DeclaredPolicy[], remove: boolean): PolicyChange[] {
  const { applied, jobs } = state
  return applied
    .filter(({ object, kind }) => !declared.some((policy) => policy.object === object && policy.kind === kind))
    .map((policy): PolicyChange => {
      const { object, kind, settings, jobId } = policy
      const change = { object, kind, from: settings, to: null, before: [] }
      if (!remove) {
        const why = 'no longer declared: it stays in force until it is removed (remove: true, or --remove)'
        return { ...change, action: 'leave', sql: [], why }
      }
      const job = jobs.find(({ id }) => id === jobId)
      const chunk = defaultPolicies.time.flatMap(chunks).find(({ name }) => name === object)?.chunk
      return {
        ...change,
        action: 'remove',
        sql: [
          ...(policy.kind === 'retention' && job !== undefined && chunk !== undefined
            ? [noteDropped(installation, policy, chunk, policy.settings.retain)]
            : []),
          ...removal(installation, state, policy),
        ],
        why: kind === 'compression' ? 'no longer declared; what is compressed stays so' : 'no longer declared',
      }
    })
}

/** The statements that take a policy of ours away, with its job if it still has one. */
function removal(installation: Installation, { jobs, fn }: State, policy: AppliedPolicy): string[] {
  const job = jobs.find(({ id }) => id === policy.jobId)
  return [...(job === undefined ? [] : [`select ${fn('delete_job')}(${job.id})`]), forget(installation, policy)]
}

const chunks = ({ table, chunk, rollups }: Policies['time'][number]) => [
  { name: table, chunk },
  ...rollups.map(({ rollup }) => ({ name: rollup.name, chunk: rollup.chunk })),
]

/** Jobs for our tables that are not ours, and that no declared policy is in conflict with (those are told with it). */
function foreign({ jobs, applied }: State, declared: readonly DeclaredPolicy[]): PolicyChange[] {
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
      from: null,
      to: null,
      before: [],
      sql: [],
      why: `job ${job.id}, which pgvantage did not make, ${describeJob(job)}: left alone`,
    }))
}

/** Settings as they mean, not as they are written: `'1 week'` is `'7 days'`. */
function sameSettings(a: object, b: object): boolean {
  const meant = (settings: object) =>
    Object.entries(settings)
      .map(([key, value]: [string, unknown]) => [key, typeof value === 'string' ? milliseconds(value) : value])
      .toSorted(([left], [right]) => String(left).localeCompare(String(right)))
  return JSON.stringify(meant(a)) === JSON.stringify(meant(b))
}
