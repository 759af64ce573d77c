import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { AgtypeEdge, AgtypeNumeric, AgtypePath, AgtypeVertex, type Agtype } from '../../../src/graph/cypher/agtype.ts'
import { cypher } from '../../../src/graph/cypher/cypher.ts'
import { decodeAgtype } from '../../../src/graph/cypher/decodeAgtype.ts'
import { mirrorGraph } from '../../../src/graph/mirrorGraph.ts'
import type { Json } from '../../../src/schema/text.ts'
import { anyAgtype, anyEntity, plainKeys } from '../../support/anyAgtype.ts'
import { sharedDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { frame } from './frame.ts'

/** A value as a column of Cypher says it in JSON. */
function jsonOf(value: Agtype): Json {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value || 0 : String(value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(jsonOf)
  if (value instanceof AgtypeNumeric) return value.digits
  const entries = Object.entries(value as unknown as Record<string, Agtype>)
  return Object.fromEntries(entries.map(([key, inner]) => [key, jsonOf(inner)]))
}

/** AGE before 1.7 loses what is beside vertices, edges and paths. */
const entities = leg.name === 'embedded'

onEveryLeg('agtype', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
    if (leg.age) await mirrorGraph(scope, await frame(scope, [['a', 'b', 1]]), { attributes: ['weight'] })
  })
  afterAll(() => test.close())

  it.skipIf(!leg.age)('goes to AGE and back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAgtype({ entities }), { minLength: 20, maxLength: 60 }), async (values) => {
        const [row] = await cypher(scope, { columns: { values: 'agtype' } }, 'RETURN $values', { values }).execute()
        expect(decodeAgtype(row!.values!)).toStrictEqual(values)
      }),
      { numRuns: 20 },
    )
  })

  it.skipIf(!leg.age)('is JSON with every digit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAgtype({ entities, keys: plainKeys }), { minLength: 20, maxLength: 60 }), async (values) => {
        const [row] = await cypher(scope, { columns: { values: 'list' } }, 'RETURN $values', { values }).execute()
        expect(row!.values).toEqual(jsonOf(values))
      }),
      { numRuns: 20 },
    )
  })

  it.skipIf(!leg.age)('takes vertices, edges and paths there and back', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntity(), async (value) => {
        const [row] = await cypher(scope, { columns: { exact: 'agtype', json: 'list' } }, 'RETURN $value, [$value]', { value }).execute()
        expect(decodeAgtype(row!.exact!)).toStrictEqual(value)
        expect(row!.json).toEqual([jsonOf(value)])
      }),
      { numRuns: 30 },
    )
  })

  it.skipIf(!leg.age).each(['agtype', 'map', 'text'] as const)('as %s, does not pass on what AGE lost beside a vertex', async (type) => {
    const mixed = cypher(scope, { columns: { value: type } }, "MATCH (a {urn: 'a'}) RETURN {all: [a, 'lost']}")
    if (entities) expect(JSON.stringify(await mixed.execute())).toContain('lost')
    else
      await expect(mixed.execute()).rejects.toThrow(/^Apache AGE before 1\.7 loses values beside a vertex, edge or path in a list or map/)
  })

  it.skipIf(!leg.age)('decodes what AGE makes itself', async () => {
    const [row] = await cypher(
      scope,
      { columns: { vertex: 'agtype', edge: 'agtype', path: 'agtype' } },
      'MATCH p = (a)-[e]->() RETURN a, e, p',
    ).execute()
    const [vertex, edge, path] = [row!.vertex, row!.edge, row!.path].map((text) => decodeAgtype(text!))
    expect(vertex).toBeInstanceOf(AgtypeVertex)
    expect(edge).toBeInstanceOf(AgtypeEdge)
    expect(path).toStrictEqual(new AgtypePath([vertex as AgtypeVertex, expect.any(AgtypeVertex) as AgtypeVertex], [edge as AgtypeEdge]))
  })
})
