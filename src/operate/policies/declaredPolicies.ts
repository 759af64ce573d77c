import { durationOf, milliseconds } from '../../database/range.ts'
import type { EventPolicy } from '../../events/eventPolicy.ts'
import type { PolicyKind, PolicySettings } from './appliedPolicies.ts'
import type { Policies } from './defaultPolicies.ts'

/** One policy of one table or rollup, as it is declared. */
export type DeclaredPolicy = { [Kind in PolicyKind]: Declared<Kind> }[PolicyKind]

interface Declared<Kind extends PolicyKind> {
  readonly object: string
  readonly kind: Kind
  readonly settings: PolicySettings[Kind]
  /** The data for a job of the server; undefined for what `maintain` always does. */
  readonly job?: Kind extends 'refresh' ? RefreshShape : JobShape
}

export interface JobShape {
  /** The table of a rollup; for any other, the object itself. */
  readonly source: string
  /** The length of the object's own chunks. */
  readonly chunk: string
  /** How often the job runs. */
  readonly every: string
  /** A number of the job, so that no two jobs start in the same second. */
  readonly position: number
}

export interface RefreshShape extends JobShape {
  /** The length of the rollup's buckets. */
  readonly bucket: string
}

/**
 * The single policies, in the order in which they must be applied: roll-ups, then compression, then
 * retention.
 */
export function declaredPolicies({ time, events }: Policies): DeclaredPolicy[] {
  const declared = time.flatMap((policy, ladder): DeclaredPolicy[] => {
    const levels = [
      { name: policy.table, chunk: policy.chunk, retain: policy.retain },
      ...policy.rollups.map(({ rollup, retain }) => ({ name: rollup.name, chunk: rollup.chunk, retain })),
    ]
    const first = ladder * jobsOfLadder
    return [
      ...policy.rollups.map(({ rollup, settle, every }, at): DeclaredPolicy => {
        const { name: source, chunk, retain } = levels[at]!
        return {
          object: rollup.name,
          kind: 'refresh',
          settings: { start: refreshStart(retain, chunk), settle, every },
          job: { source, chunk: rollup.chunk, bucket: rollup.bucket, every, position: first + at },
        }
      }),
      ...(policy.compress === undefined
        ? []
        : [
            {
              object: policy.table,
              kind: 'compression' as const,
              settings: policy.compress,
              job: { source: policy.table, chunk: policy.chunk, every: '12 hours', position: first + 2 },
            },
          ]),
      ...levels.map(({ name, chunk, retain }, at): DeclaredPolicy => ({
        object: name,
        kind: 'retention',
        settings: { retain },
        job: { source: name, chunk, every: '1 day', position: first + 3 + at },
      })),
    ]
  })
  return [...declared, ...(events === undefined ? [] : eventRetention(events))]
}

/** Two refreshes, one compression, three retentions. */
const jobsOfLadder = 6

const eventRetention = ({ retain, locators }: EventPolicy): DeclaredPolicy[] => [
  { object: 'event_envelope', kind: 'retention', settings: { retain } },
  { object: 'oo_locator', kind: 'retention', settings: { retain: locators.retain } },
]

/**
 * How far back a job may roll up a table with this retention: one chunk less, since a chunk is
 * dropped when all of it is too old. A job that looked back further would see that rows are gone
 * and delete their rolled-up rows.
 */
export const refreshStart = (retain: string, chunk: string): string => durationOf(milliseconds(retain) - milliseconds(chunk))
