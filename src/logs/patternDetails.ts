import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Severity } from '../schema/severity.ts'
import type { HeavyHittersJson } from '../sketch/heavyHitters/heavyHitters.ts'
import { heavyHittersMerge } from '../sketch/heavyHitters/heavyHittersMerge.ts'
import { heavyHittersTop } from '../sketch/heavyHitters/heavyHittersTop.ts'
import { hllCardinality } from '../sketch/hll/hllCardinality.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { fingerprintId } from './fingerprintId.ts'
import { patternCounts } from './patternCounts.ts'

export interface PatternDetailsOptions {
  /** The `fingerprint_id` of a pattern, also one that it had before it became part of another. */
  fingerprintId: string
  /** Buckets of five minutes that begin in it count. */
  range: TimeRange
}

/** A value of a parameter, and how often it came. */
export interface ParameterValue {
  value: string
  /** The smallest possible number of records with it. */
  min_count: number
  /** The largest possible number. */
  max_count: number
}

/** A `<*>` of a pattern, or a part of one: what varied there. */
export interface PatternParameter {
  /** The word of the pattern before it; null at the beginning, and if the pattern has one word. */
  after: string | null
  /** The records in which it was counted. */
  count_total: number
  /** How many different values came: exact up to 16, beyond that with a standard error of 6.5 %. */
  distinct_count: number
  /** The most frequent values, at most 10: most frequent first, then by their bytes. */
  values: ParameterValue[]
}

/** What one resource logged of a pattern, and where its raw records are. */
export interface PatternDetail {
  /** The id that the pattern has now. */
  fingerprint_id: string
  /** The message, with `<*>` for its variable parts. */
  pattern: string
  /** The highest severity of its messages; null if it is unknown. */
  severity: Severity | null
  /** When its first record was logged, at any resource of the tenant; null if it is unknown. */
  first_seen: Date | null
  /** When its last record was logged; null if it is unknown. */
  last_seen: Date | null
  /** The first message of the pattern, and of each that is part of it; at most 20, sorted by their bytes. */
  sample_messages: string[]
  /** URN of the resource that logged it. */
  urn: string
  resource_id: string
  /** The number of records in the range. */
  count_total: number
  /** The number of records of severity ERROR and above in the range. */
  count_error: number
  /** The start of the last bucket with a record. */
  last_bucket: Date
  /** The bucket of the object store with records of the last bucket; null without a locator. */
  object_bucket: string | null
  /** The key in that bucket. */
  object_key: string | null
  /** How to find the records there. */
  query_hint: string | null
  /**
   * The first line of that object with a record of the last bucket, from 1; null if it is unknown.
   */
  first_line: number | null
  /** The last such line. */
  last_line: number | null
  /** What varied, in the order of the pattern; empty if `ingest` does not count `parameters`. */
  parameters: PatternParameter[]
}

const patternDetailsOptions = z.strictObject({ fingerprintId, range: timeRange })

/**
 * What is known of one pattern: a row for each resource that logged it in the range, the one that
 * logs most first.
 *
 * | | |
 * |---|---|
 * | `sample_messages` | what the messages look like that became one pattern |
 * | `object_key`, `query_hint`, `first_line`, `last_line` | the locator of the latest five minutes with records |
 * | `parameters` | of records that were ingested with `parameters`, since the pattern has had its form of now: what a template that became part of it counted is not in them |
 * | an id that the tenant does not have | no rows |
 * | order | `count_total` descending, then `urn` by its bytes |
 *
 * Values that come rarely may be missing: a value that came in more than a seventeenth of the
 * records of every five minutes is never missing. Of raw messages {@link createLogMiner} finds all
 * parameters.
 *
 * @throws InvalidInputError if an option is invalid; names the field.
 * @example
 * const details = await patternDetails(scope, { fingerprintId: '4711', range: last('1 day') }).execute()
 *
 * // select "detail".* from (
 * //   select "known"."fingerprint_id", "known"."pattern", ..., array(...) as "sample_messages", ...
 * //   from (
 * //     select "count"."resource_id", "count"."fingerprint_id", ...
 * //     from (... from "public"."log_pattern_5m" as "count" where ... and
 * //       count.fingerprint_id = any (array(...))) as "count"
 * //     group by "count"."resource_id", "count"."fingerprint_id"
 * //   ) as "count" inner join lateral (...) as "known" on true ... left join lateral (...) as
 * //     "locator" on true cross join lateral (...) as "varied" order by "count_total" desc, ...
 * // ) as "detail"
 */
