import { describe, expect, it } from 'vitest'
import { newPatterns } from '../../../src/logs/newPatterns.ts'
import { patternDiversity } from '../../../src/logs/patternDiversity.ts'
import { patternSeries } from '../../../src/logs/patternSeries.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled, countedPatterns as counts, lookedUp, oneLine } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const range = during('10:02', '11:00')
const pattern = (first: number) => lookedUp('count.fingerprint_id', first, 'known', { table: 'log_pattern', key: 'fingerprint_id' })
const resourceOf = (first: number) => lookedUp('count.resource_id', first, 'resource')
const given = (first: number) =>
  `(select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $${first}::int8 and given.urn = $${first + 1})`
/** The four parameters from `$first`. */
const ofResource = (first: number) =>
  `and "count"."resource_id" = ${given(first)} and "public"."require_resources"($${first + 2}::int8, $${first + 3}::text[])`
/** Of groups of counts, whose parameters begin with `$2`; the others begin with `$first`. */
const ofPatterns = (counted: string, first: number, isNew = false) => `
  select "pattern".* from (
    select "known"."fingerprint_id", "known"."pattern", known.severity as "severity", "known"."sample_message", "count"."first_seen",
      "known"."first_seen" as "first_seen_anywhere", "count"."logs_since", "count"."count_total", "count"."count_error", "count"."resources"
    from (
      select "count"."fingerprint_id", pg_catalog.min(seen.first_seen) as "first_seen",
        pg_catalog.min((
          select pg_catalog.min(seen.first_seen) from "public"."log_pattern_seen" as seen
          where seen.resource_id = "count"."resource_id" and (seen.tenant_id = $1::int8) is true
        )) as "logs_since",
        sum(count.count_total)::float8 as "count_total", sum(count.count_error)::float8 as "count_error",
        pg_catalog.array_agg(resource.urn order by resource.urn collate "C") as "resources"
      from (
        select "count"."fingerprint_id", "count"."resource_id", sum(count.count_total) as "count_total", sum(count.count_error) as "count_error"
        ${counted} group by "count"."fingerprint_id", "count"."resource_id"
      ) as "count"
      inner join lateral (
        select pg_catalog.min(seen.first_seen) as first_seen
        from "public"."log_pattern" as part
        cross join lateral (
          select each.first_seen
          from "public"."log_pattern_seen" as each
          where each.fingerprint_id = part.fingerprint_id and each.resource_id = "count"."resource_id"
            and (each.tenant_id = $${first}::int8) is true
          offset 0
        ) as seen
        where part.tenant_id = $${first + 1}::int8
          and (part.fingerprint_id = "count"."fingerprint_id" or part.redirect_id = "count"."fingerprint_id")
      ) as "seen" on true
      ${resourceOf(first + 2)} ${isNew ? `where "seen"."first_seen" >= $${first + 3}` : ''} group by "count"."fingerprint_id"
    ) as "count" ${pattern(first + (isNew ? 4 : 3))}
    order by "first_seen", "count_total" desc, "fingerprint_id"
  ) as "pattern"`

