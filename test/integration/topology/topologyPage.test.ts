import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensureResources } from '../../../src/catalog/index.ts'
import type { Scope } from '../../../src/database/index.ts'
import { changePicture } from '../../../src/picture/index.ts'
import { compareTopology, recordTopology, topologyChanges } from '../../../src/topology/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { runPageExample } from '../../support/pageExample.ts'

apartFromTime('the example of docs/graph.md: topology over time', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  it('runs as printed: resources first, whole snapshots, and the difference as a picture', async () => {
    const { rows, svg } = await runPageExample(
      'docs/graph.md',
      '## Topology over time',
      { scope, ensureResources, recordTopology, compareTopology, changePicture },
      ['rows', 'svg'],
    )
    expect(rows).toMatchObject([
      { kind: 'vanished', src_urn: 'urn:k8s:svc:shop/cart', relation: 'runs_on' },
      { kind: 'changed', src_urn: 'urn:k8s:svc:shop/checkout', props_after: { image: 'checkout:4.2' } },
    ])
    expect(svg).toContain('<desc>0 new, 1 gone, 1 changed, 0 unchanged.</desc>')
    expect(svg).toMatch(/runs_on *<\/text>/)
    const range = { from: new Date('2026-11-21T00:00:00Z'), to: new Date('2026-11-23T00:00:00Z') }
    expect(await topologyChanges(scope, { range }).execute()).toHaveLength(4)
  })
})
