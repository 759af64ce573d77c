import type { LegName } from '../leg.ts'

/** What the tests of `clockTests` are run on; `unit` stands for the tests of `unitTestsOfTime`. */
export type LegOfMoment = LegName | 'unit'

/** A moment at which the tests of `clockTests` are run. */
export interface Moment {
  /** What about it could go wrong. */
  name: string
  /** Whether it is near the end of a chunk, of a month or year, or where local time is not UTC's. */
  kind: 'chunk' | 'calendar' | 'zone'
  now: string
  /** The zone of Node's local time; UTC unless a change of its clocks is what matters. */
  zone: string
  /** On which legs `npm run test:moments` goes to it. With `-- --all` each leg goes to all that it can. */
  legs: readonly LegOfMoment[]
}

/**
 * The moments, each minutes away from what could go wrong, and none so near that a run would cross
 * it. Chunks of every length that the tables have (7, 30, 90, 180 days) begin together on
 * 2025-03-13, a Thursday.
 *
 * Not every moment is gone to on every leg. What could differ between two legs at a moment decides:
 *
 * | what is near | whose code knows of it | so it is tested |
 * |---|---|---|
 * | the end of a chunk | native partitions are cut by our SQL, chunks by TimescaleDB | both sides of it on both legs in process; one side on a server, where several connections write at once |
 * | the end of a year, quarter and month, 29 February | our TypeScript and PostgreSQL's dates: the same on every leg | by turns: of each pair one on either leg |
 * | a change of clocks, another day than UTC's | Node's local time, which our TypeScript could ask for by mistake: the same on every leg | by turns |
 * | the zone alone | what needs no database does not ask for the time, but could for the zone | each zone once, without a database |
 */
export const moments: readonly Moment[] = [
  {
    name: `before every chunk's boundary`,
    kind: 'chunk',
    now: '2025-03-12T23:40:00Z',
    zone: 'UTC',
    legs: ['embedded', 'community'],
  },
  {
    name: `after every chunk's boundary`,
    kind: 'chunk',
    now: '2025-03-13T00:02:00Z',
    zone: 'UTC',
    legs: ['embedded', 'community', 'server'],
  },
  {
    name: `before a year's, quarter's and month's boundary`,
    kind: 'calendar',
    now: '2027-12-31T23:40:00Z',
    zone: 'UTC',
    legs: ['embedded'],
  },
  {
    name: `after a year's, quarter's and month's boundary`,
    kind: 'calendar',
    now: '2028-01-01T00:02:00Z',
    zone: 'UTC',
    legs: ['community'],
  },
  {
    name: '29 February',
    kind: 'calendar',
    now: '2024-02-29T12:00:00Z',
    zone: 'UTC',
    legs: ['embedded'],
  },
  {
    name: 'after the clocks went forward, in the hour that is left out',
    kind: 'zone',
    now: '2025-03-30T01:02:00Z',
    zone: 'Europe/Berlin',
    legs: ['community', 'unit'],
  },
  {
    name: 'before the clocks went back, in the first of two equal hours',
    kind: 'zone',
    now: '2025-10-26T00:15:00Z',
    zone: 'Europe/Berlin',
    legs: ['embedded'],
  },
  {
    name: 'before midnight UTC on a Friday, where it is Saturday',
    kind: 'zone',
    now: '2026-07-31T23:40:00Z',
    zone: 'Pacific/Auckland',
    legs: ['community', 'unit'],
  },
]

/** What those tests are run on that go to each of the moments in one process, whose clock is theirs. */
export const legsInProcess = ['embedded', 'community'] as const

/** Whether a leg can be moved there: a process anywhere, a server to the past alone; only the zone matters without a database. */
const canGo: Record<LegOfMoment, (moment: Moment) => boolean> = {
  embedded: () => true,
  community: () => true,
  server: ({ now }) => Date.parse(now) < Date.now(),
  unit: ({ kind }) => kind === 'zone',
}

/** The moments that a leg goes to: those of the table above, or all that it can. */
export const momentsOf = (leg: LegOfMoment, { all = false } = {}): Moment[] =>
  moments.filter((moment) => (all ? canGo[leg](moment) : moment.legs.includes(leg)))

/**
 * The tests whose outcome hangs most on the clock: on the legs in process at each of their moments,
 * to which they go themselves (`atEachMoment`), and on the server leg at its moments.
 */
export const clockTests: readonly string[] = [
  'test/integration/lifecycle/native.test.ts',
  'test/integration/operate/policiesInTime.test.ts',
  'test/integration/operate/policyFindings.test.ts',
]

/**
 * The others that look at the clock, which would take long in process: with those above, on the
 * server leg at its moments.
 */
export const longClockTests: readonly string[] = [
  'test/integration/cli/policies.test.ts',
  'test/integration/database/settings.test.ts',
  'test/integration/ingest/tooOld.test.ts',
  'test/integration/lifecycle/resolution.test.ts',
  'test/integration/operate/maintain.test.ts',
  'test/integration/operate/maintainEvents.test.ts',
  'test/integration/operate/maintainFailures.test.ts',
  'test/integration/operate/maintainLate.test.ts',
  'test/integration/operate/policiesConvert.test.ts',
  'test/integration/operate/turns.test.ts',
]

/**
 * Buckets and seasons of given days: they do not ask what day it is, but could be led astray by a
 * zone. In process, at those of the leg's moments that are in other zones than UTC.
 */
export const zoneTests: readonly string[] = ['test/integration/series/detection.test.ts', 'test/integration/series/resampling.test.ts']

/** The same without a database. */
export const unitTestsOfTime: readonly string[] = ['test/unit/lifecycle/', 'test/unit/operate/', 'test/unit/series/']

/**
 * Tests that read the clock, but would not notice what day it is: they measure how long something
 * takes, or want any time at all.
 */
export const indifferentTests: readonly string[] = [
  'test/integration/catalog/tenants.test.ts',
  'test/integration/composition/isolationLevels.test.ts',
  'test/integration/events/canonicalEvidence.test.ts',
  'test/integration/faults/maintainKilled.test.ts',
  'test/integration/hostile/ends.test.ts',
  'test/integration/hostile/searchPath.test.ts',
  'test/integration/incident/latestData.test.ts',
  'test/integration/ingest/textLogs.test.ts',
  'test/integration/knowledge/knowledge.test.ts',
  'test/integration/lifecycle/extremes.test.ts',
  'test/integration/operate/doctor.test.ts',
  'test/integration/operate/installedFunctions.test.ts',
  'test/integration/operate/migrate.test.ts',
  'test/integration/operate/server.test.ts',
  'test/unit/database/inAnyOrder.test.ts',
  'test/unit/graph/frames.test.ts',
  'test/unit/ingest/text/times.test.ts',
  'test/unit/knowledge/embedding/embedTexts.test.ts',
  'test/unit/knowledge/rerank/rerankTexts.test.ts',
  'test/unit/lifecycle/resolution.test.ts',
  'test/unit/schema/decimal.test.ts',
  'test/unit/worstInput.test.ts',
]
