import { sql } from 'kysely'
import { z } from 'zod'
import { writeResources } from '../../catalog/resources.ts'
import type { Scope } from '../../database/scope.ts'
import { behindSavepoint } from '../../database/transaction/behindSavepoint.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import { seriesInOrder } from './metricBatches.ts'
import { byHalves, together } from './rejections/byHalves.ts'
import { isAboutRow, noRows, Rejections, type Rejection, type RowCounts, type WindowList } from './rejections/rejections.ts'
import { checkWindow, givenTwice, storableRows, withResources } from './rejections/storableRows.ts'
import { KnownSeries, knownSeriesOf } from './newSeries.ts'
import { templatesOf, type TenantTemplates } from './tenantTemplates.ts'
import { withoutTooOld } from './tooOld.ts'
import { callsInOrder, writeCalls } from './writeCalls.ts'
import { writeLocators } from './writeLocators.ts'
import { writeMetrics } from './writeMetrics.ts'
import { byPattern, writePatternCounts } from './writePatternCounts.ts'
import { writePatterns } from './writePatterns.ts'
import { sketchesInOrder, writeSketches } from './writeSketches.ts'

/**
 * What became of a window. Of each kind, `written`, `unchanged`, `tooOld` and `rejected` together
 * are the rows that the window has.
 */
export interface WrittenRollups {
  /** Those that the window names, new or known. */
  resources: number
  /** The same. */
  locators: number
  written: RowCounts
  /** Those that were there already and would not change. */
  unchanged: RowCounts
  /** Those that are older than the retention of their table. */
  tooOld: RowCounts
  /** Those that cannot be stored. */
  rejected: Record<WindowList, number>
  /** Why they were rejected: the first twenty reasons. */
  rejections: Rejection[]
}

