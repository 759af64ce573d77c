import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import { callFan } from '../../../src/calls/callFan.ts'
import { callSummary } from '../../../src/calls/callSummary.ts'
import { slowestDependencies } from '../../../src/calls/slowestDependencies.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { cycles } from '../../../src/graph/cycles.ts'
import { impact } from '../../../src/graph/impact.ts'
import { reach } from '../../../src/graph/reach.ts'
import { resourceNames } from '../../../src/graph/resourceNames.ts'
import { callOddities } from '../../../src/incident/callOddities.ts'
import { rankSuspects } from '../../../src/incident/rankSuspects.ts'
import { newPatterns } from '../../../src/logs/newPatterns.ts'
import { patternDiversity } from '../../../src/logs/patternDiversity.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { changePoints } from '../../../src/series/comparison/changePoints.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls, insertPatternCounts, insertPatterns } from '../../support/rows.ts'
import { seriesReads } from '../../support/seriesReads.ts'

/** In German order `urn:_c`, `urn:a`, `urn:b-1`, `urn:b1`, ...; of bytes, capitals come first. */
const names = ['urn:Z', 'urn:b1', 'urn:_c', 'urn:é', 'urn:a', 'urn:B2', 'urn:b-1']
const byBytes = names.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
const hub = 'urn:hub'
const range = during('10:00', '10:30')
const baseline = during('09:00', '09:30')

describe.skipIf(!leg.available || !leg.concurrent).each([
  ['German', 'de'],
  ['bytes', undefined],
])('where the order of the database is that of %s', (_, icu) => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false, icu })
    await migrateUp(test.db)
    scope = await tenant(test.db)
    const minutes = ['00', '05', '10', '15', '20', '25']
    const slow = Array<number>(50).fill(1_000)
    const usual = Array<number>(50).fill(10)
    await insertCalls(
      scope,
      minutes.flatMap((minute) =>
        names.flatMap((name) => [
          { bucket: at(`09:${minute}`), src: hub, dst: name, latencies: usual },
          { bucket: at(`10:${minute}`), src: hub, dst: name, latencies: slow },
          { bucket: at(`10:${minute}`), src: name, dst: hub, latencies: [1, 1] },
        ]),
      ),
    )
    const [pattern] = await insertPatterns(scope, [{ pattern: 'took <*> ms', first_seen: at('10:05') }])
    await insertPatternCounts(
      scope,
      names.map((resource) => ({ bucket: at('10:05'), resource, fingerprint_id: pattern!, count_total: 1 })),
    )
  })
  afterAll(() => test?.close())

  const edges = () => callsDuring(scope, { range })

  it.each<[string, () => Promise<readonly string[]>]>([
    ['callFan', async () => (await callFan(scope, { by: 'callee', range }).where('urn', '<>', hub).execute()).map(({ urn }) => urn)],
    ['patternDiversity', async () => (await patternDiversity(scope, { range }).execute()).map(({ urn }) => urn)],
    ['callSummary', async () => (await callSummary(scope, { from: hub, range }).execute()).map(({ dst_urn }) => dst_urn)],
    [
      'slowestDependencies',
      async () => (await slowestDependencies(scope, { service: hub, range, limit: 20 }).execute()).map(({ dst_urn }) => dst_urn),
    ],
    ['resourceNames', async () => (await resourceNames(scope).where('urn', '<>', hub).execute()).map(({ urn }) => urn)],
    ['reach', async () => (await reach(scope, edges(), { from: hub, hops: 1 }).execute()).map(({ urn }) => urn)],
    ['impact', async () => (await impact(scope, edges(), { resource: hub, hops: 1 }).execute()).map(({ urn }) => urn)],
    ['cycles', async () => (await cycles(scope, edges()).execute())[0]!.members.filter((urn) => urn !== hub)],
    [
      'callOddities',
      async () =>
        (await callOddities(scope, { range, baseline }).where('measure', '=', 'p95_ms').execute())
          .filter(({ src_urn }) => src_urn === hub)
          .map(({ dst_urn }) => dst_urn),
    ],
    [
      'rankSuspects',
      async () =>
        (await rankSuspects(scope, { service: hub, range, baseline }).execute()).map(({ urn }) => urn).filter((urn) => urn !== hub),
    ],
    ['newPatterns', async () => (await newPatterns(scope, { range }).execute())[0]!.resources],
  ])('%s puts what is equal in the order of bytes', async (_name, read) => {
    expect(await read()).toEqual(byBytes)
  })

  it('every function on series puts what is equal in the order of bytes', async () => {
    const frame = scope.db
      .selectFrom(
        sql<SeriesRow>`(
          select name as series, ${at('09:00')}::timestamptz + n * interval '5 minutes' as bucket, case when n < 18 then n % 3 else 100 + n % 3 end::float8 as value
          from unnest(${names}::text[]) as name cross join generate_series(0, 23) as n
        )`.as('point'),
      )
      .selectAll()
    const reads = seriesReads(scope, frame, { before: during('09:00', '10:00'), after: during('10:00', '11:00') })
    for (const [name, read] of Object.entries({ ...reads, topK: topK(scope, changePoints(scope, frame, { minPoints: 4 }), 20) })) {
      expect({ [name]: [...new Set((await read.execute()).map(({ series }) => series))] }).toEqual({ [name]: byBytes })
    }
  })

  it('and can be compared with names of any collation', async () => {
    await sql`create table mine (urn text collate "de-x-icu")`.execute(test.db)
    await sql`insert into mine values ('urn:a')`.execute(test.db)
    const { rows } = await sql`
      select mine.urn from ${newPatterns(scope, { range })} as pattern join mine on mine.urn = any(pattern.resources)
    `.execute(test.db)
    expect(rows).toEqual([{ urn: 'urn:a' }])
  })
})
