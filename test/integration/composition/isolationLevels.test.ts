import { sql, type IsolationLevel, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as api from '../../../src/index.ts'
import type { Scope } from '../../../src/index.ts'
import type { AsyncFunction } from '../../support/asyncFunctions.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertCalls, services } from '../../support/rows.ts'
import { asLines, recording } from '../faults/recording.ts'

interface Subject {
  act: (scope: Scope, db: Kysely<{}>) => Promise<unknown>
  /**
   * `everywhere`; `read committed`: refuses a transaction whose snapshot is old; `alone`: refuses
   * any transaction.
   */
  works: 'everywhere' | 'read committed' | 'alone'
  needs?: 'age'
}

const now = new Date(Math.floor(Date.now() / 300_000) * 300_000)
const range = { from: new Date(now.getTime() - 3_600_000), to: now }
const eventId = '0193d3a0-0000-7000-8000-00000000000c'
const event = { eventId, severity: 'INFO', kind: 'k', title: 't' } as const
const resource = { urn: 'urn:new', type: 'service', name: 'new' }
const embedding = Array<number>(1536).fill(0.1)
const edges = [{ from: 'urn:a', to: 'urn:b' }]
async function* lines() {
  yield asLines(recording({ minutes: 6 }))
}

/** Everything that answers with a promise; each does the same again when it is called twice. */
const functions: Record<AsyncFunction, Subject> = {
  addDocuments: {
    act: (scope) => api.addDocuments(scope, [{ source: 's', title: 't', url: 'u', chunks: [{ content: 'c', embedding }] }]),
    works: 'read committed',
  },
  applyPolicies: { act: (_, db) => api.applyPolicies(db), works: 'alone' },
  attachEvidence: {
    act: async (scope) => {
      await api.recordEvent(scope, event)
      return api.attachEvidence(scope, { eventId: eventId, evidence: [{ dim: 'kb', refPg: { table: 'kb_doc', keys: { doc_id: '1' } } }] })
    },
    works: 'everywhere',
  },
  buildVectorIndex: { act: (_, db) => api.buildVectorIndex(db), works: 'alone' },
  capabilities: { act: (_, db) => api.capabilities(db), works: 'everywhere' },
  deleteTenant: { act: (_, db) => api.deleteTenant(db, 'another'), works: 'read committed' },
  doctor: { act: (_, db) => api.doctor(db), works: 'everywhere' },
  ensureResource: { act: (scope) => api.ensureResource(scope, resource), works: 'everywhere' },
  ensureResources: { act: (scope) => api.ensureResources(scope, [resource, { ...resource, urn: 'urn:newer' }]), works: 'everywhere' },
  ensureTenant: { act: (_, db) => api.ensureTenant(db, { code: 'new', name: 'new' }), works: 'everywhere' },
  followFiles: { act: (scope) => api.followFiles(scope, ['none.jsonl'], { signal: AbortSignal.abort() }), works: 'alone' },
  grantsFor: { act: (_, db) => api.grantsFor(db, { role: 'reader', login: 'somebody' }), works: 'everywhere' },
  ingest: { act: (scope) => api.ingest(scope, lines(), { origin: { objectBucket: 'b', objectKey: 'k' } }), works: 'read committed' },
  listTenants: { act: (_, db) => api.listTenants(db), works: 'everywhere' },
  maintain: { act: (_, db) => api.maintain(db), works: 'alone' },
  migrateDown: { act: (_, db) => api.migrateDown(db, { toVersion: api.schemaVersion - 1 }), works: 'read committed' },
  migratePlan: { act: (_, db) => api.migratePlan(db), works: 'everywhere' },
  migrateStatus: { act: (_, db) => api.migrateStatus(db), works: 'everywhere' },
  migrateUp: { act: (_, db) => api.migrateUp(db), works: 'read committed' },
  mirrorGraph: {
    act: (scope) => api.mirrorGraph(scope, api.callsDuring(scope, { range }), { label: 'MIRROR', attributes: [] }),
    works: 'read committed',
    needs: 'age',
  },
  planConversion: { act: (_, db) => api.planConversion(db), works: 'everywhere' },
  planPolicies: { act: (_, db) => api.planPolicies(db), works: 'everywhere' },
  recordEvent: { act: (scope) => api.recordEvent(scope, event), works: 'everywhere' },
  recordTopology: { act: (scope) => api.recordTopology(scope, edges, { at: now, relation: 'r', source: 's' }), works: 'read committed' },
  reembed: {
    act: (scope) => api.reembed(scope, { embed: async (texts) => texts.map(() => embedding), model: 'm' }),
    works: 'read committed',
  },
  refreshCallGraph: { act: (scope) => api.refreshCallGraph(scope, { window: '1 hour' }), works: 'read committed', needs: 'age' },
  refreshRange: { act: (_, db) => api.refreshRange(db, { table: 'metric_1m', range }), works: 'alone' },
  reindexTerms: { act: (scope) => api.reindexTerms(scope), works: 'read committed' },
  removeDocuments: { act: (scope) => api.removeDocuments(scope, { source: 's' }), works: 'read committed' },
  rerankKnowledge: {
    act: (scope) => api.rerankKnowledge(scope, { text: 't', embedding, rerank: async (_, texts) => texts.map(() => 1) }),
    works: 'everywhere',
  },
  resourceIds: { act: (scope) => api.resourceIds(scope, ['urn:a']), works: 'everywhere' },
  retrievalQuality: {
    act: (scope) => api.retrievalQuality(scope, { golden: [{ question: 't', embedding, relevant: [{ source: 's', title: 't' }] }] }),
    works: 'everywhere',
  },
  settleJournals: { act: (_, db) => api.settleJournals(db), works: 'read committed' },
  schemaDrift: { act: (scope, db) => api.schemaDrift(db, { schema: scope.installation.schema }), works: 'everywhere' },
  tenantScope: { act: (_, db) => api.tenantScope(db, 't-001'), works: 'everywhere' },
  toGraphology: { act: (scope) => api.toGraphology(api.callsDuring(scope, { range })), works: 'everywhere' },
  writeRollups: {
    act: async (scope) => {
      for await (const window of api.rollUp(api.readOtlp(lines(), { origin: { objectBucket: 'b', objectKey: 'k' } })))
        await api.writeRollups(scope, window)
    },
    works: 'everywhere',
  },
}
const subjects = Object.entries(functions).filter(([, { needs }]) => needs !== 'age' || leg.age)
const snapshots = ['repeatable read', 'serializable'] as const
const levels: readonly IsolationLevel[] = ['read committed', ...snapshots]

const tables = [
  'dim_tenant',
  'dim_resource',
  'event_envelope',
  'evidence_link',
  'kb_doc',
  'kb_chunk',
  'topo_edge_time',
  'topo_snapshot',
  'metric_1m',
  'service_call_5m',
  'log_pattern',
  'log_pattern_5m',
  'oo_locator',
  'pgvantage_migration',
]

onEveryLeg('isolation levels', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await tenant(test.db, 'another')
    await services(scope, ['urn:a', 'urn:b'])
    await insertCalls(scope, [{ bucket: range.from, src: 'urn:a', dst: 'urn:b', latencies: [1, 2] }])
  })
  afterAll(() => test.close())

  const rows = async () => {
    const { rows } = await sql<Record<string, number>>`
      select ${sql.join(tables.map((name) => sql`(select count(*)::int4 from ${scope.id(name)}) as ${sql.id(name)}`))}
    `.execute(test.db)
    return rows[0]!
  }

  class Undone extends Error {}

  describe.each(levels)('%s', (level) => {
    it.each(subjects)('%s does its work there, or says why not', async (name, { act, works }) => {
      const before = await rows()
      const outcome: unknown = await test.db
        .transaction()
        .execute(async (trx) => {
          // Kysely's dialect of PGlite does not hand on the level.
          await sql`set transaction isolation level ${sql.raw(level)}`.execute(trx)
          await act(await api.tenantScope(trx, 't-001'), trx)
          throw new Undone()
        })
        .catch((error: unknown) => error)
      expect(await rows()).toEqual(before)
      if (works === 'everywhere' || (works === 'read committed' && level === 'read committed')) expect(outcome).toBeInstanceOf(Undone)
      else {
        expect(outcome).toBeInstanceOf(api.InvalidInputError)
        expect((outcome as Error).message).toMatch(
          works === 'alone' ? /^db: .*transaction/ : new RegExp(`^db: must not be a ${level.toUpperCase()} transaction.* ${name} waits`),
        )
      }
    })
  })

  describe.skipIf(!leg.concurrent).each(snapshots)('%s beside another writer', (level) => {
    it.each(subjects.filter(([, { works }]) => works === 'everywhere'))(
      '%s writes nothing twice: it is done, or the server says that it could not be serialized',
      async (_, { act }) => {
        const begun = Promise.withResolvers<void>()
        const written = Promise.withResolvers<void>()
        const second = test.db
          .transaction()
          .setIsolationLevel(level)
          .execute(async (trx) => {
            const inside = await api.tenantScope(trx, 't-001')
            begun.resolve()
            await written.promise
            await act(inside, trx)
          })
          .then(
            () => 'done',
            (error: { code?: string }) => error.code ?? error,
          )
        await begun.promise
        await act(scope, test.db)
        const after = await rows()
        written.resolve()
        expect(['done', '40001']).toContain(await second)
        expect(await rows()).toEqual(after)
      },
    )
  })
})
