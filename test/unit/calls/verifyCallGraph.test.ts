import { expect, it } from 'vitest'
import { verifyCallGraph } from '../../../src/calls/verifyCallGraph.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { at } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope({ installation: { schema: 'obs' } })

it('verifyCallGraph is one statement around what a refresh would write, narrowed outside', () => {
  const { sql, parameters } = compiled(verifyCallGraph(scope, { window: '1 hour', now: at('10:00') }).where('difference', '=', 'missing'))
  expect(sql).toMatch(/^select "difference"\.\* from \(with source as materialized \(/)
  expect(sql).toContain(
    oneLine(`select call.src, call.dst, ag_catalog.agtype_build_map_nonull('rps', "call"."rps", 'err_rate', "call"."err_rate", 'p50_ms', "call"."p50_ms",
      'p95_ms', "call"."p95_ms", 'first_seen', "call"."first_seen", 'last_seen', "call"."last_seen") as properties
      from (select "call".*, "call"."rps" as "weight" from (with span as materialized`),
  )
  expect(sql).toContain('from "obs"."graph_edges"(')
  expect(sql).toContain('from "obs"."graph_vertices"(')
  expect(sql).toMatch(/order by src, dst, found\.property\) as "difference" where "difference" = \$\d+$/)
  const window = ['1', at('09:00'), at('10:00')]
  expect(parameters).toEqual([...window, ...window, 'ops_1', 'ops_1', '1', '1', 'missing'])
})
