import { expect, it } from 'vitest'
import { aggregateAcross, type ByLookup } from '../../../src/series/aggregateAcross.ts'
import { combine } from '../../../src/series/combine.ts'
import { join } from '../../../src/series/join.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'
import { bounded, boundedValue, load } from './bounded.ts'

const scope = unitScope()
const left = 'select * from "load"'
const right = 'select "series", "bucket", "usage" as "value" from "memory"'
const memory = unitKysely<{ memory: { series: string; bucket: Date; usage: number } }>()
  .selectFrom('memory')
  .select(['series', 'bucket', 'usage as value'])

const alike = (how: string, one: string, two: string) => `(
  select coalesce("left"."series", "right"."series") as "series", coalesce("left"."bucket", "right"."bucket") as "bucket",
    "left"."value"::float8 as "left", "right"."value"::float8 as "right"
  from (${one}) as "left" ${how} join (${two}) as "right" on "left"."series" = "right"."series" and "left"."bucket" = "right"."bucket"
  order by "series", "bucket")`

const pairs = (how: string, one: string, two: string) => `(
  with "left" as (${one}), "right" as (${two})
  select coalesce("one"."series", "two"."partner") || ' / ' || coalesce("one"."partner", "two"."series") as "series",
    coalesce("one"."bucket", "two"."bucket") as "bucket", "one"."value"::float8 as "left", "two"."value"::float8 as "right"
  from (
    select "left"."series", "left"."bucket", "left"."value", "name"."series" as "partner"
    from "left" cross join (select distinct "series" from "right") as "name"
  ) as "one"
  ${how} join (
    select "right"."series", "right"."bucket", "right"."value", "name"."series" as "partner"
    from "right" cross join (select distinct "series" from "left") as "name"
  ) as "two" on "one"."series" = "two"."partner" and "one"."partner" = "two"."series" and "one"."bucket" = "two"."bucket"
  order by "series", "bucket")`

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
  ['ratio', '"joined"."left" / nullif("joined"."right", 0)'],
  ['difference', '"joined"."left" - "joined"."right"'],
  ['sum', '"joined"."left" + "joined"."right"'],
  ['product', '"joined"."left" * "joined"."right"'],
] as const)('combine by %s is one statement over both frames', (op, value) => {
  const expected = (series: string, joined: string) =>
    oneLine(`
      select "combined".* from (
        select ${series} as "series", "joined"."bucket", ${value} as "value" from (select "joined".* from ${joined} as "joined") as "joined"
        order by "series", "joined"."bucket"
      ) as "combined"`)
  expect(compiled(combine(scope, load, load, { op }))).toEqual({
    sql: expected('"joined"."series"', alike('inner', bounded, bounded)),
    parameters: [],
  })
  expect(compiled(combine(scope, load, load, { op, on: 'bucket', series: 'both' }))).toEqual({
    sql: expected('$1::text', pairs('inner', bounded, bounded)),
    parameters: ['both'],
  })
})

const grouped = (group: string, beside = '') =>
  oneLine(`
    select "across".* from (
      select "point"."series", "point"."bucket", sum("point"."value") as "value", count("point"."value")::int4 as "members"
      from (select ${group} as "series", "point"."bucket", ${boundedValue} as "value" from (select * from "member") as "point" ${beside}) as "point"
      group by "point"."series", "point"."bucket" order by "point"."series", "point"."bucket"
    ) as "across"`)
const frame = unitKysely<{ member: { series: string; bucket: Date; value: number; resource_id: string; labels: unknown } }>()
  .selectFrom('member')
  .selectAll()

it('aggregateAcross is one statement over the frame', () => {
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum' }))).toEqual({ sql: grouped(`'all'::text`), parameters: [] })
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { label: 'http.route' } }))).toEqual({
    sql: grouped('coalesce("point"."labels" ->> $1::text, \'\')'),
    parameters: ['http.route'],
  })
})

it('aggregateAcross by the resource looks at the resources of the tenant only', () => {
  const resource = (tenant: string) => `
    left join "public"."dim_resource" as "resource" on "resource"."tenant_id" = ${tenant}::int8 and "resource"."resource_id" = "point"."resource_id"`
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { resource: 'region' } }))).toEqual({
    sql: grouped('coalesce("resource"."region", \'\')', resource('$1')),
    parameters: ['1'],
  })
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { resourceLabel: 'team' } }))).toEqual({
    sql: grouped('coalesce("resource"."labels" ->> $1::text, \'\')', resource('$2')),
    parameters: ['team', '1'],
  })
})

it('aggregateAcross by a lookup nests it', () => {
  const lookup: ByLookup['lookup'] = unitKysely<{ team: { series: string; group: string } }>().selectFrom('team').selectAll()
  expect(compiled(aggregateAcross(scope, frame, { with: 'sum', by: { lookup } }))).toEqual({
    sql: grouped(
      `coalesce("lookup"."group"::text, '')`,
      'left join (select * from "team") as "lookup" on "lookup"."series" = "point"."series"',
    ),
    parameters: [],
  })
})
