import { describe, expect, it } from 'vitest'
import { callPolicy } from '../../../src/calls/callPolicy.ts'
import { metricPolicy } from '../../../src/metrics/metricPolicy.ts'
import { patternPolicy } from '../../../src/logs/patternPolicy.ts'
import { declaredPolicies } from '../../../src/operate/policies/declaredPolicies.ts'
import { checkedPolicies } from '../../../src/operate/policies/checkedPolicies.ts'
import { defaultPolicies, type Policies } from '../../../src/operate/policies/defaultPolicies.ts'
import { policiesWith } from '../../../src/operate/policies/policiesWith.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'

const [hours, days] = metricPolicy.rollups as [(typeof metricPolicy.rollups)[0], (typeof metricPolicy.rollups)[0]]
const metrics = (changes: object): Policies => ({ ...defaultPolicies, time: [{ ...metricPolicy, ...changes }] })

describe('policies', () => {
  it('are taken as they are by default, and where they make sense', () => {
    expect(checkedPolicies(defaultPolicies)).toBe(defaultPolicies)
    for (const policies of [{ time: [] }, metrics({ retain: '30 days' }), metrics({ compress: undefined }), metrics({ chunk: '1 week' })]) {
      expect(checkedPolicies(policies)).toBe(policies)
    }
  })

  it.each<[string, Policies, string]>([
    ['a length that is none', metrics({ retain: '6 months' }), 'policies.time[0].retain'],
    ['a word too many', metrics({ keep: true }), 'policies.time[0]'],
    ['a table that is not ours', metrics({ table: 'mine' }), 'policies.time[0].table'],
    ['a table twice', { time: [callPolicy, metricPolicy, patternPolicy, metricPolicy] }, 'policies.time[3].table'],
    ['another chunk', metrics({ chunk: '1 day' }), 'policies.time[0].chunk'],
    [
      'compression after the end',
      metrics({ compress: { ...metricPolicy.compress, after: '180 days' } }),
      'policies.time[0].compress.after',
    ],
    [
      'a column that is not there',
      metrics({ compress: { ...metricPolicy.compress, segmentBy: ['tenant_id', 'x'] } }),
      'policies.time[0].compress.segmentBy[1]',
    ],
    [
      'a column twice',
      metrics({ compress: { ...metricPolicy.compress, orderBy: ['bucket', 'metric'] } }),
      'policies.time[0].compress.orderBy[1]',
    ],
    ['rollups that go before their source', metrics({ retain: '730 days' }), 'policies.time[0].rollups[0].retain'],
    [
      'days that go before their hours',
      metrics({ rollups: [hours, { ...days, retain: '700 days' }] }),
      'policies.time[0].rollups[1].retain',
    ],
    [
      'days that settle before their hours',
      metrics({ rollups: [{ ...hours, settle: '2 days' }, days] }),
      'policies.time[0].rollups[1].settle',
    ],
    ['no time to roll', metrics({ retain: '7 days', compress: undefined }), 'policies.time[0].rollups[0].settle'],
    ['a rollup left out', metrics({ rollups: [hours] }), 'policies.time[0].rollups'],
    ['rollups the wrong way round', metrics({ rollups: [days, hours] }), 'policies.time[0].rollups[0].rollup'],
    [
      'a rollup of another make',
      metrics({ rollups: [{ ...hours, rollup: { ...hours.rollup, bucket: '2 hours' } }, days] }),
      'policies.time[0].rollups[0].rollup',
    ],
    ['events for no time', { time: [], events: { retain: '0 days', locators: { retain: '1 day' } } }, 'policies.events.retain'],
  ])('are refused with %s', (_what, policies, field) => {
    expect(() => checkedPolicies(policies)).toThrow(InvalidInputError)
    expect(() => checkedPolicies(policies)).toThrow(expect.objectContaining({ field }))
  })

  it('name the value that is refused', () => {
    expect(() => checkedPolicies(metrics({ retain: 'a while' }))).toThrow(/policies\.time\[0\]\.retain: .*got "a while"/)
  })

  it('roll before they compress, and compress before they drop', () => {
    const kinds = declaredPolicies({ time: [metricPolicy] }).map(({ object, kind }) => `${kind} ${object}`)
    expect(kinds).toEqual([
      'refresh metric_1h',
      'refresh metric_1d',
      'compression metric_1m',
      'retention metric_1m',
      'retention metric_1h',
      'retention metric_1d',
    ])
  })

  it('never look back to where a chunk may have been dropped', () => {
    const starts = declaredPolicies(defaultPolicies).flatMap((policy) =>
      policy.kind === 'refresh' ? [[policy.object, policy.settings.start]] : [],
    )
    expect(Object.fromEntries(starts)).toEqual({
      metric_1h: '173 days',
      metric_1d: '700 days',
      service_call_1h: '335 days',
      service_call_1d: '1005 days',
      log_pattern_1h: '150 days',
      log_pattern_1d: '640 days',
      sketch_1h: '335 days',
      sketch_1d: '1005 days',
    })
  })

  it('have a second of the half hour of their own each', () => {
    const positions = declaredPolicies(defaultPolicies).flatMap(({ job }) => (job === undefined ? [] : [job.position]))
    expect(new Set(positions).size).toBe(positions.length)
    expect(Math.max(...positions) * 75).toBeLessThan(1800)
  })
})

describe('policies with values of one’s own', () => {
  it('are the defaults otherwise', () => {
    expect(policiesWith({})).toEqual(defaultPolicies)
    const { time, events } = policiesWith({
      metric_1m: { retain: '90 days', compress: null },
      metric_1h: { settle: '2 hours' },
      service_call_5m: { compress: { after: '60 days', segmentBy: ['tenant_id', 'src_resource_id'] } },
      log_pattern_5m: null,
      sketch_5m: null,
      oo_locator: { retain: '500 days' },
    })
    const { compress: _, ...uncompressed } = metricPolicy
    expect(time).toEqual([
      { ...uncompressed, retain: '90 days', rollups: [{ ...hours, settle: '2 hours' }, days] },
      { ...callPolicy, compress: { after: '60 days', segmentBy: ['tenant_id', 'src_resource_id'], orderBy: ['bucket'] } },
    ])
    expect(events).toEqual({ ...defaultPolicies.events, locators: { retain: '500 days' } })
  })

  it('name the value that is refused', () => {
    expect(() => policiesWith({ metric_1h: { retain: '1 day' } })).toThrow(/^metric_1h\.retain: must be longer .*got "1 day"$/)
  })

  it.each<[object, string]>([
    [{ metrics: {} }, 'options'],
    [{ metric_1m: { retain: 90 } }, 'metric_1m.retain'],
    [{ metric_1m: { settle: '1 hour' } }, 'metric_1m'],
    [{ metric_1h: null }, 'metric_1h'],
    [{ metric_1m: { retain: '800 days' } }, 'metric_1h.retain'],
    [{ log_pattern_1d: { settle: '1 minute' } }, 'log_pattern_1d.settle'],
    [{ metric_1m: null, service_call_5m: { compress: { segmentBy: ['tenant_id', 'x'] } } }, 'service_call_5m.compress.segmentBy[1]'],
  ])('refuse %j', (overrides, field) => {
    expect(() => policiesWith(overrides)).toThrow(expect.objectContaining({ field }))
  })
})
