import { z } from 'zod'
import { durationText } from '../../database/range.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { parseOptions } from '../../schema/parse.ts'
import { policyFlaws, sensible } from './policyFlaws.ts'
import { defaultPolicies, type Policies } from './defaultPolicies.ts'

/**
 * The differences from the default policies, by the names of tables and rollups; other values stay.
 * It may be read from a JSON file.
 */
export type PolicyOverrides = {
  readonly [Name in string]?: {
    /** For a table, a rollup, `event_envelope` and `oo_locator`. */
    readonly retain?: string | undefined
    /** For a table; null for no compression. */
    readonly compress?:
      | { readonly [Option in keyof NonNullable<TimePolicy['compress']>]?: NonNullable<TimePolicy['compress']>[Option] | undefined }
      | null
      | undefined
    /** For a rollup. */
    readonly settle?: string | undefined
    /** For a rollup. */
    readonly every?: string | undefined
  } | null
}

const table = z.strictObject({
  retain: durationText.optional(),
  compress: z
    .strictObject({ after: durationText.optional(), segmentBy: z.array(z.string()).optional(), orderBy: z.array(z.string()).optional() })
    .nullable()
    .optional(),
})
const rollup = z.strictObject({ retain: durationText.optional(), settle: durationText.optional(), every: durationText.optional() })
const retention = z.strictObject({ retain: durationText.optional() })

const overridesShape = z.strictObject({
  ...Object.fromEntries(defaultPolicies.time.map((policy) => [policy.table, table.nullable().optional()])),
  ...Object.fromEntries(defaultPolicies.time.flatMap(({ rollups }) => rollups.map((policy) => [policy.rollup.name, rollup.optional()]))),
  event_envelope: retention.optional(),
  oo_locator: retention.optional(),
})

/**
 * The default policies with some values of your own. A table that is `null` has no policy: all its
 * rows are kept, uncompressed.
 *
 * @throws InvalidInputError naming the field, as in `metric_1m.retain`: if there is no such table
 * or value, or the policies could not be kept, see {@link applyPolicies}.
 * @example
 * await applyPolicies(db, { policies: policiesWith({ metric_1m: { retain: '90 days' }, metric_1d: { retain: '3650 days' }, log_pattern_5m: null }) })
 */
export function policiesWith(overrides: PolicyOverrides): Policies {
  parseOptions(overridesShape, overrides)
  const { time, events } = defaultPolicies
  const policies: Policies = {
    time: time.flatMap((policy) => {
      const own = overrides[policy.table]
      return own === null ? [] : [withOwn(policy, own, overrides)]
    }),
    ...(events === undefined
      ? {}
      : {
          events: {
            retain: overrides.event_envelope?.retain ?? events.retain,
            locators: { retain: overrides.oo_locator?.retain ?? events.locators.retain },
          },
        }),
  }
  parseOptions(sensible(policyFlaws(policies).map(({ path, message }) => ({ path: asWritten(policies, path), message }))), byName(policies))
  return policies
}

/**
 * The path in the overrides for a path in the policies: `time[0].rollups[1].retain` is
 * `metric_1d.retain`.
 */
function asWritten({ time }: Policies, [, at, field, rollup, ...rest]: PropertyKey[]): PropertyKey[] {
  const { table, rollups } = time[Number(at)]!
  if (field !== 'rollups') return [table, field!, ...(rollup === undefined ? [] : [rollup]), ...rest]
  return rollup === undefined ? [table] : [rollups[Number(rollup)]!.rollup.name, ...rest]
}

const byName = ({ time }: Policies): Record<string, unknown> =>
  Object.fromEntries(
    time.flatMap((policy) => [[policy.table, policy], ...policy.rollups.map((rolled): [string, unknown] => [rolled.rollup.name, rolled])]),
  )

function withOwn({ compress, ...policy }: TimePolicy, own: PolicyOverrides[string], overrides: PolicyOverrides): TimePolicy {
  const compressed =
    own?.compress === undefined
      ? compress
      : own.compress === null
        ? undefined
        : {
            after: own.compress.after ?? compress?.after ?? policy.chunk,
            segmentBy: own.compress.segmentBy ?? compress?.segmentBy ?? ['tenant_id'],
            orderBy: own.compress.orderBy ?? compress?.orderBy ?? ['bucket'],
          }
  return {
    ...policy,
    retain: own?.retain ?? policy.retain,
    ...(compressed === undefined ? {} : { compress: compressed }),
    rollups: policy.rollups.map((rolled) => {
      const { retain = rolled.retain, settle = rolled.settle, every = rolled.every } = overrides[rolled.rollup.name] ?? {}
      return { ...rolled, retain, settle, every }
    }),
  }
}
