import { afterAll, beforeAll, expect, it } from 'vitest'
import { callFan } from '../../../src/calls/callFan.ts'
import { resourceIds } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls } from '../../support/rows.ts'

const client = 'urn:external:client'
const [web, cart, pay, idle] = ['web', 'cart', 'pay', 'idle'].map((name) => `urn:k8s:svc:shop/${name}`) as [string, string, string, string]
const hostile = `urn:x:o'brien "q" $$ \\ 🦊 --; drop table dim_resource`
const range = during('10:00', '10:10')

onEveryLeg('callFan', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    scope = await tenant(test.db, 't-001')
    await insertCalls(scope, [
      { bucket: at('09:55'), src: pay, dst: hostile, call_count: 900 },
      { bucket: at('10:00'), src: client, dst: web, call_count: 60 },
      { bucket: at('10:00'), src: web, dst: cart, call_count: 10 },
      { bucket: at('10:05'), src: web, dst: cart, call_count: 20 },
      { bucket: at('10:00'), src: web, dst: pay, call_count: 5 },
      { bucket: at('10:00'), src: web, dst: hostile, call_count: 1 },
      { bucket: at('10:05'), src: cart, dst: pay, call_count: 7 },
      { bucket: at('10:05'), src: pay, dst: pay, call_count: 3 },
      { bucket: at('10:05'), src: cart, dst: idle, call_count: 0 },
      { bucket: at('10:10'), src: pay, dst: web, call_count: 900 },
    ])
    const other = await tenant(test.db, 'another')
    await insertCalls(
      other,
      [web, cart, idle, 'urn:theirs'].map((dst) => ({ bucket: at('10:00'), src: web, dst, call_count: 1_000 })),
    )
  })
  afterAll(() => test.close())

  const rows = async (fans: [urn: string, peers: number, calls: number][]) => {
    const ids = await resourceIds(
      scope,
      fans.map(([urn]) => urn),
    )
    return fans.map(([urn, peers, calls]) => ({
      urn,
      resource_id: ids.get(urn),
      peer_count: peers,
      call_count: calls,
      rps: calls / 600,
      item: urn,
      score: peers,
    }))
  }

  it('counts whom each calls, the most first', async () => {
    expect(await callFan(scope, { by: 'caller', range }).execute()).toEqual(
      await rows([
        [web, 3, 36],
        [cart, 2, 7],
        [client, 1, 60],
        [pay, 1, 3],
      ]),
    )
  })

  it('counts who calls each: itself too, all clients as one, and where no call was counted', async () => {
    expect(await callFan(scope, { by: 'callee', range }).execute()).toEqual(
      await rows([
        [pay, 3, 15],
        [cart, 1, 30],
        [idle, 1, 0],
        [web, 1, 60],
        [hostile, 1, 1],
      ]),
    )
  })

  it('answers nothing for an empty range and for one without calls', async () => {
    for (const by of ['caller', 'callee'] as const) {
      expect(await callFan(scope, { by, range: during('10:00', '10:00') }).execute()).toEqual([])
      expect(await callFan(scope, { by, range: during('03:00', '04:00') }).execute()).toEqual([])
    }
  })

  it('is a ranking', async () => {
    const hubs = await topK(scope, callFan(scope, { by: 'callee', range }), 2).execute()
    expect(hubs.map(({ urn, score }) => [urn, score])).toEqual([
      [pay, 3],
      [cart, 1],
    ])
  })

  it('is narrowed in SQL as in TypeScript', async () => {
    await expectNarrows(
      callFan(scope, { by: 'caller', range }),
      (eb) => eb('peer_count', '>', 1),
      (row) => row.peer_count > 1,
    )
    await expectNarrows(
      callFan(scope, { by: 'callee', range }),
      (eb) => eb('urn', '=', hostile),
      (row) => row.urn === hostile,
    )
  })
})
