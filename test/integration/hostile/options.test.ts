import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as api from '../../../src/index.ts'
import type { Scope } from '../../../src/index.ts'
import type { AsyncFunction } from '../../support/asyncFunctions.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls } from '../../support/rows.ts'
import { asLines, recording } from '../faults/recording.ts'
import { hostileValues, placed, placesIn } from './values.ts'

const range = during('10:00', '11:00')
const eventId = '0193d3a0-0000-7000-8000-00000000000c'
const embedding = Array<number>(1536).fill(0.1)
const schema = { schema: 'public' }

/**
 * What is asked of a function: a connection, a scope on it, and arguments in one of whose places
 * stands what should not.
 */
interface Subject {
  arguments: readonly unknown[]
  act: (scope: Scope, values: readonly never[]) => unknown
  /** Begins transactions of its own, and takes no other. */
  alone?: true
  /**
   * Its options are settings, of which no more than a name of a schema or a time comes to the
   * driver, as with others. They are given to it on the server alone, where it takes less time.
   */
  settings?: true
  needs?: 'age'
}

async function* lines() {
  yield asLines(recording({ minutes: 1, services: ['web'] }))
}

/** Options of what goes on until it is told to end, which is at once. */
function ended(options: object | undefined): object {
  const signal = AbortSignal.abort()
  if (options === undefined) return { signal }
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return options
  return Object.assign(Object.create(Object.getPrototypeOf(options) as object | null) as object, options, { signal })
}

/**
 * Everything that answers with a promise, with arguments it takes: all but connections, frames,
 * streams, signals and functions to call back, which are no values.
 */
