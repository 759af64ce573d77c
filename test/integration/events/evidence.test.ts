import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensureResource } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { attachEvidence } from '../../../src/events/attachEvidence.ts'
import { evidenceChain } from '../../../src/events/evidenceChain.ts'
import { recordEvent, type EventInput } from '../../../src/events/recordEvent.ts'
import { InvalidInputError, NotFoundError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at } from '../../support/rows.ts'

const checkout = 'urn:k8s:svc:shop/checkout'
const slow: EventInput = { severity: 'ERROR', kind: 'anomaly', title: 'checkout is slow' }

onEveryLeg('events and evidence', () => {
  let test: TestDatabase
  let scope: Scope
  let other: Scope
  let checkoutId: string
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    other = await tenant(test.db, 't-002')
    checkoutId = await ensureResource(scope, { urn: checkout, type: 'service', name: 'checkout' })
  })
  afterAll(() => test.close())

  async function locator(of: Scope, object_key = 'traces/10.jsonl'): Promise<string> {
    const { rows } = await sql<{ id: string }>`
      insert into ${of.id('oo_locator')} (tenant_id, dataset, bucket, object_key, t_from, t_to, query_hint)
      values (${of.tenantId}::int8, 'traces', 'raw', ${object_key}, ${at('10:00')}, ${at('10:05')}, 'service=checkout')
      on conflict (tenant_id, dataset, t_from, t_to, locator_hash) do update set bucket = excluded.bucket
      returning id::text
    `.execute(of.db)
    return rows[0]!.id
  }
  const chain = (event: string, of = scope) => evidenceChain(of, { eventId: event }).execute()

  it('chains an event to its resource, its rows and its raw records', async () => {
    const event = await recordEvent(scope, {
      ...slow,
      resource: checkout,
      detectedAt: at('10:07'),
      summary: 'since 10:02',
      labels: { team: 'shop' },
    })
    const raw = await locator(scope)
    const added = await attachEvidence(scope, {
      eventId: event,
      evidence: [
        {
          dim: 'call',
          refPg: { table: 'service_call_5m', keys: { dst_resource_id: checkoutId, bucket: at('10:05') } },
          note: 'p95 rose from 90 to 590 ms',
        },
        { dim: 'trace', refOo: raw },
      ],
    })
    expect(added).toBe(2)
    const about = {
      event_id: event,
      detected_at: at('10:07'),
      severity: 'ERROR',
      kind: 'anomaly',
      title: 'checkout is slow',
      summary: 'since 10:02',
      labels: { team: 'shop' },
      resource_id: checkoutId,
      urn: checkout,
    }
    expect(await chain(event)).toEqual([
      {
        ...about,
        evidence_id: expect.stringMatching(/^[0-9]+$/),
        dim: 'call',
        ref_pg: { table: 'service_call_5m', keys: { dst_resource_id: checkoutId, bucket: '2026-11-22T10:05:00.000Z' } },
        note: 'p95 rose from 90 to 590 ms',
        dataset: null,
        object_bucket: null,
        object_key: null,
        query_hint: null,
        t_from: null,
        t_to: null,
      },
      {
        ...about,
        evidence_id: expect.stringMatching(/^[0-9]+$/),
        dim: 'trace',
        ref_pg: null,
        note: null,
        dataset: 'traces',
        object_bucket: 'raw',
        object_key: 'traces/10.jsonl',
        query_hint: 'service=checkout',
        t_from: at('10:00'),
        t_to: at('10:05'),
      },
    ])
  })

  it('gives a row for an event about no resource and without evidence, and none for no event', async () => {
    const event = await recordEvent(scope, slow)
    expect(await chain(event)).toMatchObject([
      { event_id: event, urn: null, resource_id: null, dim: null, evidence_id: null, object_bucket: null },
    ])
    expect(await chain(randomUUID())).toEqual([])
  })

  it('is narrowed in SQL as it would be in TypeScript', async () => {
    const event = await recordEvent(scope, slow)
    await attachEvidence(scope, {
      eventId: event,
      evidence: (['log', 'metric', 'kb', 'topo'] as const).map((dim, n) => ({
        dim,
        refPg: { table: 'kb_doc', keys: { doc_id: String(n) } },
      })),
    })
    const all = await chain(event)
    expect(all.map(({ dim }) => dim)).toEqual(['log', 'metric', 'kb', 'topo'])
    expect(await evidenceChain(scope, { eventId: event }).where('dim', '>', 'l').execute()).toEqual(all.filter(({ dim }) => dim! > 'l'))
  })

  it('records an event with an id once, with what was said last', async () => {
    const eventId = randomUUID()
    const first = await recordEvent(scope, {
      ...slow,
      eventId,
      detectedAt: at('10:00'),
      resource: checkout,
      summary: 'one',
      labels: { a: 1 },
    })
    expect(first).toBe(eventId)
    expect(await recordEvent(scope, { ...slow, eventId: eventId.toUpperCase(), severity: 'FATAL' })).toBe(eventId)
    const [kept, ...more] = await chain(eventId)
    expect(more).toEqual([])
    expect(kept).toMatchObject({ severity: 'FATAL', detected_at: at('10:00'), urn: checkout, summary: 'one', labels: { a: 1 } })
    await recordEvent(scope, { ...slow, eventId, summary: null, resource: null, labels: {} })
    expect(await chain(eventId)).toMatchObject([{ severity: 'ERROR', urn: null, summary: null, labels: {} }])
  })

  it.skipIf(!leg.concurrent)('records it once from twenty places at once', async () => {
    const eventId = randomUUID()
    await Promise.all(Array.from({ length: 20 }, () => recordEvent(scope, { ...slow, eventId, resource: checkout })))
    const evidence = [{ dim: 'log' as const, refPg: { table: 'log_pattern' as const, keys: { fingerprint_id: '1' } } }]
    const added = await Promise.all(Array.from({ length: 20 }, () => attachEvidence(scope, { eventId: eventId, evidence })))
    expect(added.reduce((sum, count) => sum + count)).toBe(1)
    expect(await chain(eventId)).toHaveLength(1)
  })

  it('attaches the same evidence once, and keeps its note', async () => {
    const event = await recordEvent(scope, slow)
    const keys = { resource_id: checkoutId, bucket: at('10:05') }
    const reordered = { bucket: at('10:05'), resource_id: checkoutId }
    const attach = (note: string, named: typeof keys = keys) =>
      attachEvidence(scope, { eventId: event, evidence: [{ dim: 'metric', refPg: { table: 'metric_1m', keys: named }, note }] })
    expect(await attach('first')).toBe(1)
    expect(await attach('second')).toBe(0)
    expect(await attach('third', reordered)).toBe(0)
    expect(await chain(event)).toMatchObject([{ note: 'first' }])
    expect(await attachEvidence(scope, { eventId: event, evidence: [] })).toBe(0)
  })

  it('attaches all or nothing', async () => {
    const event = await recordEvent(scope, slow)
    const missing = attachEvidence(scope, {
      eventId: event,
      evidence: [
        { dim: 'log', refPg: { table: 'log_pattern', keys: { fingerprint_id: '1' } } },
        { dim: 'log', refOo: '999999999999' },
      ],
    })
    await expect(missing).rejects.toThrow(NotFoundError)
    await expect(missing).rejects.toThrow('tenant "t-001" has no locator 999999999999: nothing was attached')
    expect(await chain(event)).toMatchObject([{ evidence_id: null }])
  })

  it('keeps tenants apart', async () => {
    const event = await recordEvent(scope, slow)
    const mine = await locator(scope)
    const theirs = await locator(other)
    const evidence = [{ dim: 'trace' as const, refOo: mine }]
    await attachEvidence(scope, { eventId: event, evidence })
    await expect(attachEvidence(scope, { eventId: event, evidence: [{ dim: 'trace', refOo: theirs }] })).rejects.toThrow(
      `has no locator ${theirs}`,
    )
    // The very same link: a conflict that is skipped must not pass for an answer.
    await expect(attachEvidence(other, { eventId: event, evidence })).rejects.toThrow(`tenant "t-002" has no event ${event}`)
    await expect(attachEvidence(other, { eventId: event, evidence: [] })).rejects.toThrow(NotFoundError)
    await expect(recordEvent(other, { ...slow, eventId: event, title: 'mine now' })).rejects.toThrow(InvalidInputError)
    expect(await chain(event, other)).toEqual([])
    expect(await chain(event)).toMatchObject([{ title: 'checkout is slow', object_key: 'traces/10.jsonl' }])
  })

  it('says what to do about a resource that is not there', async () => {
    await expect(recordEvent(scope, { ...slow, resource: 'urn:nobody' })).rejects.toThrow(
      'tenant "t-001" has no resource with URN "urn:nobody": create it with ensureResource',
    )
    await expect(recordEvent(other, { ...slow, resource: checkout })).rejects.toThrow(NotFoundError)
  })

  it.each([`'; drop table event_envelope; --`, '$$ $1 ${x}', '"\\', '🦊', 'x'.repeat(1000)])('takes %j as data', async (text) => {
    const labels = { [text]: [text, { [text]: null }] }
    const event = await recordEvent(scope, {
      ...slow,
      kind: text.slice(0, 255),
      title: text,
      summary: text.repeat(10),
      labels,
      fingerprints: labels,
    })
    await attachEvidence(scope, {
      eventId: event,
      evidence: [{ dim: 'metric', refPg: { table: 'metric_1m', keys: { metric: text } }, note: text }],
    })
    expect(await chain(event)).toMatchObject([
      { title: text, summary: text.repeat(10), labels, note: text, ref_pg: { table: 'metric_1m', keys: { metric: text } } },
    ])
  })

  it.each([
    [{ severity: 'BAD' }, 'severity: '],
    [{ eventId: 'no-uuid' }, 'eventId: must be a UUID, got "no-uuid"'],
    [{ title: '' }, 'title: must not be empty'],
    [{ title: 'x'.repeat(1025) }, 'title: must be at most 1024 bytes'],
    [{ kind: 'a\u0000' }, 'kind: must not contain the NUL'],
    [{ summary: '\ud800' }, 'summary: must be well-formed Unicode'],
    [{ labels: { a: 'b\u0000' } }, 'labels.a: '],
    [{ labels: { a: Number.NaN } }, 'labels.a: '],
    [{ detectedAt: new Date(Number.NaN) }, 'detectedAt: '],
    [{ resource: '' }, 'resource: must not be empty'],
    [{ colour: 'red' }, 'options: '],
  ])('refuses the event %j by name', async (wrong, message) => {
    await expect(recordEvent(scope, { ...slow, ...wrong } as EventInput)).rejects.toThrow(message)
  })

  it.each([
    [{ dim: 'smell', refOo: '1' }, 'evidence[0].dim: '],
    [{ dim: 'log' }, 'evidence[0]: must have a reference'],
    [{ dim: 'log', refOo: '1; drop' }, 'evidence[0].refOo: must be the id of a locator'],
    [{ dim: 'log', refPg: { table: 'pg_authid', keys: { oid: '1' } } }, 'evidence[0].refPg.table: '],
    [{ dim: 'log', refPg: { table: 'log_pattern', keys: {} } }, 'evidence[0].refPg.keys: must name the rows'],
    [{ dim: 'log', refPg: { table: 'log_pattern', keys: { tenant_id: '1' } } }, 'evidence[0].refPg.keys'],
    [{ dim: 'log', refPg: { table: 'log_pattern', keys: { fingerprint_id: {} } } }, 'evidence[0].refPg.keys.fingerprint_id: '],
    [{ dim: 'log', refOo: '1', note: 'a\u0000' }, 'evidence[0].note: must not contain the NUL'],
  ])('refuses the evidence %j by name', async (wrong, message) => {
    const event = await recordEvent(scope, slow)
    // What a program without types could hand in.
    const evidence = [wrong] as Parameters<typeof attachEvidence>[1]['evidence']
    await expect(attachEvidence(scope, { eventId: event, evidence })).rejects.toThrow(message)
  })

  it('works in the transaction its scope was made from', async () => {
    const eventId = randomUUID()
    await test.db
      .transaction()
      .execute(async (trx) => {
        const inside = await tenantScope(trx, 't-001')
        await recordEvent(inside, { ...slow, eventId })
        expect(await chain(eventId, inside)).toHaveLength(1)
        throw new Error('undo')
      })
      .catch(() => {})
    expect(await chain(eventId)).toEqual([])
  })
})
