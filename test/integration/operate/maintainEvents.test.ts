import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { attachEvidence } from '../../../src/events/attachEvidence.ts'
import { recordEvent } from '../../../src/events/recordEvent.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertCalls } from '../../support/rows.ts'

const now = new Date('2026-11-22T12:00:00Z')
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000)

let test: TestDatabase
let scope: Scope

const retain = (object: string, retain: string) =>
  sql`insert into pgvantage_policy (object, kind, settings) values (${object}, 'retention', jsonb_build_object('retain', ${retain}::text))`.execute(
    test.db,
  )

const locator = async (key: string, days: number): Promise<string> => {
  const { rows } = await sql<{ id: string }>`
    insert into ${scope.id('oo_locator')} (tenant_id, dataset, bucket, object_key, t_from, t_to)
    values (${scope.tenantId}::int8, 'traces', 'b', ${key}, ${daysAgo(days)}, ${daysAgo(days)})
    returning id::text as id
  `.execute(test.db)
  return rows[0]!.id
}

const event = (title: string, days: number, labels?: Record<string, string>) =>
  recordEvent(scope, { severity: 'ERROR', kind: 'incident', title, detectedAt: daysAgo(days), ...(labels && { labels }) })

const titles = async () => {
  const { rows } = await sql<{ title: string }>`select title from event_envelope order by title`.execute(test.db)
  return rows.map(({ title }) => title)
}

const keys = async () => {
  const { rows } = await sql<{ key: string }>`select object_key as key from oo_locator order by 1`.execute(test.db)
  return rows.map(({ key }) => key)
}

onEveryLeg('the lifecycle of events and locators', () => {
  beforeEach(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterEach(() => test.close())
  const expire = async () => (await maintain(test.db, { now })).steps.filter(({ kind }) => kind === 'expire')

  it('deletes old events with their evidence, and nothing before it is told to', async () => {
    const [old, young] = [await event('old', 101), await event('young', 99)]
    for (const id of [old, young]) {
      await attachEvidence(scope, { eventId: id, evidence: [{ dim: 'kb', refPg: { table: 'kb_doc', keys: { doc_id: '1' } } }] })
    }
    expect(await expire()).toEqual([])
    await retain('event_envelope', '100 days')
    expect(await expire()).toEqual([expect.objectContaining({ kind: 'expire', object: 'event_envelope', rows: 1 })])
    expect(await titles()).toEqual(['young'])
    expect((await sql`select from evidence_link`.execute(test.db)).rows).toHaveLength(1)
    expect(await expire()).toEqual([])
  })

  it('keeps an open event, and what its bundle of evidence is made of', async () => {
    await retain('event_envelope', '100 days')
    const open = await event('open', 200, { status: 'investigating' })
    await event('resolved', 200, { status: 'Resolved' })
    await event('closed', 200, { status: 'closed' })
    const [named, naming, sharing, apart] = [
      await event('named by it', 300),
      await event('naming it', 300),
      await event('sharing a locator', 300),
      await event('apart', 300),
    ]
    const [common, other] = [await locator('common', 300), await locator('other', 300)]
    const about = (id: string) => ({ dim: 'log' as const, refPg: { table: 'event_envelope' as const, keys: { event_id: id } } })
    await attachEvidence(scope, { eventId: open, evidence: [about(named), { dim: 'trace', refOo: common }] })
    await attachEvidence(scope, { eventId: naming, evidence: [about(open)] })
    await attachEvidence(scope, { eventId: sharing, evidence: [{ dim: 'trace', refOo: common }] })
    await attachEvidence(scope, { eventId: apart, evidence: [{ dim: 'trace', refOo: other }, about(named)] })
    // Another tenant's open event holds nothing of this one's.
    const theirs = await tenant(test.db, 'them')
    await recordEvent(theirs, { severity: 'INFO', kind: 'x', title: 'theirs', detectedAt: daysAgo(200), labels: { status: 'closed' } })
    await recordEvent(theirs, { severity: 'INFO', kind: 'x', title: 'theirs, open', detectedAt: daysAgo(200), labels: { status: 'new' } })
    await expire()
    expect(await titles()).toEqual(['named by it', 'naming it', 'open', 'sharing a locator', 'theirs, open'])
    await recordEvent(scope, { eventId: open, severity: 'ERROR', kind: 'incident', title: 'open', labels: { status: 'closed' } })
    await expire()
    expect(await titles()).toEqual(['theirs, open'])
  })

  it('deletes thousands, batch by batch, the oldest first', async () => {
    await sql`
      insert into event_envelope (tenant_id, detected_at, severity, kind, title)
      select ${scope.tenantId}::int8, ${daysAgo(100)}::timestamptz - at * interval '1 minute', 'INFO', 'x', at::text from generate_series(1, 2500) as at
    `.execute(test.db)
    await retain('event_envelope', '100 days')
    const left: number[] = []
    await maintain(test.db, {
      now,
      onStep: ({ kind, rows }) => {
        if (kind === 'expire') left.push(rows ?? 0)
      },
    })
    expect(left).toEqual([1000, 1000, 500])
    expect(await titles()).toEqual([])
  })

  it('deletes old locators that nothing refers to any more', async () => {
    for (const [key, days] of [
      ['free', 401],
      ['young', 399],
      ['of a call', 500],
      ['of evidence', 500],
    ] as const) {
      await locator(key, days)
    }
    const id = async (key: string) =>
      (await sql<{ id: string }>`select id::text as id from oo_locator where object_key = ${key}`.execute(test.db)).rows[0]!.id
    await insertCalls(scope, [{ bucket: daysAgo(10), src: 'urn:svc:a', dst: 'urn:svc:b', latencies: [1] }])
    await sql`update service_call_5m set sample_ref = ${await id('of a call')}::int8`.execute(test.db)
    const proof = await event('proof', 10)
    await attachEvidence(scope, { eventId: proof, evidence: [{ dim: 'trace', refOo: await id('of evidence') }] })
    await retain('oo_locator', '400 days')
    expect(await expire()).toEqual([expect.objectContaining({ object: 'oo_locator', rows: 1 })])
    expect(await keys()).toEqual(['of a call', 'of evidence', 'young'])
    await sql`delete from event_envelope`.execute(test.db)
    await sql`delete from service_call_5m`.execute(test.db)
    expect(await expire()).toEqual([expect.objectContaining({ object: 'oo_locator', rows: 2 })])
    expect(await keys()).toEqual(['young'])
  })
})

describe.skipIf(!leg.available || !leg.concurrent)('the lifecycle of locators, beside others', () => {
  beforeEach(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterEach(() => test.close())

  it('leaves a locator that somebody is about to refer to', async () => {
    await retain('oo_locator', '400 days')
    const [wanted] = [await locator('wanted', 500), await locator('free', 500)]
    const proof = await event('proof', 10)
    const other = connect({ connectionString: test.url!, max: 1 })
    const trx = await other.startTransaction().execute()
    try {
      await attachEvidence(await tenantScope(trx, 't-001'), { eventId: proof, evidence: [{ dim: 'trace', refOo: wanted }] })
      expect((await maintain(test.db, { now })).steps).toEqual([expect.objectContaining({ object: 'oo_locator', rows: 1 })])
      await trx.commit().execute()
      expect((await maintain(test.db, { now })).steps).toEqual([])
      expect(await keys()).toEqual(['wanted'])
    } finally {
      await other.destroy()
    }
  })
})
