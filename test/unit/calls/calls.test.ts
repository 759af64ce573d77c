import { describe, expect, it } from 'vitest'
import { callFan } from '../../../src/calls/callFan.ts'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import { callSeries } from '../../../src/calls/callSeries.ts'
import { callSummary } from '../../../src/calls/callSummary.ts'
import { compareCalls } from '../../../src/calls/compareCalls.ts'
import { slowestDependencies } from '../../../src/calls/slowestDependencies.ts'
import { bounded } from '../../../src/database/sql/bounded.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled, lookedUp, oneLine } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const range = during('10:00', '11:00')
const calls = 'from "public"."service_call_5m" as "call"'
/** The parameter `$first` is the tenant, the next two are the range. */
const ofRange = (first: number) => `"call"."tenant_id" = $${first} and "call"."bucket" >= $${first + 1} and "call"."bucket" < $${first + 2}`
const both = (first: number) => `${lookedUp('call.src', first, 'caller')} ${lookedUp('call.dst', first + 1, 'callee')}`
/** The tenant's resource of a URN. */
const given = (first: number) =>
  `(select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $${first}::int8 and given.urn = $${first + 1})`
/** That the tenant has what is asked of; the parameters are it and the URNs. */
const known = (first: number) => `"public"."require_resources"($${first}::int8, $${first + 1}::text[])`
const quantile = (q: number) => `
  "public"."exp_histogram_quantile"("public"."exp_histogram_merge"(
    coalesce(call.histogram, case when call.call_count = 1 then "public"."exp_histogram"(call.p50_ms) end)), ${q}::float8)`
const counted = `
  sum(call.call_count)::float8 as "call_count", sum(call.error_count)::float8 as "error_count"`
const ratio = `sum(call.error_count)::float8 / nullif(sum(call.call_count), 0::numeric)::float8 as "err_rate"`

