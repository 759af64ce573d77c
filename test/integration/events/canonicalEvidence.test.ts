import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { attachEvidence } from '../../../src/events/attachEvidence.ts'
import { canonicalKey } from '../../../src/events/canonicalKey.ts'
import type { EvidenceReference } from '../../../src/events/evidence.ts'
import { evidenceChain } from '../../../src/events/evidenceChain.ts'
import { recordEvent } from '../../../src/events/recordEvent.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'

const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

/** Ways of writing one key, the first of them as it is kept. */
const sames: readonly { table: EvidenceReference['table']; column: string; ways: readonly [string, ...string[]] }[] = [
  {
    table: 'event_envelope',
    column: 'event_id',
    ways: [
      id,
      id.toUpperCase(),
      `{${id}}`,
      id.replaceAll('-', ''),
      'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11',
      `{${id.replaceAll('-', '').toUpperCase()}}`,
    ],
  },
  { table: 'metric_1m', column: 'series_id', ways: ['-7', '-007'] },
  { table: 'dim_resource', column: 'resource_id', ways: ['7', '007', '+7', `${'0'.repeat(40)}7`] },
  { table: 'kb_doc', column: 'doc_id', ways: ['0', '-0', '+0', '00'] },
  { table: 'log_pattern', column: 'fingerprint_id', ways: ['9223372036854775807', '+09223372036854775807'] },
  {
    table: 'service_call_5m',
    column: 'bucket',
    ways: [
      '2026-11-22T10:05:00.000Z',
      '2026-11-22T10:05:00Z',
      '2026-11-22 10:05:00+00',
      '2026-11-22 12:05:00+02',
      '2026-11-22T15:35:00.000000+05:30',
      '2026-11-22T05:05-0500',
    ],
  },
  { table: 'metric_1m', column: 'bucket', ways: ['2026-11-22T10:05:00.123456Z', '2026-11-22 10:05:00.123456+00'] },
  {
    table: 'topo_edge_time',
    column: 'valid',
    ways: ['[2026-11-22T10:05:00.000Z,)', '["2026-11-22 10:05:00+00",)', '[2026-11-22T11:05:00+01:00,)'],
  },
  {
    table: 'topo_edge_time',
    column: 'valid',
    ways: ['[2026-11-22T10:05:00.000Z,2026-11-22T11:00:00.500Z)', '["2026-11-22 10:05:00+00","2026-11-22 11:00:00.5+00")'],
  },
  { table: 'metric_1m', column: 'metric', ways: ['CPU {7}'] },
]

const reference = (table: string, column: string, value: string) => ({ table, keys: { [column]: value } }) as EvidenceReference

apartFromTime('the keys of evidence', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const event = (labels: Record<string, string> = {}, eventId: string = randomUUID(), detectedAt = new Date()) =>
    recordEvent(scope, { eventId, severity: 'INFO', kind: 'k', title: 't', labels, detectedAt })

  it.each(sames)('are one, however $column of $table is written', async ({ table, column, ways }) => {
    const attached = await event()
    for (const way of ways)
      await attachEvidence(scope, { eventId: attached, evidence: [{ dim: 'metric', refPg: reference(table, column, way) }] })
    const chain = await evidenceChain(scope, { eventId: attached }).execute()
    expect(chain.map(({ ref_pg }) => ref_pg)).toEqual([reference(table, column, ways[0])])
  })

  it.each([
    ['resource_id', ''],
    ['resource_id', '7.0'],
    ['resource_id', '9223372036854775808'],
    ['resource_id', '0x7'],
    ['bucket', 'yesterday'],
    ['bucket', '2026-11-22 10:05:00'],
    ['bucket', '2026-02-30T10:05:00Z'],
    ['bucket', '0000-01-01T00:00:00Z'],
    ['series_id', 'a0eebc99'],
    ['series_id', id],
  ])('are refused by name where %s is %j', async (column, value) => {
    const attached = await event()
    await expect(
      attachEvidence(scope, { eventId: attached, evidence: [{ dim: 'metric', refPg: reference('metric_1m', column, value) }] }),
    ).rejects.toThrow(`evidence[0].refPg.keys.${column}: must be`)
  })

  it('are told apart as PostgreSQL tells them', async () => {
    const zone = fc.constantFrom('Z', '+00', '-05', '+05:30', '+0200')
    const clock = fc.tuple(
      fc.integer({ min: 0, max: 23 }),
      fc.integer({ min: 0, max: 59 }),
      fc.constantFrom('', ':07', ':07.5', ':07.000001'),
      zone,
    )
    const ofType = {
      timestamptz: clock.map(
        ([hour, minute, seconds, zone]) => `2026-11-22 ${`${hour}`.padStart(2, '0')}:${`${minute}`.padStart(2, '0')}${seconds}${zone}`,
      ),
      int8: fc.tuple(fc.constantFrom('', '+', '-', '0', '-00'), fc.bigInt({ min: 0n, max: 99n })).map(([sign, value]) => `${sign}${value}`),
      uuid: fc
        .tuple(
          fc.uuid(),
          fc.constantFrom<(text: string) => string>(
            (text) => text,
            (text) => text.toUpperCase(),
            (text) => `{${text}}`,
          ),
        )
        .map(([text, way]) => way(text)),
    }
    for (const [type, texts] of Object.entries(ofType)) {
      const given = fc.sample(texts, { numRuns: 150, seed: 1 })
      const { rows } = await sql<{ alike: number[] }>`
        select array_agg(position order by position) as alike
        from unnest(${given}::text[]) with ordinality as given (text, position)
        group by text::${sql.raw(type)}
      `.execute(test.db)
      const canonical = given.map((text) => canonicalKey[type as 'int8'].parse(text))
      const ours = Map.groupBy(canonical.keys(), (position) => canonical[position]!)
      const theirs = rows.map(({ alike }) => alike.map((position) => Number(position) - 1))
      expect([...ours.values()].sort(byFirst)).toEqual(theirs.sort(byFirst))
    }
  })

  it('hold an event that an open one names, however its evidence was written', async () => {
    const old = new Date(Date.now() - 800 * 86_400_000)
    const open = await event({ status: 'open' }, randomUUID(), old)
    const named: string[] = []
    for (const way of [(uuid: string) => uuid.toUpperCase(), (uuid: string) => `{${uuid}}`, (uuid: string) => uuid.replaceAll('-', '')]) {
      for (const behind of [true, false]) {
        const one = await event({}, randomUUID(), old)
        named.push(one)
        const refPg = reference('event_envelope', 'event_id', way(one))
        if (behind) {
          await sql`
            insert into ${scope.id('evidence_link')} (tenant_id, event_id, dim, ref_pg) values (${scope.tenantId}, ${open}, 'topo', ${JSON.stringify(refPg)}::jsonb)
          `.execute(scope.db)
        } else await attachEvidence(scope, { eventId: open, evidence: [{ dim: 'topo', refPg }] })
      }
    }
    const forgotten = await event({}, randomUUID(), old)
    await applyPolicies(test.db)
    await maintain(test.db)
    const { rows } = await sql<{
      id: string
    }>`select event_id::text as id from ${scope.id('event_envelope')} where tenant_id = ${scope.tenantId}`.execute(test.db)
    const left = new Set(rows.map(({ id }) => id))
    expect([open, ...named].filter((id) => !left.has(id))).toEqual([])
    expect(left).not.toContain(forgotten)
  })
})

