import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refreshCallGraph } from '../../../src/calls/index.ts'
import { ensureResources } from '../../../src/catalog/index.ts'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import { attachEvidence, recordEvent } from '../../../src/events/index.ts'
import { ingest } from '../../../src/ingest/index.ts'
import { addDocuments, reembed, reindexTerms, removeDocuments } from '../../../src/knowledge/index.ts'
import { recordTopology } from '../../../src/topology/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertCalls, services } from '../../support/rows.ts'
import { asLines, recording } from './recording.ts'

const embedding = Array<number>(1536).fill(0.1)
const eventId = '11111111-1111-4111-8111-111111111111'
async function* lines() {
  yield asLines(recording({ minutes: 2 }))
}

/** One call of each function that writes for a tenant. */
const writes: Readonly<Record<string, (scope: Scope) => Promise<unknown>>> = {
  ensureResources: (scope) =>
    ensureResources(
      scope,
      ['urn:c', 'urn:d'].map((urn) => ({ urn, type: 'service', name: urn })),
    ),
  recordEvent: (scope) => recordEvent(scope, { severity: 'ERROR', kind: 'anomaly', title: 'it is slow' }),
  attachEvidence: (scope) =>
    attachEvidence(scope, {
      eventId: eventId,
      evidence: ['1', '2'].map((id) => ({ dim: 'kb', refPg: { table: 'kb_doc', keys: { doc_id: id } } })),
    }),
  addDocuments: (scope) =>
    addDocuments(
      scope,
      ['1', '2'].map((url) => ({
        source: 's',
        title: url,
        url,
        chunks: [
          { content: 'c', embedding },
          { content: 'd', embedding },
        ],
      })),
    ),
  removeDocuments: (scope) => removeDocuments(scope, { source: 'old' }),
  reembed: (scope) => reembed(scope, { embed: async (texts) => texts.map(() => embedding.map(() => 0.2)), model: 'new' }),
  reindexTerms: (scope) => reindexTerms(scope),
  recordTopology: (scope) =>
    recordTopology(
      scope,
      [
        { from: 'urn:a', to: 'urn:b' },
        { from: 'urn:b', to: 'urn:a' },
      ],
      { relation: 'r', source: 's', at: at('10:00') },
    ),
  refreshCallGraph: (scope) => refreshCallGraph(scope, { window: '1 hour', now: at('10:30') }),
  ingest: (scope) => ingest(scope, lines()),
}

/**
 * A Kysely instance whose connection is cut before a statement is sent, counted from 1 from `arm`
 * on.
 */
function fragile(url: string) {
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => {})
  let sent = 0
  let cutAt = Number.POSITIVE_INFINITY
  let cut = false
  pool.on('connect', (client: PoolClient) => {
    client.on('error', () => {})
    const query = client.query.bind(client) as (...given: unknown[]) => unknown
    const counted = (...given: unknown[]) => {
      sent += 1
      if (sent === cutAt) {
        cut = true
        // As when the network or the server goes away; what was sent before may or may not have arrived.
        const { connection } = client as unknown as { connection: { stream: { destroy(): void } } }
        connection.stream.destroy()
      }
      return query(...given)
    }
    client.query = counted as typeof client.query
  })
  return {
    db: new Kysely<{}>({ dialect: new PostgresDialect({ pool }) }),
    arm: (statement: number) => {
      sent = 0
      cut = false
      cutAt = statement
    },
    wasCut: () => cut,
  }
}

describe.skipIf(!leg.available || !leg.concurrent)('a connection that is cut', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  const tables = [
    'dim_resource',
    'event_envelope',
    'evidence_link',
    'kb_doc',
    'kb_chunk',
    'kb_term',
    'topo_edge_time',
    'topo_snapshot',
    'metric_1m',
    'service_call_5m',
  ]
  const counts = async ({ tenantId, graphName, db }: Scope) => {
    const one = tables.map(
      (name) => sql`(select count(*)::int4 from ${sql.id(name)} where tenant_id = ${tenantId}::int8) as ${sql.id(name)}`,
    )
    const { rows } = await sql<Record<string, number>>`
      select ${sql.join(one)}, (select count(*)::int4 from public.graph_edges(${graphName}::text)) as edges,
        (select count(*)::int4 from kb_chunk where tenant_id = ${tenantId}::int8 and embedding::text like '[0.2,%') as moved,
        (select count(*)::int4 from kb_corpus where tenant_id = ${tenantId}::int8 and model = 'new') as model
    `.execute(db)
    return rows[0]!
  }
  let made = 0
  const prepared = async () => {
    const scope = await tenant(test.db, `cut-${(made += 1)}`)
    await services(scope, ['urn:a', 'urn:b'])
    await addDocuments(scope, [{ source: 'old', title: 'old', chunks: [{ content: 'some words', embedding }] }])
    await insertCalls(scope, [{ bucket: at('10:00'), src: 'urn:a', dst: 'urn:b', latencies: [1, 2] }])
    return scope
  }

  it.each(Object.entries(writes))('before any statement of %s leaves all of it or nothing', async (name, write) => {
    const arranged = async (scope: Scope) => {
      // As chunks are that were there before there were terms.
      if (name === 'reindexTerms') await sql`delete from kb_term where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
      if (name === 'attachEvidence') {
        await sql`delete from event_envelope where event_id = ${eventId}::uuid`.execute(test.db)
        await recordEvent(scope, { eventId, severity: 'INFO', kind: 'k', title: 't' })
      }
      return scope
    }
    const clean = await arranged(await prepared())
    const before = await counts(clean)
    await write(clean)
    const after = await counts(clean)
    expect(after).not.toEqual(before)
    const { db, arm, wasCut } = fragile(test.url!)
    try {
      for (let statement = 1; ; statement++) {
        const scope = await arranged(await prepared())
        const inner = await tenantScope(db, scope.tenantCode)
        arm(statement)
        const failure: unknown = await write(inner).then(
          () => undefined,
          (error: unknown) => error,
        )
        const cut = wasCut()
        arm(Number.POSITIVE_INFINITY)
        expect([before, after]).toContainEqual(await counts(scope))
        // One that was not cut has sent all its statements.
        if (!cut) {
          expect(failure).toBeUndefined()
          expect(statement).toBeGreaterThan(3)
          break
        }
      }
    } finally {
      await db.destroy()
    }
  })
})
