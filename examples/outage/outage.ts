/**
 * An outage in pictures, read like a notebook: who suffers, who is behind it and how it gets from one to the other, who is hit, and what to ask of the graph next.
 *
 *     npm run outage               in an embedded PostgreSQL; writes outage/outage.html beside the text
 *     npm run outage -- FOLDER
 *
 * The data is the recorded incident of examples/shop. What was injected, and when, is in its recordings/README.md.
 */
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import {
  activeCalls,
  callsDuring,
  callSeries,
  cypher,
  ensureTenant,
  firstDeparture,
  impact,
  ingest,
  migrateUp,
  neighbourhood,
  pathsBetween,
  rankSuspects,
  refreshCallGraph,
  resourceNames,
  serviceUrn,
  shortestPath,
  tenantScope,
  toGraphology,
  topK,
  verifyCallGraph,
  type TimeRange,
} from '../../src/index.ts'
import { edgesOf, graphMermaid, graphPicture, picturePage, seriesChart, type PageSection } from '../../src/picture/index.ts'

const { db, close } = await openEmbedded()
await migrateUp(db)
await ensureTenant(db, { code: 'outage' })
await ingest(
  await tenantScope(db, 'outage'),
  createReadStream(fileURLToPath(new URL('../shop/recordings/incident.jsonl.gz', import.meta.url))),
)

const sections: PageSection[] = []
function show(section: PageSection) {
  sections.push(section)
  console.log(`\n${section.heading}\n${[section.text ?? []].flat().join('\n')}`)
  for (const row of section.table?.rows ?? []) console.log(`  ${row.join('  ')}`)
}
const nameOf = (urn: string) => urn.slice(Math.max(urn.lastIndexOf('/'), urn.lastIndexOf(':')) + 1)
const clock = (time: Date) => time.toISOString().slice(11, 16)
const figure = (value: number | null) => (value === null ? '-' : value.toLocaleString('en', { maximumSignificantDigits: 3 }))

// The hour of the recording, and the graph as it is when it ends. A new scope is made afterwards, which knows the graph.
const whole: TimeRange = { from: new Date('2026-11-27T16:55:00Z'), to: new Date('2026-11-27T18:00:00Z') }
await refreshCallGraph(await tenantScope(db, 'outage'), { window: '10 minutes', now: new Date(whole.to.getTime() - 1) })
const scope = await tenantScope(db, 'outage')
const frontend = serviceUrn('frontend', 'shop')

// 1. Where it hurts, and since when.
const latency = callSeries(scope, { to: frontend, measure: 'p95_ms', range: whole })
const [departure] = await firstDeparture(scope, latency, { window: '40 minutes', threshold: 4, consecutive: 2 }).execute()
const since = departure!.bucket
const range: TimeRange = { from: since, to: whole.to }
const baseline: TimeRange = { from: whole.from, to: since }
show({
  heading: 'Where it hurts',
  text: `Since ${clock(since)} customers have waited longer for ${nameOf(frontend)} than is normal after the 40 minutes before.`,
  svg: await seriesChart({
    title: `95th percentile of ${nameOf(frontend)}'s answers`,
    unit: 'ms',
    series: [{ name: 'p95', points: await latency.execute() }],
    marks: [{ at: since, label: 'left its normal range', kind: 'critical' }],
  }),
})

// 2. Who is behind it: the likeliest cause with the evidence for it, and the way there.
const suspects = await topK(scope, rankSuspects(scope, { service: frontend, range, baseline }), 3).execute()
const culprit = suspects[0]!
show({
  heading: 'Who is behind it',
  text: `${nameOf(culprit.urn)}, reached over ${culprit.path.map(nameOf).join(' -> ')}.`,
  table: {
    columns: ['suspect', 'score', 'what', 'was', 'is', 'unit', 'seen by'],
    rows: suspects.map(({ urn, score, measure, expected, actual, unit, src_urn }) => [
      nameOf(urn),
      figure(score),
      measure,
      figure(expected),
      figure(actual),
      unit,
      nameOf(src_urn),
    ]),
  },
})

