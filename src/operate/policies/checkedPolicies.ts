import { z } from 'zod'
import { durationText } from '../../database/range.ts'
import type { Rollup } from '../../lifecycle/rollups/rollup.ts'
import { parse } from '../../schema/parse.ts'
import type { Policies } from './defaultPolicies.ts'
import { policyFlaws, sensible } from './policyFlaws.ts'

/**
 * Refuses policies that a server could not keep, or that would destroy data that another policy
 * needs:
 *
 * - a rollup must be kept longer than its source
 * - a bucket must settle, and be rolled up, well before its rows can be dropped
 * - tables, rollups and the lengths of their chunks must be those that the migrations made
 *
 * @throws InvalidInputError naming the field, as in `policies.time[0].rollups[1].retain`, and its
 * value.
 */
export const checkedPolicies = (policies: Policies): Policies => {
  parse(policiesShape, policies, 'policies')
  parse(sensible(policyFlaws(policies)), policies, 'policies')
  return policies
}

const rollupPolicy = z.strictObject({
  rollup: z.custom<Rollup>(
    (value) => typeof value === 'object' && value !== null && 'name' in value,
    'must be a rollup, as in the defaults',
  ),
  retain: durationText,
  settle: durationText,
  every: durationText,
})

const timePolicy = z.strictObject({
  table: z.string(),
  chunk: durationText,
  retain: durationText,
  compress: z
    .strictObject({ after: durationText, segmentBy: z.array(z.string()), orderBy: z.array(z.string()).min(1, 'must name a column') })
    .optional(),
  rollups: z.array(rollupPolicy),
})

const policiesShape = z.strictObject({
  time: z.array(timePolicy),
  events: z.strictObject({ retain: durationText, locators: z.strictObject({ retain: durationText }) }).optional(),
})
