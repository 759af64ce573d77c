import fc from 'fast-check'
import { DirectedGraph } from 'graphology'
import { betweenness } from 'graphology-metrics/centrality/index.js'
import { describe, expect, it } from 'vitest'
import { criticality } from '../../../../src/graph/index.ts'
import { InvalidInputError } from '../../../../src/schema/errors.ts'
import { anyGraph, chainOf, graphOf } from './randomGraph.ts'

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe('criticality', { timeout: 60_000 }, () => {
  it('ranks what much leads to', () => {
    const rows = criticality(graphOf('web>api:9, web>search:1, api>db:1, search>db:1'))
    expect(rows.map(({ vertex }) => vertex)).toEqual(['db', 'api', 'search', 'web'])
    expect(rows[0]!.attributes).toEqual({ urn: 'urn:db' })
    // By hand: web gets what anybody does, w; api w + 0.85 * 0.9 w, search w + 0.85 * 0.1 w, db w + 0.85 (api + search).
    const [w, api, search] = [1, 1 + 0.85 * 0.9, 1 + 0.85 * 0.1]
    const db = 1 + 0.85 * (api + search)
    const all = w + api + search + db
    expect(rows.map(({ page_rank }) => page_rank)).toEqual([db, api, search, w].map((rank) => expect.closeTo(rank / all, 8)))
  })

  it('ranks what much passes through', () => {
    const rows = criticality(graphOf('a>hub, b>hub, hub>c, hub>d, d>e'), { orderBy: 'betweenness' })
    // Of 20 ordered pairs of others, 6 ways lead over hub (a, b to c, d, e) and 3 over d (a, b, hub to e).
    expect(rows.slice(0, 3).map(({ vertex, betweenness }) => [vertex, betweenness])).toEqual([
      ['hub', expect.closeTo(6 / 20, 12)],
      ['d', expect.closeTo(3 / 20, 12)],
      ['a', 0],
    ])
    expect(rows.every(({ estimated }) => !estimated)).toBe(true)
  })

  it('is exact to 1e-9 in all, also where ranks take many rounds to settle', () => {
    const rows = criticality(graphOf('u>v:99, v>u:99, u>p:1, v>q:1, p>q, q>p'))
    // By hand: each gets what anybody does and what the other of its pair keeps; p and q get what trickles from u and v.
    const anybody = 0.15 / 4
    const above = anybody / (1 - 0.85 * 0.99)
    const below = (anybody + 0.85 * 0.01 * above) / (1 - 0.85)
    const errors = rows.map(({ vertex, page_rank }) => Math.abs(page_rank - ('uv'.includes(vertex) ? above : below)))
    expect(sum(errors)).toBeLessThan(1e-9)
  })

  it('has an answer for little', () => {
    expect(criticality(graphOf(''))).toEqual([])
    expect(criticality(graphOf('a'))).toEqual([
      { vertex: 'a', attributes: { urn: 'urn:a' }, page_rank: 1, betweenness: 0, estimated: false },
    ])
    expect(criticality(graphOf('a>a')).map(({ page_rank }) => page_rank)).toEqual([1])
    expect(criticality(graphOf('a>b:0, a>c:0')).map(({ vertex }) => vertex)).toEqual(['b', 'c', 'a'])
  })

  it('reads the weight from the attribute named, null as 1 and what is negative as 0', () => {
    const graph = new DirectedGraph<object, { rps: number | null }>()
    graph.mergeEdge('a', 'b', { rps: null })
    graph.mergeEdge('a', 'c', { rps: 1 })
    graph.mergeEdge('a', 'd', { rps: -5 })
    const rank = new Map(criticality(graph, { weight: 'rps' }).map(({ vertex, page_rank }) => [vertex, page_rank]))
    expect(rank.get('b')).toBe(rank.get('c'))
    expect(rank.get('d')).toBe(rank.get('a'))
  })

  it.each([[NaN], [Infinity], ['1'], [{}]])('refuses the weight %j', (weight) => {
    const graph = new DirectedGraph<object, { weight: unknown }>()
    graph.mergeEdge('a', 'b', { weight })
    expect(() => criticality(graph)).toThrow(InvalidInputError)
    expect(() => criticality(graph)).toThrow('graph: has an edge from "a" to "b" whose weight is not a finite number')
  })

  it.each([
    [{ pivots: 0 }, 'pivots: '],
    [{ pivots: 1.5 }, 'pivots: '],
    [{ orderBy: 'name' }, 'orderBy: '],
    [{ seed: 0.5 }, 'seed: '],
    [{ sort: 1 }, 'options: has no key "sort"'],
  ])('refuses %j', (options, message) => {
    expect(() => criticality(graphOf('a'), options as object)).toThrow(message)
  })

  it('gives ranks that are 1 together, the same rows however the graph was built, and the betweenness of graphology', () => {
    fc.assert(
      fc.property(anyGraph, fc.nat(), (parts, turn) => {
        const graph = graphOf(parts.join(','))
        const rows = criticality(graph)
        expect(sum(rows.map(({ page_rank }) => page_rank))).toBeCloseTo(rows.length > 0 ? 1 : 0, 8)
        const turned = [...parts.slice(turn % (parts.length || 1)), ...parts.slice(0, turn % (parts.length || 1))]
        const again = criticality(graphOf(turned.join(',')))
        expect(again.map(({ vertex }) => vertex)).toEqual(rows.map(({ vertex }) => vertex))
        const simple = new DirectedGraph()
        const numbers = graph.nodes()
        numbers.forEach((_, index) => simple.addNode(index))
        graph.forEachEdge((_, __, src, dst) => {
          if (src !== dst) simple.mergeEdge(numbers.indexOf(src), numbers.indexOf(dst))
        })
        const expected = simple.order > 2 ? betweenness(simple, { getEdgeWeight: null }) : {}
        for (const row of rows) {
          const known = expected[numbers.indexOf(row.vertex)] ?? 0
          expect(row.betweenness).toBeCloseTo(known, 12)
        }
      }),
    )
  })

  it('estimates from pivots: exact from all, near from many, and says so', () => {
    const graph = new DirectedGraph()
    for (let index = 0; index < 400; index += 1) {
      graph.mergeEdge(`leaf ${index}`, `hub ${index % 4}`)
      graph.mergeEdge(`hub ${index % 4}`, 'core')
    }
    graph.mergeEdge('core', 'db')
    const exact = criticality(graph, { orderBy: 'betweenness', pivots: Infinity })
    expect(exact[0]!.vertex).toBe('core')
    const near = criticality(graph, { orderBy: 'betweenness', pivots: 100 })
    expect(near[0]!.vertex).toBe('core')
    expect(near[0]!.estimated).toBe(true)
    expect(near[0]!.betweenness / exact[0]!.betweenness).toBeCloseTo(1, 1)
    expect(criticality(graph, { pivots: 100 })).toEqual(criticality(graph, { pivots: 100, seed: 1 }))
  })

  it('counts more shortest ways than 32 bits hold', () => {
    const graph = new DirectedGraph()
    for (let layer = 0; layer < 6; layer += 1) {
      for (let from = 0; from < 60; from += 1) for (let to = 0; to < 60; to += 1) graph.mergeEdge(`${layer}/${from}`, `${layer + 1}/${to}`)
    }
    const rows = new Map(criticality(graph).map(({ vertex, betweenness }) => [vertex, betweenness]))
    // Over each of the 60 of the middle layer go 1/60 of the ways between the 180 before it and the 180 behind it.
    expect(rows.get('3/0')).toBeCloseTo((180 * 180) / 60 / (419 * 418), 12)
  })

  it('takes a long chain', () => {
    const rows = criticality(chainOf(3_000), { orderBy: 'betweenness', pivots: Infinity })
    expect(
      rows
        .slice(0, 2)
        .map(({ vertex }) => Number(vertex))
        .sort(),
    ).toEqual([1_499, 1_500])
  })
})
