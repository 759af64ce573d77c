import { describe, expect, it } from 'vitest'
import { AttributeLookup } from '../../../src/ingest/records/attributes.ts'
import { calledResource } from '../../../src/ingest/records/calledResource.ts'
import { attributes, rolledUp, spans } from './telemetry.ts'

type Attributes = Parameters<typeof attributes>[0]
const called = (values: Attributes) => calledResource(new AttributeLookup(attributes(values)), 'shop')?.urn ?? null

describe('what a span without a callee calls', () => {
  const all: Attributes = {
    'peer.service': 'orders-db',
    'db.namespace': 'orders',
    'db.system.name': 'postgresql',
    'server.address': 'PG.internal.',
    'server.port': 5432,
    'network.peer.address': '10.0.0.9',
    'network.peer.port': 5433,
  }
  const without = (...names: string[]) => called(Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name))))
  const system = ['db.system.name', 'db.namespace']

  it('is a database: by the name of its peer, its address, its own', () => {
    expect(called(all)).toBe('urn:db:postgres:orders-db/orders')
    expect(without('peer.service')).toBe('urn:db:postgres:pg.internal/orders')
    expect(without('peer.service', 'server.address')).toBe('urn:db:postgres:10.0.0.9:5433/orders')
    expect(without('peer.service', 'server.address', 'network.peer.address')).toBe('urn:db:postgres:default/orders')
    expect(without('db.namespace')).toBe('urn:db:postgres:orders-db/default')
    expect(without('db.system.name')).toBe('urn:db:unknown:orders-db/orders')
    expect(called({ 'db.system.name': 'redis' })).toBe('urn:db:redis:default/default')
  })

  it('is else a service or a host', () => {
    expect(without(...system)).toBe('urn:k8s:svc:shop/orders-db')
    expect(without(...system, 'peer.service')).toBe('urn:host:pg.internal:5432')
    expect(without(...system, 'peer.service', 'server.address')).toBe('urn:host:10.0.0.9:5433')
    expect(called({ 'service.peer.name': 'tax', 'service.peer.namespace': 'money', 'peer.service': 'old' })).toBe('urn:k8s:svc:money/tax')
    expect(called({ 'url.full': 'https://API.example.com:443/v1', 'network.peer.address': '10.0.0.9' })).toBe('urn:host:api.example.com')
    expect(called({ 'http.host': 'api.example.com:8080' })).toBe('urn:host:api.example.com:8080')
    expect(called({ 'http.request.method': 'GET' })).toBe(null)
  })

  it('is a service of Kubernetes, by the name that its DNS gives it', () => {
    for (const host of ['tax.money.svc', 'TAX.money.svc.cluster.local.', 'tax-0.tax.money.svc.cluster.local', 'tax.money.svc:8080']) {
      expect(called({ 'server.address': host })).toBe('urn:k8s:svc:money/tax')
    }
    expect(called({ 'server.address': 'tax.money' })).toBe('urn:host:tax.money')
    expect(called({ 'server.address': 'svc' })).toBe('urn:host:svc')
  })

  it.each<[string, Attributes, Attributes]>([
    ['redis', { 'db.system': 'redis', 'db.redis.database_index': 3 }, { 'db.system.name': 'redis', 'db.namespace': '3' }],
    [
      'postgres, with its schema',
      { 'db.system': 'postgresql', 'db.name': 'shop', 'net.peer.name': 'pg', 'net.peer.port': 5432 },
      { 'db.system.name': 'postgresql', 'db.namespace': 'shop|public', 'server.address': 'pg' },
    ],
    [
      'by an address',
      { 'db.system': 'mysql', 'db.name': 'shop', 'net.sock.peer.addr': '::ffff:10.0.0.9' },
      { 'db.system.name': 'mysql', 'db.namespace': 'shop', 'network.peer.address': '10.0.0.9', 'network.peer.port': 3306 },
    ],
    [
      'of OpenTracing',
      { 'db.type': 'mysql', 'db.instance': 'shop', 'peer.hostname': 'my' },
      { 'db.system.name': 'mysql', 'db.namespace': 'shop', 'server.address': 'my' },
    ],
  ])('has one name under old and new conventions: %s', (_, older, newer) => {
    expect(called(older)).toBe(called(newer))
  })

  it('is counted once where two libraries name it, one with its namespace', async () => {
    const outer = { id: 'o', kind: 'CLIENT', from: 0, to: 2, with: { 'peer.service': 'tax' } } as const
    const inner = { id: 'i', parent: 'o', kind: 'CLIENT', from: 0, to: 1, with: { 'server.address': 'tax.money.svc' } } as const
    const { windows } = await rolledUp([spans('api', [outer, inner])])
    expect(windows[0]!.calls.map(({ to, callCount }) => [to, callCount])).toEqual([['urn:k8s:svc:money/tax', 1]])
  })
})
