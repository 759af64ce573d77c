import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql, type DatabaseConnection } from 'kysely'
import { describe, expect, it } from 'vitest'
import { resourceNames, toGraphology } from '../../../src/graph/index.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { unitScope } from '../../support/unitScope.ts'

interface Edge {
  src: string
  dst: string
  weight: number | null
}

/** A frame on a connection that answers with `edges`: streamed if it can, which one that cannot says as Kysely's dialects do. */
function frameOf(edges: readonly Edge[], { refusal, breaksAfter = Infinity }: { refusal?: string; breaksAfter?: number } = {}) {
  const asked: string[] = []
  const connection: DatabaseConnection = {
    executeQuery: async () => {
      asked.push('executed')
      return { rows: edges as never[] }
    },
    async *streamQuery() {
      if (refusal !== undefined) throw new Error(refusal)
      asked.push('streamed')
      for (const [index, edge] of edges.entries()) {
        if (index === breaksAfter) throw new Error('the connection broke')
        yield { rows: [edge as never] }
      }
    },
  }
  class Driver extends DummyDriver {
    override acquireConnection = async () => connection
  }
  const db = new Kysely<{}>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new Driver(),
      createIntrospector: (inner) => new PostgresIntrospector(inner),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  return { frame: db.selectFrom(sql<Edge>`call`.as('edge')).selectAll('edge'), asked }
}

const edges: Edge[] = [
  { src: '1', dst: '2', weight: 3 },
  { src: '2', dst: '2', weight: null },
]

describe('toGraphology without a scope', () => {
  it('streams where the connection can', async () => {
    const { frame, asked } = frameOf(edges)
    const graph = await toGraphology(frame)
    expect(graph.mapEdges((_, { weight }, src, dst) => [src, dst, weight])).toEqual([
      ['1', '2', 3],
      ['2', '2', null],
    ])
    expect(asked).toEqual(['streamed'])
  })

  it.each(['Streaming is not supported by PGlite.', "`cursor` is not present in your postgres dialect config. It's required to ..."])(
    'reads at once where the connection says: %s',
    async (refusal) => {
      const { frame, asked } = frameOf(edges, { refusal })
      expect((await toGraphology(frame)).size).toBe(2)
      expect(asked).toEqual(['executed'])
    },
  )

  it('does not begin anew where the connection breaks', async () => {
    const { frame, asked } = frameOf(edges, { breaksAfter: 1 })
    await expect(toGraphology(frame)).rejects.toThrow('the connection broke')
    expect(asked).toEqual(['streamed'])
    await expect(toGraphology(frameOf(edges, { refusal: 'no such table' }).frame)).rejects.toThrow('no such table')
  })

  it.each(['__proto__', 'constructor', 'toString'])('refuses an end called %s', async (name) => {
    const refused = toGraphology(frameOf([{ src: name, dst: 'a', weight: 1 }]).frame)
    await expect(refused).rejects.toThrow(InvalidInputError)
    await expect(refused).rejects.toThrow(`edges: has an end called ${name}, which graphology cannot hold`)
  })
})

describe('the SQL of', () => {
  it('resourceNames', () => {
    const scope = unitScope({ installation: { schema: 'obs' } })
    const { sql: text, parameters } = resourceNames(scope).where('type', '=', 'service').compile()
    expect(text).toBe(
      'select "resource".* from (select "resource"."resource_id", "resource"."urn", "resource"."type", "resource"."name" ' +
        'from "obs"."dim_resource" as "resource" where "resource"."tenant_id" = $1 order by ("resource"."urn") collate "C") as "resource" where "type" = $2',
    )
    expect(parameters).toEqual(['1', 'service'])
  })
})
