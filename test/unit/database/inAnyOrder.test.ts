import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { last } from '../../../src/database/range.ts'
import { metricSeries } from '../../../src/metrics/metricSeries.ts'
import { inAnyOrder } from '../../../src/database/sql/inAnyOrder.ts'
import type { SeriesFrame } from '../../../src/series/seriesFrame.ts'
import { compiled } from '../../support/compiled.ts'
import { unitScope } from '../../support/unitScope.ts'

describe('inAnyOrder', () => {
  const scope = unitScope()
  const points = scope.db
    .selectFrom(sql<{ series: string; bucket: Date; value: number | null }>`(select 1)`.as('given'))
    .selectAll('given')
    .orderBy('given.series')
  const nested = (frame: SeriesFrame) => compiled(scope.db.selectFrom(inAnyOrder(frame).as('point')).selectAll('point')).sql

  it('takes the order off, at both floors of a frame', () => {
    expect(nested(points)).toBe('select "point".* from (select "given".* from (select 1) as "given") as "point"')
    expect(nested(scope.db.selectFrom(points.as('inner')).selectAll('inner').orderBy('inner.bucket'))).not.toContain('order by')
    expect(nested(metricSeries(scope, { metric: 'm', measure: 'avg', range: last('1 hour') }).where('value', '>', 1))).not.toContain(
      'order by',
    )
  })

  it.each([
    ['limit', points.limit(3)],
    ['offset', points.offset(3)],
    ['distinct on', points.distinctOn('given.series')],
    ['an inner limit', scope.db.selectFrom(points.limit(3).as('inner')).selectAll('inner')],
    ['an outer limit, which takes the first of an inner order', scope.db.selectFrom(points.as('inner')).selectAll('inner').limit(3)],
  ])('keeps it where it decides which rows there are: %s', (_, frame) => {
    expect(nested(frame)).toContain('order by "given"."series"')
  })
})
