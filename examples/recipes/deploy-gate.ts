/**
 * Did a deploy make calls to a service slower, or fail more? For a pipeline: it goes on after exit
 * code 0 alone.
 *
 *     node deploy-gate.ts TENANT SERVICE AGO
 *
 * AGO is how long ago the new version took over: '20 minutes'. The hour before is what it is
 * compared with.
 *
 * It fails closed. Too few calls (`unknown`), no calls at all, a service that the tenant does not
 * have, a database that does not answer: none of them is a pass.
 */
import { compareCalls, connect, isUnknownResource, last, tenantScope, type Scope } from 'pgvantage'

const [tenant, service, ago] = process.argv.slice(2)
if (tenant === undefined || service === undefined || ago === undefined) throw new Error('usage: node deploy-gate.ts TENANT SERVICE AGO')

const bucketMs = 5 * 60_000

const db = connect(process.env.DATABASE_URL)
try {
  const passes = await gate(await tenantScope(db, tenant), service, last(ago).from)
  process.exitCode = passes ? 0 : 1
} catch (error) {
  if (!isUnknownResource(error)) throw error
  console.log(`stop: ${error.message}`)
  process.exitCode = 1
} finally {
  await db.destroy()
}

async function gate(scope: Scope, service: string, deployedAt: Date): Promise<boolean> {
  // The five minutes in which the deploy lies are of both versions: neither side has them.
  const before = new Date(Math.floor(deployedAt.getTime() / bucketMs) * bucketMs)
  const after = new Date(Math.ceil(deployedAt.getTime() / bucketMs) * bucketMs)
  const baseline = { from: new Date(before.getTime() - 60 * 60_000), to: before }
  const candidate = { from: after, to: new Date(Math.max(Date.now(), after.getTime())) }

  const [change] = await compareCalls(scope, { to: service, baseline, candidate }).execute()
  if (change === undefined) {
    console.log(`stop: nobody called ${service}, before or after`)
    return false
  }
  const passes = change.verdict === 'same' || change.verdict === 'better'
  const { verdict, baseline_calls: calls, candidate_calls: newCalls, baseline_ms: ms, candidate_ms: newMs } = change
  console.log(`${passes ? 'go on' : 'stop'}: ${service} is ${verdict}`)
  console.log(`  p95: ${ms?.toFixed() ?? '?'} -> ${newMs?.toFixed() ?? '?'} ms (${change.latency_verdict})`)
  console.log(`  errors: ${percent(change.baseline_err_rate)} -> ${percent(change.candidate_err_rate)} (${change.errors_verdict})`)
  console.log(`  calls: ${calls} before, ${newCalls} since${verdict === 'unknown' ? ': too few to tell' : ''}`)
  return passes
}

function percent(ratio: number | null): string {
  return ratio === null ? '?' : `${(100 * ratio).toFixed(1)} %`
}
