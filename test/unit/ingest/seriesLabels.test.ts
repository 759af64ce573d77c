import { describe, expect, it } from 'vitest'
import { type attributes, gauge, metrics, point, rolledUp } from './telemetry.ts'

type Attributes = Parameters<typeof attributes>[0]
const rows = async (...reporters: Attributes[]) => {
  const { windows } = await rolledUp(reporters.map((more, at) => metrics(undefined, [gauge('used', [point(0, at + 1)])], more)))
  return windows.flatMap((window) =>
    window.metrics.map(({ resource, labels, avg, sampleCount }) => ({ resource, labels, avg, sampleCount })),
  )
}

describe('the rows of metrics', () => {
  it('are of one thing each: what a receiver says of its resources is in their labels', async () => {
    expect(await rows({ 'snmp.interface': 'eth0' }, { 'snmp.interface': 'eth1' })).toEqual(
      ['eth0', 'eth1'].map((name, at) => ({
        resource: 'urn:k8s:svc:default/unknown_service',
        labels: { 'snmp.interface': name },
        avg: at + 1,
        sampleCount: 1,
      })),
    )
  })

  it('are over all instances of a service', async () => {
    const instance = (n: number) => ({
      'service.name': 'api',
      'service.instance.id': `i-${n}`,
      'k8s.pod.name': `api-${n}`,
      'host.name': `h-${n}`,
    })
    expect(await rows(instance(1), instance(2))).toEqual([{ resource: 'urn:k8s:svc:default/api', labels: {}, avg: 1.5, sampleCount: 2 }])
  })

  it('have labels with their keys in order, where those of a point win', async () => {
    const named = (name: string) =>
      metrics(undefined, [gauge('used', [point(0, 1, undefined, { device: 'sda', a: 'x' })])], {
        'host.name': 'h',
        device: name,
        z: 'y',
        b: '',
      })
    const { windows } = await rolledUp([named('one')])
    expect(Object.entries(windows[0]!.metrics[0]!.labels)).toEqual([
      ['a', 'x'],
      ['device', 'sda'],
      ['z', 'y'],
    ])
  })
})
