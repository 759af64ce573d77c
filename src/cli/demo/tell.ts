import { styleText } from 'node:util'
import { format } from 'sql-formatter'
import type { JsonValue } from '../../schema/tables.ts'
import { evidenceText, mostOfEachKind } from '../../picture/evidenceText.ts'
import { table as fitting } from '../table.ts'
import { nameOf, type Finding, type Investigation } from './investigate.ts'

/**
 * The story of an investigation as text for a terminal; with `sql`, each finding's statement too.
 */
export function tell(found: Investigation, { sql = false }: { sql?: boolean } = {}): string {
  const lines: string[] = []
  let number = 0
  const chapter = (question: string, answer: string, finding: Finding<unknown>, table?: string) => {
    number += 1
    lines.push('', styleText('bold', `${number}. ${question}`), `   ${answer}`)
    if (table !== undefined && finding.rows.length > 0) lines.push(indent(table))
    lines.push(styleText('dim', `   ${finding.call}`))
    if (sql) lines.push(indent(styleText('cyan', format(finding.sql, { language: 'postgresql', tabWidth: 2 }))))
  }
  const { service, since, departure, dependencies, oddities, suspects, patterns, hit, chain } = found
  const [entry] = found.entry.rows

  chapter(
    'What do the clients see?',
    `They call ${bold(nameOf(service))}: ${count(entry!.call_count)} requests, ${percent(entry!.err_rate)} failed, 95 % within ${ms(entry!.p95_ms)}.`,
    found.entry,
  )
  const [left] = departure.rows
  chapter(
    'When did its latency leave the normal range?',
    left === undefined
      ? `It did not: no three minutes in a row outside of it, between ${clock(found.whole.from)} and ${clock(found.whole.to)}.`
      : `At ${bold(clock(left.bucket))}: 95th percentile ${ms(left.value * 1000)} where ${ms(left.expected * 1000)} was expected.`,
    departure,
  )
  chapter(
    'How are its dependencies doing?',
    since === undefined
      ? `Since ${clock(found.range.from)}, the last third of the time:`
      : `Since ${clock(found.range.from)}, the worst first:`,
    dependencies,
    table(
      ['dependency', 'mean p95', 'mean errors'],
      dependencies.rows.map((row) => [row.dst_urn, ms(row.mean_p95_ms), percent(row.mean_err_rate)]),
    ),
  )
  chapter(
    'Which calls, of all, left their normal range?',
    oddities.rows.length === 0 ? 'None.' : `${oddities.rows.length} measures of calls:`,
    oddities,
    table(
      ['call', 'measure', 'normal', 'now'],
      oddities.rows.map((row) => [
        `${nameOf(row.src_urn)} -> ${nameOf(row.dst_urn)}`,
        row.measure,
        measured(row.measure, row.expected),
        measured(row.measure, row.actual),
      ]),
    ),
  )
  const [culprit] = suspects.rows
  chapter(
    'Which service is behind it?',
    culprit === undefined
      ? 'Nobody: there is nothing to be behind.'
      : `${bold(nameOf(culprit.urn))}, reached over ${culprit.path.map(nameOf).join(' -> ')}.`,
    suspects,
    table(
      ['suspect', 'score', 'evidence'],
      suspects.rows.map((row) => [
        row.urn,
        row.score.toFixed(2),
        mostOfEachKind(row.evidence)
          .map((piece) => evidenceText(piece, nameOf))
          .join('\n'),
      ]),
    ),
  )
  if (hit !== undefined) {
    chapter(
      'Who is hit?',
      'Who calls it, directly or not, and the share of its calls that end there:',
      hit,
      table(
        ['caller', 'calls away', 'share of its calls', 'calls/s'],
        hit.rows.map((row) => [row.urn, String(row.depth), percent(row.share), row.weight.toFixed(2)]),
      ),
    )
  }
  chapter(
    'What do the logs say that they did not say before?',
    patterns.rows.length === 0
      ? `No new warning or error that came more than twice, since ${clock(found.range.from)}.`
      : 'New warnings and errors, first seen first:',
    patterns,
    table(
      ['first seen', 'times', 'logged by', 'pattern'],
      patterns.rows.map((row) => [
        row.first_seen === null ? '' : clock(row.first_seen, true),
        count(row.count_total),
        row.resources.map(nameOf).join(', '),
        row.pattern,
      ]),
    ),
  )
  if (chain !== undefined) {
    chapter(
      'What is on record?',
      `An event, "${chain.rows[0]?.title ?? ''}", with its evidence:`,
      chain,
      table(
        ['about', 'note', 'refers to'],
        chain.rows.map((row) => [
          row.dim ?? '',
          row.note ?? '',
          row.object_key === null ? reference(row.ref_pg) : `${row.object_key}${row.t_from === null ? '' : ` from ${clock(row.t_from)}`}`,
        ]),
      ),
    )
  } else if (suspects.rows.length === 0) {
    lines.push('', 'Nothing to report: a calm time looks like this.')
  }
  return `${lines.join('\n')}\n`
}

/**
 * `{ table: 'metric_1m', keys: { metric: 'x' } }` as a person reads it:
 * `metric_1m where metric = x`.
 */
function reference(ref: JsonValue | null): string {
  if (typeof ref !== 'object' || ref === null || Array.isArray(ref)) return ''
  const text = (value: JsonValue | undefined) => (typeof value === 'string' ? value : JSON.stringify(value))
  const { table, keys } = ref
  return `${text(table)} where ${Object.entries(keys ?? {})
    .map(([column, value]) => `${column} = ${text(value)}`)
    .join(' and ')}`
}

const bold = (text: string) => styleText('bold', text)
const indent = (text: string) => text.replaceAll(/^/gm, '   ')
const count = (value: number) => value.toLocaleString('en')
const ms = (value: number | null) =>
  value === null ? 'unknown' : `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)} ms`
const percent = (ratio: number | null) => (ratio === null ? 'unknown' : `${Number((ratio * 100).toPrecision(2))} %`)
const measured = (measure: string, value: number) =>
  measure === 'p95_ms' ? ms(value) : measure === 'err_rate' ? percent(value) : value.toLocaleString('en', { maximumSignificantDigits: 3 })

/** The time of day in UTC, to the minute or the second. */
const clock = (time: Date, seconds = false) => `${time.toISOString().slice(11, seconds ? 19 : 16)}Z`

/** A page's width, the indent aside. */
const width = 97

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => fitting(head, rows, { width }).trimEnd()
