import { describe, expect, it } from 'vitest'
import { activeCalls } from '../../../src/calls/activeCalls.ts'
import { refreshCallGraph } from '../../../src/calls/refreshCallGraph.ts'
import { mirrorGraph } from '../../../src/graph/mirrorGraph.ts'
import { MissingCapabilityError } from '../../../src/schema/errors.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { unitScope } from '../../support/unitScope.ts'

describe('the SQL of', () => {
  const read = (property: string) => `ag_catalog.agtype_object_field_text(call.properties, '${property}')`

  it('activeCalls selects from the label of the tenant’s graph, its ends written as the indexes are', () => {
    const { sql, parameters } = activeCalls(unitScope()).where('err_rate', '>', 0.05).compile()
    const rps = `ag_catalog.agtype_to_float8(ag_catalog.agtype_object_field(call.properties, 'rps'))`
    expect(sql).toBe(
      'select "call".* from (select "call"."start_id"::text::int8 & 281474976710655 as "src", "call"."end_id"::text::int8 & 281474976710655 as "dst", ' +
        `${rps} as "weight", ${rps} as "rps", ${read('err_rate')}::float8 as "err_rate", ${read('p50_ms')}::float8 as "p50_ms", ` +
        `${read('p95_ms')}::float8 as "p95_ms", ${read('first_seen')}::timestamptz as "first_seen", ${read('last_seen')}::timestamptz as "last_seen" ` +
        'from "ops_1"."CALLS" as "call") as "call" where "err_rate" > $1',
    )
    expect(parameters).toEqual([0.05])
  })

  it('activeCalls calls a function where the scope is older than the graph', () => {
    const { sql, parameters } = activeCalls(unitScope({ graphMade: false }))
      .where('err_rate', '>', 0.05)
      .compile()
    expect(sql).toBe(
      'select "call".* from (select "call"."src", "call"."dst", "call"."rps" as "weight", "call"."rps", "call"."err_rate", "call"."p50_ms", ' +
        '"call"."p95_ms", "call"."first_seen", "call"."last_seen" from "public"."call_graph_edges"($1) as "call") as "call" where "err_rate" > $2',
    )
    expect(parameters).toEqual(['ops_1', 0.05])
  })
})

describe('without Apache AGE', () => {
  const scope = unitScope({ extensions: new Set(['vector']) })

  it('what needs it says so, and what to use', async () => {
    expect(() => activeCalls(scope)).toThrow(MissingCapabilityError)
    await expect(refreshCallGraph(scope)).rejects.toThrow('traverse callsDuring')
    const edges = topologyAt(scope, { at: new Date() })
    await expect(mirrorGraph(scope, edges, { attributes: [] })).rejects.toThrow(
      'reach, impact and toGraphology work on the edge frame itself',
    )
  })
})
