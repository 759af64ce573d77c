import { describe, expect, it } from 'vitest'
import { hostUrn } from '../../../src/catalog/urn.ts'
import { reportingResource } from '../../../src/ingest/records/reportingResource.ts'
import { refusalReason, type DescribedResource, type ResourceOf } from '../../../src/ingest/records/resourceOf.ts'
import { DimensionValues } from '../../../src/ingest/records/dimensionValues.ts'
import { spanRecord } from '../../../src/ingest/records/spanRecord.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { attributes, gauge, log, logs, metrics, point, requests, rolledUp, spans } from './telemetry.ts'

const exporter = attributes({ 'service.name': 'node-exporter', 'service.instance.id': 'web-1:9100', 'server.address': 'web-1' })
const hosts: ResourceOf = ({ attributes: { 'service.name': job, 'server.address': address } }) =>
  job === 'node-exporter' && typeof address === 'string' ? { urn: hostUrn(address), type: 'host', name: address, region: 'eu' } : undefined

describe('resourceOf', () => {
  it('is told what telemetry says and what the default is', () => {
    const told: unknown[] = []
    reportingResource(exporter, 'metrics', (...said) => void told.push(said))
    expect(told).toMatchObject([
      [
        { kind: 'metrics', attributes: { 'service.name': 'node-exporter', 'server.address': 'web-1' }, reporter: null },
        { urn: 'urn:k8s:svc:default/node-exporter', type: 'service' },
      ],
    ])
  })

  it('names another resource, or leaves the default', () => {
    const named = reportingResource(exporter, 'metrics', hosts)
    expect(named.resource).toEqual({ urn: 'urn:host:web-1', type: 'host', name: 'web-1', env: null, region: 'eu', zone: null, labels: {} })
    expect(named.seriesLabels).toEqual({})
    const other = attributes({ 'service.name': 'api' })
    expect(reportingResource(other, 'metrics', hosts)).toEqual(reportingResource(other, 'metrics'))
  })

  it('may give the labels of all series; else they are the default ones, with what the default URN said', () => {
    const pod = attributes({ 'host.name': 'n-1', 'k8s.pod.name': 'a' })
    const fleet = { urn: 'urn:fleet:1', type: 'fleet', name: 'fleet' }
    expect(reportingResource(pod, 'metrics', () => fleet)).toMatchObject({
      resource: { type: 'fleet' },
      seriesLabels: { 'host.name': 'n-1', 'k8s.pod.name': 'a' },
      nameless: false,
    })
    expect(reportingResource(pod, 'metrics', () => ({ ...fleet, seriesLabels: { pod: 'a' } })).seriesLabels).toEqual({ pod: 'a' })
    expect(reportingResource(pod, 'logs', () => ({ ...fleet, seriesLabels: { pod: 'a' } })).seriesLabels).toEqual({})
  })

  const record = (resourceOf?: ResourceOf, kind: 'CLIENT' | 'CONSUMER' | 'SERVER' = 'CLIENT', more: Record<string, string> = {}) => {
    const [request] = requests([spans('api', [{ id: 'c', kind, from: 0, to: 1, with: { 'server.address': 'Tax.example.com', ...more } }])])
    const { resource, scopeSpans } = request!.payload.resourceSpans![0]!
    const reporter = reportingResource(resource.attributes, 'traces')
    const valuesOf = new DimensionValues([]).under([])
    return spanRecord(
      scopeSpans[0]!.spans[0]!,
      reporter,
      { start: 0, duration: 1 },
      { objectBucket: 'b', objectKey: 'k' },
      { resourceOf, valuesOf },
    )
  }

  it("names the other side of a client's, producer's or consumer's span, and is asked of no other", () => {
    const asked: DescribedResource[] = []
    const tax: ResourceOf = (described, given) => {
      asked.push(described)
      return given === null ? { urn: 'urn:topic:none', type: 'queue', name: 'none' } : { urn: 'urn:saas:tax', type: 'saas', name: 'Tax' }
    }
    expect(record().names?.urn).toBe('urn:host:tax.example.com')
    expect(record(tax).names).toMatchObject({ urn: 'urn:saas:tax', type: 'saas', labels: {} })
    expect(record(tax, 'CONSUMER').names?.urn).toBe('urn:topic:none')
    expect(record(tax, 'SERVER').names).toBe(null)
    expect(asked).toHaveLength(2)
    expect(asked[0]).toMatchObject({
      kind: 'peer',
      attributes: { 'server.address': 'Tax.example.com' },
      reporter: { urn: 'urn:k8s:svc:shop/api' },
    })
  })

  it.each<[string, unknown]>([
    ['resourceOf(...).urn: must begin with urn:', { urn: 'tax', type: 'saas', name: 'Tax' }],
    ['resourceOf(...).urn: must be at most 1024 bytes long', { urn: `urn:${'x'.repeat(1021)}`, type: 'saas', name: 'Tax' }],
    ['resourceOf(...).type: must not be empty', { urn: 'urn:saas:tax', type: '', name: 'Tax' }],
    [
      'resourceOf(...).seriesLabels: must be a finite number',
      { urn: 'urn:saas:tax', type: 'saas', name: 'Tax', seriesLabels: { 'any key': NaN } },
    ],
  ])('is refused by the field: %s', (reason, answer) => {
    const wrong = (() => answer) as unknown as ResourceOf
    for (const read of [() => record(wrong), () => reportingResource(exporter, 'metrics', wrong)]) {
      expect(read).toThrow(InvalidInputError)
      expect(read).toThrow(reason)
      try {
        read()
      } catch (error) {
        expect(refusalReason(error as InvalidInputError)).toBe(reason)
      }
    }
  })

  it.each([null, 'urn:x', Promise.resolve(undefined), { urn: 'urn:x', type: 'x', name: 'x', kind: 'y' }])('refuses %s', (answer) => {
    const wrong = (() => answer) as unknown as ResourceOf
    expect(() => record(wrong)).toThrow(/^resourceOf\(\.\.\.\)/)
  })

  it('may fail for reasons of its own: those are not counted as bad input', () => {
    const broken: ResourceOf = () => {
      throw new TypeError('oh')
    }
    expect(() => record(broken)).toThrow(TypeError)
  })

  it('refuses the record, not the load, where a helper of ours throws in it; the report does not grow with what records say', () => {
    const long: ResourceOf = ({ attributes: { 'server.address': host } }) => ({
      urn: hostUrn(JSON.stringify(host).repeat(500)),
      type: 'host',
      name: 'x',
    })
    expect(() => record(long)).toThrow(InvalidInputError)
    expect(() => record(long)).toThrow(/^resourceOf\(\.\.\.\): refuses a wrong urn$/)
    const careless = (({ attributes }) => ({ urn: 'urn:x', type: 'x', name: 'x', ...attributes })) as ResourceOf
    expect(() => record(careless)).toThrow(/^resourceOf\(\.\.\.\): has a key that no resource has$/)
  })

  it('cannot change what others are told, nor what the default rules made', () => {
    const told = (change: (described: DescribedResource, given: { urn: string } | null) => void): ResourceOf => {
      return (described, given) => {
        change(described, given)
        return undefined
      }
    }
    for (const change of [
      told((_, given) => Object.assign(given!, { urn: 'x' })),
      told((_, given) => Object.assign(Reflect.get(given!, 'labels'), { a: 1 })),
      told(({ attributes }) => Object.assign(attributes, { a: 1 })),
      told(({ reporter }) => Object.assign(reporter!, { urn: 'x' })),
    ]) {
      expect(() => record(change)).toThrow(TypeError)
    }
  })

  it('may answer with one object again and again, and with labels in any order', () => {
    const answer = { urn: 'urn:a', type: 'a', name: 'a', labels: { at: 0 }, seriesLabels: { b: { d: 1, c: [2] }, a: 0 } }
    const first = reportingResource(exporter, 'metrics', () => answer)
    answer.urn = 'urn:b'
    answer.labels.at = 1
    answer.seriesLabels.b.c.push(3)
    expect(first.resource).toMatchObject({ urn: 'urn:a', labels: { at: 0 } })
    expect(JSON.stringify(first.seriesLabels)).toBe('{"a":0,"b":{"c":[2],"d":1}}')
  })

  it('counts a name that is too long as before', () => {
    expect(refusalReason(new InvalidInputError('urn', 'must be at most 1024 bytes long'))).toBe('urn is too long')
  })
})

