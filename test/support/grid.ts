import fc from 'fast-check'

const units = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 }

/** Lengths of buckets: `'7 minutes'`, `'1 week'`, `'0.123 seconds'`. */
export const anyLength = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 100 }), fc.constantFrom(...Object.keys(units)))
    .map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`),
  fc.integer({ min: 1, max: 86_400_000 }).map((length) => `${length / 1_000} seconds`),
)

const origin = Date.UTC(2000, 0, 3)
const edge = fc.tuple(fc.integer({ min: -5_000, max: 5_000 }), fc.constantFrom(...Object.values(units)), fc.integer({ min: -1, max: 1 }))

/** Moments of the years 1000 to 9998 (PGlite reads the year 99 as 1999); many lie at the very beginning of a bucket, or just beside it. */
export const anyMoment = fc.oneof(
  fc.date({ min: new Date('1000-01-01T00:00:00Z'), max: new Date('9998-12-31T00:00:00Z'), noInvalidDate: true }),
  edge.map(([count, unit, beside]) => new Date(origin + count * unit + beside)),
)
