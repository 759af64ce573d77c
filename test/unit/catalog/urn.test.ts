import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { databaseUrn, hostUrn, queueUrn, serviceUrn } from '../../../src/catalog/urn.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'

describe('URNs', () => {
  it('names services, hosts, databases and queues', () => {
    expect(serviceUrn('checkout', 'shop')).toBe('urn:k8s:svc:shop/checkout')
    expect(serviceUrn('checkout')).toBe('urn:k8s:svc:default/checkout')
    expect(serviceUrn('checkout', '')).toBe('urn:k8s:svc:default/checkout')
    expect(hostUrn('db-7.internal')).toBe('urn:host:db-7.internal')
    expect(hostUrn('10.0.0.1', 8080)).toBe('urn:host:10.0.0.1:8080')
    expect(hostUrn('FE80::1', 8080)).toBe('urn:host:[fe80::1]:8080')
    expect(hostUrn('[::1]')).toBe('urn:host:[::1]')
    expect(queueUrn('kafka', 'orders')).toBe('urn:queue:kafka/orders')
    expect(queueUrn('kafka')).toBe('urn:queue:kafka/default')
  })

  it.each([
    ['DB-7.Internal.', undefined, 'db-7.internal'],
    ['api.example.com', 443, 'api.example.com'],
    ['api.example.com:80', undefined, 'api.example.com'],
    ['api.example.com:8080', undefined, 'api.example.com:8080'],
    ['api.example.com:8080', 9090, 'api.example.com:9090'],
    ['2001:DB8:0:0:0:0:0:1', 443, '[2001:db8::1]'],
    ['[2001:db8:0000::0001]:8080', undefined, '[2001:db8::1]:8080'],
    ['::FFFF:10.1.2.3', 8080, '10.1.2.3:8080'],
    ['fe80::1%eth0', undefined, '[fe80::1%25eth0]'],
    ['pg.shop.svc.cluster.local.', 5432, 'pg.shop.svc:5432'],
    ['/Run/pg.sock', undefined, '%2FRun%2Fpg.sock'],
    ['.', undefined, '.'],
    ['a:b:c', undefined, 'a%3Ab%3Ac'],
  ])('writes the host %s, port %s, as %s', (host, port, written) => {
    expect(hostUrn(host, port)).toBe(`urn:host:${written}`)
  })

  it('gives a host one form: written again it is the same', () => {
    const name = fc.oneof(
      fc.domain(),
      fc.ipV6(),
      fc.ipV4(),
      fc.domain().map((domain) => `${domain.toUpperCase()}.`),
    )
    fc.assert(
      fc.property(name, (host) => {
        const written = hostUrn(host).slice('urn:host:'.length)
        expect(hostUrn(written)).toBe(`urn:host:${written}`)
        expect(hostUrn(host.toUpperCase())).toBe(`urn:host:${written}`)
      }),
    )
  })

  it('leaves out the default port of a database, and calls PostgreSQL postgres', () => {
    expect(databaseUrn({ system: 'postgresql', host: 'pg.internal', port: 5432, database: 'shop' })).toBe(
      'urn:db:postgres:pg.internal/shop',
    )
    expect(databaseUrn({ system: 'postgresql', host: 'pg.internal', port: 5433, database: 'shop' })).toBe(
      'urn:db:postgres:pg.internal:5433/shop',
    )
    for (const [system, port] of [
      ['mysql', 3306],
      ['mongodb', 27017],
      ['redis', 6379],
      ['kafka', 9092],
      ['mssql', 1433],
    ] as const) {
      expect(databaseUrn({ system, host: `X:${port}` })).toMatch(/:x\/default$/)
      expect(databaseUrn({ system, host: 'x', port: 1 })).toMatch(/:x:1\/default$/)
    }
    expect(databaseUrn({ system: 'PostgreSQL', host: 'pg', database: 'Shop|public' })).toBe('urn:db:postgres:pg/Shop')
    expect(databaseUrn({ system: 'redis' })).toBe('urn:db:redis:default/default')
  })

  it('gives a database one name, whichever convention names its system', () => {
    for (const [older, newer, port] of [
      ['mssql', 'microsoft.sql_server', 1433],
      ['oracle', 'oracle.db', 1521],
      ['dynamodb', 'aws.dynamodb', undefined],
    ] as const) {
      const [before, after] = [older, newer].map((system) => databaseUrn({ system, host: 'sql', port, database: 'shop' }))
      expect(before).toBe(after)
      expect(after).toBe(`urn:db:${newer}:sql/shop`)
    }
    for (const system of ['constructor', '__proto__', 'toString'])
      expect(databaseUrn({ system })).toBe(`urn:db:${system.toLowerCase()}:default/default`)
  })

  it('keeps apart what would be ambiguous, and every script readable', () => {
    expect(serviceUrn('b/c', 'a')).not.toBe(serviceUrn('c', 'a/b'))
    expect(serviceUrn('a b:c%2F?#')).toBe('urn:k8s:svc:default/a%20b%3Ac%252F%3F%23')
    expect(serviceUrn('支付🦊')).toBe('urn:k8s:svc:default/支付🦊')
  })

  it('is storable and unambiguous for every name', () => {
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(name, name, name, name, (namespace, service, otherNamespace, otherService) => {
        const urn = serviceUrn(service, namespace)
        expect(urn.includes('\0') || !urn.isWellFormed()).toBe(false)
        const same = namespace === otherNamespace && service === otherService
        expect(urn === serviceUrn(otherService, otherNamespace)).toBe(same)
      }),
    )
  })

  it('is refused by name when longer than 1,024 bytes', () => {
    expect(serviceUrn('x'.repeat(1004))).toHaveLength(1024)
    expect(() => serviceUrn('x'.repeat(1005))).toThrow(InvalidInputError)
    expect(() => serviceUrn('é'.repeat(600))).toThrow(/^urn: must be at most 1024 bytes long, got 12\d\d bytes/)
    expect(() => hostUrn('x'.repeat(10_000))).toThrow('urn: must be at most 1024 bytes')
  })

  it('writes NUL and lone surrogates so that they can be stored', () => {
    expect(serviceUrn('a\0b')).toBe('urn:k8s:svc:default/a%00b')
    expect(serviceUrn('a\ud800')).toBe('urn:k8s:svc:default/a\ufffd')
  })
})
