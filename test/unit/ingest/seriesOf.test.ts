import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyValue } from '../../../src/schema/otlpValues.ts'
import { reportingResource } from '../../../src/ingest/records/reportingResource.ts'
import { seriesOf } from '../../../src/ingest/rollups/metrics/seriesOf.ts'

const value = fc.oneof(
  fc.constantFrom<KeyValue['value']>(
    { doubleValue: NaN },
    { doubleValue: 'NaN' },
    { stringValue: 'NaN' },
    { doubleValue: Infinity },
    { doubleValue: 0 },
    { doubleValue: -0 },
    { intValue: 0 },
    { intValue: '9007199254740993' },
    { stringValue: 'x'.repeat(10_000) },
    { boolValue: false },
    {},
    null,
    undefined,
  ),
  fc.string().map((stringValue) => ({ stringValue })),
)
const attributes = fc.array(fc.record({ key: fc.constantFrom('a', 'b', '__proto__', '', '\0'), value }), { maxLength: 3 })
const text = fc.constantFrom<string>('', 'a', 'b', 'a\0b', '\0')

const origin = fc.record({
  resource: attributes,
  scope: fc.constantFrom(undefined, null, {}),
  name: text,
  version: text,
  metric: text,
  unit: text,
  kind: fc.constantFrom('gauge' as const, 'counter' as const),
})
type Origin = typeof origin extends fc.Arbitrary<infer Given> ? Given : never

const finder = ({ resource, scope, name, version, metric, unit, kind }: Origin) =>
  seriesOf({
    reporter: reportingResource(resource, 'metrics'),
    scope: scope && { name, version },
    metric: { name: metric, unit },
    kind,
    form: kind === 'gauge' ? 'value' : 'counter',
  })

describe('the series of a point', () => {
  it('is the same, remembered or not, for any attributes', () => {
    fc.assert(
      fc.property(origin, attributes, (given, of) => {
        const frozen = Object.freeze(structuredClone(of))
        const find = finder(given)
        const first = find(frozen)
        expect(first).toEqual(find(of))
        expect(first).toEqual(finder(given)(of))
        expect(find(frozen)).toBe(first)
        expect(find(of)).not.toBe(first)
      }),
    )
  })

  it('is another one for what differs in anything', () => {
    fc.assert(
      fc.property(origin, origin, attributes, (one, other, of) => {
        const reporters = [reportingResource(one.resource, 'metrics'), reportingResource(other.resource, 'metrics')]
        const same = ({ name, version, metric, unit, kind, scope }: Origin) =>
          JSON.stringify([scope ? [name, version] : ['', ''], metric, unit, kind])
        const frozen = Object.freeze(structuredClone(of))
        const equal = same(one) === same(other) && reporters[0]!.identity === reporters[1]!.identity
        // NUL is stored as U+FFFD in names of metrics, which nothing here has.
        expect(finder(one)(frozen).id === finder(other)(frozen).id).toBe(equal)
      }),
    )
  })

  it('is found again after more than is remembered', () => {
    const given: Origin = { resource: [], scope: {}, name: '', version: '', metric: 'm', unit: '1', kind: 'gauge' }
    const of: readonly KeyValue[] = Object.freeze([{ key: 'a', value: { stringValue: 'x' } }])
    const before = finder(given)(of)
    for (let at = 0; at < 60_000; at += 1) finder({ ...given, metric: `m${at}` })
    const after = finder(given)(of)
    expect(after).toEqual(before)
  })
})
