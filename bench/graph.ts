import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { loadCallGraph, realCallGraph, syntheticCallGraph } from './graphData.ts'
import { refreshAtSize, refreshFigures } from './graphRefresh.ts'
import { newTenant, openTarget } from './target.ts'

/**
 * What it costs to refresh the graph of calls, and to walk it: on a real one of 37,305 edges, in buckets of 5 minutes as ingest writes them, and on one of
 * a million edges of the same degrees (or `--rows`; 0 leaves it out).
 */
export async function* graph({ data, url, rows = url === undefined ? 0 : 1_000_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('graph: needs --data DIR, the folder with graph/alibaba_dgg_edges_by_service.csv')
  const real = await realCallGraph(data)
  const { db, close } = await openTarget(url)
  try {
    const scope = await newTenant(db)
    const now = await loadCallGraph(scope, real, { buckets: 3 })
    yield* refreshFigures(scope, now)
    if (rows === 0) return
    const large = await newTenant(db)
    const graph = syntheticCallGraph(real, rows)
    yield* refreshAtSize(large, await loadCallGraph(large, graph), graph.src.length)
  } finally {
    await close()
  }
}
