import { sql } from 'kysely'
import { windowBucket } from '../../database/buckets.ts'
import { bucketWindows } from '../../database/comparedWindows.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import type { Frame } from '../../database/sql/frame.ts'
import { checkedRange, durationText, earlier, milliseconds, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { burstingPatterns } from '../../logs/burstingPatterns.ts'
import type { ChangedPattern } from '../../logs/changedPatterns.ts'
import { newPatterns, type NewPattern } from '../../logs/newPatterns.ts'
import { noisiestPatterns, type NoisyPattern } from '../../logs/noisiestPatterns.ts'
import { patternCounts } from '../../logs/patternCounts.ts'
import { logsSince } from '../../logs/patternsSeen.ts'
import { vanishedPatterns } from '../../logs/vanishedPatterns.ts'
import { withinStorable } from '../../schema/date.ts'
import { parse, preview } from '../../schema/parse.ts'
import { newestOf, staleWarning } from '../staleWarning.ts'

/** What can be asked of patterns. */
export type PatternQuestion = FoundPatterns['which']

/** What the command line says of the time, of the resource, and of how many. */
export interface PatternOptions {
  service?: string
  from?: Date
  to?: Date
  last?: string
  baselineFrom?: Date
  baselineTo?: Date
  limit: number
}

type Listed =
  | { which: 'noisiest'; patterns: NoisyPattern[] }
  | { which: 'new'; patterns: NewPattern[] }
  | { which: 'bursting' | 'vanished'; patterns: ChangedPattern[] }

export type FoundPatterns = Listed & {
  tenant: string
  /** The resource whose patterns these are; null for all. */
  service: string | null
  range: TimeRange
  /** What the range is compared with; null for new patterns, which are those of no earlier time. */
  baseline: TimeRange | null
  /**
   * When the first pattern of the tenant, or of the service, was logged first; null if it has none.
   */
  logsSince: Date | null
  /** How many there are besides. */
  more: number
}

/**
 * The patterns that answer a question.
 *
 * @param warn is told, a line each, what makes the answer worth less than it looks.
 */
export async function findPatterns(
  scope: Scope,
  which: PatternQuestion,
  options: PatternOptions,
  { now, warn }: { now: Date; warn: (text: string) => void },
): Promise<FoundPatterns> {
  const { service: resource, limit } = options
  const asked = checkedRange(await rangeOf(scope, options, { now, warn }))
  const windows = { range: asked, baseline: await baselineOf(scope, asked, options) }
  const { range, baseline } = which === 'new' ? { range: asked, baseline: null } : bucketWindows(windows)
  const since = await firstSeen(scope, resource)
  const listed = await list(scope, which, { ...windows, resource }, limit)
  const found = { tenant: scope.tenantCode, service: resource ?? null, range, baseline, logsSince: since, ...listed }
  const isSilent = async (range: TimeRange) => (await firstBucket(scope, { range, resource })) === null
  if (await isSilent(range)) warn(`warning: ${whose(found)} has no logs ${between(range)}\n`)
  else if (which === 'new' && since !== null && since >= range.from) {
    warn(`warning: the logs of ${whose(found)} begin at ${since.toISOString()}, within this range, so ${withoutBaseline.new}\n`)
  } else if (which === 'new' && resource === undefined) {
    const begun = await begunDuring(scope, range)
    const first = begun.slice(0, 3).join(', ')
    const others = begun.length > 3 ? ` and ${begun.length - 3} more` : ''
    if (begun.length > 0) warn(`warning: the logs of ${first}${others} begin within this range, so all they log is new to them\n`)
  }
  if (baseline !== null && (await isSilent(baseline))) {
    warn(`warning: ${whose(found)} has no logs ${between(baseline)}, so ${withoutBaseline[which]}\n`)
  }
  return found
}

/** What it means that there is nothing to compare with. */
const withoutBaseline: Readonly<Record<PatternQuestion, string>> = {
  noisiest: 'growth is not known',
  new: 'every pattern is new',
  bursting: 'every pattern is more often than then',
  vanished: 'nothing can have vanished since',
}

export const whose = ({ tenant, service }: Pick<FoundPatterns, 'tenant' | 'service'>) => service ?? `tenant ${preview(tenant)}`

export const between = ({ from, to }: TimeRange) => `from ${from.toISOString()} to ${to.toISOString()}`

/**
 * The range asked for. Without an end it ends with the newest logs, because those of the last
 * minutes are still to come, or now where it begins after them.
 */
async function rangeOf(
  scope: Scope,
  { from, to, last = '30 minutes' }: PatternOptions,
  { now, warn }: { now: Date; warn: (text: string) => void },
): Promise<TimeRange> {
  const length = parse(durationText, last, '--last')
  const moment = withinStorable(to ?? now)
  const newest = await newestOf(scope, 'logs', moment)
  const stale = staleWarning(scope, newest, moment)
  if (stale !== undefined) warn(stale)
  const end = newest.newest_at === null ? moment : new Date(newest.newest_at.getTime() + milliseconds(windowBucket))
  const until = to ?? (from !== undefined && from >= end ? now : end)
  return { from: from ?? earlier(until, length), to: until }
}

/** The baseline asked for; else the day before the range, from where the tenant's logs begin in it. */
async function baselineOf(scope: Scope, range: TimeRange, { baselineFrom, baselineTo }: PatternOptions): Promise<TimeRange> {
  const to = baselineTo ?? range.from
  if (baselineFrom !== undefined) return checkedRange({ from: baselineFrom, to }, 'baseline')
  const day = checkedRange({ from: earlier(to, '1 day'), to }, 'baseline')
  return { from: (await firstBucket(scope, { range: day })) ?? day.from, to }
}

/** The first bucket with a record; null if the range has no record. */
async function firstBucket(scope: Scope, counts: { range: TimeRange; resource?: string }): Promise<Date | null> {
  const first = await patternCounts(scope, counts).select('count.bucket').orderBy('count.bucket').limit(1).executeTakeFirst()
  return first?.bucket ?? null
}

/** The resources that logged something, and since when. */
const logging = (scope: Scope) =>
  scope.db
    .selectFrom(scope.table('dim_resource', 'resource'))
    .where('resource.tenant_id', '=', scope.tenantId)
    .select(['resource.urn', logsSince(scope, 'resource.resource_id').as('since')])

async function firstSeen(scope: Scope, resource: string | undefined): Promise<Date | null> {
  const { first } = await scope.db
    .selectFrom(logging(scope).as('logging'))
    .$if(resource !== undefined, (all) => all.where('logging.urn', '=', resource!))
    .select(sql<Date | null>`pg_catalog.min(logging.since)`.as('first'))
    .executeTakeFirstOrThrow()
  return first
}

/** URNs of the resources whose logs begin within a range. */
async function begunDuring(scope: Scope, { from, to }: TimeRange): Promise<string[]> {
  const begun = await scope.db
    .selectFrom(logging(scope).as('logging'))
    .where('logging.since', '>=', from)
    .where('logging.since', '<', to)
    .orderBy(byBytes('logging.urn'))
    .select('logging.urn')
    .execute()
  return begun.map(({ urn }) => urn)
}

async function list(
  scope: Scope,
  which: PatternQuestion,
  windows: { range: TimeRange; baseline: TimeRange; resource: string | undefined },
  limit: number,
): Promise<Listed & { more: number }> {
  const { range, resource } = windows
  switch (which) {
    case 'noisiest':
      return { which, ...(await firstOf(noisiestPatterns(scope, windows), limit)) }
    case 'new':
      return { which, ...(await firstOf(newPatterns(scope, { range, resource }), limit)) }
    case 'bursting':
      return { which, ...(await firstOf(burstingPatterns(scope, windows), limit)) }
    case 'vanished':
      return { which, ...(await firstOf(vanishedPatterns(scope, windows), limit)) }
  }
}

/** The first rows of a read, and how many there are besides. */
async function firstOf<Row>(read: Frame<Row>, limit: number): Promise<{ patterns: Row[]; more: number }> {
  const counting = read.select(sql<number>`pg_catalog.count(*) over ()::int4`.as('all_rows')).limit(Math.max(limit, 1))
  const counted = await counting.execute()
  const patterns = counted.slice(0, limit).map(({ all_rows: _, ...row }) => row as Row)
  return { patterns, more: (counted[0]?.all_rows ?? 0) - patterns.length }
}