describe('resourceOf of rollUp', () => {
  const asHost: ResourceOf = ({ kind, attributes: { 'service.name': name } }) =>
    kind !== 'peer' && name === 'exporter' ? { urn: 'urn:host:web-1', type: 'host', name: 'web-1' } : undefined

  it('names the resources of the rows', async () => {
    const { windows } = await rolledUp([metrics('exporter', [gauge('load', [point(0, 1)])]), logs('exporter', [log(0, 'up')])], {
      resourceOf: asHost,
    })
    expect(windows[0]).toMatchObject({
      resources: [{ urn: 'urn:host:web-1', type: 'host' }],
      metrics: [{ resource: 'urn:host:web-1' }],
      patterns: [{ resource: 'urn:host:web-1' }],
    })
  })

  it('names peers', async () => {
    const peer: ResourceOf = ({ kind }) => (kind === 'peer' ? { urn: 'urn:saas:tax', type: 'saas', name: 'Tax' } : undefined)
    const { windows } = await rolledUp([spans('api', [{ id: 'c', kind: 'CLIENT', from: 0, to: 1 }])], { resourceOf: peer })
    expect(windows[0]!.calls).toMatchObject([{ from: 'urn:k8s:svc:shop/api', to: 'urn:saas:tax' }])
    expect(windows[0]!.resources).toMatchObject([{ type: 'service' }, { urn: 'urn:saas:tax', type: 'saas', name: 'Tax' }])
  })

  it('is refused with its records, and counted by its field, when it cannot be stored', async () => {
    const wrong: ResourceOf = ({ kind }) => (kind === 'metrics' ? { urn: 'exporter', type: 'host', name: 'x' } : undefined)
    const { windows, report } = await rolledUp(
      [metrics('exporter', [gauge('load', [point(0, 1), point(1, 1)])]), logs('a', [log(0, 'up')])],
      {
        resourceOf: wrong,
      },
    )
    expect(report.refused).toEqual({ 'resourceOf(...).urn: must begin with urn:': 2 })
    expect(windows[0]!.metrics).toEqual([])
    expect(windows[0]!.patterns).toHaveLength(1)
  })

  it('must be a function', async () => {
    await expect(rolledUp([], { resourceOf: 'no' as unknown as ResourceOf })).rejects.toThrow('resourceOf: must be a function, got "no"')
  })
})
