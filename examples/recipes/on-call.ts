/**
 * What the engineer on call asks first, in one go: is there data, what became slow or fails, who is
 * behind it, who is hit, and what the logs say that they did not say before.
 *
 *     node on-call.ts TENANT
 *
 * Exit codes: 0 nothing is unusual, 1 it failed, 2 no recent data, so nobody can tell, 3 trouble.
 */
import {
  callSeries,
  callsDuring,
  connect,
  firstDeparture,
  impact,
  last,
  newPatterns,
  rankSuspects,
  tenantScope,
  topK,
  type Departure,
  type Scope,
} from 'pgvantage'

const [tenant] = process.argv.slice(2)
if (tenant === undefined) throw new Error('usage: node on-call.ts TENANT')

const range = last('2 hours')
/** A window of calls is five minutes long, and waits a little for late spans. */
const freshMs = 20 * 60_000

const db = connect(process.env.DATABASE_URL)
try {
  process.exitCode = await look(await tenantScope(db, tenant))
} finally {
  await db.destroy()
}

async function look(scope: Scope): Promise<number> {
  // First: silence is not "all clear".
  const counts = callSeries(scope, { measure: 'call_count', range, resolution: '5 minutes' })
  const newest = Math.max(...(await counts.execute()).map(({ bucket }) => bucket.getTime()))
  if (newest < range.to.getTime() - freshMs) {
    console.log(
      `no calls since ${Number.isFinite(newest) ? new Date(newest).toISOString() : range.from.toISOString()}: look at the Collector`,
    )
    return 2
  }

  const departures: (Departure & { measure: string })[] = []
  for (const [measure, minSpread] of [
    ['p95_ms', 5],
    ['err_rate', 0.01],
  ] as const) {
    const series = callSeries(scope, { measure, range, resolution: '5 minutes' })
    const rows = await firstDeparture(scope, series, { window: '1 hour', minSpread }).where('direction', '=', 'up').execute()
    departures.push(...rows.map((row) => ({ ...row, measure })))
  }
  departures.sort((a, b) => a.bucket.getTime() - b.bucket.getTime() || b.score - a.score)
  for (const { series, measure, bucket, expected, value } of departures)
    console.log(`${bucket.toISOString()} ${series}: ${measure} ${round(expected)} -> ${round(value)}`)
  const [first] = departures
  if (first === undefined) {
    console.log('nothing that could be judged is unlike the hour before it')
    return 0
  }

  const since = { from: first.bucket, to: range.to }
  const suspects = rankSuspects(scope, { service: first.series, range: since, baseline: { from: range.from, to: since.from } })
  const found = await topK(scope, suspects, 3).execute()
  console.log('\nsuspects:')
  for (const { urn, score, measure, expected, actual, unit } of found)
    console.log(`  ${score.toFixed(2)} ${urn}: ${measure} ${round(expected)} -> ${round(actual)}, in ${unit ?? 'no unit'}`)

  const [culprit] = found
  if (culprit !== undefined) {
    console.log(`\nhit, if ${culprit.urn} fails:`)
    for (const { urn, share } of await impact(scope, callsDuring(scope, { range: since }), { resource: culprit.urn }).execute())
      console.log(`  ${urn}: ${(100 * share).toFixed()} % of its calls lead there`)
  }

  console.log('\nnew in the logs:')
  // From a bucket earlier on: what is measured in a bucket may follow from what was logged before.
  const told = { from: new Date(since.from.getTime() - 5 * 60_000), to: since.to }
  const patterns = newPatterns(scope, { range: told }).where('severity', 'in', ['WARN', 'ERROR', 'FATAL']).limit(5)
  for (const { severity, pattern, count_total: times, resources } of await patterns.execute())
    console.log(`  ${severity} ${times} times, ${resources.join(', ')}: ${pattern}`)
  return 3
}

function round(value: number): string {
  return value.toFixed(value < 1 ? 3 : 0)
}
