import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { cycles } from '../../../src/graph/cycles.ts'
import { kShortestPaths } from '../../../src/graph/kShortestPaths.ts'
import { neighbourhood } from '../../../src/graph/neighbourhood.ts'
import { pathsBetween } from '../../../src/graph/pathsBetween.ts'
import { reach } from '../../../src/graph/reach.ts'
import { shortestPath } from '../../../src/graph/shortestPath.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { services } from '../../support/rows.ts'
import { frame, tableFrame, type GivenEdge } from './frame.ts'
import { components, reached, simplePaths, turned, type Model, type SimplePath } from './models.ts'

/** Any graph of seven vertices, with loops, parallel edges, and lengths that tie or are missing. */
const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const
const vertex = fc.constantFrom(...names)
const weight = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY) },
)
const edges: fc.Arbitrary<GivenEdge[]> = fc.array(fc.tuple(vertex, vertex, weight), { maxLength: 22 })
const direction = fc.constantFrom('out' as const, 'in' as const, 'both' as const)
const settings = { numRuns: leg.name === 'server' ? 60 : 40 }

apartFromTime('on any graph, as its simplest model says', () => {
  let test: TestDatabase
  let scope: Scope
  let vertices: readonly string[]
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    const ids = await services(scope, names)
    vertices = names.toSorted((one, other) => Number(ids.get(one)) - Number(ids.get(other)))
  })
  afterAll(() => test.close())

  describe.each([
    ['computed once', frame],
    ['walked where it lies', tableFrame],
  ] as const)('%s', (_, make) => {
    const check = <Given extends unknown[]>(
      given: { [Index in keyof Given]: fc.Arbitrary<Given[Index]> },
      claim: (model: Model, edges: Awaited<ReturnType<typeof frame>>, ...given: Given) => Promise<void>,
    ) =>
      fc.assert(
        fc.asyncProperty(edges, fc.tuple<Given>(...given), async (list, options) =>
          claim({ vertices, edges: list }, await make(scope, list), ...options),
        ),
        settings,
      )

    it('reach', async () => {
      await check(
        [fc.uniqueArray(vertex, { minLength: 1, maxLength: 2 }), fc.integer({ min: 1, max: 4 }), direction],
        async (model, list, from, hops, way) => {
          const rows = await reach(scope, list, { from, hops, direction: way }).execute()
          expect(rows.map(({ urn, depth, via_urn }) => ({ urn, depth, via: via_urn }))).toEqual(reached(turned(model, way), from, hops))
        },
      )
    })

    it('shortestPath by edges is the way back that reach gives', async () => {
      await check([vertex, vertex, fc.integer({ min: 1, max: 4 }), direction], async (model, list, from, to, hops, way) => {
        const found = new Map(reached(turned(model, way), [from], hops).map(({ urn, via }) => [urn, via]))
        const back: string[] = from === to || found.has(to) ? [to] : []
        while (back.length > 0 && back[0] !== from) back.unshift(found.get(back[0]!)!)
        const rows = await shortestPath(scope, list, { from, to, hops, direction: way }).execute()
        expect(rows.map(({ urn }) => urn)).toEqual(back)
        expect(rows.map(({ step, cost, length }) => [step, cost, length])).toEqual(
          back.map((_name, step) => [step, step, step === 0 ? null : 1]),
        )
      })
    })

    it('shortestPath by length, and the next shortest', async () => {
      await check([vertex, vertex, fc.integer({ min: 1, max: 8 }), direction], async (model, list, from, to, k, way) => {
        const all = simplePaths(turned(model, way), from, to, 'weight')
        const rows = await kShortestPaths(scope, list, { from, to, limit: k, length: 'weight', direction: way }).execute()
        expect(rows.map(({ rank, step, urn, cost }) => [rank, step, urn, cost])).toEqual(stepsOf(all.slice(0, k)))
        for (const [index, { step, length, cost }] of rows.entries()) expect(length).toBe(step === 0 ? null : cost - rows[index - 1]!.cost)
        const first = await shortestPath(scope, list, { from, to, length: 'weight', direction: way }).execute()
        expect(first.map((step) => ({ rank: 1, ...step }))).toEqual(rows.filter(({ rank }) => rank === 1))
      })
    })

    it('pathsBetween', async () => {
      await check(
        [vertex, vertex, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }), direction],
        async (model, list, from, to, hops, limit, way) => {
          const all = simplePaths(turned(model, way), from, to, 'hops').filter(({ urns }) => urns.length <= hops + 1)
          const rows = await pathsBetween(scope, list, { from, to, hops, limit, direction: way }).execute()
          expect(rows.map(({ rank, step, urn }) => [rank, step, urn])).toEqual(
            stepsOf(all.slice(0, limit)).map(([rank, step, urn]) => [rank, step, urn]),
          )
          for (const row of rows) {
            expect(row.cut).toBe(all.length > limit)
            expect(row.hops).toBe(all[row.rank - 1]!.urns.length - 1)
          }
        },
      )
    })

    it('cycles', async () => {
      await check([], async (model, list) => {
        const rows = await cycles(scope, list).execute()
        expect(rows).toEqual(
          components(model).map(({ members, cycle }, index) => ({ component: index + 1, size: members.length, members, cycle })),
        )
      })
    })

    it('neighbourhood', async () => {
      await check([vertex, fc.integer({ min: 1, max: 3 }), direction], async (model, list, of, hops, way) => {
        const near = new Set([of, ...reached(turned(model, way), [of], hops).map(({ urn }) => urn)])
        const ids = await services(scope, names)
        const text = (row: unknown[]) => row.map(String).join(' ')
        const expected = model.edges.filter(([src, dst]) => near.has(src) && near.has(dst))
        const rows = await neighbourhood(scope, list, { resource: of, hops, direction: way }).execute()
        expect(rows.map(({ src, dst, weight: given }) => text([src, dst, given])).toSorted()).toEqual(
          expected.map(([src, dst, given = null]) => text([ids.get(src), ids.get(dst), given])).toSorted(),
        )
        expect(rows.map(({ src }) => Number(src))).toEqual(rows.map(({ src }) => Number(src)).toSorted((one, other) => one - other))
      })
    })
  })
})

const stepsOf = (paths: readonly SimplePath[]) =>
  paths.flatMap(({ urns, costs }, index) => urns.map((urn, step) => [index + 1, step, urn, costs[step]] as const))
