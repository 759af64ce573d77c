import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { compareTopology } from '../../../src/topology/compareTopology.ts'
import { edgeHistory } from '../../../src/topology/edgeHistory.ts'
import { recordTopology } from '../../../src/topology/recordTopology.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { topologyChanges } from '../../../src/topology/topologyChanges.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { services } from '../../support/rows.ts'
import { hourOf, recordings, SnapshotList, type Recording, type Version } from './recordings.ts'

/** Every run begins with deleting what the one before it wrote, and there are up to twelve recordings in one. */
const timeout = 180_000

const moments = [-1, 0, 0.5, 1, 2, 2.5, 3, 4, 5]

apartFromTime('the history of a topology, whatever is recorded in whichever order', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await services(scope, ['a', 'b', 'c'])
    const other = await tenant(test.db, 'other')
    await services(other, ['a', 'b'])
    await recordTopology(other, [{ from: 'a', to: 'b' }], { at: hourOf(0), relation: 'calls', source: 'tracing' })
  })
  afterAll(() => test.close())

  const record = ({ source, relation, hour, edges }: Recording) =>
    recordTopology(
      scope,
      edges.map(({ src, dst, props }) => ({ from: src, to: dst, props })),
      { at: hourOf(hour), relation, source, allowEmpty: true },
    )

  const forgetAll = async () => {
    await sql`delete from ${scope.id('topo_edge_time')} where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
    await sql`delete from ${scope.id('topo_snapshot')} where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
  }

  /** Every version in the table, as the model has it. */
  const stored = async (): Promise<Version[]> => {
    const { rows } = await sql<Omit<Version, 'closes'> & { closes: number | null }>`
      select source.urn as src, target.urn as dst, edge.relation, edge.source,
        (extract(epoch from lower(edge.valid) - ${hourOf(0)}::timestamptz) / 3600)::float8 as opens,
        (extract(epoch from upper(edge.valid) - ${hourOf(0)}::timestamptz) / 3600)::float8 as closes,
        edge.props
      from ${scope.id('topo_edge_time')} as edge
      join ${scope.id('dim_resource')} as source on source.resource_id = edge.src_resource_id
      join ${scope.id('dim_resource')} as target on target.resource_id = edge.dst_resource_id
      where edge.tenant_id = ${scope.tenantId}::int8
    `.execute(test.db)
    return rows.map((row) => ({ ...row, closes: row.closes ?? Infinity }))
  }

  it('has the fewest versions that say what the snapshots said, and counts what each of them changed', { timeout }, async () => {
    await fc.assert(
      fc
        .asyncProperty(recordings, async (given) => {
          const model = new SnapshotList()
          for (const recording of given) expect(await record(recording)).toEqual(model.record(recording))
          expect(new Set(await stored())).toEqual(new Set(model.versions()))
        })
        .beforeEach(forgetAll),
      { numRuns: 30 },
    )
  })

  it('is the same when all of it is recorded at once', { timeout }, async () => {
    await fc.assert(
      fc
        .asyncProperty(recordings, async (given) => {
          // Of one moment there is one, or the last to come would count.
          const once = [
            ...new Map(
              given.map((recording) => [JSON.stringify([recording.source, recording.relation, recording.hour]), recording]),
            ).values(),
          ]
          const model = new SnapshotList()
          for (const recording of once) model.record(recording)
          await Promise.all(once.map(record))
          expect(new Set(await stored())).toEqual(new Set(model.versions()))
        })
        .beforeEach(forgetAll),
      { numRuns: 10 },
    )
  })

  it('is what every reading of it tells', { timeout }, async () => {
    await fc.assert(
      fc
        .asyncProperty(recordings, fc.constantFrom(...moments), fc.constantFrom(...moments), async (given, one, another) => {
          const model = new SnapshotList()
          for (const recording of given) {
            model.record(recording)
            await record(recording)
          }
          const [first, second] = [one, another].sort((a, b) => a - b) as [number, number]
          const { source, relation } = given[0]!

          const before = await topologyAt(scope, { at: hourOf(first) }).execute()
          expect(edgesOf(before)).toEqual(model.edgesAt(first))
          const alone = await topologyAt(scope, { at: hourOf(first), source, relation }).execute()
          expect(new Map(alone.map(({ src_urn, dst_urn, props }) => [`${src_urn} ${dst_urn}`, props]))).toEqual(
            model.edgesOf(source, relation, first),
          )

          const compared = await compareTopology(scope, { before: hourOf(first), after: hourOf(second), withUnchanged: true }).execute()
          const [earlier, later] = [model.edgesAt(first), model.edgesAt(second)]
          expect(
            new Map(compared.map((edge) => [nameOf(edge), [edge.kind, edge.props_before ?? undefined, edge.props_after ?? undefined]])),
          ).toEqual(
            new Map(
              [...new Set([...earlier.keys(), ...later.keys()])].map((name) => [
                name,
                [kindOf(earlier.get(name), later.get(name)), earlier.get(name), later.get(name)],
              ]),
            ),
          )
          expect(await compareTopology(scope, { before: hourOf(first), after: hourOf(second) }).execute()).toEqual(
            compared.filter(({ kind }) => kind !== 'unchanged'),
          )

          // From just after the first moment to the second, both included as topologyAt has them.
          const range = { from: new Date(hourOf(first).getTime() + 1), to: new Date(hourOf(second).getTime() + 1) }
          const replayed = new Map<string, unknown>(earlier)
          for (const change of await topologyChanges(scope, { range }).execute()) {
            expect([replayed.get(nameOf(change)) ?? null, change.kind]).toEqual([
              change.props_before,
              kindOf(change.props_before ?? undefined, change.props_after ?? undefined),
            ])
            if (change.kind === 'vanished') replayed.delete(nameOf(change))
            else replayed.set(nameOf(change), change.props_after)
          }
          expect(replayed).toEqual(later)

          const history = await edgeHistory(scope, { from: 'a', to: 'b' }).execute()
          expect(
            history.map(({ relation, source, valid_from, valid_to, props }) => [relation, source, valid_from, valid_to, props]),
          ).toEqual(
            model
              .versions()
              .filter(({ src, dst }) => src === 'a' && dst === 'b')
              .sort((a, b) => compare(a.relation, b.relation) || compare(a.source, b.source) || a.opens - b.opens)
              .map(({ relation, source, opens, closes, props }) => [
                relation,
                source,
                hourOf(opens),
                closes === Infinity ? null : hourOf(closes),
                props,
              ]),
          )
        })
        .beforeEach(forgetAll),
      { numRuns: 20 },
    )
  })
})

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

interface NamedEdge {
  src_urn: string
  dst_urn: string
  relation: string
}

const nameOf = ({ src_urn, dst_urn, relation }: NamedEdge) => `${src_urn} ${dst_urn} ${relation}`
const edgesOf = (edges: readonly (NamedEdge & { props: unknown })[]) => new Map(edges.map((edge) => [nameOf(edge), edge.props]))

function kindOf(before: unknown, after: unknown) {
  if (before === undefined) return 'appeared'
  if (after === undefined) return 'vanished'
  return JSON.stringify(before) === JSON.stringify(after) ? 'unchanged' : 'changed'
}
