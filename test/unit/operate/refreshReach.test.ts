import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { refreshReach } from '../../../src/operate/apply/refreshReach.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** As `checkedPolicies` lets them be: a window of two buckets at least. */
const declared = fc
  .record({
    bucket: fc.constantFrom(hour, day),
    settle: fc.integer({ min: 1, max: 3 * 24 * 60 }).map((minutes) => minutes * minute),
    chunk: fc.constantFrom(7 * day, 30 * day, 90 * day, 180 * day),
    longer: fc.integer({ min: 0, max: 400 * 24 * 60 }).map((minutes) => minutes * minute),
  })
  .map(({ longer, ...lengths }) => ({ ...lengths, start: lengths.settle + 2 * lengths.bucket + longer }))
const kept = fc.integer({ min: 0, max: 500 * 24 * 60 }).map((minutes) => minutes * minute)
const current = fc.option(kept, { nil: undefined })

describe('how far back a job may roll', () => {
  it('is never further than what is kept, nor than declared, and two buckets at least', () => {
    fc.assert(
      fc.property(declared, kept, current, (policy, kept, current) => {
        const reach = refreshReach({ ...policy, kept, current })
        const shortest = policy.settle + 2 * policy.bucket
        if (kept < shortest) return reach === null
        return reach !== null && reach <= kept && reach <= policy.start && reach >= shortest
      }),
    )
  })

  it('grows with what is kept', () => {
    fc.assert(
      fc.property(declared, kept, kept, (policy, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)].map((kept) => refreshReach({ ...policy, kept }) ?? 0)
        return less! <= more!
      }),
    )
  })

  it('stays as it is from one look to the next', () => {
    fc.assert(
      fc.property(declared, kept, current, (policy, kept, current) => {
        const reach = refreshReach({ ...policy, kept, current })
        return reach === null || refreshReach({ ...policy, kept, current: reach }) === reach
      }),
    )
  })

  it('does not come and go with a chunk more or less', () => {
    const reaches = (current?: number) =>
      [30, 34.9, 35, 36.9].map((kept) =>
        refreshReach({ start: 173 * day, settle: hour, bucket: hour, chunk: 7 * day, kept: kept * day, current }),
      )
    expect(reaches()).toEqual([28 * day, 28 * day, 35 * day, 35 * day])
    expect(reaches(28 * day)).toEqual([28 * day, 28 * day, 28 * day, 28 * day])
  })

  it.each([
    [500, 173],
    [173, 173],
    [172, 168],
    [30, 28],
    [7, 7],
    [6.9, 6],
    [0.5, 3 / 24],
    [0.1, null],
  ])('of a declared 173 days, where %d days are kept, is %d', (kept, reach) => {
    const found = refreshReach({ start: 173 * day, settle: hour, bucket: hour, chunk: 7 * day, kept: kept * day })
    expect(found).toBe(reach === null ? null : reach * day)
  })
})
