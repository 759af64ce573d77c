import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { denseCallGraph, loadCallGraph, realCallGraph, syntheticCallGraph } from './graphData.ts'
import { refreshAtSize, refreshFigures } from './graphRefresh.ts'
import { graphWalks } from './graphWalks.ts'
import { newTenant, openTarget } from './target.ts'

/**
 * What it costs to refresh the graph of calls, and to walk it: on a real one of 37,305 edges, in buckets of 5 minutes as ingest writes them, on a dense one
 * where everything reaches everything over many cycles, and on one of a million edges with the degrees of the real one (or `--rows`; 0 leaves it out).
 */
export async function* graph({ data, url, rows = url === undefined ? 0 : 1_000_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('graph: needs --data DIR, the folder with graph/alibaba_dgg_edges_by_service.csv')
  const real = await realCallGraph(data)
  const { db, close } = await openTarget(url)
  try {
    const scope = await newTenant(db)
    yield* refreshFigures(scope, await loadCallGraph(scope, real, { buckets: 3 }))
    yield* graphWalks({ scope, graph: real, name: 'graph', age: true })

    const dense = denseCallGraph(2_000, 20)
    const crowd = await newTenant(db)
    yield* refreshAtSize(crowd, await loadCallGraph(crowd, dense), { name: 'graph.dense', edges: dense.src.length })
    yield* graphWalks({ scope: crowd, graph: dense, name: 'graph.dense' })

    if (rows === 0) return
    const large = syntheticCallGraph(real, rows)
    const many = await newTenant(db)
    yield* refreshAtSize(many, await loadCallGraph(many, large), { name: 'graph.large', edges: large.src.length })
    yield* graphWalks({ scope: many, graph: large, name: 'graph.large' })
  } finally {
    await close()
  }
}
