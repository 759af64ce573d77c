import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import { deleteTenant } from '../../../src/catalog/deleteTenant.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { InvalidInputError, NotFoundError } from '../../../src/schema/errors.ts'
import { recordTopology, type RecordTopologyOptions } from '../../../src/topology/recordTopology.ts'
import type { TopologyEdge } from '../../../src/topology/stageSnapshot.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls, services } from '../../support/rows.ts'

const nothing = { opened: 0, closed: 0, changed: 0, unchanged: 0 }

apartFromTime('recordTopology', () => {
  let test: TestDatabase
  let scope: Scope
  let code = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${(code += 1)}`)
    await services(scope, ['a', 'b', 'c', `d'"; --`])
  })

  const record = (clock: string, edges: TopologyEdge[], options: Partial<RecordTopologyOptions> = {}) =>
    recordTopology(scope, edges, { at: at(clock), relation: 'calls', source: 'tracing', ...options })

  /** Every version, with where it lies and who wrote it. */
  const versions = async () => {
    const { rows } = await sql<{ edge: string; place: string }>`
      select source.urn || ' ' || edge.relation || ' ' || target.urn || ' ' || edge.source || ' '
        || to_char(lower(edge.valid) at time zone 'UTC', 'HH24:MI') || '-' || case when upper(edge.valid) = 'infinity' then 'infinity' else coalesce(to_char(upper(edge.valid) at time zone 'UTC', 'HH24:MI'), '') end
        || ' ' || edge.props as edge, edge.ctid || ' ' || edge.xmin as place
      from ${scope.id('topo_edge_time')} as edge
      join ${scope.id('dim_resource')} as source on source.resource_id = edge.src_resource_id
      join ${scope.id('dim_resource')} as target on target.resource_id = edge.dst_resource_id
      where edge.tenant_id = ${scope.tenantId}::int8
    `.execute(test.db)
    return rows.sort((one, another) => (one.edge < another.edge ? -1 : 1))
  }
  const edges = async () => (await versions()).map(({ edge }) => edge)
  const snapshots = async () => {
    const { rows } = await sql<{ snapshot: string }>`
      select source || ' ' || relation || ' ' || to_char(at at time zone 'UTC', 'HH24:MI') || ' ' || edge_count as snapshot
      from ${scope.id('topo_snapshot')} where tenant_id = ${scope.tenantId}::int8 order by at
    `.execute(test.db)
    return rows.map(({ snapshot }) => snapshot)
  }

  it('opens what is new, closes what is missing, opens again what changed, and leaves the rest where it lies', async () => {
    const stays = { from: 'a', to: 'b', props: { port: 80 } }
    const changes = { from: 'b', to: 'c', props: { port: 80 } }
    expect(await record('10:00', [stays, changes, { from: 'c', to: 'c' }])).toEqual({ ...nothing, opened: 3 })
    const [before] = await versions()
    expect(await record('10:05', [{ ...changes, props: { port: 443 } }, stays, { from: 'a', to: `d'"; --` }])).toEqual({
      opened: 1,
      closed: 1,
      changed: 1,
      unchanged: 1,
    })
    expect(await edges()).toEqual([
      'a calls b tracing 10:00- {"port": 80}',
      `a calls d'"; -- tracing 10:05- {}`,
      'b calls c tracing 10:00-10:05 {"port": 80}',
      'b calls c tracing 10:05- {"port": 443}',
      'c calls c tracing 10:00-10:05 {}',
    ])
    expect((await versions())[0]).toEqual(before)
    expect(await snapshots()).toEqual(['tracing calls 10:00 3', 'tracing calls 10:05 3'])
  })

  it('writes nothing when the same snapshot comes again, then or later', async () => {
    const same = [
      { from: 'a', to: 'b', props: { z: 1, a: [1.5, null, { '☂': true }] } },
      { from: 'b', to: 'b' },
    ]
    await record('10:00', same)
    const before = await versions()
    const turned = [same[1]!, { ...same[0]!, props: { a: [1.5, null, { '☂': true }], z: 1 } }]
    expect(await record('10:00', turned)).toEqual({ ...nothing, unchanged: 2 })
    expect(await record('10:05', turned)).toEqual({ ...nothing, unchanged: 2 })
    expect(await versions()).toEqual(before)
  })

  it('takes another snapshot of the same moment in place of the first', async () => {
    await record('10:00', [{ from: 'a', to: 'b' }])
    await record('10:05', [{ from: 'a', to: 'c' }])
    expect(await record('10:05', [{ from: 'a', to: 'b' }])).toEqual({ ...nothing, opened: 1, closed: 1 })
    expect(await edges()).toEqual(['a calls b tracing 10:00- {}'])
    expect(await snapshots()).toEqual(['tracing calls 10:00 1', 'tracing calls 10:05 1'])
  })

  it('puts a snapshot that comes late where it belongs', async () => {
    await record('10:00', [{ from: 'a', to: 'b' }])
    await record('10:10', [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'c' },
    ])
    expect(await record('10:05', [{ from: 'b', to: 'c' }])).toEqual({ ...nothing, opened: 1, closed: 1 })
    expect(await edges()).toEqual(['a calls b tracing 10:00-10:05 {}', 'a calls b tracing 10:10- {}', 'b calls c tracing 10:05- {}'])
    expect(await record('09:00', [{ from: 'c', to: 'a' }])).toEqual({ ...nothing, opened: 1 })
    expect(await edges()).toContain('c calls a tracing 09:00-10:00 {}')
  })

  it('remembers ten thousand moments, and refuses what is older', async () => {
    await sql`
      insert into ${scope.id('topo_snapshot')} (tenant_id, source, relation, at, edge_count)
      select ${scope.tenantId}::int8, 'tracing', 'calls', ${at('10:00')}::timestamptz - step * interval '1 second', 0 from generate_series(0, 9999) as step
    `.execute(test.db)
    await record('06:00', [{ from: 'a', to: 'b' }])
    expect(await edges()).toEqual(['a calls b tracing 06:00-07:13 {}'])
    await expect(record('06:00', [{ from: 'a', to: 'b' }])).rejects.toThrow(
      'at: must not be before 2026-11-22T07:13:21.000Z, the oldest snapshot of source "tracing" and relation "calls" that is still remembered',
    )
    expect(await snapshots()).toHaveLength(10_000)
    expect(await record('07:13', [], { relation: 'runs_on', allowEmpty: true })).toEqual(nothing)
    expect(await record('10:00', [{ from: 'a', to: 'c' }])).toEqual({ ...nothing, opened: 1 })
  })

  it('keeps sources, relations, tenants and what was written without a source apart', async () => {
    const ids = await services(scope, ['a', 'b'])
    await sql`
      insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
      values (${scope.tenantId}::int8, ${ids.get('a')}::int8, ${ids.get('b')}::int8, 'calls', '[2026-11-22 09:00Z, infinity)')
    `.execute(test.db)
    const other = await tenant(test.db, 'other')
    await services(other, ['a', 'b'])
    await recordTopology(other, [{ from: 'a', to: 'b' }], { at: at('09:00'), relation: 'calls', source: 'tracing' })
    await record('10:00', [{ from: 'a', to: 'b', props: { by: 'tracing' } }])
    await record('10:00', [{ from: 'a', to: 'b' }], { relation: 'reads' })
    await record('09:30', [{ from: 'a', to: 'b', props: { by: 'mesh' } }], { source: 'mesh' })
    expect(await record('11:00', [], { allowEmpty: true })).toEqual({ ...nothing, closed: 1 })
    expect(await edges()).toEqual([
      'a calls b  09:00-infinity {}',
      'a calls b mesh 09:30- {"by": "mesh"}',
      'a calls b tracing 10:00-11:00 {"by": "tracing"}',
      'a reads b tracing 10:00- {}',
    ])
    expect(await topologyAt(scope, { at: at('10:30'), relation: 'calls' }).execute()).toMatchObject([
      { props: { by: 'tracing' }, sources: ['tracing', 'mesh', ''], valid_from: at('10:00'), valid_to: at('11:00') },
    ])
    expect(await topologyAt(scope, { at: at('10:30'), relation: 'calls', source: '' }).execute()).toMatchObject([
      { props: {}, sources: [''], valid_from: at('09:00'), valid_to: null },
    ])
    expect(await topologyAt(other, { at: at('12:00') }).execute()).toHaveLength(1)
    await expect(
      sql`
        insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
        values (${scope.tenantId}::int8, ${ids.get('a')}::int8, ${ids.get('b')}::int8, 'calls', '[2026-11-22 12:00Z,)')
      `.execute(test.db),
    ).rejects.toThrow(/topo_edge_time_once/)
  })

  it('records an edge frame where it lies: the calls of a week', async () => {
    await insertCalls(scope, [
      { bucket: at('10:00'), src: 'a', dst: 'b', latencies: [1, 2] },
      { bucket: at('10:05'), src: 'b', dst: 'c', latencies: [3], error_count: 1 },
    ])
    const calls = callsDuring(scope, { range: during('10:00', '11:00') })
    const options = { at: at('11:00'), relation: 'calls', source: 'tracing' }
    expect(await recordTopology(scope, calls, options)).toEqual({ ...nothing, opened: 2 })
    expect(await recordTopology(scope, calls.where('err_rate', '>', 0), { ...options, at: at('12:00') })).toEqual({
      ...nothing,
      closed: 1,
      unchanged: 1,
    })
    expect(await recordTopology(scope, calls, { ...options, at: at('13:00'), attributes: ['err_rate', 'call_count'] })).toEqual({
      ...nothing,
      opened: 1,
      changed: 1,
    })
    expect(await edges()).toEqual([
      'a calls b tracing 11:00-12:00 {}',
      'a calls b tracing 13:00- {"err_rate": 0, "call_count": 2}',
      'b calls c tracing 11:00-13:00 {}',
      'b calls c tracing 13:00- {"err_rate": 1, "call_count": 1}',
    ])
  })

  it('takes whatever yields edges, in batches', async () => {
    const count = 6_000
    await services(
      scope,
      Array.from({ length: count }, (_, index) => `s${index}`),
    )
    async function* stream() {
      for (let index = 0; index < count; index += 1) yield { from: 'a', to: `s${index}`, props: { index } }
    }
    const options = { at: at('10:00'), relation: 'calls', source: 'tracing' }
    expect(await recordTopology(scope, stream(), options)).toEqual({ ...nothing, opened: count })
    expect(await recordTopology(scope, new Set([{ from: 'a', to: 's7', props: { index: 7 } }]), { ...options, at: at('10:05') })).toEqual({
      ...nothing,
      closed: count - 1,
      unchanged: 1,
    })
  })

  it('records the whole of a snapshot, or nothing', async () => {
    await record('10:00', [{ from: 'a', to: 'b' }])
    const before = await versions()
    const unchanged = async () => {
      expect(await versions()).toEqual(before)
      expect(await snapshots()).toEqual(['tracing calls 10:00 1'])
    }
    const later = { at: at('10:05'), relation: 'calls', source: 'tracing' }
    const many = Array.from({ length: 12 }, (_, index) => ({ from: 'a', to: `missing ${String(index).padStart(2, '0')}` }))
    await expect(record('10:05', [{ from: 'b', to: 'c' }, ...many])).rejects.toThrow(
      /^tenant "t-\d+" does not have these resources of the snapshot: "missing 00", .*"missing 09" and 2 more: create the resources with ensureResources/,
    )
    await expect(record('10:05', many)).rejects.toThrow(NotFoundError)
    await unchanged()
    await expect(
      record('10:05', [
        { from: 'b', to: 'c' },
        { from: 'a', to: `d'"; --` },
        { from: 'a', to: `d'"; --`, props: { v: 1 } },
      ]),
    ).rejects.toThrow(`snapshot: has more than one edge from "a" to "d'\\"; --": `)
    await expect(record('10:05', [])).rejects.toThrow(
      'snapshot: is empty, which would close every edge of source "tracing" and relation "calls": give allowEmpty: true if the source really has no edges',
    )
    async function* broken() {
      yield { from: 'b', to: 'c' }
      throw new Error('the source went away')
    }
    await expect(recordTopology(scope, broken(), later)).rejects.toThrow('the source went away')
    const other = await tenant(test.db, 'stranger')
    await insertCalls(other, [{ bucket: at('10:00'), src: 'x', dst: 'y', latencies: [1] }])
    const foreign = callsDuring(other, { range: during('10:00', '11:00') })
    await expect(recordTopology(scope, foreign, later)).rejects.toThrow(NotFoundError)
    await unchanged()
  })

  it('gives up when told to, also while it waits for the source, and lets the source go', async () => {
    await record('10:00', [{ from: 'a', to: 'b' }])
    const stopped = vi.fn<() => void>()
    const controller = new AbortController()
    async function* slow() {
      try {
        yield { from: 'b', to: 'c' }
        controller.abort(new Error('enough'))
        yield { from: 'c', to: 'b' }
      } finally {
        stopped()
      }
    }
    const options = { at: at('10:05'), relation: 'calls', source: 'tracing', signal: controller.signal }
    await expect(recordTopology(scope, slow(), options)).rejects.toThrow('enough')
    expect(stopped).toHaveBeenCalledOnce()
    await expect(recordTopology(scope, [{ from: 'b', to: 'c' }], options)).rejects.toThrow('enough')
    expect(await edges()).toEqual(['a calls b tracing 10:00- {}'])
  })

  it('takes part in the transaction the scope was made from', async () => {
    const rolledBack = test.db.transaction().execute(async (trx) => {
      const inside = await tenantScope(trx, scope.tenantCode)
      const options = { relation: 'calls', source: 'tracing' }
      expect(await recordTopology(inside, [{ from: 'a', to: 'b' }], { ...options, at: at('10:00') })).toEqual({ ...nothing, opened: 1 })
      expect(await recordTopology(inside, [{ from: 'a', to: 'c' }], { ...options, at: at('10:05') })).toEqual({
        ...nothing,
        opened: 1,
        closed: 1,
      })
      expect(await topologyAt(inside, { at: at('10:05') }).execute()).toHaveLength(1)
      throw new Error('changed my mind')
    })
    await expect(rolledBack).rejects.toThrow('changed my mind')
    expect(await edges()).toEqual([])
    expect(await snapshots()).toEqual([])
  })

  it('leaves the planner as it was', async () => {
    const settings = () =>
      sql`select current_setting('enable_nestloop') as loops, current_setting('jit') as jit`.execute(test.db).then(({ rows }) => rows)
    const before = await settings()
    await record('10:00', [{ from: 'a', to: 'b' }])
    expect(await settings()).toEqual(before)
  })

  it('refuses what is no edge, no moment, no name, no snapshot', async () => {
    const refused = async (promise: Promise<unknown>, message: string | RegExp) => {
      await expect(promise).rejects.toThrow(message)
      await expect(promise).rejects.toBeInstanceOf(InvalidInputError)
    }
    await refused(
      record('10:00', [
        { from: 'a', to: 'b' },
        { from: '', to: 'b' },
      ]),
      'snapshot[1].from: must not be empty',
    )
    await refused(record('10:00', [{ from: 'a', to: 'b', props: { bad: Number.NaN } }]), 'snapshot[0].props.bad: must be a finite number')
    // @ts-expect-error an edge has no weight
    await refused(record('10:00', [{ from: 'a', to: 'b', weight: 1 }]), 'snapshot[0]: has no key "weight"')
    await refused(record('10:00', [], { at: new Date(Number.NaN) }), /^at: /)
    await refused(record('10:00', [], { relation: '' }), 'relation: must not be empty')
    await refused(record('10:00', [], { source: '' }), 'source: must not be empty')
    await refused(record('10:00', [], { source: 'x'.repeat(256) }), 'source: must be at most 255 bytes long')
    const options = { at: at('10:00'), relation: 'calls', source: 'tracing' }
    // @ts-expect-error neither edges nor a frame
    await refused(recordTopology(scope, 'ab', options), 'snapshot: must be edges or an edge frame, got "ab"')
    const single = { from: 'a', to: 'b' }
    // @ts-expect-error one edge is no list of edges
    await refused(recordTopology(scope, single, options), 'snapshot: must be edges or an edge frame, got {"from":"a","to":"b"}')
    // @ts-expect-error edges have props, not attributes
    await refused(recordTopology(scope, [], { ...options, attributes: ['rps'] }), 'attributes: are columns of a frame')
  })

  it('goes with the tenant', async () => {
    await record('10:00', [{ from: 'a', to: 'b' }])
    expect(await deleteTenant(test.db, scope.tenantCode)).toMatchObject({ topo_edge_time: 1, topo_snapshot: 1, dim_tenant: 1 })
  })

  it.skipIf(!leg.concurrent)('makes recorders of one source take turns, and no others', async () => {
    await record('09:00', [{ from: 'a', to: 'b' }])
    const held = Promise.withResolvers<void>()
    const written = Promise.withResolvers<void>()
    const first = test.db.transaction().execute(async (trx) => {
      await recordTopology(await tenantScope(trx, scope.tenantCode), [{ from: 'a', to: 'c' }], {
        at: at('10:00'),
        relation: 'calls',
        source: 'tracing',
      })
      written.resolve()
      await held.promise
    })
    await written.promise
    let done = false
    const second = record('10:05', [{ from: 'a', to: 'c' }]).then((counts) => {
      done = true
      return counts
    })
    expect(await record('10:00', [{ from: 'a', to: 'c' }], { source: 'mesh' })).toEqual({ ...nothing, opened: 1 })
    const other = await tenant(test.db, 'unhindered')
    await services(other, ['a', 'b'])
    expect(await recordTopology(other, [{ from: 'a', to: 'b' }], { at: at('10:00'), relation: 'calls', source: 'tracing' })).toEqual({
      ...nothing,
      opened: 1,
    })
    expect(done).toBe(false)
    held.resolve()
    await first
    expect(await second).toEqual({ ...nothing, unchanged: 1 })
  })
})
