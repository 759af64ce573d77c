import { afterAll, beforeAll, expect, it } from 'vitest'
import { resourceIds } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { patternDiversity } from '../../../src/logs/patternDiversity.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const [even, skewed, single, silent] = ['even', 'skewed', 'single', 'silent'].map((name) => `urn:k8s:svc:shop/${name}`) as [
  string,
  string,
  string,
  string,
]
const hostile = `urn:x:o'brien "q" $$ \\ 🦊 --; drop table log_pattern`
const range = during('10:00', '11:00')

onEveryLeg('patternDiversity', () => {
  let test: TestDatabase
  let scope: Scope
  let ids: string[]
  beforeAll(async () => {
    test = await freshDatabase()
    scope = await tenant(test.db, 't-001')
    const patterns = ['one', 'two', 'three', `o'brien "<*>" $$ \\ 🦊`]
    ids = await insertPatterns(
      scope,
      patterns.map((pattern) => ({ pattern })),
    )
    const bucket = at('10:00')
    await insertPatternCounts(scope, [
      ...ids.map((fingerprint_id) => ({ bucket, resource: even, fingerprint_id, count_total: 10 })),
      ...ids.map((fingerprint_id, index) => ({ bucket, resource: skewed, fingerprint_id, count_total: index === 0 ? 900 : 1 })),
      { bucket: at('10:55'), resource: skewed, fingerprint_id: ids[0]!, count_total: 97 },
      { bucket: at('11:00'), resource: skewed, fingerprint_id: ids[1]!, count_total: 1_000_000 },
      { bucket, resource: single, fingerprint_id: ids[2]!, count_total: 7 },
      { bucket, resource: single, fingerprint_id: ids[1]!, count_total: 0 },
      { bucket, resource: hostile, fingerprint_id: ids[3]!, count_total: 1 },
      { bucket, resource: silent, fingerprint_id: ids[0]!, count_total: 0 },
    ])
    const other = await tenant(test.db, 'another')
    const theirs = await insertPatterns(
      other,
      patterns.map((pattern) => ({ pattern })),
    )
    await insertPatternCounts(
      other,
      theirs.map((fingerprint_id) => ({ bucket, resource: single, fingerprint_id, count_total: 70 })),
    )
  })
  afterAll(() => test.close())

  /** By its definition, from counts. */
  const row = (urn: string, counts: number[], resourceId: string | undefined) => {
    const total = counts.reduce((sum, count) => sum + count, 0)
    const effective = Math.exp(-counts.reduce((sum, count) => sum + (count / total) * Math.log(count / total), 0))
    return {
      urn,
      resource_id: resourceId,
      pattern_count: counts.length,
      count_total: total,
      effective_count: expect.closeTo(effective, 12),
      top_share: Math.max(...counts) / total,
      item: urn,
      score: expect.closeTo(effective, 12),
    }
  }

  it('counts how many different things each resource logs, the most diverse first', async () => {
    const resources = await resourceIds(scope, [even, skewed, single, hostile])
    const rows = await patternDiversity(scope, { range }).execute()
    expect(rows).toEqual([
      row(even, [10, 10, 10, 10], resources.get(even)),
      row(skewed, [997, 1, 1, 1], resources.get(skewed)),
      row(single, [7], resources.get(single)),
      row(hostile, [1], resources.get(hostile)),
    ])
    expect(rows.map(({ effective_count }) => effective_count)).toEqual([4, expect.closeTo(1.024002, 6), 1, 1])
  })

  it('never gives more than there are, and equal counts equal numbers', async () => {
    const many = await tenant(test.db, 'many')
    const known = await insertPatterns(
      many,
      Array.from({ length: 97 }, (_, index) => ({ pattern: `pattern ${index}` })),
    )
    const counted = (resource: string, of: (index: number) => number) =>
      known.map((fingerprint_id, index) => ({ bucket: at('10:00'), resource, fingerprint_id, count_total: of(index) }))
    await insertPatternCounts(many, [
      ...counted('urn:even', () => 3),
      ...counted('urn:up', (index) => index + 1),
      ...counted('urn:down', (index) => 97 - index),
    ])
    const [first, second, third] = await patternDiversity(many, { range }).execute()
    expect(first).toMatchObject({ urn: 'urn:even', pattern_count: 97, effective_count: expect.closeTo(97, 10) })
    expect(first!.effective_count).toBeLessThanOrEqual(97)
    expect([second!.urn, third!.urn]).toEqual(['urn:down', 'urn:up'])
    expect(second!.effective_count).toBe(third!.effective_count)
  })

  it('looks at one resource', async () => {
    expect(await patternDiversity(scope, { range, resource: skewed }).execute()).toMatchObject([{ urn: skewed, count_total: 1_000 }])
    expect(await patternDiversity(scope, { range, resource: silent }).execute()).toEqual([])
    expect(await patternDiversity(scope, { range: during('10:00', '10:00') }).execute()).toEqual([])
  })

  it('is the same from the hours', async () => {
    const days = { from: new Date(at('10:00').getTime() - 60 * 86_400_000), to: at('11:00') }
    expect(await patternDiversity(scope, { range: days }).execute()).toEqual(await patternDiversity(scope, { range }).execute())
  })

  it('is a ranking', async () => {
    const top = await topK(scope, patternDiversity(scope, { range }), 2).execute()
    expect(top.map(({ urn }) => urn)).toEqual([even, skewed])
  })

  it('is narrowed in SQL as in TypeScript', () =>
    expectNarrows(
      patternDiversity(scope, { range }),
      (eb) => eb('top_share', '<', 0.999),
      (row) => row.top_share < 0.999,
    ))
})
