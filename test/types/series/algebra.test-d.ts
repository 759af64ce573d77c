import type { Kysely } from 'kysely'
import { expectTypeOf } from 'vitest'
import { callSeries } from '../../../src/calls/index.ts'
import { anomalies } from '../../../src/series/index.ts'
import {
  aggregateAcross,
  combine,
  delta,
  ewma,
  gapfill,
  join,
  movingAverage,
  movingQuantile,
  rate,
  resample,
  shift,
  type SeriesFrame,
} from '../../../src/series/index.ts'
import { during } from '../../support/rows.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

type RowOf<Query extends { execute(): Promise<readonly unknown[]> }> = Awaited<ReturnType<Query['execute']>>[number]
const rowOf = <Query extends { execute(): Promise<readonly unknown[]> }>(_: Query) => expectTypeOf<RowOf<Query>>()

interface Point {
  series: string
  bucket: Date
  value: number | null
}

interface Group {
  series: string
  bucket: Date
  value: number | null
  points: number
}

const scope = unitScope()
const range = during('10:00', '11:00')
const calls = callSeries(scope, { measure: 'call_count', range })

// Frames in, frames out.
rowOf(resample(scope, calls, { every: '1 hour', with: 'sum' })).toEqualTypeOf<Point>()
rowOf(gapfill(scope, calls, { every: '5 minutes', range, fill: 'last' })).toEqualTypeOf<Point>()
rowOf(delta(scope, calls)).toEqualTypeOf<Point>()
rowOf(rate(scope, calls, { counter: true })).toEqualTypeOf<Point>()
rowOf(movingAverage(scope, calls, { points: 12 })).toEqualTypeOf<Point>()
rowOf(movingQuantile(scope, calls, { q: 0.5, window: '1 hour' })).toEqualTypeOf<Point>()
rowOf(ewma(scope, calls, { lambda: 0.2 })).toEqualTypeOf<Point>()
rowOf(shift(scope, calls, { later: '7 days' })).toEqualTypeOf<Point>()
rowOf(combine(scope, calls, calls, { op: 'ratio' })).toEqualTypeOf<Point>()
rowOf(join(scope, calls, calls)).toEqualTypeOf<{ series: string; bucket: Date; left: number | null; right: number | null }>()
rowOf(aggregateAcross(scope, calls, { with: 'sum' })).toEqualTypeOf<Group>()

// They nest, as deep as anybody likes, and what takes a series frame takes them.
const hourly = resample(scope, gapfill(scope, rate(scope, calls), { every: '5 minutes', range, fill: 'linear' }), {
  every: '1 hour',
  with: 'avg',
})
const week = combine(scope, hourly, shift(scope, hourly, { later: '7 days' }), { op: 'ratio' })
expectTypeOf(week).toExtend<SeriesFrame>()
rowOf(
  anomalies(scope, movingAverage(scope, aggregateAcross(scope, week, { with: 'avg' }), { points: 3 }))
    .clearSelect()
    .select('score'),
).toEqualTypeOf<{
  score: number
}>()

// Frames of a user's own tables, with the columns that groups are read from.
const theirs: Kysely<{ usage: Point & { resource_id: string; labels: { team: string }; note: string } }> = unitKysely()
const usage = theirs.selectFrom('usage').selectAll()
rowOf(aggregateAcross(scope, usage, { with: 'avg', by: { resource: 'env' } })).toEqualTypeOf<Group>()
aggregateAcross(scope, usage, { with: 'avg', by: { resourceLabel: 'team' } })
aggregateAcross(scope, usage, { with: 'avg', by: { label: 'team' } })
aggregateAcross(scope, calls, { with: 'avg', by: { lookup: theirs.selectFrom('usage').select(['series', 'note as group']) } })
rowOf(resample(scope, usage, { every: '1 day', with: 'last' })).toEqualTypeOf<Point>()

// What is none is refused by the compiler.
// @ts-expect-error the frame has no resource_id
aggregateAcross(scope, hourly, { with: 'sum', by: { resource: 'env' } })
// @ts-expect-error the frame has no labels
aggregateAcross(scope, calls, { with: 'sum', by: { label: 'team' } })
// @ts-expect-error not a column of the catalog to group by
aggregateAcross(scope, usage, { with: 'sum', by: { resource: 'name' } })
// @ts-expect-error a lookup names the group
aggregateAcross(scope, calls, { with: 'sum', by: { lookup: theirs.selectFrom('usage').select('series') } })
// @ts-expect-error percentiles do not average
resample(scope, calls, { every: '1 hour', with: 'p95' })
// @ts-expect-error how, is not said
resample(scope, calls, { every: '1 hour' })
// @ts-expect-error of one or the other
movingAverage(scope, calls, { points: 12, window: '1 hour' })
// @ts-expect-error neither
movingAverage(scope, calls, {})
// @ts-expect-error of one or the other
ewma(scope, calls, { lambda: 0.1, halfLife: '1 hour' })
// @ts-expect-error which quantile
movingQuantile(scope, calls, { points: 12 })
// @ts-expect-error which way
shift(scope, calls, '7 days')
// @ts-expect-error two frames, not one
combine(scope, calls, { op: 'ratio' })
// @ts-expect-error joined rows have no value
resample(scope, join(scope, calls, calls), { every: '1 hour', with: 'sum' })
// @ts-expect-error the tables inside are out of reach
shift(scope, calls, { later: '1 day' }).where('point.value', '>', 1)
