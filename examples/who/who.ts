/**
 * Who was affected? Read like a notebook: how many users each service had before an incident and during it, who met an error, which clients are the heaviest, and
 * whether those who met an error are people who had been there before.
 *
 *     npm run who                  in an embedded PostgreSQL; writes who/who.html beside the text
 *     npm run who -- FOLDER
 *
 * The data is the recorded incident of examples/shop. What was injected, and when, is in its recordings/README.md.
 */
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import {
  affected,
  callSeries,
  dimensionPresets,
  distinctOver,
  distinctSeries,
  ensureTenant,
  firstDeparture,
  heavyHitterChanges,
  heavyHitters,
  ingest,
  migrateUp,
  overlap,
  serviceUrn,
  tenantScope,
  type TimeRange,
} from '../../src/index.ts'
import { picturePage, seriesChart, type PageSection } from '../../src/picture/index.ts'

const { db, close } = await openEmbedded()
await migrateUp(db)
await ensureTenant(db, { code: 'who' })
const scope = await tenantScope(db, 'who')
// Users are kept as a hash only; the addresses are invented, so they may be seen.
await ingest(scope, createReadStream(fileURLToPath(new URL('../shop/recordings/incident.jsonl.gz', import.meta.url))), {
  dimensions: ['user', { ...dimensionPresets.client, keep: 'value' }],
  hashKey: 'a secret that stays the same for ever',
})

