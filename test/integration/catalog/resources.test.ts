import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensureResource, ensureResources, resourceIds, type ResourceInput } from '../../../src/catalog/resources.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const service = (urn: string, more: Partial<ResourceInput> = {}): ResourceInput => ({ urn, type: 'service', name: urn.slice(-20), ...more })

onEveryLeg('ensureResources', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())
  const another = async () => (scope = await tenant(test.db, `t-${made++}`))

  const stored = () =>
    scope.db
      .selectFrom(scope.table('dim_resource', 'resource'))
      .where('resource.tenant_id', '=', scope.tenantId)
      .select(['urn', 'type', 'name', 'env', 'region', 'zone', 'labels', 'resource_id', sql<string>`xmin::text`.as('version')])
      .orderBy('urn')
      .execute()

  it('creates what is new, updates what is there, and answers the ids by URN', async () => {
    await another()
    const first = await ensureResources(scope, [service('urn:a', { env: 'prod', labels: { team: 'x' } }), service('urn:b')])
    expect([...first.keys()].sort()).toEqual(['urn:a', 'urn:b'])
    const second = await ensureResources(scope, [service('urn:b', { name: 'renamed', zone: 'z1' }), service('urn:c')])
    expect(second.get('urn:b')).toBe(first.get('urn:b'))
    expect(await stored()).toMatchObject([
      { urn: 'urn:a', env: 'prod', labels: { team: 'x' }, resource_id: first.get('urn:a') },
      { urn: 'urn:b', name: 'renamed', zone: 'z1', env: null, labels: {} },
      { urn: 'urn:c', resource_id: second.get('urn:c') },
    ])
    expect(await ensureResources(scope, [])).toEqual(new Map())
  })

  it('keeps what was left out, and writes nothing where nothing changed', async () => {
    await another()
    const full = service('urn:a', { env: 'prod', region: 'eu', zone: 'z1', labels: { team: 'x' } })
    await ensureResource(scope, full)
    const before = await stored()
    await ensureResource(scope, service('urn:a'))
    await ensureResource(scope, service('urn:a', { env: null, labels: {} }))
    await ensureResource(scope, full)
    expect(await stored()).toEqual(before)
    await ensureResource(scope, service('urn:a', { labels: { team: 'y' } }))
    expect(await stored()).toMatchObject([{ env: 'prod', labels: { team: 'y' } }])
  })

  it('takes the last of one URN given twice', async () => {
    await another()
    const ids = await ensureResources(scope, [service('urn:a', { name: 'first' }), service('urn:a', { name: 'last' })])
    expect(ids.size).toBe(1)
    expect(await stored()).toMatchObject([{ name: 'last' }])
  })

  it('gives each tenant its own resource of the same URN', async () => {
    const mine = await another()
    const theirs = await another()
    const [one, two] = [await ensureResource(mine, service('urn:a')), await ensureResource(theirs, service('urn:a', { env: 'prod' }))]
    expect(one).not.toBe(two)
    expect(await resourceIds(mine, ['urn:a', 'urn:nobody'])).toEqual(new Map([['urn:a', one]]))
    scope = mine
    expect(await stored()).toMatchObject([{ env: null }])
  })

  it.each([`'; drop table dim_resource; --`, '$$ $1 ${x}', '"\\', '🦊', 'x'.repeat(255)])(
    'takes hostile text as data (%#)',
    async (text) => {
      await another()
      const resource = {
        urn: text,
        type: text,
        name: text,
        env: text,
        region: text,
        zone: text,
        labels: { [text]: { [text]: [text, 1, null] } },
      }
      const id = await ensureResource(scope, resource)
      expect(await stored()).toMatchObject([{ ...resource, resource_id: id }])
      expect(await resourceIds(scope, [text])).toEqual(new Map([[text, id]]))
    },
  )

  it.each([
    [{ urn: '' }, 'resources[1].urn: must not be empty'],
    [{ urn: 'é'.repeat(513) }, 'resources[1].urn: must be at most 1024 bytes'],
    [{ name: 'a\u0000' }, 'resources[1].name: must not contain the NUL'],
    [{ type: '\udfff' }, 'resources[1].type: must be well-formed Unicode'],
    [{ env: 'x'.repeat(256) }, 'resources[1].env: must be at most 255 bytes'],
    [{ labels: { a: 'b\u0000' } }, 'resources[1].labels.a: '],
    [{ labels: { 'a\u0000': 'b' } }, 'resources[1].labels'],
    [{ labels: { a: Number.POSITIVE_INFINITY } }, 'resources[1].labels.a: '],
    [{ nickname: 'x' }, 'resources[1]: '],
  ])('refuses a resource by name, and writes none (%#)', async (wrong, message) => {
    await another()
    const ensuring = ensureResources(scope, [service('urn:good'), { ...service('urn:a'), ...wrong }])
    await expect(ensuring).rejects.toThrow(InvalidInputError)
    await expect(ensuring).rejects.toThrow(message)
    expect(await stored()).toEqual([])
  })

  it('takes ten thousand at once', async () => {
    await another()
    const ids = await ensureResources(
      scope,
      Array.from({ length: 10_000 }, (_, n) => service(`urn:${n}`)),
    )
    expect(new Set(ids.values()).size).toBe(10_000)
  })

  it('belongs to the transaction its scope was made from', async () => {
    await another()
    await test.db
      .transaction()
      .execute(async (trx) => {
        await ensureResource(await tenantScope(trx, scope.tenantCode), service('urn:a'))
        throw new Error('undo')
      })
      .catch(() => {})
    expect(await stored()).toEqual([])
  })

  it.skipIf(!leg.concurrent)('answers the same ids to twenty writers at once, whatever the order they name them in', async () => {
    await another()
    const all = Array.from({ length: 200 }, (_, n) => service(`urn:${n}`))
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        ensureResources(
          scope,
          [...all.slice(n * 10), ...all.slice(0, n * 10)].map((one) => ({ ...one, zone: `z${n}` })),
        ),
      ),
    )
    const expected = new Map((await stored()).map(({ urn, resource_id }) => [urn, resource_id]))
    expect(expected.size).toBe(200)
    for (const ids of answers) expect(new Map([...ids].sort())).toEqual(new Map([...expected].sort()))
  })
})
