import { z } from 'zod'
import { milliseconds } from '../../database/range.ts'
import type { Rollup } from '../../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { preview } from '../../schema/parse.ts'
import { manifest } from '../manifest.ts'
import { defaultPolicies, type Policies } from './defaultPolicies.ts'

/** A problem of a value whose type is right. */
export interface Flaw {
  path: PropertyKey[]
  message: string
}

/**
 * Conditions that the type cannot express: how a value relates to others, and to the existing
 * tables.
 */
export function policyFlaws({ time }: Policies): Flaw[] {
  const seen = new Set<string>()
  return time.flatMap((policy, at) =>
    [...duplicate(policy, seen), ...timeFlaws(policy)].map(({ path, message }) => ({ path: ['time', at, ...path], message })),
  )
}

/** Refuses a value for the first of its flaws. */
export const sensible = (flaws: readonly Flaw[]) =>
  z.unknown().superRefine((_, context) => {
    for (const { path, message } of flaws) context.addIssue({ code: 'custom', path, message })
  })

function duplicate({ table }: TimePolicy, seen: Set<string>): Flaw[] {
  if (seen.has(table)) return [{ path: ['table'], message: 'already has a policy' }]
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
    add(['chunk'], `must be ${known.chunk}, the length of the chunks when the table was made`)
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
    add(['rollups'], `must have policies for ${names.join(' and ')}: rows dropped before they are rolled up are lost`)
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
    // A server's job refreshes from one chunk after the oldest kept time to the settled end, and
    // needs two buckets between them.
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
