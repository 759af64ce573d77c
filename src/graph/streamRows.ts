import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { withSettings } from '../database/transaction/settings.ts'

/**
 * Rows for each round trip: enough that round trips do not matter, few enough that memory does not.
 */
const batch = 2_000

let cursors = 0

/**
 * Runs a query through a cursor on the server and visits its rows in order, with at most 2,000 of
 * them in memory. It works on every dialect and needs a transaction: `scope.db` must be one.
 *
 * After any failure, the visitor's included, the cursor is closed, so that the caller's transaction
 * can continue.
 *
 * @throws The signal's reason if it was aborted.
 */
export async function streamThroughCursor<Row>(
  scope: Scope,
  query: RawBuilder<Row>,
  visit: (row: Row) => void,
  signal?: AbortSignal,
): Promise<void> {
  cursors += 1
  const cursor = sql.id(`pgvantage_cursor_${cursors}`)
  // All rows are needed. By default a cursor gets a plan that is fast for the first tenth, which
  // may be slow for the rest.
  await withSettings(scope.db, { cursor_tuple_fraction: '1' }, () => sql`declare ${cursor} no scroll cursor for ${query}`.execute(scope.db))
  try {
    for (let fetched = batch; fetched === batch;) {
      signal?.throwIfAborted()
      const { rows } = await sql<Row>`fetch forward ${sql.lit(batch)} from ${cursor}`.execute(scope.db)
      rows.forEach(visit)
      fetched = rows.length
    }
  } catch (error) {
    // In a transaction that the server aborted there is nothing left to close, and the first error
    // is the one to report.
    await closed(scope.db, cursor).catch(() => {})
    throw error
  }
  await closed(scope.db, cursor)
}

const closed = (db: Kysely<{}>, cursor: ReturnType<typeof sql.id>) => sql`close ${cursor}`.execute(db)

/** The part of a Kysely query that is used here. */
interface StreamedQuery<Row> {
  stream(chunkSize: number): AsyncIterable<Row>
  execute(): Promise<Row[]>
}

/**
 * The errors of Kysely's dialects, before anything is sent, if they cannot stream: PGlite's, and
 * PostgreSQL's without `cursor`.
 */
const cannotStream = /Streaming is not supported|`cursor` is not present/

/**
 * Visits the rows of a query in order. They are streamed if the Kysely of the query can (a
 * `PostgresDialect` with pg-cursor's class as its `cursor`), and otherwise read at once.
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