// 3. The same as a picture: the calls since then beside those of before, two frames joined with the names of their ends.
const now = callsDuring(scope, { range }).where('call_count', '>=', 10)
const graph = await toGraphology(
  scope.db
    .selectFrom(now.as('now'))
    .leftJoin(callsDuring(scope, { range: baseline }).as('before'), (join) =>
      join.onRef('before.src', '=', 'now.src').onRef('before.dst', '=', 'now.dst'),
    )
    .selectAll('now')
    .select(['before.p95_ms as normal_p95_ms', 'before.err_rate as normal_err_rate']),
  { scope, vertices: resourceNames(scope) },
)
const edges = edgesOf(graph, (_, { urn }) => urn)
show({
  heading: 'How it gets from there to here',
  svg: await graphPicture({
    title: `Who calls whom since ${clock(since)}`,
    description: `${nameOf(frontend)} suffers; the trouble arises in ${nameOf(culprit.urn)}. Held against the calls before ${clock(since)}.`,
    edges,
    suspects: [culprit.urn],
    symptoms: [frontend],
    paths: [culprit.path],
    nameOf,
  }),
})

// 4. Is that the only way? And which way is the slowest: the same question with another length of an edge.
const ways = await pathsBetween(scope, now, { from: frontend, to: culprit.urn }).execute()
const [slowest] = await shortestPath(scope, now, { from: frontend, to: culprit.urn, length: 'p95_ms' })
  .orderBy('step', 'desc')
  .limit(1)
  .execute()
const byPath = Map.groupBy(ways, ({ rank }) => rank)
show({
  heading: 'All ways there',
  text: [
    ...[...byPath.values()].map((steps) => steps.map(({ urn }) => nameOf(urn)).join(' -> ')),
    `Along the fastest of them ${figure(slowest!.cost)} ms add up, were every call as slow as its 95th percentile.`,
  ],
})

// 5. Who is hit: the services whose calls end there, by the share of these calls.
const hit = await impact(scope, activeCalls(scope), { resource: culprit.urn }).execute()
show({
  heading: `Who is hit if ${nameOf(culprit.urn)} fails`,
  table: {
    columns: ['who', 'calls away', 'share of its calls', 'calls per second'],
    rows: hit.map(({ urn, depth, share, weight }) => [nameOf(urn), depth, `${(100 * share).toFixed(0)} %`, Number(weight.toPrecision(2))]),
  },
})

// 6. The graph itself, in Apache AGE: as it stands in the tables, and open to any question that Cypher can put.
const wrong = await verifyCallGraph(scope, { window: '10 minutes', now: new Date(whole.to.getTime() - 1) }).execute()
const failing = cypher(
  scope,
  { columns: { caller: 'text', callee: 'text', err_rate: 'float8', p95_ms: 'float8' } },
  'MATCH (a:Resource)-[c:CALLS]->(b:Resource) WHERE c.err_rate > $rate RETURN a.name, b.name, c.err_rate, c.p95_ms',
  { rate: 0.05 },
)
show({
  heading: 'What the graph says now',
  text: [
    wrong.length === 0 ? 'The graph agrees with the calls it was made of, edge by edge.' : `${wrong.length} edges differ from the calls.`,
    'Calls of which more than 5 % fail, asked in Cypher:',
  ],
  table: {
    columns: ['caller', 'callee', 'err_rate', 'p95_ms'],
    rows: (await failing.orderBy('err_rate', 'desc').execute()).map((row) => [
      row.caller,
      row.callee,
      Number(row.err_rate!.toPrecision(2)),
      Math.round(row.p95_ms!),
    ]),
  },
})

// 7. For the ticket: the neighbourhood of the culprit, as a flowchart that renders where Markdown does.
const around = await toGraphology(neighbourhood(scope, activeCalls(scope), { resource: culprit.urn }), {
  scope,
  vertices: resourceNames(scope),
})
show({
  heading: 'For the ticket',
  text: `${nameOf(culprit.urn)} and what is next to it, in Mermaid:`,
  code: graphMermaid({
    title: `Around ${nameOf(culprit.urn)}`,
    edges: edgesOf(around, (_, { urn }) => urn),
    suspects: [culprit.urn],
    nameOf,
  }),
})

const folder = process.argv[2] ?? 'outage'
await mkdir(folder, { recursive: true })
for (const [index, { svg }] of sections.filter(({ svg }) => svg !== undefined).entries())
  await writeFile(join(folder, `${index + 1}.svg`), svg!)
const page = join(folder, 'outage.html')
await writeFile(page, picturePage({ title: 'An outage in pictures', lead: `${clock(whole.from)} to ${clock(whole.to)} UTC`, sections }))
console.log(`\nThe same with pictures: ${page}`)
await close()