const functions: Record<AsyncFunction, Subject> = {
  addDocuments: {
    arguments: [
      [
        {
          source: 's',
          title: 't',
          url: 'u',
          resources: ['urn:a'],
          metadata: { a: { b: 1 } },
          labels: { team: 'shop' },
          chunks: [{ content: 'c', context: 'd', embedding, metadata: {} }],
        },
        { source: 's', title: 't', content: 'c', format: 'text' },
      ],
      { model: 'm', split: { maxCharacters: 200, overlap: 0 }, concurrency: 1, batchTokens: 100, batchTexts: 1, attempts: 1, maxWaitMs: 0 },
    ],
    act: (scope, [documents, options]) => api.addDocuments(scope, documents!, options),
  },
  applyPolicies: {
    arguments: [{ ...schema, remove: false, convert: false, now: at('10:00') }],
    act: ({ db }, [options]) => api.applyPolicies(db, options),
    alone: true,
    settings: true,
  },
  attachEvidence: {
    arguments: [
      {
        eventId,
        evidence: [{ dim: 'call', refPg: { table: 'service_call_5m', keys: { src_resource_id: '7', bucket: at('10:00') } }, note: 'n' }],
      },
    ],
    act: async (scope, [input]) => {
      await api.recordEvent(scope, { eventId, severity: 'INFO', kind: 'k', title: 't' })
      return api.attachEvidence(scope, input!)
    },
  },
  buildVectorIndex: {
    arguments: [{ ...schema, m: 8, efConstruction: 32, memory: '64MB', workers: 0 }],
    act: ({ db }, [options]) => api.buildVectorIndex(db, options),
    alone: true,
    settings: true,
  },
  capabilities: { arguments: [], act: ({ db }) => api.capabilities(db) },
  deleteTenant: { arguments: ['t-002', { ...schema, batch: 10 }], act: ({ db }, [code, options]) => api.deleteTenant(db, code!, options) },
  doctor: {
    arguments: [{ ...schema, checks: [{ name: 'mine', find: () => [] }] }],
    act: ({ db }, [options]) => api.doctor(db, options),
    settings: true,
  },
  ensureResource: { arguments: [{ urn: 'urn:a', type: 't', name: 'n' }], act: (scope, [resource]) => api.ensureResource(scope, resource!) },
  ensureResources: {
    arguments: [[{ urn: 'urn:a', type: 't', name: 'n', env: 'e', region: null, zone: 'z', labels: { a: ['b'] } }]],
    act: (scope, [resources]) => api.ensureResources(scope, resources!),
  },
  ensureTenant: {
    arguments: [{ code: 'c', name: 'n', labels: { a: 'b' } }, schema],
    act: ({ db }, [given, options]) => api.ensureTenant(db, given!, options),
  },
  followFiles: {
    arguments: [['none.jsonl'], { horizon: '1 minute', node: 'n', pollEvery: '1 second', writeEvery: '1 second', quietAfter: '1 second' }],
    act: (scope, [files, options]) => api.followFiles(scope, files!, ended(options)),
    alone: true,
    settings: true,
  },
  grantsFor: {
    arguments: [{ ...schema, role: 'reader', login: 'somebody' }],
    act: ({ db }, [options]) => api.grantsFor(db, options!),
    settings: true,
  },
  ingest: {
    arguments: [
      {
        horizon: '1 minute',
        maxJournalBytes: 1_000_000,
        shiftMs: 1_000,
        acceptOld: false,
        format: 'json',
        origin: { objectBucket: 'b', objectKey: 'k' },
      },
    ],
    act: (scope, [options]) => api.ingest(scope, lines(), options),
  },
  listTenants: { arguments: [schema], act: ({ db }, [options]) => api.listTenants(db, options) },
  maintain: {
    arguments: [{ ...schema, now: at('10:00'), lockAttempts: 1 }],
    act: ({ db }, [options]) => api.maintain(db, options),
    alone: true,
    settings: true,
  },
  migrateDown: {
    arguments: [{ ...schema, toVersion: api.schemaVersion }],
    act: ({ db }, [options]) => api.migrateDown(db, options),
    settings: true,
  },
  migratePlan: {
    arguments: [{ ...schema, graphPrefix: 'ops', embeddingDimension: 1536, embeddingDistance: 'l2', embeddingType: 'vector' }],
    act: ({ db }, [options]) => api.migratePlan(db, options),
    settings: true,
  },
  migrateStatus: { arguments: [schema], act: ({ db }, [options]) => api.migrateStatus(db, options), settings: true },
  migrateUp: {
    arguments: [{ ...schema, graphPrefix: 'ops', embeddingDimension: 1536, embeddingDistance: 'l2', embeddingType: 'vector' }],
    act: ({ db }, [options]) => api.migrateUp(db, options),
    settings: true,
  },
  mirrorGraph: {
    arguments: [{ label: 'MIRROR', attributes: ['call_count'], keepEarliest: ['call_count'] }],
    act: (scope, [options]) => api.mirrorGraph(scope, api.callsDuring(scope, { range }), options!),
    needs: 'age',
  },
  planConversion: { arguments: [schema], act: ({ db }, [options]) => api.planConversion(db, options), settings: true },
  planPolicies: {
    arguments: [{ ...schema, remove: false, now: at('10:00') }],
    act: ({ db }, [options]) => api.planPolicies(db, options),
    settings: true,
  },
  recordEvent: {
    arguments: [
      {
        eventId,
        detectedAt: at('10:00'),
        resource: 'urn:a',
        severity: 'INFO',
        kind: 'k',
        title: 't',
        summary: 's',
        labels: { a: 1 },
        fingerprints: { a: [1] },
      },
    ],
    act: (scope, [event]) => api.recordEvent(scope, event!),
  },
  recordTopology: {
    arguments: [[{ from: 'urn:a', to: 'urn:b', props: { a: 1 } }], { at: at('10:00'), relation: 'r', source: 's', allowEmpty: false }],
    act: (scope, [edges, options]) => api.recordTopology(scope, edges!, options!),
  },
  reembed: {
    arguments: [{ model: 'm', concurrency: 1, batchTokens: 100, batchTexts: 1, attempts: 1, maxWaitMs: 0 }],
    act: (scope, [options]) =>
      api.reembed(scope, { ...(options as object | undefined), embed: async (texts) => texts.map(() => embedding) }),
  },
  refreshCallGraph: {
    arguments: [{ window: '1 hour', now: at('11:00') }],
    act: (scope, [options]) => api.refreshCallGraph(scope, options),
    needs: 'age',
  },
  refreshRange: {
    arguments: [{ ...schema, table: 'metric_1m', range, force: false, now: at('12:00') }],
    act: ({ db }, [options]) => api.refreshRange(db, options!),
    alone: true,
    settings: true,
  },
  reindexTerms: { arguments: [{}], act: (scope, [options]) => api.reindexTerms(scope, options) },
  removeDocuments: {
    arguments: [{ source: 's', urls: ['u'], titles: ['t'] }],
    act: (scope, [where]) => api.removeDocuments(scope, where!),
  },
  rerankKnowledge: {
    arguments: [
      {
        text: 't',
        embedding,
        model: 'm',
        candidates: 20,
        limit: 10,
        where: { source: 's', labels: { a: 'b' }, metadata: { a: [1] }, addedDuring: range },
        fusion: { method: 'min-max', embeddingWeight: 0.5 },
        feedback: { chunks: 1, terms: 1, ownWeight: 0.5 },
        diversity: 0.5,
        snippet: { characters: 40, mark: ['<', '>'] },
        attempts: 1,
        maxWaitMs: 0,
      },
    ],
    act: (scope, [options]) =>
      api.rerankKnowledge(scope, {
        ...(options as object | undefined),
        rerank: async (_: string, texts: string[]) => texts.map(() => 1),
      } as never),
  },
  resourceIds: { arguments: [['urn:a']], act: (scope, [urns]) => api.resourceIds(scope, urns!) },
  // What it takes as a search does, and as addDocuments does, is given to those.
  retrievalQuality: {
    arguments: [
      {
        golden: [{ question: 'q', embedding, relevant: [{ source: 's', url: 'u', title: 't', relevance: 1 }] }],
        limit: 5,
        legs: ['lexical', 'hybrid'],
        candidates: 20,
      },
    ],
    act: (scope, [options]) =>
      api.retrievalQuality(scope, {
        ...(options as object | undefined),
        rerank: async (_: string, texts: string[]) => texts.map(() => 1),
      } as never),
  },
  settleJournals: { arguments: [schema], act: ({ db }, [options]) => api.settleJournals(db, options), settings: true },
  schemaDrift: { arguments: [schema], act: ({ db }, [options]) => api.schemaDrift(db, options), settings: true },
  tenantScope: { arguments: ['t-001', schema], act: ({ db }, [code, options]) => api.tenantScope(db, code!, options) },
  toGraphology: { arguments: [{ multi: true }], act: (scope, [options]) => api.toGraphology(api.callsDuring(scope, { range }), options) },
  writeRollups: {
    arguments: [{}],
    act: async (scope) => {
      for await (const window of api.rollUp(api.readOtlp(lines(), { origin: { objectBucket: 'b', objectKey: 'k' } })))
        await api.writeRollups(scope, window)
    },
  },
}

