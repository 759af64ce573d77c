import { describe, expect, it } from 'vitest'
import { noisiestPatterns } from '../../../src/logs/noisiestPatterns.ts'
import { patternDetails } from '../../../src/logs/patternDetails.ts'
import { searchPatterns } from '../../../src/logs/searchPatterns.ts'
import { similarPatterns } from '../../../src/logs/similarPatterns.ts'
import { compiled, countedPatterns, lookedUp, oneLine } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const range = during('10:00', '11:00')
const known = (id: string, first: number) => lookedUp(id, first, 'known', { table: 'log_pattern', key: 'fingerprint_id' })
const parts = (first: number) => `and count.fingerprint_id = any (array(
  select part.fingerprint_id
  from "public"."log_pattern" as given
  join "public"."log_pattern" as part
    on part.fingerprint_id = coalesce(given.redirect_id, given.fingerprint_id)
      or part.redirect_id = coalesce(given.redirect_id, given.fingerprint_id)
  where given.tenant_id = $${first}::int8 and part.tenant_id = $${first + 1}::int8 and given.fingerprint_id = $${first + 2}::int8
))`
const matching = (alias: string, of: string, rest: string) => `
  select "${alias}".* from (
    select "match"."fingerprint_id", "known"."pattern", known.severity as "severity", "known"."sample_message",
      "known"."first_seen", "known"."last_seen", "known"."pattern" as "item", "match"."score"
    from "public"."pattern_matches"(${of}) as "match"
    ${rest} order by "score" desc, known.pattern collate "C"
  ) as "${alias}"`