describe('the exact SQL', () => {
  it('of compareCalls, narrowed', async () => {
    const windows = { baseline: during('09:00', '10:00'), candidate: range }
    const { sql, parameters } = compareCalls(scope, { ...windows, from: 'urn:a', minCalls: 50 })
      .where('verdict', '=', 'worse')
      .compile()
    await expect(sql).toMatchFileSnapshot('compareCalls.sql')
    const { baseline } = windows
    const before = [baseline.from, baseline.to]
    const after = [range.from, range.to]
    expect(parameters).toEqual([
      ...after,
      '1',
      'urn:a',
      '1',
      ['urn:a'],
      '1',
      baseline.from,
      range.to,
      ...before,
      ...after,
      '1',
      '1',
      'worse',
    ])
  })

  it('of slowestDependencies, narrowed', () => {
    const query = slowestDependencies(scope, { service: 'urn:a', range }).where('mean_err_rate', '>', 0.01)
    expect(compiled(query)).toEqual({
      sql: oneLine(`
        select "dependency".* from (
          select "callee"."urn" as "dst_urn", "call"."mean_p95_ms", "call"."mean_err_rate"
          from (
            select "call"."dst_resource_id" as "dst", avg(${bounded('call.p95_ms')}) as "mean_p95_ms", avg("call"."err_rate") as "mean_err_rate"
            ${calls} where "call"."src_resource_id" = ${given(1)} and ${known(3)} and ${ofRange(5)} group by "call"."dst_resource_id"
          ) as "call" ${lookedUp('call.dst', 8, 'callee')}
          order by "mean_p95_ms" desc nulls last, "mean_err_rate" desc nulls last, ("callee"."urn") collate "C" limit $9
        ) as "dependency" where "mean_err_rate" > $10`),
      parameters: ['1', 'urn:a', '1', ['urn:a'], '1', range.from, range.to, '1', 5, 0.01],
    })
  })

  it.each([
    ['caller', 'src', 'dst'],
    ['callee', 'dst', 'src'],
  ] as const)('of callFan by %s', (by, own, peer) => {
    expect(compiled(callFan(scope, { by, range }))).toEqual({
      sql: oneLine(`
        select "fan".* from (
          select "resource"."urn" as "urn", "call"."resource_id", "call"."peer_count", "call"."call_count", "call"."rps",
            "resource"."urn" as "item", "call"."peer_count" as "score"
          from (
            select "call"."${own}_resource_id" as "resource_id", pg_catalog.count(distinct "call"."${peer}_resource_id")::float8 as "peer_count",
              sum(call.call_count)::float8 as "call_count", sum(call.call_count)::float8 / $1::float8 as "rps"
            ${calls} where ${ofRange(2)} group by "call"."${own}_resource_id"
          ) as "call" ${lookedUp('call.resource_id', 5, 'resource')}
          order by "score" desc, ("resource"."urn") collate "C"
        ) as "fan"`),
      parameters: [3600, '1', range.from, range.to, '1'],
    })
  })

  it('of callSummary', () => {
    expect(compiled(callSummary(scope, { from: 'urn:a', range }))).toEqual({
      sql: oneLine(`
        select "dependency".* from (
          select "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn", "call"."call_count", "call"."error_count", "call"."rps", "call"."err_rate",
            "call"."p50_ms", "call"."p95_ms", "call"."p99_ms"
          from (
            select "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", ${counted},
              sum(call.call_count)::float8 / $1::float8 as "rps", ${ratio},
              ${quantile(0.5)} as "p50_ms", ${quantile(0.95)} as "p95_ms", ${quantile(0.99)} as "p99_ms"
            ${calls} where "call"."src_resource_id" = ${given(2)} and ${known(4)} and ${ofRange(6)}
            group by "call"."dst_resource_id", "call"."src_resource_id"
          ) as "call" ${lookedUp('call.dst', 9, 'callee')} ${lookedUp('call.src', 10, 'caller', { join: 'left' })}
          where "caller"."urn" is not null
          order by "call"."p95_ms" desc nulls last, "call"."err_rate" desc nulls last, ("callee"."urn") collate "C", ("caller"."urn") collate "C"
        ) as "dependency"`),
      parameters: [3600, '1', 'urn:a', '1', ['urn:a'], '1', range.from, range.to, '1', '1'],
    })
  })

  it('of callSeries with both ends', () => {
    expect(compiled(callSeries(scope, { from: 'urn:a', to: 'urn:b', measure: 'p95_ms', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select caller.urn || ' -> ' || callee.urn as "series", "call"."bucket", "call"."value", null::int8 as "resource_id"
          from (
            select call.p95_ms::float8 as "value", "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", "call"."bucket" as "bucket"
            ${calls} where "call"."src_resource_id" = ${given(1)} and "call"."dst_resource_id" = ${given(3)} and ${known(5)} and ${ofRange(7)}
          ) as "call" ${both(10)}
          order by (caller.urn || ' -> ' || callee.urn) collate "C", "call"."bucket"
        ) as "point"`),
      parameters: ['1', 'urn:a', '1', 'urn:b', '1', ['urn:a', 'urn:b'], '1', range.from, range.to, '1', '1'],
    })
  })

  it('of callSeries with one end', () => {
    expect(compiled(callSeries(scope, { to: 'urn:b', measure: 'p95_ms', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select "resource"."urn" as "series", "call"."bucket", "call"."value", "call"."resource_id" as "resource_id"
          from (
            select "call"."dst_resource_id" as "resource_id", "call"."bucket" as "bucket", ${quantile(0.95)} as "value"
            ${calls} where "call"."dst_resource_id" = ${given(1)} and ${known(3)} and ${ofRange(5)}
            group by "call"."dst_resource_id", "call"."bucket"
          ) as "call" ${lookedUp('call.resource_id', 8, 'resource')}
          order by ("resource"."urn") collate "C", "call"."bucket"
        ) as "point"`),
      parameters: ['1', 'urn:b', '1', ['urn:b'], '1', range.from, range.to, '1'],
    })
  })

  it('of callSeries by the hour, from the hours', () => {
    const query = callSeries(scope, { from: 'urn:a', to: 'urn:b', measure: 'rps', range, resolution: '1 hour' })
    expect(compiled(query).sql).toContain(
      oneLine(
        'select "call"."rps"::float8 as "value", "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", "call"."bucket" as "bucket" from "public"."service_call_1h" as "call"',
      ),
    )
    expect(compiled(query).sql).not.toContain('group by')
  })

  it('of callSeries by the half hour, put together from whole buckets', () => {
    const half = `date_bin('1800000 milliseconds'::interval, "call"."bucket", '2000-01-03T00:00:00Z'::timestamptz)`
    const query = callSeries(scope, {
      from: 'urn:a',
      to: 'urn:b',
      measure: 'rps',
      range: during('10:05', '10:40'),
      resolution: '30 minutes',
    })
    expect(compiled(query)).toEqual({
      sql: oneLine(`
        select "point".* from (
          select caller.urn || ' -> ' || callee.urn as "series", "call"."bucket", "call"."value", null::int8 as "resource_id"
          from (
            select sum(${bounded('call.rps')}) / 6::float8 as "value", "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", ${half} as "bucket"
            ${calls} where "call"."src_resource_id" = ${given(1)} and "call"."dst_resource_id" = ${given(3)} and ${known(5)} and ${ofRange(7)}
            group by "call"."src_resource_id", "call"."dst_resource_id", ${half}
          ) as "call" ${both(10)}
          order by (caller.urn || ' -> ' || callee.urn) collate "C", "call"."bucket"
        ) as "point"`),
      parameters: ['1', 'urn:a', '1', 'urn:b', '1', ['urn:a', 'urn:b'], '1', at('10:30'), at('11:00'), '1', '1'],
    })
  })

  it('of callsDuring with a condition', () => {
    expect(compiled(callsDuring(scope, { range, where: (eb) => eb('callee.type', '=', 'service') }))).toEqual({
      sql: oneLine(`
        select "edge".* from (
          select "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", sum(call.call_count)::float8 / $1::float8 as "weight",
            ${counted}, ${ratio}, ${quantile(0.95)} as "p95_ms"
          from (
            select "call".* from (select "call".* ${calls} where ${ofRange(2)}) as "call"
            ${lookedUp('call.src_resource_id', 5, 'caller')} ${lookedUp('call.dst_resource_id', 6, 'callee')} where "callee"."type" = $7
          ) as "call"
          group by "call"."src_resource_id", "call"."dst_resource_id" order by "src", "dst"
        ) as "edge"`),
      parameters: [3600, '1', range.from, range.to, '1', '1', 'service'],
    })
  })

  it('names the schema it was installed in, however it is called', () => {
    const elsewhere = unitScope({ installation: { schema: 'o"bs' } })
    for (const query of [
      callSummary(elsewhere, { range }),
      callSeries(elsewhere, { measure: 'p95_ms', range }),
      callsDuring(elsewhere, { range }),
    ]) {
      expect(query.compile().sql).toContain('"o""bs"."service_call_5m"')
      expect(query.compile().sql).toContain('"o""bs"."exp_histogram_merge"')
      expect(query.compile().sql).not.toContain('"public"')
    }
  })
})