/** Ends a transaction in which all went well. */
class Undone extends Error {}

// What community's PostgreSQL answers the server's does too.
describe.skipIf(!leg.available || leg.name === 'community')('hostile values', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await tenant(test.db, 't-002')
    await insertCalls(scope, [{ bucket: at('10:05'), src: 'urn:a', dst: 'urn:b', latencies: [1, 2] }])
  })
  afterAll(() => test.close())

  const outcomeOf = ({ act, alone }: Subject, values: readonly unknown[]): Promise<unknown> => {
    const given = values as readonly never[]
    const outcome = alone
      ? async () => act(scope, given)
      : () =>
          test.db.transaction().execute(async (trx) => {
            await act({ ...scope, db: trx }, given)
            throw new Undone()
          })
    return outcome().then(
      () => undefined,
      (error: unknown) => (error instanceof Undone ? undefined : error),
    )
  }

  const subjects = Object.entries(functions).filter(
    ([, { needs, settings }]) => (needs !== 'age' || leg.age) && !(settings && !leg.concurrent),
  )
  it.each(subjects)('of every kind, in every argument of %s, are taken or refused by name', { timeout: 300_000 }, async (_, subject) => {
    expect(await outcomeOf(subject, subject.arguments)).toBeUndefined()
    const failures: string[] = []
    // A vector is one value, and not 1,536 of them.
    for (const place of placesIn(subject.arguments).filter(
      (path) => path.length > 0 && !(path.at(-2) === 'embedding' && path.at(-1) !== 0),
    )) {
      for (const [name, value] of hostileValues) {
        const error = await outcomeOf(subject, placed(subject.arguments, place, value) as unknown[])
        if (error === undefined || error instanceof api.VantageError) continue
        failures.push(
          `${place.map(String).join('.')} being ${name}: ${error instanceof Error ? error.message.slice(0, 150) : typeof error}`,
        )
      }
    }
    expect(failures).toEqual([])
  })
})
