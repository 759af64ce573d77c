import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketsBeginningIn, bucketsOver, bucketStart, firstBucketFrom } from '../../../src/database/buckets.ts'
import { milliseconds } from '../../../src/database/range.ts'
import { anyLength, anyMoment } from '../../support/grid.ts'

const at = (text: string) => new Date(`${text}Z`)

describe('a bucket', () => {
  it.each([
    ['5 minutes', '2026-11-22T09:07:30', '2026-11-22T09:05', '2026-11-22T09:10'],
    ['1 hour', '2026-11-22T09:07:30', '2026-11-22T09:00', '2026-11-22T10:00'],
    ['1 day', '2026-11-22T09:07:30', '2026-11-22T00:00', '2026-11-23T00:00'],
    // A Sunday.
    ['1 week', '2026-11-22T09:07:30', '2026-11-16T00:00', '2026-11-23T00:00'],
    ['1 week', '1969-07-20T20:17:00', '1969-07-14T00:00', '1969-07-21T00:00'],
    ['7 minutes', '2000-01-03T00:06:59', '2000-01-03T00:00', '2000-01-03T00:07'],
    ['7 minutes', '2000-01-02T23:59:59', '2000-01-02T23:53', '2000-01-03T00:00'],
  ])('of %s that holds %s begins at %s, and the next at %s', (length, moment, start, next) => {
    expect(bucketStart(length, at(moment))).toEqual(at(start))
    expect(firstBucketFrom(length, at(moment))).toEqual(at(next))
    expect(firstBucketFrom(length, at(start))).toEqual(at(start))
  })

  it('holds its moment, whatever its length, and begins in itself', () => {
    fc.assert(
      fc.property(anyLength, anyMoment, (length, moment) => {
        const start = bucketStart(length, moment)
        const since = moment.getTime() - start.getTime()
        expect(since).toBeGreaterThanOrEqual(0)
        expect(since).toBeLessThan(milliseconds(length))
        expect(bucketStart(length, start)).toEqual(start)
        expect(firstBucketFrom(length, moment)).toEqual(since === 0 ? start : new Date(start.getTime() + milliseconds(length)))
      }),
    )
  })

  it('has no date after the last of JavaScript', () => {
    expect(firstBucketFrom('7 minutes', new Date(8.64e15))).toEqual(new Date(8.64e15))
  })
})

describe('a range in whole buckets', () => {
  const range = { from: at('2026-11-22T09:07'), to: at('2026-11-22T11:07') }

  it('is the buckets that begin in it', () => {
    expect(bucketsBeginningIn('1 hour', range)).toEqual({ from: at('2026-11-22T10:00'), to: at('2026-11-22T12:00') })
  })

  it('is the buckets that hold a moment of it', () => {
    expect(bucketsOver('1 hour', range)).toEqual({ from: at('2026-11-22T09:00'), to: at('2026-11-22T12:00') })
  })

  it('has none that hold a moment of an empty range', () => {
    const moment = at('2026-11-22T09:07')
    expect(bucketsOver('1 hour', { from: moment, to: moment })).toEqual({ from: at('2026-11-22T09:00'), to: at('2026-11-22T09:00') })
  })
})