export interface WriteRollupsOptions {
  /**
   * Also writes rows older than their table's retention: history to roll up before it is dropped.
   * Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
}

const writeRollupsOptions = z.strictObject({
  acceptOld: z.boolean().default(false),
  signal: z.instanceof(AbortSignal).optional(),
})

/**
 * Writes one window in one transaction (the scope's own, if it was made from one), all or nothing;
 * rows that cannot be stored are left out and counted.
 *
 * | rows | go to |
 * |---|---|
 * | resources | `dim_resource` |
 * | locators | `oo_locator` |
 * | patterns and their counts | `log_pattern`, `log_pattern_5m` |
 * | metrics | `metric_1m` |
 * | calls | `service_call_5m` |
 * | sketches of values | `sketch_5m` |
 *
 * | | |
 * |---|---|
 * | the same window again | leaves the same rows; rows that would not change are not written |
 * | a window rolled up again from more records | replaces its rows |
 * | patterns | the messages of the tenant so far say which masked lines are of one pattern (docs/logs.md). Their counts in the report are of lines |
 * | a pattern | keeps its earliest first time, latest last time and highest severity; an attribute seen with two types is `mixed` |
 * | rows older than their table's retention (by the policy applied last, to the end of the chunk) | left out, unless `acceptOld` |
 * | a row with a field that cannot be stored, or with the key of a row before it | left out, named in `rejections` |
 * | rows that the database refuses (a constraint, a trigger of yours) | the window is written again by halves, until single rows are left; these are left out. If it refuses more than fifty, the window fails |
 * | a resource that cannot be stored | its rows are left out too. A row whose locator cannot be stored is written without it |
 * | statements | one per table with one parameter for all rows, several if there are many; 5,000 rows of metrics to one, as arrays |
 * | minutes without a metric yet | their rows are inserted without looking each one up first, behind a savepoint: an insert that finds another writer's row is taken back and repeated |
 * | concurrent writers | never deadlock: rows are written in the order of their keys, and tables in one order. Writers of different windows wait for each other only where both add series of metrics, or logged the same patterns |
 *
 * @example
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'))) await writeRollups(scope, window)
 *
 * // insert into "public"."metric_1m" as metric (bucket, tenant_id, resource_id, metric, labels,
 * //   ...)
 * // select given.buckets[row.bucket], $1, series.resource_id, series.metric, series.labels, ...
 * // from (select $2::jsonb as series, $3::text::timestamptz[] as buckets, ...) as given
 * // cross join lateral rows from (jsonb_to_recordset(given.series) as (...)) with ordinality ...
 * // join lateral unnest(given.bucket, given.series_of_row, given.avg_val, ...) ... order by ...
 * // on conflict (series_id, bucket) do update set ... where
 * //   (...) is distinct from (...)
 *
 * @throws InvalidInputError naming the option that is unknown or wrong, or what of the window is
 * not its form, rows apart; the signal's reason if aborted before the commit; the driver's error if
 * the database refuses more than single rows.
 */
export async function writeRollups(scope: Scope, window: IngestWindow, options: WriteRollupsOptions = {}): Promise<WrittenRollups> {
  const { acceptOld, signal } = parseOptions(writeRollupsOptions, options)
  checkWindow(window)
  signal?.throwIfAborted()
  const templates = templatesOf(scope)
  const isOnly = !scope.db.isTransaction
  // In a caller's transaction nothing is known: a part of it may have been rolled back.
  const known = isOnly ? knownSeriesOf(scope) : new KnownSeries()
  const write = async (rejecting: Rejecting) => {
    const series = rejecting === 'flaws' ? known.begin() : new KnownSeries()
    const written = await inTransaction(scope.db, (db) =>
      writeWindow({ ...scope, db }, window, { templates, isOnly, series }, { acceptOld, signal, rejecting }),
    )
    known.add(series)
    return written
  }
  try {
    return await (isOnly ? write('flaws') : inTransaction(scope.db, (db) => behindSavepoint(db, () => write('flaws'))))
  } catch (error) {
    if (!isAboutRow(error) && !(error instanceof InvalidInputError)) throw error
    return write('refused')
  }
}

/** What is known of the tenant; `isOnly`: the transaction writes no other window. */
export interface Learning {
  templates: TenantTemplates
  isOnly: boolean
  series?: KnownSeries
}

/**
 * Which rows are left out: none, so that a window with one fails; those with a flaw that shows
 * before they are written; also those that the database refuses, each of which it is asked about.
 */
type Rejecting = 'none' | 'flaws' | 'refused'

interface WindowOptions extends WriteRollupsOptions {
  rejecting: Rejecting
}

/** The same in a transaction that has begun. */
export async function writeWindow(scope: Scope, window: IngestWindow, learning: Learning, options: WindowOptions): Promise<WrittenRollups> {
  try {
    const written = await writeRows(scope, window, learning, options)
    // Patterns that were refused were learnt all the same.
    if (options.rejecting === 'refused') learning.templates.forget()
    return written
  } catch (error) {
    learning.templates.forget()
    throw error
  }
}

async function writeRows(
  scope: Scope,
  given: IngestWindow,
  { templates, isOnly, series: known }: Learning,
  { acceptOld, signal, rejecting }: WindowOptions,
): Promise<WrittenRollups> {
  const rejections = new Rejections(given, { allowed: rejecting !== 'none' })
  const storable = storableRows(given, rejections, { thorough: rejecting === 'refused' })
  const { window, tooOld } = acceptOld === true ? { window: storable, tooOld: noRows() } : await withoutTooOld(scope, storable)
  const written = noRows()
  const report = (resources: number, locators: number): WrittenRollups => ({
    resources,
    locators,
    written,
    unchanged: unchangedRows(given, written, tooOld, rejections.rejected),
    tooOld,
    rejected: rejections.rejected,
    rejections: rejections.reasons,
  })
  // A resource that only refused rows name is not registered.
  if (isEmpty(window) && !isEmpty(given)) return report(0, 0)

  const write = rejecting === 'refused' ? byHalves(scope) : together
  // Else a constraint that is checked at the commit would not say which row it refuses.
  if (rejecting === 'refused' && isOnly) await sql`set constraints all immediate`.execute(scope.db)
  const resourceIds = new Map<string, string>()
  await write(
    window.resources,
    async (some) => {
      for (const [urn, id] of await writeResources(scope, some)) resourceIds.set(urn, id)
      return some.length
    },
    (row, error) => rejections.refuse('resources', [row], error),
  )
  if (rejecting === 'refused') await holdResources(scope, resourceIds)
  signal?.throwIfAborted()
  const locatorIds = new Map<number, string>()
  await write(
    [...window.locators],
    async (some) => {
      for (const [place, id] of await writeLocators(scope, new Map(some))) locatorIds.set(place, id)
      return some.length
    },
    ([, row], error) => rejections.refuse('locators', [row], error),
  )
  signal?.throwIfAborted()
  const { metrics, calls, patterns, sketches } = withResources(window, resourceIds, rejections)
  const lines = await writePatterns(scope, patterns, templates, {
    isOnly,
    write,
    refuse: (line, error) =>
      rejections.refuse(
        'patterns',
        patterns.filter(({ maskedLine }) => maskedLine === line),
        error,
      ),
  })
  signal?.throwIfAborted()
  const series = seriesInOrder(metrics, (row) => rejections.add('metrics', row, givenTwice))
  written.metrics =
    rejecting === 'refused'
      ? await write(
          series.flatMap(({ rows }) => rows),
          (some) => writeMetrics(scope, seriesInOrder(some), resourceIds),
          (row, error) => rejections.refuse('metrics', [row], error),
        )
      : await writeMetrics(scope, series, resourceIds, known)
  signal?.throwIfAborted()
  written.calls = await write(
    callsInOrder(calls, resourceIds),
    (some) => writeCalls(scope, some, resourceIds, locatorIds),
    (row, error) => rejections.refuse('calls', [row], error),
  )
  signal?.throwIfAborted()
  written.patterns = await write(
    byPattern(patterns, lines, resourceIds),
    (some) => writePatternCounts(scope, given, some, locatorIds),
    ({ parts }, error) => rejections.refuse('patterns', parts, error),
  )
  signal?.throwIfAborted()
  written.sketches = await write(
    sketchesInOrder(sketches, resourceIds),
    (some) => writeSketches(scope, some, resourceIds),
    (row, error) => rejections.refuse('sketches', [row], error),
  )
  signal?.throwIfAborted()
  return report(resourceIds.size, locatorIds.size)
}

/**
 * Keeps resources from being deleted until the transaction ends: a row whose resource another
 * session deletes is not refused for what is in it.
 */
async function holdResources(scope: Scope, resourceIds: ReadonlyMap<string, string>): Promise<void> {
  await sql`
    select from ${scope.id('dim_resource')} where resource_id = any(${[...resourceIds.values()]}::int8[]) order by resource_id for key share
  `.execute(scope.db)
}

const kinds = ['metrics', 'calls', 'patterns', 'sketches'] as const

const isEmpty = (window: Pick<IngestWindow, keyof RowCounts>): boolean => kinds.every((kind) => window[kind].length === 0)

function unchangedRows(window: IngestWindow, ...others: RowCounts[]): RowCounts {
  const unchanged = noRows()
  for (const kind of kinds) unchanged[kind] = others.reduce((rest, counts) => rest - counts[kind], window[kind].length)
  return unchanged
}