const sections: PageSection[] = []
function show(section: PageSection) {
  sections.push(section)
  console.log(`\n${section.heading}\n${[section.text ?? []].flat().join('\n')}`)
  for (const row of section.table?.rows ?? []) console.log(`  ${row.join('  ')}`)
}
const nameOf = (urn: string) => urn.slice(Math.max(urn.lastIndexOf('/'), urn.lastIndexOf(':')) + 1)
const clock = (time: Date) => time.toISOString().slice(11, 16)
const whole = (count: number) => count.toLocaleString('en', { maximumFractionDigits: 0 })
const within = (count: number, error: number) => (error === 0 ? whole(count) : `${whole(count)} ± ${whole(error)}`)
const percent = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(1)} %`)

// 1. Since when it is an incident: customers wait longer than they used to.
const hour: TimeRange = { from: new Date('2026-11-27T16:55:00Z'), to: new Date('2026-11-27T18:00:00Z') }
const frontend = serviceUrn('frontend', 'shop')
const latency = callSeries(scope, { to: frontend, measure: 'p95_ms', range: hour })
const [departure] = await firstDeparture(scope, latency, { window: '40 minutes', threshold: 4, consecutive: 2 }).execute()
const since = departure!.bucket
const range: TimeRange = { from: since, to: hour.to }
const baseline: TimeRange = { from: hour.from, to: since }

// 2. How many users there were in each five minutes, and how many of them met an error.
const users = (measure: 'distinct' | 'distinct_error') =>
  distinctSeries(scope, { dimension: 'user', resource: frontend, measure, range: hour, resolution: '5 minutes' }).execute()
show({
  heading: 'How many users came',
  text: `Different users of ${nameOf(frontend)} in each five minutes. The incident begins at ${clock(since)}.`,
  svg: await seriesChart({
    title: 'Users, and those who met an error',
    unit: 'users',
    series: [
      { name: 'users', points: await users('distinct') },
      { name: 'met an error', points: await users('distinct_error') },
    ],
    marks: [{ at: since, label: 'the incident begins', kind: 'critical' }],
  }),
})

// 3. The same over the whole time before and since, service by service: who came twice counts once.
const over = async (of: TimeRange) =>
  new Map((await distinctOver(scope, { dimension: 'user', range: of, by: 'resource' }).execute()).map((row) => [row.urn!, row]))
const [before, during] = [await over(baseline), await over(range)]
show({
  heading: 'Users of each service',
  text: `In the ${(since.getTime() - hour.from.getTime()) / 60_000} minutes before, and in the ${(hour.to.getTime() - since.getTime()) / 60_000} since.`,
  table: {
    columns: ['service', 'before', 'since'],
    rows: [...before].map(([urn, { distinct_count, standard_error }]) => {
      const now = during.get(urn)
      return [nameOf(urn), within(distinct_count, standard_error), now === undefined ? '0' : within(now.distinct_count, now.standard_error)]
    }),
  },
})

// 4. Who was affected: those who met an error, with bounds, beside what is usual.
const touched = await affected(scope, { range, baseline }).execute()
const everybody = touched.find(({ item }) => item === 'all')!
show({
  heading: 'Who was affected',
  text: `${within(everybody.affected_count, everybody.standard_error)} of ${whole(everybody.distinct_count)} users met an error since ${clock(since)}: ${percent(everybody.share)}, where ${percent(everybody.baseline_share)} is usual.`,
  table: {
    columns: ['service', 'users', 'met an error', 'at least', 'at most', 'share', 'usual'],
    rows: touched.map((row) => [
      row.item === 'all' ? 'all together' : nameOf(row.item),
      whole(row.distinct_count),
      whole(row.affected_count),
      whole(row.lower),
      whole(row.upper),
      percent(row.share),
      percent(row.baseline_share),
    ]),
  },
})

// 5. The heaviest clients, and whose traffic changed: an incident that one client causes looks different.
const clients = { dimension: 'client', resource: frontend } as const
const heaviest = await heavyHitters(scope, { ...clients, range: hour, limit: 5 })
  .limit(5)
  .execute()
const moved = await heavyHitterChanges(scope, { ...clients, range, baseline })
  .where('certain', '=', true)
  .limit(3)
  .execute()
const perMinute = (rate: number) => Number((60 * rate).toPrecision(2))
show({
  heading: 'The heaviest clients',
  text: 'Requests of the whole hour. An interval says what is certain.',
  table: {
    columns: ['client', 'at least', 'at most', 'of all'],
    rows: heaviest.map(({ item, min_count, max_count, share }) => [item, min_count, max_count, percent(share)]),
  },
})
show({
  heading: 'Whose traffic changed most',
  text: 'Requests per minute before and since, at least: nobody began to flood the shop.',
  table: {
    columns: ['client', 'before', 'since'],
    rows: moved.map(({ item, baseline_min_rate, min_rate }) => [item, perMinute(baseline_min_rate), perMinute(min_rate)]),
  },
})

// 6. Had those who met an error been there before? Two groups held against each other.
const [shared] = await overlap(scope, { dimension: 'user', a: { range, measure: 'distinct_error' }, b: { range: baseline } }).execute()
const { a_count, intersection_count, intersection_standard_error, noise } = shared!
show({
  heading: 'Had they been there before?',
  text: noise
    ? `Of the ${whole(a_count)} users who met an error too few to say were there before.`
    : `Of the ${whole(a_count)} users who met an error ${within(intersection_count, intersection_standard_error)} had been there in the time before.`,
})

// 7. Of the users of each service in the time before, how many came back since?
const back = await Promise.all(
  [...before.keys()].map(async (urn) => {
    const [row] = await overlap(scope, { dimension: 'user', a: { resource: urn, range: baseline }, b: { resource: urn, range } }).execute()
    return { urn, ...row! }
  }),
)
show({
  heading: 'Who came back',
  text: 'Users that a service had before and has had since. An incident that drives people away shows here.',
  table: {
    columns: ['service', 'before', 'came back', 'share'],
    rows: back.map((row) => [
      nameOf(row.urn),
      within(row.a_count, row.a_standard_error),
      within(row.intersection_count, row.intersection_standard_error),
      row.noise ? 'noise' : percent(row.a_share),
    ]),
  },
})

const folder = process.argv[2] ?? 'who'
await mkdir(folder, { recursive: true })
for (const [index, { svg }] of sections.filter(({ svg }) => svg !== undefined).entries())
  await writeFile(join(folder, `${index + 1}.svg`), svg!)
const page = join(folder, 'who.html')
await writeFile(page, picturePage({ title: 'Who was affected?', lead: `${clock(hour.from)} to ${clock(hour.to)} UTC`, sections }))
console.log(`\nThe same with pictures: ${page}`)
await close()
