import fc from 'fast-check'
import { UndirectedGraph } from 'graphology'
import { countConnectedComponents, connectedComponents } from 'graphology-components'
import { describe, expect, it } from 'vitest'
import { singlePointsOfFailure } from '../../../../src/graph/index.ts'
import { anyGraph, chainOf, graphOf } from './randomGraph.ts'

describe('singlePointsOfFailure', { timeout: 60_000 }, () => {
  it('finds the vertices and connections that something hangs by, and what', () => {
    // A circle a b c; c - d - e and d - f hang by c, and g - h is a component of its own.
    const { articulationPoints, bridges } = singlePointsOfFailure(graphOf('a>b, b>c, c>a, c>d, d>e, f>d, g>h'))
    expect(articulationPoints).toEqual([
      { vertex: 'c', attributes: { urn: 'urn:c' }, parts: [3, 2], cut_off: 2, cut_off_vertices: ['a', 'b'] },
      { vertex: 'd', attributes: { urn: 'urn:d' }, parts: [3, 1, 1], cut_off: 2, cut_off_vertices: ['e', 'f'] },
    ])
    expect(bridges.map(({ src, dst, cut_off, cut_off_vertices }) => [src, dst, cut_off, cut_off_vertices])).toEqual([
      ['c', 'd', 3, ['a', 'b', 'c']],
      ['d', 'e', 1, ['e']],
      ['f', 'd', 1, ['f']],
      ['g', 'h', 1, ['g']],
    ])
  })

  it('takes all edges between two for one connection', () => {
    const { bridges } = singlePointsOfFailure(graphOf('b>a, a>b, a>b'))
    expect(bridges).toHaveLength(1)
    expect(bridges[0]).toMatchObject({ src: 'a', dst: 'b', cut_off: 1 })
    expect(bridges[0]!.edges).toHaveLength(3)
  })

  it.each(['', 'a', 'a>a', 'a, b, c', 'a>b, b>c, c>a'])('finds none in %j', (text) => {
    expect(singlePointsOfFailure(graphOf(text))).toEqual({ articulationPoints: [], bridges: [] })
  })

  it('lists as many as it is told to', () => {
    const star = graphOf('hub>a, hub>b, hub>c, hub>d')
    expect(singlePointsOfFailure(star, { limit: 2 }).articulationPoints[0]).toMatchObject({ parts: [1, 1, 1, 1], cut_off: 3 })
    expect(singlePointsOfFailure(star, { limit: 2 }).articulationPoints[0]!.cut_off_vertices).toHaveLength(2)
    expect(singlePointsOfFailure(star, { limit: 0 }).bridges.flatMap((bridge) => bridge.cut_off_vertices)).toEqual([])
    expect(() => singlePointsOfFailure(star, { limit: -1 })).toThrow('limit: must be at least 0, got -1')
  })

  /** The undirected graph without loops. */
  const plain = (text: string) => {
    const graph = new UndirectedGraph()
    graphOf(text).forEachNode((vertex) => graph.addNode(vertex))
    graphOf(text).forEachEdge((_, __, src, dst) => {
      if (src !== dst) graph.mergeEdge(src, dst)
    })
    return graph
  }

  it('finds exactly those whose removal leaves more components, with the parts that are left', () => {
    fc.assert(
      fc.property(anyGraph, (parts) => {
        const text = parts.join(',')
        const { articulationPoints, bridges } = singlePointsOfFailure(graphOf(text))
        const whole = plain(text)
        const components = countConnectedComponents(whole)

        const expectedPoints = whole.filterNodes((vertex) => {
          const without = whole.copy()
          without.dropNode(vertex)
          return whole.degree(vertex) > 0 && countConnectedComponents(without) > components
        })
        expect(articulationPoints.map(({ vertex }) => vertex).sort()).toEqual(expectedPoints.sort())
        for (const point of articulationPoints) {
          const ours = connectedComponents(whole).find((component) => component.includes(point.vertex))!
          const without = whole.copy()
          without.dropNode(point.vertex)
          const left = connectedComponents(without).filter((component) => ours.includes(component[0]!))
          const sizes = left.map(({ length }) => length).sort((a, b) => b - a)
          expect(point.parts).toEqual(sizes)
          expect(point.cut_off).toBe(ours.length - 1 - sizes[0]!)
          expect(point.cut_off_vertices).toHaveLength(point.cut_off)
          const kept = left.filter((component) => !component.some((vertex) => point.cut_off_vertices.includes(vertex)))
          expect(kept.map(({ length }) => length)).toEqual([sizes[0]])
        }

        const pair = (a: string, b: string) => [a, b].sort().join(' ')
        const expectedBridges = whole.filterEdges((edge) => {
          const without = whole.copy()
          without.dropEdge(edge)
          return countConnectedComponents(without) > components
        })
        expect(bridges.map(({ src, dst }) => pair(src, dst)).sort()).toEqual(
          expectedBridges.map((edge) => pair(whole.source(edge), whole.target(edge))).sort(),
        )
        for (const { src, dst, edges, cut_off, cut_off_vertices } of bridges) {
          const given = graphOf(text)
          expect(edges).toHaveLength(given.filterEdges((_, __, from, to) => pair(from, to) === pair(src, dst)).length)
          expect(given.hasDirectedEdge(src, dst)).toBe(true)
          const without = whole.copy()
          without.dropEdge(src, dst)
          const lost = connectedComponents(without).find((component) => component.includes(cut_off_vertices[0]!))!
          expect([...cut_off_vertices].sort()).toEqual([...lost].sort())
          expect(lost).toHaveLength(cut_off)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('takes a chain that is longer than the stack', () => {
    const { articulationPoints, bridges } = singlePointsOfFailure(chainOf(20_000), { limit: 3 })
    expect([articulationPoints.length, bridges.length]).toEqual([19_998, 19_999])
    expect(articulationPoints[0]!.cut_off).toBe(9_999)
  })
})