export function patternDetails(scope: Scope, options: PatternDetailsOptions): Finished<PatternDetail, 'detail'> {
  const { fingerprintId: id, range } = parseOptions(patternDetailsOptions, options)
  const counted = patternCounts(scope, { fingerprintId: id, range })
    .groupBy(['count.resource_id', 'count.fingerprint_id'])
    .select([
      'count.resource_id',
      'count.fingerprint_id',
      sql<number>`sum(count.count_total)::float8`.as('count_total'),
      sql<number>`sum(count.count_error)::float8`.as('count_error'),
      sql<Date>`max(count.bucket)`.as('last_bucket'),
    ])
  const samples = sql<string[]>`array(
    select part.sample_message
    from ${scope.id('log_pattern')} as part
    where part.tenant_id = ${scope.tenantId}::int8 and part.sample_message is not null
      and (part.fingerprint_id = count.fingerprint_id or part.redirect_id = count.fingerprint_id)
    group by part.sample_message
    order by part.sample_message collate "C"
    limit 20::int8
  )`
  // The bucket has a row for each pattern that is part of this one.
  const locator = sql<{
    bucket: string
    object_key: string
    query_hint: string | null
    first_line: number | null
    last_line: number | null
  }>`(
    select found.bucket, found.object_key, found.query_hint, ${lineOf('first_line')} as first_line, ${lineOf('last_line')} as last_line
    from ${scope.id('log_pattern_5m')} as latest
    join ${scope.id('oo_locator')} as found on found.id = latest.sample_ref
    where latest.bucket = count.last_bucket and latest.tenant_id = ${scope.tenantId}::int8 and latest.resource_id = count.resource_id
      and latest.fingerprint_id in (
        select part.fingerprint_id from ${scope.id('log_pattern')} as part
        where part.tenant_id = ${scope.tenantId}::int8
          and (part.fingerprint_id = count.fingerprint_id or part.redirect_id = count.fingerprint_id)
      )
      and found.tenant_id = ${scope.tenantId}::int8
    order by found.t_from, found.id
    limit 1::int8
  )`
  const details = scope.db
    .selectFrom(counted.as('count'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'count.fingerprint_id').as('known'), (join) => join.onTrue())
    .innerJoinLateral(resourceAt(scope, 'count.resource_id').as('resource'), (join) => join.onTrue())
    .leftJoinLateral(locator.as('locator'), (join) => join.onTrue())
    .innerJoinLateral(parametersDuring(scope, range).as('varied'), (join) => join.onTrue())
    .select(['count.fingerprint_id', 'known.pattern', sql<Severity | null>`known.severity`.as('severity'), 'known.first_seen'])
    .select([
      'known.last_seen',
      samples.as('sample_messages'),
      'resource.urn',
      'count.resource_id',
      'count.count_total',
      'count.count_error',
    ])
    .select(['count.last_bucket', 'locator.bucket as object_bucket', 'locator.object_key', 'locator.query_hint'])
    .select(['locator.first_line', 'locator.last_line', 'varied.parameters'])
    .orderBy('count_total', 'desc')
    .orderBy(byBytes('resource.urn'))
  return finished(scope, details, 'detail')
}

/**
 * A line in the attributes of a locator (`found`), which may be anything in rows that others wrote.
 */
const lineOf = (name: 'first_line' | 'last_line') =>
  sql<
    number | null
  >`case when pg_catalog.jsonb_typeof(found.attributes -> ${sql.lit(name)}::text) = 'number' then (found.attributes ->> ${sql.lit(name)}::text)::float8 end`

/** How many values of a parameter there are room for, in a row and in the answer. */
const capacity = 16
const shown = 10

/**
 * The parameters of what a resource (`count`) logged of a pattern (`known`): those of rows that are
 * of it, not of what redirects to it.
 */
function parametersDuring(scope: Scope, { from, to }: TimeRange) {
  const sketch = sql<HeavyHittersJson>`(each.value -> 'values'::text)`
  const distinct = sql<Uint8Array>`(each.value ->> 'distinct'::text)::pg_catalog.bytea`
  return sql<{ parameters: PatternParameter[] }>`(
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'after'::text, case when parameter.words > 0::int4 then (pg_catalog.string_to_array(known.words, ' '::text))[parameter.words] end,
      'count_total'::text, (parameter.sketch ->> 'n'::text)::float8,
      'distinct_count'::text, pg_catalog.round(parameter.distinct_count),
      'values'::text, array(
        select pg_catalog.jsonb_build_object('value'::text, top.item, 'min_count'::text, top.min_count, 'max_count'::text, top.max_count)
        from ${heavyHittersTop(scope, sql.ref('parameter.sketch'), shown)} as top
        order by top.min_count desc, top.item collate "C"
        limit ${sql.lit(shown)}
      )
    ) order by parameter.words, parameter.number), '[]'::jsonb) as parameters
    from (
      select pg_catalog.split_part(each.key, '.'::text, 1::int4)::int4 as words, pg_catalog.split_part(each.key, '.'::text, 2::int4)::int4 as number,
        ${heavyHittersMerge(scope, sketch, { capacity })} as sketch,
        ${hllCardinality(scope, hllUnion(scope, distinct))} as distinct_count
      from ${scope.id('log_pattern_5m')} as tally
      cross join lateral pg_catalog.jsonb_each(tally.parameters) as each (key, value)
      where tally.bucket >= ${from}::timestamptz and tally.bucket < ${to}::timestamptz
        and tally.tenant_id = ${scope.tenantId}::int8 and tally.resource_id = count.resource_id and tally.fingerprint_id = count.fingerprint_id
      group by each.key
    ) as parameter
  )`
}
