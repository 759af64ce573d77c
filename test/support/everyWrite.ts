import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ensureResources } from '../../src/catalog/index.ts'
import type { Scope } from '../../src/database/index.ts'
import { attachEvidence, recordEvent } from '../../src/events/index.ts'
import { followFiles, ingest } from '../../src/ingest/index.ts'
import { addDocuments, reembed, reindexTerms, removeDocuments, type DocumentInput } from '../../src/knowledge/index.ts'
import { recordTopology } from '../../src/topology/index.ts'
import { asLines, recording } from '../integration/faults/recording.ts'
import { gauge, metrics, point, spans, sum } from '../unit/ingest/telemetry.ts'
import { at } from './rows.ts'

const embedding = Array.from({ length: 1536 }, (_, index) => Math.sin(index))

const embed = async (texts: string[]) => texts.map(() => embedding)

/**
 * Every function that writes for a tenant, so that it adds, changes and removes what it can; each
 * can be run alone.
 */
export const everyWrite: Readonly<Record<string, (scope: Scope) => Promise<unknown>>> = {
  ensureResources: async (scope) => {
    for (const name of ['a', 'b']) await ensureResources(scope, [{ urn: 'urn:a', type: 'service', name }])
  },
  recordTopology: async (scope) => {
    const [a, b] = [
      { from: 'urn:a', to: 'urn:b' },
      { from: 'urn:b', to: 'urn:a' },
    ]
    await ensureResources(
      scope,
      ['urn:a', 'urn:b'].map((urn) => ({ urn, type: 'service', name: urn })),
    )
    for (const [minute, edges] of [[a, b], [{ ...a, props: { n: 1 } }], [b]].entries()) {
      await recordTopology(scope, edges, { relation: 'calls', source: 'tracing', at: at(`10:0${minute}`) })
    }
    // Between two that are there.
    await recordTopology(scope, [a, b], { relation: 'calls', source: 'tracing', at: at('10:01:30') })
  },
  recordEvent: (scope) => recordEvent(scope, { severity: 'ERROR', kind: 'anomaly', title: 'it is slow' }),
  attachEvidence: async (scope) => {
    const event = await recordEvent(scope, { severity: 'ERROR', kind: 'anomaly', title: 'it is slow' })
    await attachEvidence(scope, { eventId: event, evidence: [{ dim: 'kb', refPg: { table: 'kb_doc', keys: { doc_id: '1' } } }] })
  },
  addDocuments: async (scope) => {
    const url = 'https://wiki/1'
    const versions: DocumentInput[] = [
      { source: 'runbooks', title: 'one', url, chunks: ['first', 'second'].map((content) => ({ content, embedding })) },
      // One chunk moves, one is new.
      { source: 'runbooks', title: 'two', url, chunks: ['third', 'first', 'fourth'].map((content) => ({ content, embedding })) },
      { source: 'runbooks', title: 'two', url, content: 'Look at the disk.' },
    ]
    for (const version of versions) await addDocuments(scope, [version])
  },
  reembed: async (scope) => {
    const moving = { source: 'moving', title: 'moving' }
    await addDocuments(scope, [{ ...moving, content: 'before' }], { embed })
    let calls = 0
    const another = async (texts: string[]) => {
      calls += 1
      // What is added meanwhile is embedded as well.
      if (calls === 1) await addDocuments(scope, [{ ...moving, content: 'after' }], { embed })
      return embed(texts)
    }
    await reembed(scope, { embed: another, model: 'another' })
  },
  reindexTerms: async (scope) => {
    await addDocuments(scope, [{ source: 'terms', title: 'terms', content: 'Look at the disk.' }])
    await reindexTerms(scope)
  },
  removeDocuments: async (scope) => {
    await addDocuments(scope, [{ source: 'removed', title: 'removed', content: 'Unheard of.' }])
    await removeDocuments(scope, { source: 'removed' })
  },
  // The third time the span is longer and has no value any more: it is the one that counts.
  sketches: async (scope) => {
    for (const [to, values] of [
      [1, { plan: 'free' }],
      [2, { plan: 'gold' }],
      [3, {}],
    ] as const) {
      const request = spans('web', [{ id: 'a', kind: 'SERVER', from: 0, to, with: values }])
      await ingest(scope, Readable.from([`${JSON.stringify(request)}\n`]), { dimensions: [{ dimension: 'plan', from: 'plan' }] })
    }
  },
  // The second point changes the row of its minute.
  metrics: async (scope) => {
    for (const seconds of [0, 20]) {
      const request = metrics('queue', [gauge('depth', [point(seconds, seconds)])])
      await ingest(scope, Readable.from([`${JSON.stringify(request)}\n`]))
    }
  },
  ingest: (scope) =>
    ingest(
      scope,
      (async function* () {
        // The last is a point that nothing is known of yet.
        const waiting = metrics('web', [sum('total', 'CUMULATIVE', true, [point(0, 5)])])
        for (const payload of [...recording({ minutes: 6 }), waiting]) yield `${JSON.stringify(payload)}\n`
      })(),
      // So small that all windows close.
      { maxJournalBytes: 1, dimensions: ['endpoint'] },
    ),
  // The second file comes to a follower that is there.
  followFiles: async (scope) => {
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    const [first, ...rest] = recording({ minutes: 1 })
    const write = (name: string, payloads: readonly object[]) => writeFile(join(folder, name), asLines(payloads))
    const stop = new AbortController()
    try {
      await write('a', [first!])
      await followFiles(scope, [join(folder, '*')], {
        pollEvery: '0.02 seconds',
        signal: stop.signal,
        onProgress: ({ files, lag }) => {
          if (files === 1) void write('b', rest)
          else if (files === 2 && lag.bytes === 0) stop.abort()
        },
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}
