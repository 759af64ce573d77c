import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { communities, layers, stronglyConnectedComponents } from '../../../../src/graph/index.ts'
import { anyGraph, chainOf, graphOf, type TestGraph } from './randomGraph.ts'

/** What can be reached from a vertex, itself included. */
function reached(graph: TestGraph, from: string): Set<string> {
  const seen = new Set([from])
  for (const vertex of seen) graph.forEachOutNeighbor(vertex, (next) => seen.add(next))
  return seen
}

describe('stronglyConnectedComponents', { timeout: 60_000 }, () => {
  it('finds the circles, largest first', () => {
    expect(stronglyConnectedComponents(graphOf('x>y, y>x, c>a, a>b, b>c, b>x, y>z, z>z, q'))).toEqual([
      { size: 3, vertices: ['a', 'b', 'c'], cyclic: true },
      { size: 2, vertices: ['x', 'y'], cyclic: true },
      { size: 1, vertices: ['q'], cyclic: false },
      { size: 1, vertices: ['z'], cyclic: true },
    ])
    expect(stronglyConnectedComponents(graphOf(''))).toEqual([])
  })

  it('puts together exactly those that reach each other', () => {
    fc.assert(
      fc.property(anyGraph, (parts) => {
        const graph = graphOf(parts.join(','))
        const components = stronglyConnectedComponents(graph)
        expect(components.flatMap(({ vertices }) => vertices).sort()).toEqual(graph.nodes().sort())
        for (const { vertices } of components) {
          const mutual = graph.filterNodes((other) => reached(graph, vertices[0]!).has(other) && reached(graph, other).has(vertices[0]!))
          expect(vertices).toEqual(mutual.sort())
        }
      }),
      { numRuns: 200 },
    )
  })

  it('takes a chain, and a circle, longer than the stack', () => {
    const graph = chainOf(20_000)
    expect(stronglyConnectedComponents(graph)).toHaveLength(20_000)
    graph.addEdge('19999', '0', { weight: 1 })
    expect(stronglyConnectedComponents(graph).map(({ size }) => size)).toEqual([20_000])
  })
})

describe('layers', { timeout: 60_000 }, () => {
  const layersOf = (text: string, options?: Parameters<typeof layers>[1]) =>
    layers(graphOf(text), options)
      .map(({ vertex, layer }) => `${vertex}${layer ?? '-'}`)
      .join(' ')

  it.each([
    ['', undefined, ''],
    ['a>b, b>c, a>c', undefined, 'a0 b1 c2'],
    ['a>b, b>c, a>c', { method: 'shortest' }, 'a0 b1 c1'],
    ['a>b, b>c, c>b, c>d', undefined, 'a0 b1 c1 d2'],
    ['a>b, b>c, c>b, c>d', { method: 'shortest' }, 'a0 b1 c2 d3'],
    ['a>b, x>y', { entries: ['a'] }, 'a0 b1 x- y-'],
    ['a>b, b>c', { entries: ['b', 'a'] }, 'a0 b1 c2'],
    ['a>b, b>c', { entries: ['b', 'a'], method: 'shortest' }, 'a0 b0 c1'],
    ['a>b, b>a, b>c', undefined, 'a0 b0 c1'],
    ['a>b', { entries: [] }, 'a- b-'],
    ['a>a, a>b', undefined, 'a0 b1'],
  ] as const)('of %j with %j are %s', (text, options, expected) => {
    expect(layersOf(text, options)).toBe(expected)
  })

  it('refuses an entry that is no vertex', () => {
    expect(() => layersOf('a>b', { entries: ['a', 'z'] })).toThrow('entries[1]: is not a vertex of the graph: "z"')
  })

  it('lets every edge that is in no circle lead to a later layer, and what is reached has one', () => {
    fc.assert(
      fc.property(anyGraph, (parts) => {
        const graph = graphOf(parts.join(','))
        const layer = new Map(layers(graph).map((row) => [row.vertex, row.layer]))
        expect([...layer.values()].includes(null)).toBe(false)
        graph.forEachEdge((_, __, src, dst) => {
          if (reached(graph, dst).has(src)) expect(layer.get(dst)).toBe(layer.get(src))
          else expect(layer.get(dst)!).toBeGreaterThan(layer.get(src)!)
        })
        for (const [vertex, depth] of layer) {
          if (depth! > 0) {
            const circle = graph.filterNodes((other) => reached(graph, vertex).has(other) && reached(graph, other).has(vertex))
            const before = circle.flatMap((member) => graph.inNeighbors(member)).map((caller) => layer.get(caller))
            expect(before).toContain(depth! - 1)
          }
        }
      }),
    )
  })

  it('takes a chain longer than the stack', () => {
    expect(layers(chainOf(20_000)).at(-1)!.layer).toBe(19_999)
  })
})

describe('communities', { timeout: 60_000 }, () => {
  it('finds what belongs together, whatever the direction', () => {
    const found = communities(graphOf('a>b:5, c>b:5, a>c:5, c>x:0.1, x>y:5, z>y:5, x>z:5, alone'))
    expect(found.communities).toEqual([
      { community: 0, size: 3, vertices: ['a', 'b', 'c'], inside: expect.closeTo(30 / 30.1, 12) },
      { community: 1, size: 3, vertices: ['x', 'y', 'z'], inside: expect.closeTo(30 / 30.1, 12) },
      { community: 2, size: 1, vertices: ['alone'], inside: null },
    ])
    // Two halves: 30.1 of the 60.2 each, of which 30 stay inside.
    expect(found.modularity).toBeCloseTo(60 / 60.2 - 1 / 2, 12)
  })

  it('has an answer for little', () => {
    expect(communities(graphOf(''))).toEqual({ modularity: 0, communities: [] })
    expect(communities(graphOf('a>a, b')).communities.map(({ vertices }) => vertices)).toEqual([['a'], ['b']])
    expect(communities(graphOf('a>b:0, c>d:0')).communities.map(({ vertices }) => vertices)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    expect(() => communities(graphOf('a'), { granularity: 0 })).toThrow('granularity: must be above 0, got 0')
  })

  it('divides the vertices, the same way however the graph was built', () => {
    fc.assert(
      fc.property(anyGraph, (parts) => {
        const graph = graphOf(parts.join(','))
        const found = communities(graph)
        expect(found.communities.flatMap(({ vertices }) => vertices).sort()).toEqual(graph.nodes().sort())
        expect(found.modularity).toBeGreaterThanOrEqual(-0.5)
        expect(found.modularity).toBeLessThanOrEqual(1)
        const again = communities(graphOf([...parts].reverse().join(',')))
        expect(again.communities.map(({ vertices }) => vertices)).toEqual(found.communities.map(({ vertices }) => vertices))
      }),
    )
  })
})
