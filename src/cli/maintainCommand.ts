import { SingleBar } from 'cli-progress'
import { Command } from 'commander'
import { settleJournals } from '../ingest/settleJournals.ts'
import { maintain, type MaintainReport } from '../operate/maintain/maintain.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { exitCode } from './exitCode.ts'
import type { Surroundings } from './surroundings.ts'
import { table } from './table.ts'
import { waiting } from './waiting.ts'

interface Options {
  database?: string
  schema?: string
  json?: boolean
}

/**
 * `pgvantage maintain`: what is left for the next run is told, and is no failure; what the server
 * refuses has an exit code of its own.
 */
export function maintainCommand({ env, out, err, interactive, columns, signal }: Surroundings, exit: (code: number) => void): Command {
  return new Command('maintain')
    .description('do what the policies ask for and the server has no job for; have it run by a scheduler, every half hour or so')
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async ({ database, schema, json }: Options) => {
      const bar = interactive ? new SingleBar({ format: '{units} done: {what}', stream: process.stderr, clearOnComplete: true }) : null
      let units = 0
      bar?.start(1, 0, { units, what: 'looking' })
      const { journals, ...report } = await withDatabase({ database }, env, async (db) => ({
        // First: what it rolls up is rolled on.
        journals: await settleJournals(db, { schema, signal }),
        ...(await maintain(db, {
          schema,
          signal,
          onWait: waiting({ err }),
          onStep: ({ kind, object, from }) =>
            bar?.update(0, { units: ++units, what: `${kind} ${object}${from === null ? '' : ` ${from.toISOString()}`}` }),
        })),
      })).finally(() => bar?.stop())
      const settled = journals.map((journal) =>
        'error' in journal
          ? { tenant: journal.tenant, error: String(journal.error) }
          : { tenant: journal.tenant, rolledWindows: journal.report.windows, closedWindows: journal.report.closedWindows },
      )
      out(json ? document({ ...report, journals: settled }) : describeReport(report, columns) + settled.map(describeJournal).join(''))
      // What is left for the next run is no failure; what the server refuses is, whatever else was
      // done.
      if (report.notDone.some(({ state }) => state === 'failed') || journals.some((journal) => 'error' in journal)) exit(exitCode.findings)
    })
}

type Settled = { tenant: string } & ({ error: string } | { rolledWindows: number; closedWindows: number })

/** Nothing where there was nothing to do. */
function describeJournal(settled: Settled): string {
  if ('error' in settled) return `not done: journal of tenant ${settled.tenant}: ${settled.error}\n`
  const { tenant, rolledWindows, closedWindows } = settled
  return rolledWindows + closedWindows === 0
    ? ''
    : `journal of tenant ${tenant}: ${rolledWindows} windows rolled up, ${closedWindows} closed\n`
}

function stretchText(from: Date | null, to: Date | null): string {
  if (from === null && to === null) return ''
  if (from === null) return `, before ${to!.toISOString()}`
  return to === null ? `, from ${from.toISOString()}` : `, ${from.toISOString()} to ${to.toISOString()}`
}

function describeReport({ steps, tooLate, notDone }: MaintainReport, width: number): string {
  const done = steps.map(({ kind, object, units, rows, ms }) => [
    kind,
    object,
    units.toLocaleString('en'),
    rows === null ? '-' : rows.toLocaleString('en'),
    (ms / 1000).toFixed(1),
  ])
  return [
    steps.length === 0
      ? 'nothing to do'
      : table(['step', 'table', 'times', 'rows', 'seconds'], done, { right: [2, 3, 4], width }).trimEnd(),
    ...notDone.map(
      ({ kind, object, from, to, state, reason = '', tenantId }) =>
        `not done: ${kind} ${object}${stretchText(from, to)}: ${
          {
            locked: 'somebody kept it locked; the next run tries again',
            stale: 'it has not been rolled up yet',
            left: 'more than one run does; the next goes on',
            failed: `${reason}${tenantId === undefined ? '' : ` (the rows of tenant ${tenantId}; everybody else's are done)`}`,
          }[state]
        }`,
    ),
    ...tooLate.map(
      ({ rollup, bucket }) => `too late: rows came for ${bucket.toISOString()} after ${rollup} had lost part of what it is made from`,
    ),
    '',
  ].join('\n')
}
