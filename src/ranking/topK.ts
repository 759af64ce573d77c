import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { parse } from '../schema/parse.ts'
import type { RankingFrame, RankingRow } from './rankingFrame.ts'

/**
 * The `k` highest rows of a ranking, highest first, with all their columns.
 *
 * The order is total: by score, then by item, then by the whole row, the last two as text by their
 * bytes. Rows without a score (null or NaN) come last. If the ranking has an item twice, it can
 * take two places.
 *
 * @param k a whole number, at least 1; all rows if there are fewer.
 * @throws InvalidInputError if `k` is not such a number.
 * @example
 * const worst = topK(scope, anomalies(scope, latency), 5)
 *
 * // select "top".* from (
 * //   select "ranked".* from (select ...) as "ranked"
 * //   order by nullif(ranked.score::float8, 'NaN') desc nulls last, (ranked.item::text) collate
 * //     "C", ((ranked.*)::text) collate "C" limit $1
 * // ) as "top"
 */
export function topK<Row extends RankingRow>(scope: Scope, frame: RankingFrame<Row>, k: number): Finished<Row, 'top'> {
  const top = scope.db
    .selectFrom(frame.as('ranked'))
    .selectAll('ranked')
    // PostgreSQL sorts NaN above every number, so it would be the best score.
    .orderBy(sql`nullif(ranked.score::float8, 'NaN')`, (order) => order.desc().nullsLast())
    .orderBy(byBytes(sql`ranked.item::text`))
    .orderBy(byBytes(sql`(ranked.*)::text`))
    .limit(parse(z.int().min(1), k, 'k'))
  return finished(scope, sql<Row>`${top}`, 'top')
}
