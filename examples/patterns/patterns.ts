/**
 * From a log file to its patterns, read like a notebook: which messages there are, and which of them are new, burst or vanished since a deployment.
 *
 *     npm run patterns             in an embedded PostgreSQL; writes patterns/shop.log, and patterns/patterns.html beside the text
 *     npm run patterns -- FOLDER
 *
 * The log is made by writeLog.ts, which also says what is hidden in it.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import {
  burstingPatterns,
  ensureTenant,
  gapfill,
  ingest,
  migrateUp,
  newPatterns,
  patternSeries,
  tenantScope,
  vanishedPatterns,
  type RecognisedText,
  type TimeRange,
} from '../../src/index.ts'
import { picturePage, seriesChart, type PageSection } from '../../src/picture/index.ts'
import { deployedAt, logFrom, logTo, writeLog } from './writeLog.ts'

const folder = process.argv[2] ?? 'patterns'
await mkdir(folder, { recursive: true })
const file = join(folder, 'shop.log')
await writeLog(file)

const { db, close } = await openEmbedded()
await migrateUp(db)
await ensureTenant(db, { code: 'patterns' })
const scope = await tenantScope(db, 'patterns')

const sections: PageSection[] = []
function show(section: PageSection) {
  sections.push(section)
  console.log(`\n${section.heading}\n${[section.text ?? []].flat().join('\n')}`)
  for (const row of section.table?.rows ?? []) console.log(`  ${row.join('  ')}`)
}
const clock = (time: Date | null) => (time === null ? '-' : time.toISOString().slice(11, 16))
const whole = (count: number) => count.toLocaleString('en', { maximumFractionDigits: 0 })

// 1. The file: nobody says how its lines look, only whose they are and in which zone their times are.
let recognised: RecognisedText | undefined
const { logRecords, malformed } = await ingest(scope, file, {
  text: { service: 'shop', timeZone: 'Europe/Berlin' },
  onRecognised: (text) => (recognised = text),
})
show({
  heading: 'What was read',
  text: `${whole(logRecords)} records, ${malformed} problems. Their header: ${recognised!.header}; times are ${recognised!.timeZone}.`,
})

const all: TimeRange = { from: logFrom, to: logTo }
const baseline: TimeRange = { from: logFrom, to: deployedAt }
const range: TimeRange = { from: deployedAt, to: logTo }

// 2. What the service says, and how often: every pattern was new at some time of this log.
const known = await newPatterns(scope, { range: all }).orderBy('count_total', 'desc').execute()
show({
  heading: 'What the service says',
  table: { columns: ['times', 'severity', 'pattern'], rows: known.map((row) => [whole(row.count_total), row.severity, row.pattern]) },
})

// 3. What it said for the first time after the deployment.
const fresh = await newPatterns(scope, { range }).execute()
show({
  heading: `What is new since ${clock(deployedAt)} UTC`,
  table: {
    columns: ['first', 'times', 'severity', 'pattern'],
    rows: fresh.map((row) => [clock(row.first_seen), whole(row.count_total), row.severity, row.pattern]),
  },
})

// 4. What it says more often than before, and what it stopped saying although it goes on.
const bursting = await burstingPatterns(scope, { range, baseline }).execute()
const vanished = await vanishedPatterns(scope, { range, baseline }).execute()
for (const [heading, rows] of [
  ['What bursts', bursting],
  ['What vanished', vanished],
] as const)
  show({
    heading,
    table: {
      columns: ['times', 'expected', 'last', 'pattern'],
      rows: rows.map((row) => [whole(row.count_total), whole(row.expected), clock(row.last_bucket), row.pattern]),
    },
  })

// 5. The same as a picture: each of them in five minutes.
const marked = [...new Map([...fresh, ...bursting, ...vanished].map((row) => [row.fingerprint_id, row.pattern]))]
const series = await Promise.all(
  marked.map(async ([fingerprintId, pattern]) => {
    const counts = patternSeries(scope, { fingerprintId, measure: 'count_total', range: all, resolution: '5 minutes' })
    const points = await gapfill(scope, counts, { range: all, every: '5 minutes', fill: 'zero' }).execute()
    return { name: pattern.length > 40 ? `${pattern.slice(0, 40)}...` : pattern, points }
  }),
)
show({
  heading: 'When it changed',
  text: `Records in five minutes. The deployment was at ${clock(deployedAt)} UTC.`,
  svg: await seriesChart({
    title: 'New, bursting and vanished patterns',
    unit: 'records',
    series,
    marks: [{ at: deployedAt, label: 'deployment' }],
  }),
})

for (const [index, { svg }] of sections.filter(({ svg }) => svg !== undefined).entries())
  await writeFile(join(folder, `${index + 1}.svg`), svg!)
const page = join(folder, 'patterns.html')
await writeFile(page, picturePage({ title: 'From a log file to its patterns', lead: `${clock(logFrom)} to ${clock(logTo)} UTC`, sections }))
console.log(`\nThe same with pictures: ${page}`)
await close()
