import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { activeCalls } from '../../../src/calls/activeCalls.ts'
import { ensureResources } from '../../../src/catalog/resources.ts'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertCalls } from '../../support/rows.ts'
import { pgvantage } from './pgvantage.ts'

describe.skipIf(!leg.available || !leg.concurrent)('pgvantage, finding what there is', () => {
  let test: TestDatabase
  const run = (...args: string[]) => pgvantage(test.url!, ...args)
  const found = async (...args: string[]) => {
    const { out } = await run('resources', '--json', ...args)
    const { resources, more } = JSON.parse(out) as { resources: { urn: string }[]; more: number }
    return [resources.map(({ urn }) => urn), more]
  }
  beforeAll(async () => {
    test = await freshDatabase()
  })
  afterAll(() => test.close())

  it('says how the first tenant is made', async () => {
    expect(await run('tenants')).toEqual({
      code: 0,
      out: 'there is no tenant yet: `pgvantage ingest FILE --tenant CODE --create` makes one\n',
      err: '',
    })
    expect(await run('resources')).toMatchObject({ code: 2, err: expect.stringContaining('there is no tenant yet') })
  })

  it('lists the tenants', async () => {
    await ensureTenant(test.db, { code: 'shop', name: 'The shop' })
    expect(await run('tenants')).toMatchObject({ code: 0, out: expect.stringMatching(/│ shop +│ The shop │/) })
    expect(JSON.parse((await run('tenants', '--json')).out)).toEqual({ tenants: [{ code: 'shop', name: 'The shop' }] })
  })

  it('finds resources of the only tenant by a part of the URN or the name, and counts the rest', async () => {
    const scope = await tenantScope(test.db, 'shop')
    await ensureResources(scope, [
      { urn: 'urn:k8s:svc:shop/cart', type: 'service', name: 'Shopping cart' },
      { urn: 'urn:k8s:svc:shop/checkout', type: 'service', name: 'checkout' },
      { urn: 'urn:db:postgres:pg/cart_100%', type: 'database', name: 'cart_100%' },
    ])
    expect(await found()).toEqual([['urn:db:postgres:pg/cart_100%', 'urn:k8s:svc:shop/cart', 'urn:k8s:svc:shop/checkout'], 0])
    expect(await found('CART')).toEqual([['urn:db:postgres:pg/cart_100%', 'urn:k8s:svc:shop/cart'], 0])
    expect(await found('shopping')).toEqual([['urn:k8s:svc:shop/cart'], 0])
    // No pattern: what is special to one is not here.
    expect(await found('_100%')).toEqual([['urn:db:postgres:pg/cart_100%'], 0])
    expect(await found('%')).toEqual([['urn:db:postgres:pg/cart_100%'], 0])
    expect(await found('cart', '--kind', 'service')).toEqual([['urn:k8s:svc:shop/cart'], 0])
    expect(await found('--limit', '1')).toEqual([['urn:db:postgres:pg/cart_100%'], 2])
    expect(await found('--limit', '0')).toEqual([[], 3])
    expect(await run('resources', '-l', '2')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\nand 1 more: say more of the name, or --limit\n$/),
    })
    expect(await run('resources', 'cat', '-k', 'service')).toEqual({
      code: 0,
      out: 'there is no resource of kind "service" with "cat" in its URN or name\n',
      err: '',
    })
    expect(await run('resources', '--kind', '')).toMatchObject({ code: 2, err: 'error: --kind: must not be empty, got ""\n' })
  })

  it('wants to be told the tenant where there are several', async () => {
    await ensureTenant(test.db, { code: 'other' })
    expect(await run('resources')).toMatchObject({ code: 2, err: expect.stringContaining('--tenant: say which: there are 2 tenants') })
    expect(await found('--tenant', 'other')).toEqual([[], 0])
  })

  it.runIf(leg.age)('refreshes the call graph of a tenant', async () => {
    const scope = await tenant(test.db, 'shop')
    await insertCalls(scope, [
      { bucket: at('09:55'), src: 'urn:web', dst: 'urn:api', latencies: [10] },
      { bucket: at('09:00'), src: 'urn:api', dst: 'urn:db', latencies: [5] },
    ])
    const now = ['--now', '2026-11-22T10:00:00Z']
    expect(await run('refresh-graph', '-t', 'shop', ...now)).toEqual({
      code: 0,
      out: 'call graph of tenant shop: resources 2 added, 0 changed, 0 removed; calls 1 added, 0 changed, 0 removed\n',
      err: '',
    })
    expect(await activeCalls(await tenantScope(test.db, 'shop')).execute()).toHaveLength(1)
    const wide = await run('refresh-graph', '-t', 'shop', ...now, '--window', '2 hours', '--json')
    expect(JSON.parse(wide.out)).toMatchObject({ tenant: 'shop', edges: { added: 1, removed: 0 } })
    expect(await run('refresh-graph', '-t', 'shop', '--now', '2026-11-22T11:00:00Z')).toEqual({
      code: 0,
      out: expect.stringContaining('calls 0 added, 0 changed, 2 removed\n'),
      err: expect.stringMatching(/^warning: the newest calls of tenant "shop" are of 2026-11-22T09:55:00.000Z, 65 minutes before /),
    })
    expect(await run('refresh-graph', '-t', 'shop', '--window', 'soon')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^error: --window: must be a positive interval/),
    })
  })
})