describe('the exact SQL', () => {
  it('of noisiestPatterns', () => {
    const begin = [range.from, range.to]
    expect(compiled(noisiestPatterns(scope, { range }))).toEqual({
      sql: oneLine(`
        select "noisy".* from (
          select "count"."fingerprint_id", "known"."pattern", known.severity as "severity", "known"."sample_message",
            "count"."count_total", "count"."count_error", "count"."share", "count"."growth", "count"."resources",
            "known"."pattern" as "item", "count"."count_total" as "score"
          from (
            select "count"."fingerprint_id", sum(count.now)::float8 as "count_total", sum(count.errors)::float8 as "count_error",
              sum(count.now)::float8 / (sum(sum(count.now)) over ())::float8 as "share",
              sum(count.now)::float8 / nullif(sum(count.before)::float8 * $1::float8, 0::float8) as "growth",
              pg_catalog.array_agg(resource.urn order by resource.urn collate "C") filter (where count.now > 0::numeric) as "resources"
            from (
              select "count"."resource_id", "count"."fingerprint_id",
                sum(count.count_total) filter (where (count.bucket >= $2::timestamptz and count.bucket < $3::timestamptz)) as "now",
                sum(count.count_error) filter (where (count.bucket >= $4::timestamptz and count.bucket < $5::timestamptz)) as "errors",
                sum(count.count_total) filter (where (count.bucket >= $6::timestamptz and count.bucket < $7::timestamptz)) as "before"
              ${countedPatterns(8)}
              group by "count"."resource_id", "count"."fingerprint_id"
            ) as "count" ${lookedUp('count.resource_id', 12, 'resource')}
            group by "count"."fingerprint_id" having sum(count.now) > 0::numeric
          ) as "count" ${known('count.fingerprint_id', 13)}
          order by "score" desc, known.pattern collate "C"
        ) as "noisy"`),
      parameters: [1, ...begin, ...begin, at('09:00'), range.from, '1', '1', at('09:00'), range.to, '1', '1'],
    })
  })

  it('of searchPatterns, which asks for the text and for what masks make of it', () => {
    expect(compiled(searchPatterns(scope, { text: 'order 7 lost' }).limit(5))).toEqual({
      sql: oneLine(`${matching('found', '$1::int8, array[$2, $3]::text[], false, $4::float8', known('match.fingerprint_id', 5))} limit $6`),
      parameters: ['1', 'order 7 lost', 'order <*> lost', 0.3, '1', 5],
    })
  })

  it('of similarPatterns', () => {
    const current = (first: number) => `(
      select coalesce(given.redirect_id, given.fingerprint_id) from "public"."log_pattern" as given
      where given.tenant_id = $${first}::int8 and given.fingerprint_id = $${first + 1}::int8
    )`
    const texts = `array(
      select target.pattern from "public"."log_pattern" as target
      where target.tenant_id = $2::int8 and target.fingerprint_id = ${current(3)}
    )`
    const rest = `${known('match.fingerprint_id', 6)} where match.fingerprint_id <> ${current(7)}`
    expect(compiled(similarPatterns(scope, { fingerprintId: '7', threshold: 0.5 }))).toEqual({
      sql: oneLine(matching('similar', `$1::int8, ${texts}, true, $5::float8`, rest)),
      parameters: ['1', '1', '1', '7', 0.5, '1', '1', '7'],
    })
  })

  it('of patternDetails', () => {
    expect(compiled(patternDetails(scope, { fingerprintId: '7', range }))).toEqual({
      sql: oneLine(`
        select "detail".* from (
          select "count"."fingerprint_id", "known"."pattern", known.severity as "severity", "known"."first_seen", "known"."last_seen",
            array(
              select part.sample_message
              from "public"."log_pattern" as part
              where part.tenant_id = $1::int8 and part.sample_message is not null
                and (part.fingerprint_id = count.fingerprint_id or part.redirect_id = count.fingerprint_id)
              group by part.sample_message
              order by part.sample_message collate "C"
              limit 20::int8
            ) as "sample_messages", "resource"."urn", "count"."resource_id", "count"."count_total", "count"."count_error", "count"."last_bucket",
            "locator"."bucket" as "object_bucket", "locator"."object_key", "locator"."query_hint", "locator"."first_line",
            "locator"."last_line", "varied"."parameters"
          from (
            select "count"."resource_id", "count"."fingerprint_id", sum(count.count_total)::float8 as "count_total",
              sum(count.count_error)::float8 as "count_error", max(count.bucket) as "last_bucket"
            ${countedPatterns(2, parts(6))}
            group by "count"."resource_id", "count"."fingerprint_id"
          ) as "count" ${known('count.fingerprint_id', 9)} ${lookedUp('count.resource_id', 10, 'resource')}
          left join lateral (
            select found.bucket, found.object_key, found.query_hint,
              case when pg_catalog.jsonb_typeof(found.attributes -> 'first_line'::text) = 'number' then (found.attributes ->> 'first_line'::text)::float8 end as first_line,
              case when pg_catalog.jsonb_typeof(found.attributes -> 'last_line'::text) = 'number' then (found.attributes ->> 'last_line'::text)::float8 end as last_line
            from "public"."log_pattern_5m" as latest
            join "public"."oo_locator" as found on found.id = latest.sample_ref
            where latest.bucket = count.last_bucket and latest.tenant_id = $11::int8 and latest.resource_id = count.resource_id
              and latest.fingerprint_id in (
                select part.fingerprint_id from "public"."log_pattern" as part
                where part.tenant_id = $12::int8
                  and (part.fingerprint_id = count.fingerprint_id or part.redirect_id = count.fingerprint_id)
              )
              and found.tenant_id = $13::int8
            order by found.t_from, found.id
            limit 1::int8
          ) as "locator" on true
          inner join lateral (
            select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
              'after'::text, case when parameter.words > 0::int4 then (pg_catalog.string_to_array(known.words, ' '::text))[parameter.words] end,
              'count_total'::text, (parameter.sketch ->> 'n'::text)::float8,
              'distinct_count'::text, pg_catalog.round(parameter.distinct_count),
              'values'::text, array(
                select pg_catalog.jsonb_build_object('value'::text, top.item, 'min_count'::text, top.min_count, 'max_count'::text, top.max_count)
                from "public"."heavy_hitters_top"("parameter"."sketch", 10) as top
                order by top.min_count desc, top.item collate "C"
                limit 10
              )
            ) order by parameter.words, parameter.number), '[]'::jsonb) as parameters
            from (
              select pg_catalog.split_part(each.key, '.'::text, 1::int4)::int4 as words,
                pg_catalog.split_part(each.key, '.'::text, 2::int4)::int4 as number,
                "public"."heavy_hitters_merge_all"(pg_catalog.array_agg((each.value -> 'values'::text)), 16) as sketch,
                "public"."hll_cardinality"((
                  "public"."hll_send"("public"."hll_union_agg"(((each.value ->> 'distinct'::text)::pg_catalog.bytea)::"public"."hll"))
                )::"public"."hll") as distinct_count
              from "public"."log_pattern_5m" as tally
              cross join lateral pg_catalog.jsonb_each(tally.parameters) as each (key, value)
              where tally.bucket >= $14::timestamptz and tally.bucket < $15::timestamptz
                and tally.tenant_id = $16::int8 and tally.resource_id = count.resource_id and tally.fingerprint_id = count.fingerprint_id
              group by each.key
            ) as parameter
          ) as "varied" on true
          order by "count_total" desc, ("resource"."urn") collate "C"
        ) as "detail"`),
      parameters: ['1', '1', '1', range.from, range.to, '1', '1', '7', '1', '1', '1', '1', '1', range.from, range.to, '1'],
    })
  })
})

describe('refuses', () => {
  it.each([
    ['range.from', () => noisiestPatterns(scope, { range: { from: range.to, to: range.from } })],
    ['baseline', () => noisiestPatterns(scope, { range, baseline: during('10:30', '10:40') })],
    ['resource', () => noisiestPatterns(scope, { range, resource: '' })],
    ['text', () => searchPatterns(scope, { text: '' })],
    ['text', () => searchPatterns(scope, { text: 'a\0b' })],
    ['threshold', () => searchPatterns(scope, { text: 'x', threshold: 2 })],
    ['fingerprintId', () => similarPatterns(scope, { fingerprintId: '1 or true' })],
    ['fingerprintId', () => patternDetails(scope, { fingerprintId: '', range })],
    ['range.from', () => patternDetails(scope, { fingerprintId: '1', range: { from: range.to, to: range.from } })],
  ])('a wrong %s (%#)', (field, call) => {
    expect(call).toThrow(new RegExp(`^${field.replace('.', '\\.')}: `))
  })
})
