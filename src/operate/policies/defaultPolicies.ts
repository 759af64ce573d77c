import { z } from 'zod'
import { callPolicy } from '../../calls/callPolicy.ts'
import { durationText, milliseconds } from '../../database/range.ts'
import { eventPolicy, type EventPolicy } from '../../events/eventPolicy.ts'
import type { Rollup } from '../../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { patternPolicy } from '../../logs/patternPolicy.ts'
import { metricPolicy } from '../../metrics/metricPolicy.ts'
import { parse, preview } from '../../schema/parse.ts'
import { manifest } from '../manifest.ts'

/**
 * What becomes of everything that grows, as it grows old: data, the same for every server.
 *
 * @example
 * const policies: Policies = { ...defaultPolicies, time: [{ ...metricPolicy, retain: '90 days' }, callPolicy, patternPolicy] }
 */
export interface Policies {
  /** One for each rollup table; a table without one keeps everything, as it came. */
  readonly time: readonly TimePolicy[]
  /** Of events, their evidence and the locators both point at; left out, they are kept for ever. */
  readonly events?: EventPolicy
}

/** The policies that the rooms declare: `metric_1m` 180 days, `service_call_5m` 365, `log_pattern_5m` 180, each by the hour and by the day for longer. */
export const defaultPolicies: Policies = { time: [metricPolicy, callPolicy, patternPolicy], events: eventPolicy }

/**
 * Refuses policies that a server could not keep, or that would let one of them destroy what another is for.
 *
 * A rollup has to outlive its source; a bucket has to settle, and to be rolled, well before its rows can be dropped; tables, rollups and the lengths
 * of their chunks are those the migrations made.
 *
 * @throws InvalidInputError naming the field, as in `policies.time[0].rollups[1].retain`, and the value it had.
 */
export const checkedPolicies = (policies: Policies): Policies => {
  parse(policiesShape, policies, 'policies')
  parse(policiesSense, policies, 'policies')
  return policies
}

const rollupPolicy = z.strictObject({
  rollup: z.custom<Rollup>(
    (value) => typeof value === 'object' && value !== null && 'name' in value,
    'must be a rollup, as the defaults have',
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

interface Flaw {
  path: PropertyKey[]
  message: string
}

/** What the shape cannot say: how one value stands to another, and to the tables that are there. */
const policiesSense = z.custom<Policies>().superRefine((policies, context) => {
  const seen = new Set<string>()
  for (const [at, policy] of policies.time.entries()) {
    for (const { path, message } of [...duplicate(policy, seen), ...timeFlaws(policy)]) {
      context.addIssue({ code: 'custom', path: ['time', at, ...path], message })
    }
  }
})

function duplicate({ table }: TimePolicy, seen: Set<string>): Flaw[] {
  if (seen.has(table)) return [{ path: ['table'], message: 'has a policy already' }]
  seen.add(table)
  return []
}

function timeFlaws(policy: TimePolicy): Flaw[] {
  const known = defaultPolicies.time.find(({ table }) => table === policy.table)
  if (known === undefined) {
    return [{ path: ['table'], message: `must be one of ${defaultPolicies.time.map(({ table }) => table).join(', ')}` }]
  }
  const flaws: Flaw[] = []
  const add = (path: PropertyKey[], message: string) => flaws.push({ path, message })
  if (milliseconds(policy.chunk) !== milliseconds(known.chunk)) {
    add(['chunk'], `must be ${known.chunk}, by which the table was cut when it was made`)
  }
  if (policy.compress !== undefined) {
    if (milliseconds(policy.compress.after) >= milliseconds(policy.retain)) {
      add(['compress', 'after'], `must be shorter than retain (${policy.retain})`)
    }
    const columns = manifest.tables[policy.table]?.columns ?? {}
    for (const list of ['segmentBy', 'orderBy'] as const) {
      for (const [at, column] of policy.compress[list].entries()) {
        if (!Object.hasOwn(columns, column)) add(['compress', list, at], `must be a column of ${policy.table}`)
      }
    }
    const both = policy.compress.orderBy.findIndex((column) => policy.compress!.segmentBy.includes(column))
    if (both >= 0) add(['compress', 'orderBy', both], 'must not be among segmentBy')
  }
  if (policy.rollups.length < known.rollups.length) {
    const names = known.rollups.map(({ rollup }) => rollup.name)
    add(['rollups'], `must say what becomes of ${names.join(' and ')}: what is dropped before it is rolled is lost`)
  }
  let source = { name: policy.table, chunk: policy.chunk, retain: policy.retain, settle: '' }
  for (const [at, { rollup, retain, settle }] of policy.rollups.entries()) {
    const ours = known.rollups[at]?.rollup
    if (ours === undefined || !same(ours, rollup)) {
      add(
        ['rollups', at, 'rollup'],
        ours === undefined ? 'there is no further rollup of this table' : `must be ${ours.name} as the migrations made it`,
      )
      return flaws
    }
    const path = (field: string) => ['rollups', at, field]
    if (milliseconds(retain) <= milliseconds(source.retain)) {
      add(path('retain'), `must be longer than that of ${source.name} (${source.retain}), which it is made from`)
    }
    if (source.settle !== '' && milliseconds(settle) < milliseconds(source.settle)) {
      add(path('settle'), `must not be shorter than that of ${source.name} (${source.settle}), which it is made from`)
    }
    // A server's job refreshes from one chunk before what may be dropped until what has settled, and wants two buckets in between.
    const window = milliseconds(source.retain) - milliseconds(source.chunk) - milliseconds(settle)
    if (window < 2 * milliseconds(rollup.bucket)) {
      add(
        path('settle'),
        `must leave time to roll: with one chunk (${source.chunk}) and two buckets of ${rollup.bucket} it must be shorter than ${source.name} retains (${source.retain})`,
      )
    }
    source = { name: rollup.name, chunk: rollup.chunk, retain, settle }
  }
  return flaws
}

const same = (ours: Rollup, given: Rollup) =>
  (['name', 'source', 'bucket', 'chunk'] as const).every((field) => preview(ours[field]) === preview(given[field]))
