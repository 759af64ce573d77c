import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { impact } from '../../../src/graph/impact.ts'
import { compareTopology } from '../../../src/topology/compareTopology.ts'
import { edgeHistory } from '../../../src/topology/edgeHistory.ts'
import { recordTopology } from '../../../src/topology/recordTopology.ts'
import type { TopologyEdge } from '../../../src/topology/stageSnapshot.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { topologyChanges } from '../../../src/topology/topologyChanges.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, services } from '../../support/rows.ts'

/** Where services run, and on what image; the mesh says so too, later and without the image. */
const deployments: [clock: string, source: string, edges: TopologyEdge[]][] = [
  ['10:00', 'kubernetes', [on('web', 'node-1', 'web:1'), on('pay', 'node-1', 'pay:1')]],
  ['10:10', 'kubernetes', [on('web', 'node-1', 'web:2'), on('pay', 'node-1', 'pay:1')]],
  ['10:20', 'kubernetes', [on('web', 'node-1', 'web:2'), on('pay', 'node-2', 'pay:1')]],
  ['10:25', 'mesh', [on('web', 'node-1')]],
  ['10:30', 'kubernetes', [on('pay', 'node-1', 'pay:1')]],
  ['10:40', 'mesh', [on('pay', 'node-1')]],
]

function on(from: string, to: string, image?: string): TopologyEdge {
  return image === undefined ? { from, to } : { from, to, props: { image } }
}

