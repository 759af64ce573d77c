import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { withSettings } from '../database/transaction/settings.ts'

/**
 * So many rows are under way at a time: enough for the round trips not to count, few enough for the
 * memory not to.
 */
const batch = 2_000

let cursors = 0

/**
 * Runs a query through a cursor on the server and visits its rows in order, with no more than 2,000
 * of them in memory. It works on every dialect, and needs a transaction: `scope.db` must be one.
 *
 * Whatever fails, the visitor included, the cursor is closed, so that a transaction of the caller's
 * can go on.
 *
 * @throws The signal's reason when aborted.
 */
export async function streamThroughCursor<Row>(
  scope: Scope,
  query: RawBuilder<Row>,
  visit: (row: Row) => void,
  signal?: AbortSignal,
): Promise<void> {
  cursors += 1
  const cursor = sql.id(`pgvantage_cursor_${cursors}`)
  // All rows are wanted: a plan that is quick with the first tenth, which is what a cursor gets
  // otherwise, may be slow with the rest.
  await withSettings(scope.db, { cursor_tuple_fraction: '1' }, () => sql`declare ${cursor} no scroll cursor for ${query}`.execute(scope.db))
  try {
    for (let fetched = batch; fetched === batch;) {
      signal?.throwIfAborted()
      const { rows } = await sql<Row>`fetch forward ${sql.lit(batch)} from ${cursor}`.execute(scope.db)
      rows.forEach(visit)
      fetched = rows.length
    }
  } catch (error) {
    // Of a transaction that the server aborted nothing is left to be closed, and the first error is
    // the one to know.
    await closed(scope.db, cursor).catch(() => {})
    throw error
  }
  await closed(scope.db, cursor)
}

const closed = (db: Kysely<{}>, cursor: ReturnType<typeof sql.id>) => sql`close ${cursor}`.execute(db)

/** What of a Kysely query is used here. */
interface StreamedQuery<Row> {
  stream(chunkSize: number): AsyncIterable<Row>
  execute(): Promise<Row[]>
}

/**
 * What Kysely's dialects say, before anything is sent, when they were not given what streams:
 * PGlite's, and PostgreSQL's without `cursor`.
 */
const cannotStream = /Streaming is not supported|`cursor` is not present/

/**
 * Visits the rows of a query in order; streamed, where the Kysely instance that the query was made
 * from can (a `PostgresDialect` with pg-cursor's class as its `cursor`), else read at once.
 */
export async function streamWherePossible<Row>(query: StreamedQuery<Row>, visit: (row: Row) => void, signal?: AbortSignal): Promise<void> {
  let begun = false
  try {
    for await (const row of query.stream(batch)) {
      signal?.throwIfAborted()
      begun = true
      visit(row)
    }
    return
  } catch (error) {
    if (begun || !(error instanceof Error && cannotStream.test(error.message))) throw error
  }
  const rows = await query.execute()
  signal?.throwIfAborted()
  rows.forEach(visit)
}