describe('the exact SQL', () => {
  it('of newPatterns, which counts from the beginning of the bucket its range begins in', () => {
    expect(compiled(newPatterns(scope, { range }).where('severity', 'in', ['ERROR', 'FATAL']))).toEqual({
      sql: oneLine(
        `${ofPatterns(
          `${counts(2)} where ((count.resource_id, count.fingerprint_id) in (
            select seen.resource_id, case
              when ("seen"."fingerprint_id" in (
                select merged.fingerprint_id from "public"."log_pattern" as merged
                where merged.tenant_id = $6::int8 and merged.redirect_id is not null
              )) is true
              then (select merged.redirect_id from "public"."log_pattern" as merged where merged.fingerprint_id = "seen"."fingerprint_id")
              else "seen"."fingerprint_id"
            end as fingerprint_id
            from "public"."dim_resource" as logging
            cross join lateral (
              select each.resource_id, each.fingerprint_id
              from "public"."log_pattern_seen" as each
              where each.resource_id = logging.resource_id and (each.tenant_id = $7::int8) is true
                and each.first_seen >= $8::timestamptz and each.first_seen < $9::timestamptz
              offset 0
            ) as seen
            where logging.tenant_id = $10::int8
          )) is true`,
          11,
          true,
        )} where "severity" in ($16, $17)`,
      ),
      parameters: [
        '1',
        '1',
        '1',
        at('10:00'),
        range.to,
        '1',
        '1',
        range.from,
        range.to,
        '1',
        '1',
        '1',
        '1',
        range.from,
        '1',
        'ERROR',
        'FATAL',
      ],
    })
  })

  it('of newPatterns after a silence', () => {
    expect(compiled(newPatterns(scope, { range, resource: 'urn:a', silence: '1 hour 2 minutes' }))).toEqual({
      sql: oneLine(
        ofPatterns(
          `${counts(2, ofResource(6))} where ((count.resource_id, count.fingerprint_id) in (
              select "count"."resource_id", "count"."fingerprint_id" ${counts(10, ofResource(14))}
            )) is not true`,
          18,
        ),
      ),
      parameters: [
        '1',
        '1',
        '1',
        range.from,
        range.to,
        '1',
        'urn:a',
        '1',
        ['urn:a'],
        '1',
        '1',
        at('09:00'),
        range.from,
        '1',
        'urn:a',
        '1',
        ['urn:a'],
        '1',
        '1',
        '1',
        '1',
      ],
    })
  })

  it.each([
    ['an hour', range.from, 'log_pattern_5m'],
    ['three months', new Date(range.to.getTime() - 90 * 86_400_000), 'log_pattern_1h'],
  ])('of patternDiversity over %s', (_, from, table) => {
    const effective = `least(exp(-sum(logged.share * ln(logged.share) order by logged.share)), pg_catalog.count(*)::float8)`
    expect(compiled(patternDiversity(scope, { resource: 'urn:a', range: { from, to: range.to } }))).toEqual({
      sql: oneLine(`
        select "diversity".* from (
          select "resource"."urn" as "urn", "logged"."resource_id", "logged"."pattern_count", "logged"."count_total", "logged"."effective_count",
            "logged"."top_share", "resource"."urn" as "item", "logged"."effective_count" as "score"
          from (select "logged"."resource_id", pg_catalog.count(*)::float8 as "pattern_count",
            sum(logged.records)::float8 as "count_total", ${effective} as "effective_count", max(logged.share) as "top_share"
          from (
            select "counted"."resource_id", "counted"."records",
              counted.records::float8 / (sum(counted.records) over (partition by counted.resource_id))::float8 as "share"
            from (
              select "count"."resource_id", sum(count.count_total) as "records" ${counts(1, ofResource(5), table)}
              group by "count"."resource_id", "count"."fingerprint_id"
            ) as "counted" where counted.records > 0::numeric
          ) as "logged" group by "logged"."resource_id") as "logged" ${lookedUp('logged.resource_id', 9, 'resource')} order by "score" desc, ("resource"."urn") collate "C"
        ) as "diversity"`),
      parameters: ['1', '1', from, range.to, '1', 'urn:a', '1', ['urn:a'], '1'],
    })
  })

  it('of patternSeries', () => {
    const partsOfSeven = `and count.fingerprint_id = any (array(
      select part.fingerprint_id
      from "public"."log_pattern" as given
      join "public"."log_pattern" as part
        on part.fingerprint_id = coalesce(given.redirect_id, given.fingerprint_id)
          or part.redirect_id = coalesce(given.redirect_id, given.fingerprint_id)
      where given.tenant_id = $5::int8 and part.tenant_id = $6::int8 and given.fingerprint_id = $7::int8
    ))`
    expect(compiled(patternSeries(scope, { fingerprintId: '7', severity: 'ERROR', measure: 'count_error', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select "known"."pattern" as "series", "count"."bucket", "count"."value", null::int8 as "resource_id"
          from (
            select "count"."bucket" as "bucket", sum("count"."count_error")::float8 as "value", "count"."fingerprint_id" ${counts(1, partsOfSeven)} where (count.fingerprint_id in (
                select known.fingerprint_id from "public"."log_pattern" as known where known.tenant_id = $8::int8 and known.severity = $9
              )) is true
            group by "count"."bucket", "count"."fingerprint_id"
          ) as "count" ${pattern(10)}
          order by ("known"."pattern") collate "C", "count"."bucket"
        ) as "point"`),
      parameters: ['1', '1', range.from, range.to, '1', '1', '7', '1', 'ERROR', '1'],
    })
  })

  it('of patternSeries of resources, over three months', () => {
    const months = { from: new Date(range.to.getTime() - 90 * 86_400_000), to: range.to }
    expect(compiled(patternSeries(scope, { measure: 'count_total', range: months, by: 'resource' }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select "resource"."urn" as "series", "count"."bucket", "count"."value", "count"."resource_id" as "resource_id"
          from (
            select "count"."bucket" as "bucket", sum("count"."count_total")::float8 as "value", "count"."resource_id"
            ${counts(1, '', 'log_pattern_1h')} group by "count"."bucket", "count"."resource_id"
          ) as "count" ${resourceOf(5)}
          order by ("resource"."urn") collate "C", "count"."bucket"
        ) as "point"`),
      parameters: ['1', '1', months.from, months.to, '1'],
    })
  })
})

describe('bad input is refused by name', () => {
  /** A value whose type says nothing, as JavaScript callers have them. */
  const bad = (text: string) => JSON.parse(text)

  it.each([
    ['range.from', () => newPatterns(scope, { range: { from: at('10:03'), to: at('10:02') } })],
    ['resource', () => newPatterns(scope, { range, resource: '' })],
    ['silence', () => newPatterns(scope, { range, silence: '7' })],
    ['fingerprintId', () => patternSeries(scope, { fingerprintId: '1 or true', measure: 'count_total', range })],
    ['fingerprintId', () => patternSeries(scope, { fingerprintId: '9223372036854775808', measure: 'count_total', range })],
    ['range.from', () => patternDiversity(scope, { range: { from: at('10:03'), to: at('10:02') } })],
    ['resource', () => patternDiversity(scope, { range, resource: '' })],
    ['options', () => patternDiversity(scope, { range, severity: 'ERROR' } as never)],
    ['severity', () => patternSeries(scope, { severity: bad('"error"'), measure: 'count_total', range })],
    ['measure', () => patternSeries(scope, { measure: bad('"total"'), range })],
    ['resolution', () => patternSeries(scope, { measure: 'count_total', range, resolution: '7 minutes' })],
    ['by', () => patternSeries(scope, { measure: 'count_total', range, by: bad('"tenant"') })],
  ])('%s (%#)', (field, call) => {
    expect(call).toThrow(InvalidInputError)
    expect(call).toThrow(new RegExp(`^${field.replace('.', '\\.')}: `))
  })
})
