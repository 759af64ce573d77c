import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { recordTopology } from '../../../src/topology/recordTopology.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant } from '../../support/leg.ts'
import { at, services } from '../../support/rows.ts'

onEveryLeg('the migration that gives topology its sources', () => {
  it('keeps the edges that were there, as nobody’s in particular, and goes back to them', async () => {
    const test = await cleanDatabase()
    const scope = await tenant(test.db)
    const ids = await services(scope, ['a', 'b'])
    await migrateDown(test.db, { toVersion: 7 })
    await sql`
      insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
      values (${scope.tenantId}::int8, ${ids.get('a')}::int8, ${ids.get('b')}::int8, 'calls', '[2026-11-22 10:00Z,)')
    `.execute(test.db)
    await migrateUp(test.db)
    await recordTopology(scope, [{ from: 'a', to: 'b' }], { at: at('09:00'), relation: 'calls', source: 'tracing' })
    const edges = () => topologyAt(scope, { at: at('11:00') }).execute()
    expect(await edges()).toMatchObject([{ src_urn: 'a', dst_urn: 'b', sources: ['', 'tracing'], valid_from: at('10:00') }])
    await migrateDown(test.db, { toVersion: 7 })
    await migrateUp(test.db)
    expect(await edges()).toMatchObject([{ sources: [''], valid_from: at('10:00'), valid_to: null }])
    await test.close()
  })
})
