/**
 * A service's week, read like a notebook: what is normal, what left it, what changed, where it is heading, and what is left of its error budget.
 *
 *     npm run week               in an embedded PostgreSQL; writes week/week.html beside the text
 *     npm run week -- FOLDER
 *
 * The data is made by fiveWeeks.ts, which also says what is hidden in it.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import {
  anomalies,
  baselineSeries,
  burnRate,
  callSeries,
  changePoints,
  combine,
  compareWindows,
  ensureTenant,
  errorBudget,
  firstDeparture,
  forecast,
  linearTrend,
  metricSeries,
  migrateUp,
  resample,
  shift,
  tenantScope,
  timeToThreshold,
  type TimeRange,
} from '../../src/index.ts'
import { picturePage, seriesChart, type PageSection } from '../../src/picture/index.ts'
import { checkout, fiveWeeks, theWeek, writeFiveWeeks } from './fiveWeeks.ts'

const { db, close } = await openEmbedded()
await migrateUp(db)
await ensureTenant(db, { code: 'week' })
const scope = await tenantScope(db, 'week')
await writeFiveWeeks(scope)

const sections: PageSection[] = []
function show(section: PageSection) {
  sections.push(section)
  console.log(`\n${section.heading}\n${[section.text ?? []].flat().join('\n')}`)
}
const minute = (time: Date | null) => (time === null ? '-' : time.toISOString().slice(0, 16).replace('T', ' '))
const percent = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(1)} %`)

// 1. What is normal: the median of each hour of the week, learnt from the four weeks before.
const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: fiveWeeks })
const before: TimeRange = { from: fiveWeeks.from, to: theWeek.from }
const learnt = callSeries(scope, { to: checkout, measure: 'p95_ms', range: before })
const normal = await baselineSeries(scope, learnt, { range: theWeek, spreads: 4 }).execute()
const hours = await resample(scope, latency, { every: '30 minutes', with: 'max' }).where('bucket', '>=', theWeek.from).execute()

// 2. What left it. Judged by season: a Monday morning by Monday mornings.
const seasonal = { method: 'seasonal', season: '1 week', slot: '1 hour', history: '4 weeks', threshold: 6 } as const
const odd = await anomalies(scope, latency, seasonal).where('bucket', '>=', theWeek.from).execute()
const [departure] = await firstDeparture(scope, latency, { ...seasonal, consecutive: 3, range: theWeek }).execute()
const worst = odd.toSorted((a, b) => b.score - a.score)[0]
show({
  heading: 'Its week, and what is normal',
  text: [
    worst === undefined
      ? 'Every five-minute bucket of the week was in the normal range of the four weeks before.'
      : `${odd.length} of 2,016 five-minute buckets were outside the normal range of the four weeks before; the oddest at ${minute(worst.bucket)}: ${worst.value.toFixed(0)} ms where ${worst.expected.toFixed(0)} ms are normal (score ${worst.score.toFixed(0)}).`,
    ...(departure === undefined ? [] : [`The first three in a row began at ${minute(departure.bucket)}.`]),
  ],
  svg: await seriesChart({
    title: "95th percentile of checkout's answers",
    description: 'The highest of each half hour, and the normal range of the same hours in the four weeks before.',
    unit: 'ms',
    series: [{ name: 'p95 of checkout', points: hours }],
    band: { points: normal },
    marks: worst === undefined ? [] : [{ at: worst.bucket, label: 'oddest', kind: 'critical' }],
  }),
})

// 3. What changed for good. Last week's values are taken off first: a season is no change.
const lastWeek = shift(scope, latency, { later: '7 days' })
const againstLastWeek = combine(scope, latency, lastWeek, { op: 'ratio', series: 'this week by last week' })
const hourly = resample(scope, againstLastWeek, { every: '1 hour', with: 'median' })
const changes = await changePoints(scope, hourly).execute()
const [deploy] = changes.toSorted((a, b) => b.score - a.score)
const ratio = await hourly.where('bucket', '>=', theWeek.from).execute()
show({
  heading: 'This week against last week',
  text:
    deploy === undefined
      ? 'No change of level.'
      : `Since ${minute(deploy.bucket)} answers take ${percent(deploy.after_level / deploy.before_level - 1)} longer than a week before (score ${deploy.score.toFixed(1)}). The outage is no change: it passed.`,
  svg: await seriesChart({
    title: "p95 of checkout's answers, by that of the week before",
    series: [{ name: 'ratio', points: ratio }],
    marks: changes
      .filter(({ bucket }) => bucket >= theWeek.from)
      .map(({ bucket }) => ({ at: bucket, label: 'level changed', kind: 'critical' as const })),
  }),
})

// 4. Was it the deploy? A gate would have asked: the six hours after it against the same six hours of the day before.
if (deploy !== undefined) {
  const at = deploy.bucket.getTime()
  const window = (from: number): TimeRange => ({ from: new Date(from), to: new Date(from + 6 * 3_600_000) })
  const [gate] = await compareWindows(scope, latency, { baseline: window(at - 24 * 3_600_000), candidate: window(at) }).execute()
  show({
    heading: 'What a deploy gate would have said',
    text: `Verdict "${gate!.verdict}": ${gate!.shift!.toFixed(0)} ms slower in the middle, effect ${gate!.effect!.toFixed(2)} (Cliff's delta), p = ${gate!.p_value!.toExponential(0)}.`,
  })
}

// 5. Where it is heading: when is the disk full?
const used = metricSeries(scope, { metric: 'system.filesystem.utilization', measure: 'max', range: fiveWeeks })
const [trend] = await linearTrend(scope, used).execute()
const [full] = await timeToThreshold(scope, used, { threshold: 0.95 }).execute()
const ahead = await forecast(scope, used, { horizon: '14 days', every: '6 hours', season: '1 day' }).execute()
const measured = await resample(scope, used, { every: '6 hours', with: 'max' }).execute()
show({
  heading: "When the database's disk is full",
  text: `It fills by ${percent(trend!.slope_per_hour * 168)} of itself a week (${percent(trend!.slope_lower_per_hour! * 168)} to ${percent(trend!.slope_upper_per_hour! * 168)}). At ${minute(full!.at)} the line reaches 95 %: between ${minute(full!.earliest)} and ${minute(full!.latest)}, with a confidence of 95 %.`,
  svg: await seriesChart({
    title: "Utilization of the database's disk, and two weeks more",
    series: [
      { name: 'measured', points: measured },
      { name: 'forecast', points: ahead },
    ],
    band: { name: '95 % interval', points: ahead },
    marks: full?.at ? [{ at: full.at, label: '95 % reached', kind: 'critical' }] : [],
  }),
})

// 6. What is left of the error budget, and whether anybody should have been woken.
const counts = {
  total: callSeries(scope, { to: checkout, measure: 'call_count', range: fiveWeeks }),
  bad: callSeries(scope, { to: checkout, measure: 'error_count', range: fiveWeeks }),
}
const objective = 0.999
const month: TimeRange = { from: new Date(fiveWeeks.to.getTime() - 28 * 86_400_000), to: fiveWeeks.to }
const [budget] = await errorBudget(scope, counts, { objective, range: month }).execute()
const alerts = await burnRate(scope, counts, { objective, at: new Date('2026-11-19T14:40:00Z') }).execute()
show({
  heading: 'The error budget',
  text: [
    `Of ${budget!.total.toLocaleString('en')} calls in 28 days ${budget!.bad.toLocaleString('en')} failed; ${percent(objective)} good ones allow ${Math.round(budget!.allowed).toLocaleString('en')}. ${percent(budget!.remaining)} of the budget is left.`,
    'In the middle of the outage, at 14:40 on Thursday:',
  ],
  table: {
    columns: ['windows', 'burn over the long one', 'over the short one', 'alert above', 'fires'],
    rows: alerts.map((alert) => [
      `${alert.long_window}, ${alert.short_window}`,
      alert.long_burn === null ? null : Number(alert.long_burn.toFixed(1)),
      alert.short_burn === null ? null : Number(alert.short_burn.toFixed(1)),
      alert.burn,
      alert.firing ? 'yes' : 'no',
    ]),
  },
})
for (const alert of alerts) console.log(`  ${alert.long_window} / ${alert.short_window}: ${alert.firing ? 'fires' : 'quiet'}`)

const folder = process.argv[2] ?? 'week'
await mkdir(folder, { recursive: true })
for (const [index, { svg }] of sections.filter(({ svg }) => svg !== undefined).entries())
  await writeFile(join(folder, `${index + 1}.svg`), svg!)
const page = join(folder, 'week.html')
await writeFile(
  page,
  picturePage({ title: "A service's week", lead: `checkout, ${minute(theWeek.from)} to ${minute(theWeek.to)} UTC`, sections }),
)
console.log(`\nThe same with charts: ${page}`)
await close()
