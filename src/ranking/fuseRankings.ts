import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { parse, parseOptions } from '../schema/parse.ts'
import type { RankingFrame, RankingRow } from './rankingFrame.ts'

/** How scores of different rankings are made comparable: see {@link fuseRankings}. */
export type FusionMethod = 'min-max' | 'reciprocal-rank' | 'distribution'

export interface FuseRankingsOptions {
  /** Default: `min-max`. */
  method?: FusionMethod
  /** One weight for each ranking, at least 0, not all 0. Default: the same for all. */
  weights?: readonly number[]
}

/** An item of several rankings. */
export interface FusedItem {
  /** The item, as text. */
  item: string
  /** A higher score is better; 0..1 except for `reciprocal-rank`. */
  score: number
  /**
   * Its place in each ranking, from 1; equal scores share a place. Null if the ranking does not
   * have it.
   */
  ranks: (number | null)[]
  /** Its score in each ranking; null if the ranking does not have it. */
  scores: (number | null)[]
}

const fuseRankingsOptions = z.strictObject({
  method: z.enum(['min-max', 'reciprocal-rank', 'distribution']).default('min-max'),
  weights: z
    .array(z.number().min(0))
    .refine((weights) => weights.some((weight) => weight > 0), 'must not all be 0')
    .optional(),
})

/**
 * Fuses several rankings into one, whatever their scores mean: a ranking frame. Ordered by score,
 * then by item (its bytes).
 *
 * | method | an item's part from one ranking, times the weight | if the ranking does not have it |
 * |---|---|---|
 * | `min-max` | (score - lowest) / (highest - lowest); 1 if all are equal | 0 |
 * | `distribution` | (score - mean + 3 sd) / (6 sd), within 0..1; .5 if all are equal | 0 |
 * | `reciprocal-rank` | 1 / (60 + rank) | 0 |
 *
 * The first two are divided by the sum of the weights. A row whose score is null, NaN or infinite
 * is ignored. If a ranking has an item twice, the higher score counts. Use `topK` for the first
 * items.
 *
 * @throws InvalidInputError if there is no ranking, or an option is wrong; names the field.
 * @example
 * const byWords = searchKnowledge(scope, { text: 'payment is slow', limit: 100 })
 * const byErrors = rankBy(scope, callSummary(scope, { range }), { item: 'dst_urn', score: 'err_rate' })
 * await topK(scope, fuseRankings(scope, [byWords, byErrors], { weights: [0.7, 0.3] }), 10).execute()
 *
 * // select "fused".* from (
 * //   select item, sum(case leg when 1 then $1 when 2 then $2 end * part) / $3 as score, ...
 * //   from (select leg, item, score, case when highest = lowest then 1 else ... end as part from ...)
 * //   group by item order by score desc, item collate "C"
 * // ) as "fused"
 *
 * @see Bruch, Gai, Ingber: An Analysis of Fusion Functions for Hybrid Retrieval, 2023
 * @see Cormack, Clarke, Büttcher: Reciprocal Rank Fusion outperforms Condorcet, 2009
 */
export function fuseRankings(
  scope: Scope,
  rankings: readonly RankingFrame<RankingRow>[],
  options: FuseRankingsOptions = {},
): Finished<FusedItem, 'fused'> {
  const { method, weights = rankings.map(() => 1) } = parseOptions(fuseRankingsOptions, options)
  parse(z.array(z.custom<RankingFrame<RankingRow>>()).min(1, 'must hold at least one ranking'), rankings, 'rankings')
  parse(z.array(z.number()).length(rankings.length, `must be ${rankings.length}, one for each ranking`), weights, 'weights')
  const legs = rankings.map(
    (ranking, at) =>
      sql`select ${sql.lit(at + 1)} as leg, ranked.item::text as item, ranked.score::float8 as score from ${ranking.as('ranked')}`,
  )
  const total = method === 'reciprocal-rank' ? 1 : weights.reduce((sum, weight) => sum + weight, 0)
  const weighed = weights.map((weight, at) => sql`when ${sql.lit(at + 1)} then ${weight / total}::float8`)
  const each = (column: 'rank' | 'score') =>
    sql.join(rankings.map((_, at) => sql`max(part.${sql.raw(column)}) filter (where part.leg = ${sql.lit(at + 1)})`))
  const fused = sql<FusedItem>`(
    select
      part.item,
      sum(case part.leg ${sql.join(weighed, sql` `)} end * part.part order by part.leg) as score,
      pg_catalog.jsonb_build_array(${each('rank')}) as ranks,
      pg_catalog.jsonb_build_array(${each('score')}) as scores
    from (
      select scored.leg, scored.item, scored.score, scored.rank, ${parts[method]} as part
      from (
        select
          best.leg, best.item, best.score,
          (rank() over (partition by best.leg order by best.score desc))::int4 as rank,
          min(best.score) over (partition by best.leg) as lowest,
          max(best.score) over (partition by best.leg) as highest,
          avg(best.score) over (partition by best.leg) as mean,
          stddev_pop(best.score) over (partition by best.leg) as deviation
        from (
          select scored.leg, scored.item, max(scored.score) as score
          from (${sql.join(legs, sql` union all `)}) as scored
          where scored.item is not null and scored.score > '-Infinity'::float8 and scored.score < 'Infinity'::float8
          group by scored.leg, scored.item
        ) as best
      ) as scored
    ) as part
    group by part.item
    order by score desc, ${byBytes(sql`part.item`)}
  )`
  return finished(scope, fused, 'fused')
}

/** The part of a row of one ranking, before its weight. */
const parts: Readonly<Record<FusionMethod, RawBuilder<number>>> = {
  'min-max': sql`case when scored.highest > scored.lowest then (scored.score - scored.lowest) / (scored.highest - scored.lowest) else 1::float8 end`,
  distribution: sql`case
    when scored.deviation > 0::float8
    then least(greatest((scored.score - scored.mean) / (6::float8 * scored.deviation) + 0.5::float8, 0::float8), 1::float8)
    else 0.5::float8
  end`,
  'reciprocal-rank': sql`1::float8 / (60::float8 + scored.rank::float8)`,
}
