import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { labelCardinality, type LabelCardinality } from '../../../src/metrics/labelCardinality.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertMetrics, services, type MetricRow } from '../../support/rows.ts'

const api = 'urn:k8s:svc:shop/api'
const web = 'urn:k8s:svc:shop/web'
const range = during('10:00', '10:10')
const requests = 'http.server.requests'

const rowsOf = (resource: string, metric: string, labels: NonNullable<MetricRow['labels']>[], bucket = at('10:00')) =>
  labels.map((labels) => ({ bucket, resource, metric, labels, samples: [1] }))

onEveryLeg('labelCardinality', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    scope = await tenant(test.db, 't-001')
    const byUser = ['a', 'b', 'c'].flatMap((user) => [200, 500].map((code) => ({ user, code })))
    await insertMetrics(scope, [
      ...rowsOf(api, requests, byUser),
      // The same series again, and one that is out of the range.
      ...rowsOf(api, requests, byUser, at('10:05')),
      ...rowsOf(api, requests, [{ user: 'z', code: 404 }], at('10:10')),
      ...rowsOf(web, requests, [{ code: 200 }, { user: 'a', code: 200 }, { user: 'd', code: 200 }, {}]),
      // Each pod has one node: neither explains anything alone.
      ...rowsOf(
        web,
        'pods',
        ['1', '2', '3'].map((name) => ({ pod: name, node: `n${name}` })),
      ),
      ...rowsOf(web, 'plain', [{}]),
    ])
    const other = await tenant(test.db, 'another')
    await insertMetrics(other, rowsOf(api, requests, [...byUser, { user: 'theirs', code: 200 }, { theirs: true }]))
  })
  afterAll(() => test.close())

  const row = (metric: string, label: string, counts: Omit<LabelCardinality, 'metric' | 'label' | 'series_share' | 'item' | 'score'>) => ({
    metric,
    label,
    ...counts,
    series_share: (counts.series_count - counts.reduced_count) / counts.series_count,
    item: `${metric} ${JSON.stringify(label)}`,
    score: counts.series_count - counts.reduced_count,
  })
  // Of the ten series without the user: two of api; of web, one with the code and one without.
  const user = row(requests, 'user', {
    series_count: 10,
    labelled_count: 8,
    value_count: 4,
    reduced_count: 4,
    top_urn: api,
    top_count: 6,
  })
  // And without the code: three users of api, and of web a, d and nobody.
  const code = row(requests, 'code', {
    series_count: 10,
    labelled_count: 9,
    value_count: 2,
    reduced_count: 6,
    top_urn: api,
    top_count: 6,
  })
  const pods = { series_count: 3, labelled_count: 3, value_count: 3, reduced_count: 3, top_urn: web, top_count: 3 }

  it('says of each label how many series there are because of it, the most first', async () => {
    expect(await labelCardinality(scope, { range }).execute()).toEqual([user, code, row('pods', 'node', pods), row('pods', 'pod', pods)])
  })

  it('looks at some metrics and resources only', async () => {
    expect(await labelCardinality(scope, { metric: requests, range }).execute()).toEqual([user, code])
    expect(await labelCardinality(scope, { metric: ['pods', 'plain'], range }).execute()).toHaveLength(2)
    const ofWeb = await labelCardinality(scope, { metric: requests, resource: web, range }).execute()
    expect(ofWeb).toMatchObject([
      { label: 'user', series_count: 4, labelled_count: 2, value_count: 2, reduced_count: 2, top_urn: web, top_count: 2 },
      { label: 'code', series_count: 4, labelled_count: 3, value_count: 1, reduced_count: 3, top_urn: web, top_count: 3 },
    ])
    expect(await labelCardinality(scope, { resource: [web, api], range }).execute()).toHaveLength(4)
  })

  it('is the same from the hours', async () => {
    const month = { from: new Date(at('10:00').getTime() - 30 * 86_400_000), to: at('10:10') }
    const hours = await labelCardinality(scope, { metric: requests, range: month }).execute()
    expect(hours).toMatchObject([
      { label: 'user', series_count: 11, labelled_count: 9, value_count: 5, reduced_count: 5 },
      { label: 'code', series_count: 11, labelled_count: 10, value_count: 3, reduced_count: 7 },
    ])
  })

  it('answers nothing for an empty range, a metric without labels, a metric nobody knows', async () => {
    for (const nothing of [{ range: during('10:00', '10:00') }, { metric: 'plain' }, { metric: 'unknown' }]) {
      expect(await labelCardinality(scope, { range, ...nothing }).execute()).toEqual([])
    }
  })

  it('takes hostile labels as data, and tells values apart by their type', async () => {
    const hostile = await tenant(test.db, 'hostile')
    const keys = ['__proto__', 'constructor', '', ' ', `o'brien "q" $1 \\`, '--; drop table metric_1m', '🦊']
    const values = ['__proto__', '', null, 1, '1', true, [1, { a: 1 }], { a: [] }]
    await insertMetrics(
      hostile,
      keys.flatMap((key) => rowsOf(`urn:${key}`, `m "${key}`, [...values.map((value) => Object.fromEntries([[key, value]])), {}])),
    )
    const found = await labelCardinality(hostile, { range }).execute()
    const item = (key: string) => `m "${key} ${JSON.stringify(key)}`
    const inOrder = keys.toSorted((one, other) => Buffer.compare(Buffer.from(item(one)), Buffer.from(item(other))))
    expect(found).toEqual(
      inOrder.map((key) => ({
        metric: `m "${key}`,
        label: key,
        series_count: 9,
        labelled_count: 8,
        value_count: 8,
        reduced_count: 1,
        series_share: 8 / 9,
        top_urn: `urn:${key}`,
        top_count: 8,
        item: item(key),
        score: 8,
      })),
    )
  })

  it('takes labels that are no object for none', async () => {
    const odd = await tenant(test.db, 'odd')
    const ids = await services(odd, [api])
    await sql`
      insert into ${odd.id('metric_1m')} (bucket, tenant_id, resource_id, metric, labels)
      select ${at('10:00')}, ${odd.tenantId}::int8, ${ids.get(api)}::int8, 'm', labels
      from (values ('[1, 2]'::jsonb), ('"text"'), ('null'), ('7'), ('{"a": 1}'), ('{}')) as given (labels)
    `.execute(odd.db)
    expect(await labelCardinality(odd, { range }).execute()).toMatchObject([
      { label: 'a', series_count: 6, labelled_count: 1, reduced_count: 5, score: 1 },
    ])
  })

  it('names the first of several that send the most by the bytes of its URN', async () => {
    const ties = await tenant(test.db, 'ties')
    await insertMetrics(
      ties,
      ['urn:b', 'urn:a', 'urn:Z', 'urn:_'].flatMap((urn) => rowsOf(urn, 'm', [{ a: 1 }, { a: 2 }])),
    )
    expect(await labelCardinality(ties, { range }).execute()).toMatchObject([{ top_urn: 'urn:Z', top_count: 2, score: 4 }])
  })

  it('is a ranking', async () => {
    expect(await topK(scope, labelCardinality(scope, { range }), 3).execute()).toEqual([user, code, row('pods', 'node', pods)])
  })

  it('is narrowed in SQL as in TypeScript', () =>
    expectNarrows(
      labelCardinality(scope, { range }),
      (eb) => eb('metric', '=', 'pods'),
      ({ metric }) => metric === 'pods',
    ))
})
