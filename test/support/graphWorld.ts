import { refreshCallGraph } from '../../src/calls/index.ts'
import { tenantScope, type Scope } from '../../src/database/index.ts'
import { recordTopology } from '../../src/topology/index.ts'
import { at, during, insertCalls, insertMetrics, services } from './rows.ts'

/** What `graphReads` reads: the hour in which it hurts, the one before, and the moments of a topology that changed in between. */
export const graphTimes = {
  baseline: during('09:00', '10:00'),
  range: during('10:00', '11:00'),
  refreshed: { now: at('10:58'), window: '20 minutes' },
  before: at('09:40'),
  after: at('10:40'),
} as const

export interface GraphWorldOptions {
  /** How much there is of everything, so that two tenants of the same names can be told apart. */
  size: number
  /** Whether there is an AGE graph to refresh. */
  age: boolean
}

/**
 * Everything the functions of the graph read, between resources of these URNs, six at the least: all but the last stand in a ring in which each calls the next
 * and the one after it; the first calls the last, which calls itself. In the second hour the third and the fourth are slow. A topology has the same ring, and
 * that each runs on the last; at 10:20 one edge of it vanishes, one changes, and one appears.
 *
 * @returns the tenant's scope, which knows of the graph that now is.
 */
export async function makeGraphWorld(scope: Scope, names: readonly string[], { size, age }: GraphWorldOptions): Promise<Scope> {
  const ring = names.slice(0, -1)
  const last = names.at(-1)!
  const [first, second, third, fourth] = ring as [string, string, string, string]
  const after = (index: number, steps: number) => ring[(index + steps) % ring.length]!
  const around = ring.flatMap((src, index) => [1, 2].map((steps) => ({ src, dst: after(index, steps) })))
  // Resources first and in their order, so that ids sort as the names are given.
  await services(scope, names)
  const slow = (dst: string) => (dst === third ? 10 : dst === fourth ? 3 : 1)
  const tens = Array.from({ length: 12 }, (_, index) => new Date(graphTimes.baseline.from.getTime() + index * 600_000))
  const hurts = (bucket: Date) => bucket >= graphTimes.range.from
  await insertCalls(
    scope,
    tens.flatMap((bucket) =>
      [...around, { src: first, dst: last }, { src: last, dst: last }].map(({ src, dst }) => ({
        bucket,
        src,
        dst,
        latencies: Array.from({ length: 10 }, (_, call) => (100 + size + call) * (hurts(bucket) ? slow(dst) : 1)),
      })),
    ),
  )
  await insertMetrics(
    scope,
    tens.flatMap((bucket, index) =>
      [second, third].map((resource) => ({
        bucket,
        resource,
        metric: 'process.cpu.utilization',
        samples: [0.2 + index / 100, resource === third && hurts(bucket) ? 0.9 : 0.2],
      })),
    ),
  )
  const described = around.map(({ src, dst }) => ({ from: src, to: dst, props: Object.fromEntries([[src, dst]]) }))
  const tracing = { relation: 'calls', source: 'tracing' }
  await recordTopology(scope, described, { ...tracing, at: at('09:30') })
  const [changed, , ...kept] = described
  await recordTopology(scope, [{ ...changed!, props: { size } }, { from: first, to: last }, ...kept], { ...tracing, at: at('10:20') })
  const hosted = ring.map((from) => ({ from, to: last }))
  await recordTopology(scope, hosted, { relation: 'runs_on', source: 'kubernetes', at: at('09:30') })
  if (age) await refreshCallGraph(scope, graphTimes.refreshed)
  return tenantScope(scope.db, scope.tenantCode, { schema: scope.installation.schema })
}
