import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { cypher } from '../../../src/graph/cypher/cypher.ts'
import { mirrorGraph } from '../../../src/graph/mirrorGraph.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { frame } from './frame.ts'

/** What could end a string, a comment or a name too early, or begin one too late. */
const noise = fc.constantFrom(
  ...[
    String.raw`'¦"¦\¦\'¦\"¦/*¦*/¦/**/¦//¦ ¦.¦..¦:¦$¦, ¦+¦1¦1.¦'a'¦"b"¦1 AS ¦ AS x¦(¦)¦[¦]¦{a: ¦}¦// ¦'' + ¦1 + ¦[1, ¦{a: 1}.`.split('¦'),
    ['`', '``', '`c`', '\n', '\r', '\t', '\u00a0'],
  ].flat(),
)

/** Ways to call what no text may call, each of which AGE would run. */
const calls = (other: string) =>
  fc.constantFrom(
    'public.canary()',
    'public . canary ( )',
    '`public`.`canary`()',
    'public./* ( */canary/**/()',
    'public.// (\n canary\n()',
    '"\' , public.canary()',
    `startnode('${other}', e).urn`,
    `STARTNODE ('${other}', e)`,
    `/* */endnode/* */('${other}', e)`,
  )

onEveryLeg('a text put together at random', () => {
  let test: TestDatabase
  let scope: Scope
  let other: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    other = await tenant(test.db, 'other')
    if (!leg.age) return
    await mirrorGraph(scope, await frame(scope, [['a', 'b', 1]]), { attributes: ['weight'] })
    await mirrorGraph(other, await frame(other, [['secret', 'secret too', 1]]), { attributes: ['weight'] })
    await sql`
      create function public.canary() returns ag_catalog.agtype language plpgsql as 'begin raise exception ''secret''; end'
    `.execute(test.db)
  })
  afterAll(() => test.close())

  const outcomeOf = (run: () => Promise<unknown>) =>
    Promise.resolve()
      .then(run)
      .then(
        (rows) => JSON.stringify(rows),
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )

  it.skipIf(!leg.age)('calls nothing it may not, though AGE would', { timeout: 120_000 }, async () => {
    const texts = fc
      .tuple(fc.array(noise, { maxLength: 3 }), calls(other.graphName), fc.array(noise, { maxLength: 3 }))
      .map(([before, call, after]) => `MATCH ()-[e]->() RETURN ${before.join('')}${call}${after.join('')}`)
    let dangerous = 0
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(await outcomeOf(() => cypher(scope, { columns: { value: 'agtype' } }, text).execute())).not.toContain('secret')
        const unchecked = await outcomeOf(async () => {
          const { rows } = await sql`
            select * from ${scope.id('cypher_read')}(${scope.graphName}, ${text}, null, ${['agtype']}::text[], '', '') as row (value text)
          `.execute(test.db)
          return rows
        })
        if (unchecked.includes('secret')) dangerous += 1
      }),
      { numRuns: 300 },
    )
    // Otherwise there was nothing to refuse.
    expect(dangerous).toBeGreaterThan(0)
  })
})
