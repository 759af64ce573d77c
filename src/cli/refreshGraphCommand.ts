import { Command } from 'commander'
import { refreshCallGraph } from '../calls/refreshCallGraph.ts'
import type { MirrorCounts } from '../graph/mirrorGraph.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { time } from './options.ts'
import { newestOf, staleWarning } from './staleWarning.ts'
import type { Surroundings } from './surroundings.ts'
import { scopeOf, tenantOption } from './tenant.ts'

interface Options {
  database?: string
  schema?: string
  tenant?: string
  window?: string
  now?: Date
  json?: boolean
}

/** `pgvantage refresh-graph`: makes the graph of Apache AGE hold the calls that are active. */
export function refreshGraphCommand({ env, out, err, signal }: Surroundings): Command {
  return new Command('refresh-graph')
    .description('make the active call graph, in Apache AGE, hold the calls of the last minutes; have it run by a scheduler')
    .addOption(tenantOption())
    .option('--window <interval>', 'the calls of how long (default: 10 minutes)')
    .option('--now <time>', 'up to which moment, such as 2026-11-22T09:30:00Z (default: now)', time)
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (options: Options) => {
      const { window, now, json } = options
      const { tenant, counts } = await withDatabase(options, env, async (db) => {
        const scope = await scopeOf(db, options)
        const counts = await refreshCallGraph(scope, { window, now, signal })
        // A graph that has become empty because nothing came in looks like one of a quiet hour.
        const moment = now ?? new Date()
        err(staleWarning(scope, await newestOf(scope, 'calls', moment), moment) ?? '')
        return { tenant: scope.tenantCode, counts }
      })
      out(json ? document({ tenant, ...counts }) : describeRefresh(tenant, counts))
    })
}

const describeRefresh = (tenant: string, { vertices, edges }: MirrorCounts): string =>
  `call graph of tenant ${tenant}: resources ${describeCounts(vertices)}; calls ${describeCounts(edges)}\n`

const describeCounts = ({ added, changed, removed }: MirrorCounts['edges']): string =>
  `${added.toLocaleString('en')} added, ${changed.toLocaleString('en')} changed, ${removed.toLocaleString('en')} removed`