apartFromTime('reading a recorded topology', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await services(scope, ['web', 'pay', 'node-1', 'node-2', `it's "☂"`])
    for (const [clock, source, edges] of deployments) {
      await recordTopology(scope, edges, { at: at(clock), relation: 'runs_on', source })
    }
    await recordTopology(scope, [on('web', `it's "☂"`)], { at: at('10:15'), relation: 'calls', source: 'tracing' })
    const other = await tenant(test.db, 'other')
    await services(other, ['web', 'secret'])
    await recordTopology(other, [on('web', 'secret')], { at: at('10:15'), relation: 'calls', source: 'tracing' })
  })
  afterAll(() => test.close())

  const changes = async (from: string, to: string, filter = {}) =>
    (await topologyChanges(scope, { range: during(from, to), ...filter }).execute()).map(
      ({ at, kind, src_urn, relation, dst_urn, props_before, props_after }) =>
        `${at.toISOString().slice(11, 16)} ${kind} ${src_urn} ${relation} ${dst_urn} ${JSON.stringify([props_before, props_after])}`,
    )

  it('tells what appeared, vanished and changed, and when, whoever says so', async () => {
    expect(await changes('10:00', '11:00')).toEqual([
      '10:00 appeared pay runs_on node-1 [null,{"image":"pay:1"}]',
      '10:00 appeared web runs_on node-1 [null,{"image":"web:1"}]',
      '10:10 changed web runs_on node-1 [{"image":"web:1"},{"image":"web:2"}]',
      `10:15 appeared web calls it's "☂" [null,{}]`,
      '10:20 vanished pay runs_on node-1 [{"image":"pay:1"},null]',
      '10:20 appeared pay runs_on node-2 [null,{"image":"pay:1"}]',
      // The mesh opened its version last, so what it knows counts; and web stays where it is when Kubernetes no longer says so.
      '10:25 changed web runs_on node-1 [{"image":"web:2"},{}]',
      '10:30 appeared pay runs_on node-1 [null,{"image":"pay:1"}]',
      '10:30 vanished pay runs_on node-2 [{"image":"pay:1"},null]',
      '10:40 changed pay runs_on node-1 [{"image":"pay:1"},{}]',
      '10:40 vanished web runs_on node-1 [{},null]',
    ])
  })

  it('tells what happened from the begin of a range until before its end', async () => {
    expect(await changes('10:10', '10:20')).toEqual([
      '10:10 changed web runs_on node-1 [{"image":"web:1"},{"image":"web:2"}]',
      `10:15 appeared web calls it's "☂" [null,{}]`,
    ])
    expect(await changes('10:10', '10:10')).toEqual([])
    expect(await changes('11:00', '12:00')).toEqual([])
  })

  it('tells of one relation, and of what one source said', async () => {
    expect(await changes('10:00', '11:00', { relation: 'calls' })).toEqual([`10:15 appeared web calls it's "☂" [null,{}]`])
    expect(await changes('10:21', '11:00', { source: 'kubernetes' })).toEqual([
      '10:30 appeared pay runs_on node-1 [null,{"image":"pay:1"}]',
      '10:30 vanished pay runs_on node-2 [{"image":"pay:1"},null]',
      '10:30 vanished web runs_on node-1 [{"image":"web:2"},null]',
    ])
    expect(await changes('10:00', '11:00', { source: '' })).toEqual([])
  })

  const compared = async (before: string, after: string, options = {}) =>
    (await compareTopology(scope, { before: at(before), after: at(after), ...options }).execute()).map(
      ({ kind, src_urn, relation, dst_urn, props_before, props_after }) =>
        `${kind} ${src_urn} ${relation} ${dst_urn} ${JSON.stringify([props_before, props_after])}`,
    )

  it('compares two moments, whatever happened in between, forwards and backwards', async () => {
    expect(await compared('10:05', '10:22')).toEqual([
      'vanished pay runs_on node-1 [{"image":"pay:1"},null]',
      'appeared pay runs_on node-2 [null,{"image":"pay:1"}]',
      `appeared web calls it's "☂" [null,{}]`,
      'changed web runs_on node-1 [{"image":"web:1"},{"image":"web:2"}]',
    ])
    expect(await compared('10:22', '10:05', { relation: 'runs_on' })).toEqual([
      'appeared pay runs_on node-1 [null,{"image":"pay:1"}]',
      'vanished pay runs_on node-2 [{"image":"pay:1"},null]',
      'changed web runs_on node-1 [{"image":"web:2"},{"image":"web:1"}]',
    ])
    expect(await compared('10:15', '10:35', { relation: 'runs_on', source: 'kubernetes', withUnchanged: true })).toEqual([
      'unchanged pay runs_on node-1 [{"image":"pay:1"},{"image":"pay:1"}]',
      'vanished web runs_on node-1 [{"image":"web:2"},null]',
    ])
    expect(await compared('10:22', '10:22')).toEqual([])
    expect(await compared('09:00', '09:30')).toEqual([])
  })

  it('knows every version of an edge, and how long it held', async () => {
    expect(await edgeHistory(scope, { from: 'pay', to: 'node-1' }).execute()).toMatchObject([
      {
        relation: 'runs_on',
        source: 'kubernetes',
        valid_from: at('10:00'),
        valid_to: at('10:20'),
        duration_s: 1200,
        props: { image: 'pay:1' },
      },
      { relation: 'runs_on', source: 'kubernetes', valid_from: at('10:30'), valid_to: null, duration_s: null },
      { relation: 'runs_on', source: 'mesh', valid_from: at('10:40'), valid_to: null, props: {}, src_urn: 'pay', dst_urn: 'node-1' },
    ])
    expect(await edgeHistory(scope, { from: 'pay', to: 'node-1', source: 'mesh', relation: 'runs_on' }).execute()).toHaveLength(1)
    expect(await edgeHistory(scope, { from: 'node-1', to: 'pay' }).execute()).toEqual([])
  })

  it('knows no duration of what holds since ever, or for ever', async () => {
    const there = await tenant(test.db, 'for ever')
    const ids = await services(there, ['a', 'b'])
    await sql`
      insert into ${there.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
      values
        (${there.tenantId}::int8, ${ids.get('a')}::int8, ${ids.get('b')}::int8, 'calls', '[-infinity, 2026-11-22 10:00Z)'),
        (${there.tenantId}::int8, ${ids.get('a')}::int8, ${ids.get('b')}::int8, 'calls', '[2026-11-22 10:00Z, infinity)')
    `.execute(test.db)
    expect(await edgeHistory(there, { from: 'a', to: 'b' }).execute()).toMatchObject([
      { source: '', valid_from: null, valid_to: at('10:00'), duration_s: null },
      { source: '', valid_from: at('10:00'), valid_to: null, duration_s: null },
    ])
    // Neither begin nor end is a moment at which something happened.
    expect(await topologyChanges(there, { range: { from: at('00:00'), to: at('23:00') } }).execute()).toEqual([])
    expect(await recordTopology(there, [on('a', 'b')], { at: at('09:00'), relation: 'calls', source: 'tracing' })).toMatchObject({
      opened: 1,
    })
  })

  it('narrowed in SQL equals filtered afterwards', async () => {
    await expectNarrows(
      topologyChanges(scope, { range: during('10:00', '11:00') }),
      (eb) => eb('kind', '=', 'appeared'),
      ({ kind }) => kind === 'appeared',
    )
    await expectNarrows(
      compareTopology(scope, { before: at('10:05'), after: at('10:22') }),
      (eb) => eb('src_urn', '=', 'pay'),
      ({ src_urn }) => src_urn === 'pay',
    )
    await expectNarrows(
      edgeHistory(scope, { from: 'pay', to: 'node-1' }),
      (eb) => eb('source', '=', 'mesh'),
      ({ source }) => source === 'mesh',
    )
  })

  it('makes edge frames: what stands on what is new', async () => {
    const news = compareTopology(scope, { before: at('10:05'), after: at('10:22') }).where('kind', '=', 'appeared')
    const hit = await impact(scope, news, { resource: 'node-2' }).execute()
    expect(hit.map(({ urn }) => urn)).toEqual(['pay'])
  })

  it('refuses what is no moment, range, name', () => {
    const never = new Date(Number.NaN)
    expect(() => topologyChanges(scope, { range: { from: never, to: at('10:00') } })).toThrow(/^range\.from: must be a valid Date/)
    expect(() => topologyChanges(scope, { range: during('10:00', '09:00') })).toThrow(/^range\.from: must not be after to/)
    expect(() => compareTopology(scope, { before: never, after: at('10:00') })).toThrow(/^before: /)
    expect(() => compareTopology(scope, { before: at('10:00'), after: never })).toThrow(/^after: /)
    expect(() => edgeHistory(scope, { from: '', to: 'b' })).toThrow('from: must not be empty')
    expect(() => topologyAt(scope, { at: at('10:00'), source: 'x'.repeat(256) })).toThrow('source: must be at most 255 bytes long')
    // @ts-expect-error there is no such option
    expect(() => edgeHistory(scope, { from: 'a', to: 'b', at: at('10:00') })).toThrow('options: has no key "at"')
  })

  it.skipIf(!leg.concurrent)('finds what happened in an hour, and the versions of an edge, by indexes', async () => {
    const big = await tenant(test.db, 'big')
    await services(
      big,
      Array.from({ length: 100 }, (_, index) => `s${index}`),
    )
    await sql`
      insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, source, valid)
      select ${big.tenantId}::int8, source.resource_id, target.resource_id, 'calls', 'tracing',
        tstzrange(timestamptz '2026-01-01Z' + day * interval '1 day', timestamptz '2026-01-01Z' + (day + 1) * interval '1 day')
      from ${scope.id('dim_resource')} as source
      join ${scope.id('dim_resource')} as target on target.tenant_id = source.tenant_id and target.resource_id % 10 = source.resource_id % 10
      cross join generate_series(0, 20) as day
      where source.tenant_id = ${big.tenantId}::int8
    `.execute(test.db)
    await sql`analyze ${scope.id('topo_edge_time')}, ${scope.id('dim_resource')}`.execute(test.db)
    const hour = { from: new Date('2026-01-01T00:00:00Z'), to: new Date('2026-01-01T01:00:00Z') }
    const opened = await topologyChanges(big, { range: hour }).execute()
    expect(opened).toHaveLength(1_000)
    const [first] = opened
    const alone = topologyChanges(big, { range: hour, source: 'tracing' }).where('src', '=', first!.src).where('dst', '=', first!.dst)
    expect(await alone.execute()).toEqual([{ ...first, at: hour.from, kind: 'appeared', props_before: null, props_after: {} }])
    // Of a few hundred edges; those of many are read all at once.
    const some = topologyChanges(big, { range: { from: new Date(hour.from.getTime() - 1), to: hour.from } })
    const plan = (await some.explain('text', sql`analyze`)).map((line) => Object.values(line).join(''))
    expect(plan.join('\n')).toContain('idx_topo_opened')
    expect(plan.join('\n')).toContain('idx_topo_closed')
    expect(plan.filter((line) => line.includes('Seq Scan on topo_edge_time') && !line.includes('never executed'))).toEqual([])
    const history = JSON.stringify(await edgeHistory(big, { from: 's1', to: 's11' }).explain('text'))
    expect(history).not.toContain('Seq Scan on topo_edge_time')
  })
})
