/**
 * What changed in who calls whom, and what is fragile now: a report in Markdown, for every Monday.
 *
 *     node topology-report.ts TENANT > report.md
 *
 * Each run also records who called whom in the last day, as the topology of now. So the first run
 * has nothing to compare with, and says so.
 */
import {
  callsDuring,
  compareTopology,
  connect,
  cycles,
  last,
  recordTopology,
  resourceNames,
  singlePointsOfFailure,
  tenantScope,
  toGraphology,
  topologyAt,
  type Scope,
} from 'pgvantage'

const [tenant] = process.argv.slice(2)
if (tenant === undefined) throw new Error('usage: node topology-report.ts TENANT')

const calls = { relation: 'calls', source: 'tracing' }
const week = last('7 days')

const db = connect(process.env.DATABASE_URL)
try {
  await report(await tenantScope(db, tenant))
} finally {
  await db.destroy()
}

async function report(scope: Scope): Promise<void> {
  const today = callsDuring(scope, { range: last('1 day', () => week.to) })
  await recordTopology(scope, today, { at: week.to, ...calls })

  console.log(`# Who calls whom, ${week.from.toISOString().slice(0, 10)} to ${week.to.toISOString().slice(0, 10)}\n`)
  const [before] = await topologyAt(scope, { at: week.from, ...calls })
    .limit(1)
    .execute()
  if (before === undefined) console.log('A week ago nothing had been recorded: there is nothing to compare with yet.\n')
  else {
    const changes = await compareTopology(scope, { before: week.from, after: week.to, ...calls }).execute()
    console.log(changes.length === 0 ? 'Nothing changed.\n' : '| | caller | callee |\n|---|---|---|')
    for (const { kind, src_urn: caller, dst_urn: callee } of changes) console.log(`| ${kind} | ${caller} | ${callee} |`)
  }

  const now = topologyAt(scope, { at: week.to, ...calls })
  console.log('\n## In circles\n')
  const circles = await cycles(scope, now).execute()
  for (const { cycle } of circles) console.log(`- ${[...cycle, cycle[0]].join(' -> ')}`)
  if (circles.length === 0) console.log('Nobody waits for himself.')

  console.log('\n## Single points of failure\n')
  const graph = await toGraphology(now, { scope, vertices: resourceNames(scope) })
  for (const { attributes, cut_off: cut } of singlePointsOfFailure(graph).articulationPoints)
    console.log(`- without ${attributes.urn}, ${cut} ${cut === 1 ? 'other is' : 'others are'} cut off`)
}
