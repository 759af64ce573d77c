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
  /** What a job of the server is made of; undefined for what is always left to `maintain`. */
  readonly job?: Kind extends 'refresh' ? RefreshShape : JobShape
}

export interface JobShape {
  /** What the rows come from: the table of a rollup; itself for any other. */
  readonly source: string
  /** The length of the object's own chunks. */
  readonly chunk: string
  /** How often the job runs. */
  readonly every: string
  /** Counts the jobs that there can be, so that no two begin in the same second. */
  readonly position: number
}

export interface RefreshShape extends JobShape {
  /** The length of the rollup's buckets. */
  readonly bucket: string
}

/**
 * The policies one by one, in the order they have to be applied: what rolls, then what compresses,
 * then what drops.
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
 * How far back a job may roll what comes from a table that retains its rows so long: one chunk
 * less, since a chunk is dropped when all of it is too old. A job that looked further would see
 * that rows are gone and take their rolled rows away too.
 */
export const refreshStart = (retain: string, chunk: string): string => durationOf(milliseconds(retain) - milliseconds(chunk))