const byFirst = ([a]: number[], [b]: number[]) => a! - b!

apartFromTime('evidence from before its keys had one way of writing', () => {
  it('is brought into it, and pieces that become the same are one', async () => {
    const test = await cleanDatabase()
    try {
      const before = await tenant(test.db)
      const attached = await recordEvent(before, { severity: 'INFO', kind: 'k', title: 't' })
      await migrateDown(test.db, { toVersion: 8 })
      const kept = [
        { table: 'metric_1m', keys: { bucket: 'yesterday', resource_id: 'seven', metric: 'm' } },
        { table: 'metric_1m', keys: { bucket: '2026-11-22 10:05:00' } },
        { table: 'dim_resource', keys: { resource_id: '99999999999999999999' } },
        { table: 'topo_edge_time', keys: { valid: '(,)', relation: 'a', source: null } },
        { table: 'elsewhere', keys: { resource_id: '007' } },
        { table: 'dim_resource', keys: ['7'] },
        { table: 'dim_resource', keys: { resource_id: ['7'] } },
      ]
      const given = [...sames.flatMap(({ table, column, ways }) => ways.toReversed().map((way) => reference(table, column, way))), ...kept]
      const numbered = [...given, { table: 'kb_chunk', keys: { chunk_id: 7 } }, { table: 'kb_chunk', keys: { chunk_id: '7' } }]
      await sql`
        insert into ${before.id('evidence_link')} (tenant_id, event_id, dim, ref_pg, note)
        select ${before.tenantId}::int8, ${attached}::uuid, 'metric', ref_pg, position::text
        from jsonb_array_elements(${JSON.stringify(numbered)}::jsonb) with ordinality as given (ref_pg, position)
      `.execute(test.db)
      await sql`insert into ${before.id('evidence_link')} (tenant_id, event_id, dim) values (${before.tenantId}, ${attached}, 'kb')`.execute(
        test.db,
      )
      await migrateUp(test.db)
      const chain = await evidenceChain(await tenantScope(test.db, 't-001'), { eventId: attached }).execute()
      const ones = [...new Set(sames.map(({ table, column, ways }) => JSON.stringify(reference(table, column, ways[0]))))]
      expect(chain.map(({ ref_pg }) => ref_pg)).toEqual([
        ...ones.map((text) => JSON.parse(text) as unknown),
        ...kept,
        { table: 'kb_chunk', keys: { chunk_id: '7' } },
        null,
      ])
      // The first of each stays, with its note.
      expect(chain.map(({ note }) => note)).toContain('1')
      expect(new Set(chain.map(({ evidence_id }) => evidence_id)).size).toBe(chain.length)
    } finally {
      await test.close()
    }
  })
})
