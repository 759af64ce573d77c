/** A moment at which the tests of `clockTests` are run. */
export interface Moment {
  /** What about it could go wrong. */
  name: string
  now: string
  /** The zone of Node's local time; UTC unless a change of its clocks is what matters. */
  zone: string
  /** Whether the server leg is run too. That moment has to lie in the past. */
  server: boolean
}

/**
 * The moments, each minutes away from what could go wrong, and none so near that a run would cross
 * it.
 *
 * Chunks of every length that the tables have (7, 30, 90, 180 days) begin together on 2025-03-13, a
 * Thursday.
 */
export const moments: readonly Moment[] = [
  { name: `before every chunk's boundary`, now: '2025-03-12T23:40:00Z', zone: 'UTC', server: false },
  { name: `after every chunk's boundary`, now: '2025-03-13T00:02:00Z', zone: 'UTC', server: true },
  { name: `before a year's, quarter's and month's boundary`, now: '2027-12-31T23:40:00Z', zone: 'UTC', server: false },
  { name: `after a year's, quarter's and month's boundary`, now: '2028-01-01T00:02:00Z', zone: 'UTC', server: false },
  { name: '29 February', now: '2024-02-29T12:00:00Z', zone: 'UTC', server: true },
  {
    name: 'after the clocks went forward, in the hour that is left out',
    now: '2025-03-30T01:02:00Z',
    zone: 'Europe/Berlin',
    server: false,
  },
  {
    name: 'before the clocks went back, in the first of two equal hours',
    now: '2025-10-26T00:15:00Z',
    zone: 'Europe/Berlin',
    server: false,
  },
  { name: 'before midnight UTC on a Friday, where it is Saturday', now: '2026-07-31T23:40:00Z', zone: 'Pacific/Auckland', server: false },
]

/**
 * The tests whose outcome hangs most on the clock: at every moment, on the legs in process, to which
 * they go themselves (`atEachMoment`), and on the server leg at its moments.
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
  'test/integration/faults/maintainKilled.test.ts',
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
 * zone. In process, at the moments in other zones than UTC.
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
  'test/integration/hostile/ends.test.ts',
  'test/integration/hostile/searchPath.test.ts',
  'test/integration/knowledge/knowledge.test.ts',
  'test/integration/lifecycle/extremes.test.ts',
  'test/integration/operate/doctor.test.ts',
  'test/integration/operate/installedFunctions.test.ts',
  'test/integration/operate/migrate.test.ts',
  'test/integration/operate/server.test.ts',
  'test/unit/database/inAnyOrder.test.ts',
  'test/unit/graph/frames.test.ts',
  'test/unit/lifecycle/resolution.test.ts',
  'test/unit/schema/decimal.test.ts',
  'test/unit/worstInput.test.ts',
]
