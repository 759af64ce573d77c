import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { Command, Option } from 'commander'
import { bucketWindows } from '../database/comparedWindows.ts'
import { earlier, type TimeRange } from '../database/range.ts'
import { latestData } from '../incident/latestData.ts'
import { rankSuspects, type Suspect } from '../incident/rankSuspects.ts'
import type { Scope } from '../database/scope.ts'
import { suspectsPicture } from '../picture/suspectsPicture.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { callsAgainstNormal } from './callsAgainstNormal.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { evidenceText, mostOfEachKind, shortName } from '../picture/evidenceText.ts'
import { time, wholeNumber } from './options.ts'
import { requireResource } from './requireResource.ts'
import { newestOf, staleWarning } from './staleWarning.ts'
import type { Surroundings } from './surroundings.ts'
import { scopeOf, tenantOption } from './tenant.ts'

interface Options {
  database?: string
  schema?: string
  tenant?: string
  service: string
  from: Date
  to?: Date
  baselineFrom?: Date
  baselineTo?: Date
  trouble?: 'latency' | 'errors'
  limit: number
  json?: boolean
  picture?: string
}

/** A suspect's pieces of evidence that a person reads. */
const shown = 4

/** `pgvantage suspects --service URN --from TIME`: who is behind the trouble, to paste into a chat. */
export function suspectsCommand({ env, out, err }: Surroundings): Command {
  return new Command('suspects')
    .description("say which resources may cause a service's trouble, and why; changes nothing")
    .requiredOption('-s, --service <urn>', 'the service that has the trouble')
    .requiredOption('--from <time>', 'since when, such as 2026-11-22T09:30:00Z', time)
    .option('--to <time>', 'until when (default: now)', time)
    .option('--baseline-from <time>', 'the beginning of what is compared with (default: an hour before its end)', time)
    .option('--baseline-to <time>', 'the end of what is compared with (default: where the range begins)', time)
    .addOption(new Option('--trouble <kind>', 'what is known to hurt').choices(['latency', 'errors']))
    .addOption(tenantOption())
    .addOption(new Option('-l, --limit <n>', 'how many suspects').default(3).argParser(wholeNumber))
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document, with all evidence')
    .option('--picture <file>', 'also draws them in the call graph around the service, as an SVG')
    .action(async (options: Options) => {
      const { service, from, to = new Date(), baselineTo = from, trouble, limit, picture } = options
      if (from >= to) throw new InvalidInputError('--from', `must be before ${to.toISOString()}, got ${from.toISOString()}`)
      const baselineFrom = options.baselineFrom ?? earlier(baselineTo, '1 hour')
      if (from < baselineTo && baselineFrom < to) {
        const [name, given] = options.baselineTo === undefined ? ['--baseline-from', baselineFrom] : ['--baseline-to', baselineTo]
        throw new InvalidInputError(name, `the baseline must not overlap ${span({ from, to })}, got ${given.toISOString()}`)
      }
      // Whole buckets, as the ranking counts them: so the picture has the same figures.
      const { range, baseline } = bucketWindows({ range: { from, to }, baseline: { from: baselineFrom, to: baselineTo } })
      if (picture !== undefined && extname(picture).toLowerCase() !== '.svg')
        throw new InvalidInputError('--picture', `must end in .svg, got ${preview(picture)}`)
      const suspects = await withDatabase(options, env, async (db) => {
        const scope = await scopeOf(db, options)
        parse(urnText, service, '--service')
        await requireResource(scope, service)
        err(staleWarning(scope, await newestOf(scope, 'calls', to), to) ?? '')
        err((await emptyWarning(scope, baseline)) ?? '')
        const found = limit === 0 ? [] : await rankSuspects(scope, { service, range, baseline, trouble }).limit(limit).execute()
        if (picture !== undefined) {
          await writeFile(picture, await draw(scope, { service, suspects: found, range, baseline }))
          err(`wrote ${picture}\n`)
        }
        return found
      })
      out(options.json ? document({ service, range, baseline, suspects }) : describe(service, suspects, { range, baseline }))
    })
}

interface Drawn extends Record<'range' | 'baseline', TimeRange> {
  service: string
  suspects: readonly Suspect[]
}

/** The suspects among the calls of the service, of their own and of those on the way to them. */
async function draw(scope: Scope, { service, suspects, range, baseline }: Drawn): Promise<string> {
  const near = [...new Set([service, ...suspects.flatMap(({ path }) => path)])]
  return suspectsPicture({
    title: `Who is behind it: ${shortName(service)}`,
    description: `${span(range)}, compared with ${span(baseline)}.`,
    edges: await callsAgainstNormal(scope, { range, baseline })
      .where((eb) => eb.or([eb('caller.urn', 'in', near), eb('callee.urn', 'in', near)]))
      .execute(),
    suspects,
    service,
  })
}

/** What to warn of where there is nothing to compare with. */
async function emptyWarning(scope: Scope, { from, to }: TimeRange): Promise<string | undefined> {
  const measured = await latestData(scope, { now: new Date(to.getTime() - 1) })
    .where('kind', 'in', ['calls', 'logs', 'metrics'])
    .where('newest_at', '>=', from)
    .execute()
  if (measured.length > 0) return undefined
  return `warning: tenant ${preview(scope.tenantCode)} has no calls, logs or metrics from ${from.toISOString()} to ${to.toISOString()}, so whatever happens is more than then: name a --baseline-from and a --baseline-to with data\n`
}

const span = ({ from, to }: TimeRange) => `${from.toISOString()} to ${to.toISOString()}`

/** The pieces that a person reads: the strongest of each kind, then the next ones. */
function telling(evidence: Suspect['evidence']): Suspect['evidence'] {
  const most = mostOfEachKind(evidence)
  return [...most, ...evidence.filter((piece) => !most.includes(piece))].slice(0, shown)
}

function describe(service: string, suspects: readonly Suspect[], { range, baseline }: Record<'range' | 'baseline', TimeRange>): string {
  const head = `${service}, ${span(range)}, compared with ${span(baseline)}`
  if (suspects.length === 0) return `${head}: no suspects\n`
  const lines = suspects.flatMap(({ urn, score, path, evidence }, at) => [
    `${at + 1}. ${urn}, score ${score.toFixed(2)}${path.length > 1 ? `, by ${path.map(shortName).join(' -> ')}` : ''}`,
    ...telling(evidence).map((piece) => `   ${evidenceText(piece)}`),
    ...(evidence.length > shown ? [`   and ${evidence.length - shown} more: --json`] : []),
  ])
  return `${[`${head}:`, ...lines].join('\n')}\n`
}