describe('bad input is refused by name', () => {
  /** A value whose type says nothing, as JavaScript callers have them. */
  const bad = (text: string) => JSON.parse(text)

  it.each([
    ['service', () => slowestDependencies(scope, { service: '', range })],
    ['service', () => slowestDependencies(scope, { service: 'a\u0000b', range })],
    ['limit', () => slowestDependencies(scope, { service: 'urn:a', range, limit: 0 })],
    ['range.from', () => slowestDependencies(scope, { service: 'urn:a', range: { from: range.to, to: range.from } })],
    ['from', () => callSeries(scope, { from: 'x'.repeat(1025), measure: 'rps', range })],
    ['to', () => callSeries(scope, { to: '\ud800', measure: 'rps', range })],
    ['measure', () => callSeries(scope, { measure: bad('"tenant_id"'), range })],
    ['resolution', () => callSeries(scope, { measure: 'rps', range, resolution: '1 minute' })],
    ['by', () => callSeries(scope, { measure: 'rps', range, by: bad('"; drop"') })],
    ['by', () => callFan(scope, { range, by: bad('"nobody"') })],
    ['by', () => callFan(scope, { range } as never)],
    ['options', () => callFan(scope, { by: 'caller', range, from: 'urn:a' } as never)],
    ['by', () => callSummary(scope, { range, by: bad('"nobody"') })],
    ['to', () => callSummary(scope, { to: '', range })],
    ['options', () => callSummary(scope, { service: 'urn:a', range } as never)],
    ['options', () => callSeries(scope, { caller: 'urn:a', measure: 'rps', range } as never)],
    ['options', () => callsDuring(scope, { range, from: 'urn:a' } as never)],
    ['options', () => slowestDependencies(scope, { service: 'urn:a', range, callee: 'urn:b' } as never)],
    ['where', () => callsDuring(scope, { range, where: bad('"call_count > 0"') })],
    ['range.to', () => callsDuring(scope, { range: { from: range.from, to: new Date(Number.NaN) } })],
  ])('%s (%#)', (field, call) => {
    expect(call).toThrow(InvalidInputError)
    expect(call).toThrow(new RegExp(`^${field.replace('.', '\\.')}: `))
  })
})
