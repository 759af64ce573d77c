import { readFile } from 'node:fs/promises'
import { SingleBar } from 'cli-progress'
import { Command, Option } from 'commander'
import { applyPolicies, type PoliciesReport } from '../operate/apply/applyPolicies.ts'
import { type ConvertReport } from '../operate/conversion/convert.ts'
import { planConversion, type Conversion } from '../operate/conversion/planConversion.ts'
import { planPolicies } from '../operate/apply/planPolicies.ts'
import { type PolicyChange } from '../operate/apply/policyChange.ts'
import type { Policies } from '../operate/policies/defaultPolicies.ts'
import { policiesWith, type PolicyOverrides } from '../operate/policies/policiesWith.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import type { Surroundings } from './surroundings.ts'
import { table, wrapped } from './table.ts'
import { waiting } from './waiting.ts'

interface Options {
  database?: string
  schema?: string
  policies?: string
  remove?: boolean
  json?: boolean
}

/** `pgvantage policies plan | apply`: the default policies, with what a file says otherwise. */
export function policiesCommand({ env, out, err, interactive, columns, signal }: Surroundings): Command {
  const policies = new Command('policies').description('have old data compressed, rolled up and dropped, or say what would be done')

  base('plan', 'what `apply` would do on this server; changes nothing')
    .addOption(new Option('--sql', 'the statements too').conflicts('json'))
    .action(async ({ database, schema, policies: file, remove, sql, json }: Options & { sql?: boolean }) => {
      const policies = await readPolicies(file)
      const { changes, conversion } = await withDatabase({ database }, env, async (db) => ({
        changes: await planPolicies(db, { policies, schema, remove }),
        conversion: await planConversion(db, { schema }),
      }))
      out(json ? document({ conversion, changes }) : describePlan(changes, conversion, columns, sql))
    })

  base('apply', 'make the server, or `pgvantage maintain`, keep the policies; twice changes nothing')
    .option(
      '--convert',
      'first move tables made without TimescaleDB, or without its community edition, up: blocks their readers and writers',
    )
    .action(async ({ database, schema, policies: file, remove, convert, json }: Options & { convert?: boolean }) => {
      const policies = await readPolicies(file)
      const bar = interactive ? new SingleBar({ format: '{what}', stream: process.stderr, clearOnComplete: true }) : null
      bar?.start(1, 0, { what: 'planning' })
      const report = await withDatabase({ database }, env, (db) =>
        applyPolicies(db, {
          policies,
          schema,
          remove,
          convert,
          signal,
          onWait: waiting({ err }),
          onConverted: ({ object, rows }) => bar?.update(0, { what: `converted ${object}${rows === null ? '' : `: ${rows} rows`}` }),
          onChange: ({ action, object, kind }) => bar?.update(0, { what: `${action} ${kind} of ${object}` }),
        }),
      ).finally(() => bar?.stop())
      out(json ? document(report) : describeReport(report, columns))
    })

  return policies

  function base(name: string, description: string): Command {
    return policies
      .command(name)
      .description(description)
      .addOption(databaseOption())
      .addOption(schemaOption())
      .option('--policies <file>', 'JSON of what differs from the defaults: {"metric_1m": {"retain": "90 days"}, "log_pattern_5m": null}')
      .option('--remove', 'take away policies that are no longer declared')
      .option('--json', 'one JSON document')
  }
}

async function readPolicies(file: string | undefined): Promise<Policies | undefined> {
  if (file === undefined) return undefined
  let overrides: PolicyOverrides
  try {
    overrides = JSON.parse(await readFile(file, 'utf8')) as PolicyOverrides
  } catch (cause) {
    throw new InvalidInputError('--policies', `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  return policiesWith(overrides)
}

const changeTable = (changes: readonly PolicyChange[], width: number): string =>
  table(
    ['', 'table', 'policy', 'what'],
    changes.map(({ action, object, kind, reason }) => [action, object, kind, reason]),
    { width },
  )

const pending = (changes: readonly PolicyChange[]) => changes.filter(({ action }) => action !== 'keep' && action !== 'leave')

function describePlan(changes: readonly PolicyChange[], conversion: Conversion | null, width: number, sql = false): string {
  const statements = sql ? pending(changes).flatMap(({ statementsBefore, statements }) => [...statementsBefore, ...statements]) : []
  const count = pending(changes).length
  return [
    ...(conversion === null ? [] : [`${wrapped(describeConversion(conversion), width)}\n`]),
    changeTable(changes, width),
    ...statements.map((statement) => `${statement};\n`),
    count === 0 ? 'nothing to do\n' : `${count} to do: \`pgvantage policies apply\`${sql ? '' : '; --sql shows the statements'}\n`,
  ].join('')
}

const describeConversion = ({ fromRung, toRung, obstacles }: Conversion) =>
  `this server can do more for time than the tables were made for (${fromRung}; it could be ${toRung}): \`pgvantage policies apply --convert\` moves them up${obstacles.length === 0 ? '' : `, once nothing stands in the way: ${obstacles.join('; ')}`}`

function describeReport({ converted, changes }: PoliciesReport, width: number): string {
  const count = pending(changes).length
  return [
    ...(converted === null ? [] : [describeConverted(converted, width)]),
    changeTable(changes, width),
    count === 0 ? 'nothing to do\n' : `${count} done\n`,
  ].join('')
}

function describeConverted({ fromRung, toRung, steps }: ConvertReport, width: number): string {
  const rows = steps.map(({ object, rows, ms }) => [object, rows === null ? '-' : rows.toLocaleString('en'), (ms / 1000).toFixed(1)])
  return `from ${fromRung} to ${toRung}\n${table(['converted', 'rows kept', 'seconds'], rows, { right: [1, 2], width })}`
}
