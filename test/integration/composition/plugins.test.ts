import { CamelCasePlugin, type Kysely } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { slowestDependencies, type SlowestDependency } from '../../../src/calls/index.ts'
import type { CamelCased, Scope } from '../../../src/database/index.ts'
import { latestMetrics } from '../../../src/metrics/index.ts'
import { rankBy, topK } from '../../../src/ranking/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls, insertMetrics } from '../../support/rows.ts'

// An alias, since an interface is no record.
type Theirs = { teamRoster: { teamName: string; serviceUrn: string; pages: number } }

const range = during('10:00', '11:00')

apartFromTime("a read in the user's Kysely with plugins", () => {
  let test: TestDatabase
  let scope: Scope
  let camel: Kysely<Theirs>
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await insertCalls(scope, [{ bucket: at('10:00'), src: 'web', dst: 'pay', latencies: [10, 20] }])
    await insertMetrics(scope, [{ bucket: at('10:00'), resource: 'web', metric: 'cpu', labels: { k8s_pod: 'a' }, samples: [1] }])
    camel = test.db.withPlugin(new CamelCasePlugin({ maintainNestedObjectKeys: true })).$extendTables<Theirs>()
    const table = camel.schema.createTable('teamRoster').addColumn('teamName', 'text').addColumn('serviceUrn', 'text')
    await table.addColumn('pages', 'float8').execute()
    await camel.insertInto('teamRoster').values({ teamName: 'money', serviceUrn: 'pay', pages: 7 }).execute()
  })
  afterAll(() => test.close())

  it('has the names of the plugin, in the query, the rows and the types, where it is told of it', async () => {
    const worst = slowestDependencies(scope, { service: 'web', range }).$castTo<CamelCased<SlowestDependency>>()
    const query = camel
      .selectFrom('teamRoster')
      .innerJoin(worst.as('worst'), 'worst.dstUrn', 'teamRoster.serviceUrn')
      .where('worst.meanErrRate', '<', 0.5)
      .select(['teamRoster.teamName', 'worst.dstUrn', 'worst.meanP95Ms'])
    const rows: { teamName: string; dstUrn: string; meanP95Ms: number | null }[] = await query.execute()
    expect(rows).toEqual([{ teamName: 'money', dstUrn: 'pay', meanP95Ms: expect.closeTo(20, 0) }])
    expect(query.compile().sql).toContain('"worst"."mean_p95_ms"')
    const [row] = await camel.selectFrom(worst.as('worst')).selectAll().execute()
    expect(Object.keys(row!)).toEqual(['dstUrn', 'meanP95Ms', 'meanErrRate'])
  })

  it('comes under names that its type does not have, where it is not told', async () => {
    const worst = slowestDependencies(scope, { service: 'web', range })
    const [row] = await camel.selectFrom(worst.as('worst')).select('worst.dst_urn').execute()
    expect(row).toEqual({ dstUrn: 'pay' })
    expect(await camel.withoutPlugins().selectFrom(worst.as('worst')).select('worst.dst_urn').execute()).toEqual([{ dst_urn: 'pay' }])
  })

  it('keeps what is inside of JSON where the plugin is asked to, and else not', async () => {
    const cpu = latestMetrics(scope, { metric: 'cpu', measure: 'avg', range })
    expect(await camel.selectFrom(cpu.as('cpu')).select('cpu.labels').execute()).toEqual([{ labels: { k8s_pod: 'a' } }])
    const renaming = test.db.withPlugin(new CamelCasePlugin())
    expect(await renaming.selectFrom(cpu.as('cpu')).select('cpu.labels').execute()).toEqual([{ labels: { k8sPod: 'a' } }])
    expect(await cpu.clearSelect().select('labels').execute()).toEqual([{ labels: { k8s_pod: 'a' } }])
  })

  it("takes the user's query with the names of the database, and fails at any other", async () => {
    const query = camel.selectFrom('teamRoster').select(['serviceUrn', 'pages'])
    const teams = query.$castTo<{ service_urn: string; pages: number }>()
    const ranking = topK(scope, rankBy(scope, teams, { item: 'service_urn', score: 'pages' }), 1)
    expect(await ranking.execute()).toEqual([{ service_urn: 'pay', pages: 7, item: 'pay', score: 7 }])
    await expect(rankBy(scope, query, { item: 'serviceUrn', score: 'pages' }).execute()).rejects.toThrow('serviceUrn')
  })
})
