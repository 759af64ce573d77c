import { describe, expect, it } from 'vitest'
import { burstingPatterns } from '../../../src/logs/burstingPatterns.ts'
import { vanishedPatterns } from '../../../src/logs/vanishedPatterns.ts'
import { compiled, countedPatterns, lookedUp, oneLine } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const windows = { range: during('10:02', '10:30'), baseline: during('08:00', '10:02') }

/** The parameters come in the order of the text; `of` is where those of the resource end. */
const changed = (
  alias: string,
  {
    expected,
    distance,
    differs,
    resource = '',
    of,
  }: Record<'expected' | 'distance', string> & { differs: (factor: string) => string; resource?: string; of: number },
) => `
  select "${alias}".* from (
    select "logged"."fingerprint_id", "known"."pattern", known.severity as "severity", "known"."sample_message", "resource"."urn",
      "logged"."resource_id", "logged"."now" as "count_total", "logged"."expected", "logged"."last_bucket", "logged"."score"
    from (
      select "logged".*, 2::float8 * (${distance}) / sqrt(logged.dispersion * (1::float8 + logged.ratio)) as "score"
      from (
        select "logged".*, ${expected} as "expected"
        from (
          select "counted".*,
            sum(counted.now) over (partition by counted.resource_id) as "all_now",
            sum(counted.before) over (partition by counted.resource_id) as "all_before",
            $1::float8 / $2::float8 as "ratio",
            greatest(1::float8, coalesce((counted.squares - counted.before * counted.before / $3::float8) / nullif($4::float8 - 1::float8, 0::float8) / nullif(counted.before / $5::float8, 0::float8), 1::float8)) as "dispersion"
          from (
            select "count"."resource_id", "count"."fingerprint_id",
              coalesce(sum(count.count_total) filter (where (count.bucket >= $6::timestamptz and count.bucket < $7::timestamptz)), 0::numeric)::float8 as "now",
              coalesce(sum(count.count_total) filter (where not (count.bucket >= $8::timestamptz and count.bucket < $9::timestamptz)), 0::numeric)::float8 as "before",
              coalesce(sum(count.count_total::float8 * count.count_total::float8) filter (where not (count.bucket >= $10::timestamptz and count.bucket < $11::timestamptz)), 0::float8) as "squares",
              max(count.bucket) filter (where count.count_total > 0::numeric) as "last_bucket"
            from (
              select "count"."bucket", "count"."resource_id", "count"."fingerprint_id", sum(count.count_total) as "count_total"
              ${countedPatterns(12, resource)}
              where ((count.bucket >= $${of + 1}::timestamptz and count.bucket < $${of + 2}::timestamptz) or (count.bucket >= $${of + 3}::timestamptz and count.bucket < $${of + 4}::timestamptz))
              group by "count"."bucket", "count"."resource_id", "count"."fingerprint_id"
            ) as "count"
            group by "count"."resource_id", "count"."fingerprint_id"
          ) as "counted"
        ) as "logged"
      ) as "logged"
      where ${differs(`$${of + 5}::float8`)}
    ) as "logged"
    ${lookedUp('logged.fingerprint_id', of + 6, 'known', { table: 'log_pattern', key: 'fingerprint_id' })}
    ${lookedUp('logged.resource_id', of + 7, 'resource')}
    where "logged"."score" >= $${of + 8}::float8
    order by "score" desc, ("resource"."urn") collate "C", "fingerprint_id"
  ) as "${alias}"`

const range = [at('10:00'), at('10:30')]
/** The buckets of both windows, and when they begin. */
const counted = [6, 24, 24, 24, 24, ...range, ...range, ...range, '1', '1', at('08:00'), at('10:30')]
const windowsBegin = [...range, at('08:00'), at('10:00')]

describe('the exact SQL', () => {
  it('of burstingPatterns', () => {
    const sql = changed('burst', {
      expected: 'logged.before * logged.ratio',
      distance: 'sqrt(logged.now + 0.375::float8) - sqrt(logged.expected + 0.375::float8)',
      differs: (factor) => `logged.now > logged.expected * ${factor}`,
      of: 15,
    })
    expect(compiled(burstingPatterns(scope, windows))).toEqual({
      sql: oneLine(sql),
      parameters: [...counted, ...windowsBegin, 2, '1', '1', 4],
    })
  })

  it('of vanishedPatterns of a resource', () => {
    const sql = changed('vanished', {
      expected: `logged.before * case when logged.all_before > logged.before
        then least((logged.all_now - logged.now) / (logged.all_before - logged.before), logged.ratio) else logged.ratio end`,
      distance: 'sqrt(logged.expected + 0.375::float8) - sqrt(logged.now + 0.375::float8)',
      differs: (factor) => `logged.now * ${factor} < logged.expected`,
      resource: ` and "count"."resource_id" = (select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $16::int8 and given.urn = $17)
        and "public"."require_resources"($18::int8, $19::text[])`,
      of: 19,
    })
    expect(compiled(vanishedPatterns(scope, { ...windows, resource: 'urn:a', factor: 5, threshold: 3 }))).toEqual({
      sql: oneLine(sql),
      parameters: [...counted, '1', 'urn:a', '1', ['urn:a'], ...windowsBegin, 5, '1', '1', 3],
    })
  })
})

describe('refuses', () => {
  it.each([
    [{ ...windows, baseline: during('10:00', '10:10') }, 'baseline: must not overlap the range'],
    [{ ...windows, factor: 0.5 }, 'factor'],
    [{ ...windows, threshold: -1 }, 'threshold'],
    [{ ...windows, resource: '' }, 'resource'],
  ])('%j', (options, problem) => {
    expect(() => burstingPatterns(scope, options)).toThrow(problem)
    expect(() => vanishedPatterns(scope, options)).toThrow(problem)
  })
})
