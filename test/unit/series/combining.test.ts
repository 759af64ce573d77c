import { expect, it } from 'vitest'
import { aggregateAcross, type ByLookup } from '../../../src/series/algebra/aggregateAcross.ts'
import { combine } from '../../../src/series/algebra/combine.ts'
import { join } from '../../../src/series/algebra/join.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'
import { bounded, boundedValue, load } from './bounded.ts'

const scope = unitScope()
const left = 'select * from "load"'
const right = 'select "series", "bucket", "usage" as "value" from "memory"'
const memory = unitKysely<{ memory: { series: string; bucket: Date; usage: number } }>()
  .selectFrom('memory')
  .select(['series', 'bucket', 'usage as value'])

const values = `
  max(point.value) filter (where point.is_left) as left, max(point.value) filter (where not point.is_left) as right`
const having = { inner: 'having bool_or(point.is_left) and bool_or(not point.is_left)', full: '' }

const alike = (how: 'inner' | 'full', one: string, two: string) => `(
  select point.series as series, point.bucket, ${values}
  from (
    select point.series, point.bucket, point.value::float8 as value, true as is_left from (${one}) as point
    union all
    select point.series, point.bucket, point.value::float8, false from (${two}) as point
  ) as point
  group by point.series, point.bucket ${having[how]} order by (point.series) collate "C", point.bucket)`

const pairs = (how: 'inner' | 'full', one: string, two: string) => `(
  with left_points as (${one}), right_points as (${two})
  select point.first || ' / ' || point.second as series, point.bucket, ${values}
  from (
    select point.series as first, other.series as second, point.bucket, point.value::float8 as value, true as is_left
    from left_points as point cross join (select distinct series from right_points) as other
    union all
    select other.series, point.series, point.bucket, point.value::float8, false
    from right_points as point cross join (select distinct series from left_points) as other
  ) as point
  group by point.first, point.second, point.bucket ${having[how]} order by (point.first || ' / ' || point.second) collate "C", point.bucket)`

it.each(['inner', 'full'] as const)('a join (%s) is one statement over both frames', (how) => {
  expect(compiled(join(scope, load, memory, { how }))).toEqual({
    sql: oneLine(`select "joined".* from ${alike(how, left, right)} as "joined"`),
    parameters: [],
  })
  expect(compiled(join(scope, load, memory, { how, on: 'bucket' }))).toEqual({
    sql: oneLine(`select "joined".* from ${pairs(how, left, right)} as "joined"`),
    parameters: [],
  })
})

it.each([
  ['ratio', 'joined.left / nullif(joined.right, 0::float8)'],
  ['difference', 'joined.left - joined.right'],
  ['sum', 'joined.left + joined.right'],
  ['product', 'joined.left * joined.right'],
] as const)('combine by %s is one statement over both frames', (op, value) => {
  const expected = (series: string, joined: string, order = series) =>
    oneLine(`
      select "combined".* from (
        select ${series} as "series", "joined"."bucket", ${value} as "value" from (select "joined".* from ${joined} as "joined") as "joined"
        order by (${order}) collate "C", "joined"."bucket"
      ) as "combined"`)
  expect(compiled(combine(scope, load, load, { op }))).toEqual({
    sql: expected('"joined"."series"', alike('inner', bounded, bounded)),
    parameters: [],
  })
  expect(compiled(combine(scope, load, load, { op, on: 'bucket', series: 'both' }))).toEqual({
    sql: expected('$1::text', pairs('inner', bounded, bounded), '$2::text'),
    parameters: ['both', 'both'],
  })
})

const grouped = (group: string, beside = '') =>
  oneLine(`
    select "across".* from (
      select "point"."series", "point"."bucket", sum(point.value) as "value", pg_catalog.count(point.value)::int4 as "points"
      from (select ${group} as series, point.bucket, ${boundedValue} as value from (select * from "member") as point ${beside}) as "point"
      group by "point"."series", "point"."bucket" order by ("point"."series") collate "C", "point"."bucket"
    ) as "across"`)
const frame = unitKysely<{ member: { series: string; bucket: Date; value: number; resource_id: string; labels: unknown } }>()
  .selectFrom('member')
  .selectAll()

it('aggregateAcross is one statement over the frame', () => {
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum' }))).toEqual({ sql: grouped(`'all'::text`), parameters: [] })
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { label: 'http.route' } }))).toEqual({
    sql: grouped("coalesce(point.labels ->> $1::text, '')"),
    parameters: ['http.route'],
  })
})

it('aggregateAcross by the resource looks at the resources of the tenant only', () => {
  const resource = (tenant: string) => `
    left join "public"."dim_resource" as resource on resource.tenant_id = ${tenant}::int8 and resource.resource_id = point.resource_id`
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { resource: 'region' } }))).toEqual({
    sql: grouped('coalesce("resource"."region", \'\')', resource('$1')),
    parameters: ['1'],
  })
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { resourceLabel: 'team' } }))).toEqual({
    sql: grouped("coalesce(resource.labels ->> $1::text, '')", resource('$2')),
    parameters: ['team', '1'],
  })
})

it('aggregateAcross by a lookup nests it', () => {
  const lookup: ByLookup['lookup'] = unitKysely<{ team: { series: string; group: string } }>().selectFrom('team').selectAll()
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { lookup } }))).toEqual({
    sql: grouped(`
      coalesce((
        select pg_catalog.jsonb_object_agg(lookup.series, lookup.group) from (select * from "team") as lookup where lookup.series is not null
      ) ->> point.series, '')`),
    parameters: [],
  })
})
