import { bucketStart, firstBucketFrom } from '../../database/buckets.ts'
import type { TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import type { Ladder, Reading } from './resolution.ts'

/**
 * The tables from which a whole range is read: whole days from the daily rollup, the hours before
 * and after them from the hourly one, the rest from the finest table. For values that add up
 * without loss over any buckets.
 *
 * A part that is not rolled up yet is read from the finer table: rolling it up for the answer would
 * cost more. If a finer table's rows have been dropped, the next coarser one takes its place, with
 * the buckets that begin there.
 *
 * @example
 * readingsOver(scope, sketchLadder, { from: new Date('2026-11-20T22:55Z'), to: new Date('2026-11-23T01:00Z') })
 * // sketch_5m from 22:55 to 23:00, sketch_1h from 23:00 to 0:00, sketch_1d two days, sketch_1h from
 * //   0:00 to 1:00
 */
export function readingsOver(scope: Scope, ladder: Ladder, range: TimeRange): Reading[] {
  const tiers = [{ name: ladder.table, bucket: ladder.bucket }, ...ladder.rollups]
  const split = (part: TimeRange, at: number): Reading[] => {
    if (part.from >= part.to) return []
    const { name, bucket } = tiers[at]!
    const all: Reading[] = [{ table: name, merged: 1, every: bucket, range: part, chosen: true }]
    if (at === 0) return all
    const held = scope.heldSince(tiers[at - 1]!.name)
    if (held !== null && held > part.from) {
      const edge = firstBucketFrom(bucket, held)
      if (edge >= part.to) return all
      return [{ ...all[0]!, range: { from: part.from, to: edge } }, ...split({ from: edge, to: part.to }, at)]
    }
    const until = storedUntil(scope, name)
    const end = until !== null && until < part.to ? until : part.to
    const whole = { from: firstBucketFrom(bucket, part.from), to: bucketStart(bucket, end) }
    if (whole.from >= whole.to) return split(part, at - 1)
    const [before, after] = [
      { from: part.from, to: whole.from },
      { from: whole.to, to: part.to },
    ]
    return [...split(before, at - 1), { ...all[0]!, range: whole }, ...split(after, at - 1)]
  }
  return split(range, tiers.length - 1)
}

/** The time up to which a rollup's rows are stored; null if that is not known. */
function storedUntil(scope: Scope, rollup: string): Date | null {
  const nothing = scope.timesKnown && scope.installation.timeRung !== 'community' ? new Date(-8.64e15) : null
  return scope.rolledUntil(rollup) ?? nothing
}
