import { afterAll, beforeAll, expect, it } from 'vitest'
import { callSummary } from '../../../src/calls/index.ts'
import { addDocuments, searchKnowledge } from '../../../src/knowledge/index.ts'
import { migrateDown, migrateUp, schemaDrift } from '../../../src/operate/index.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'
import { at, during, insertCalls } from '../../support/rows.ts'
import { fits, nasty, noText } from './nasty.ts'

onEveryLeg('hostile schema names', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
  })
  afterAll(() => test.close())

  it.each(['{schema}', '@extschema@', '%I', 'a.b', 'two\nlines', '数据', '🦊', '/* comment', '"; drop table x; --'])(
    'works in schema %j and leaves nothing of it',
    async (schema) => {
      await migrateUp(test.db, { schema })
      expect(await schemaDrift(test.db, { schema })).toEqual([])
      const scope = await tenant(test.db)
      await insertCalls(scope, [{ bucket: at('10:05'), src: 'urn:a', dst: 'urn:b', latencies: [1, 2, 3] }])
      expect(await callSummary(scope, { range: during('10:00', '11:00') }).execute()).toMatchObject([{ dst_urn: 'urn:b', call_count: 3 }])
      await addDocuments(scope, [{ source: 's', title: 't', content: 'payment is slow' }])
      expect(await searchKnowledge(scope, { text: 'payments paiment', diversity: 0.5 }).execute()).toHaveLength(1)
      await migrateDown(test.db, { schema })
      expect((await objects(test.db)).filter((name) => name.includes(`${schema}.`))).toEqual([])
    },
  )

  it('refuses by name what could end a string in the text of a function, and what is no name', async () => {
    const before = await objects(test.db)
    const unfit = nasty.filter((text) => !fits(63)(text) || /[$'\\]/.test(text))
    await noText('schema', (text) => migrateUp(test.db, { schema: unfit.includes(text) ? text : `${text}$` }))
    await noText('embeddingDistance', (text) => migrateUp(test.db, { embeddingDistance: text as 'l2' }))
    expect(await objects(test.db)).toEqual(before)
  })
})
