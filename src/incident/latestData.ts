import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { earlier } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { firstDate, storableDate } from '../schema/date.ts'
import { parseOptions } from '../schema/parse.ts'

const rollups = { metrics: 'metric_1m', calls: 'service_call_5m', logs: 'log_pattern_5m', sketches: 'sketch_5m' } as const

export interface LatestDataOptions {
  /** The moment that counts as now; later rows are ignored. Default: the caller's clock. */
  now?: Date
}

/** How old the newest rows of one kind of data are. */
export interface LatestData {
  kind: 'metrics' | 'calls' | 'logs' | 'sketches' | 'topology' | 'events'
  /**
   * The beginning of its newest bucket; for topology and events, the time of the newest one. Null
   * if the tenant has none up to now: nothing arrived, or all of it was dropped.
   */
  newest_at: Date | null
  /** The seconds from then to now; null if `newest_at` is. */
  age_s: number | null
}

const latestDataOptions = z.strictObject({ now: storableDate.default(() => new Date()) })

/**
 * How old the newest data of each kind is: whether data still arrives. An empty answer of another
 * read means that all is well only if the data behind it is fresh.
 *
 * | kind | newest_at |
 * |---|---|
 * | `metrics`, `calls`, `logs`, `sketches` | the beginning of the newest bucket of `metric_1m`, `service_call_5m`, `log_pattern_5m`, `sketch_5m`; the bucket ends one or five minutes later |
 * | `topology` | the newest snapshot, or the newest edge that was written without one |
 * | `events` | the newest `detected_at` |
 *
 * - The answer always has these six rows, in this order.
 * - A window is written after it has closed, so current calls are 5 to 15 minutes old.
 * - Rows after `now` are ignored: otherwise one host with a wrong clock would hide the silence of
 *   all others.
 * - Cost: it reads the last ten minutes first, and older data only if there is nothing. Fresh data
 *   takes a few milliseconds, however large the tables are. For a kind that the tenant does not
 *   have, it scans the keys of the whole table: about 0.1 s for a million calls.
 *
 * @throws InvalidInputError if `now` is not a moment that can be stored.
 * @example
 * const stale = await latestData(scope).where('kind', 'in', ['calls', 'metrics']).where('age_s', '>', 1200).execute()
 * // [{ kind: 'calls', newest_at: 2026-11-22T09:30:00.000Z, age_s: 4210 }]
 *
 * // select "latest".* from (
 * //   select kind, newest_at, extract(epoch from ($1 - newest_at))::float8 as age_s from (
 * //     select 1 as place, 'metrics' as kind, (
 * //       select newest.bucket from unnest($2, $3) with ordinality as stretch (since, until, place)
 * //       cross join lateral (
 * //         select bucket from "public"."metric_1m" where tenant_id = $4 and bucket > stretch.since and
 * //           bucket <= stretch.until order by bucket desc limit 1
 * //       ) as newest order by stretch.place limit 1
 * //     ) as newest_at union all ...
 * //   ) as of_each order by place
 * // ) as "latest" where "kind" in ('calls', 'metrics') and "age_s" > 1200
 */
export function latestData(scope: Scope, options: LatestDataOptions = {}): Finished<LatestData, 'latest'> {
  const { now } = parseOptions(latestDataOptions, options)
  const newest = [
    ...Object.entries(rollups).map(([kind, table]) => ({ kind, at: newestBucket(scope, table, now) })),
    { kind: 'topology', at: newestTopology(scope, now) },
    { kind: 'events', at: newestEvent(scope, now) },
  ]
  const each = newest.map(
    ({ kind, at }, place) => sql`
    select ${sql.lit(place)} as place, ${sql.lit(kind)}::text as kind, ${at} as newest_at`,
  )
  const rows = sql<LatestData>`(
    select kind, newest_at, extract(epoch from (${now}::timestamptz - newest_at))::float8 as age_s
    from (${sql.join(each, sql` union all `)}
    ) as of_each
    order by place
  )`
  return finished(scope, rows, 'latest')
}

/** How far back each lookup goes, nearest first; the last one goes to the beginning. */
const looks = ['10 minutes', '1 hour', '6 hours', '1 day', '1 week', '5 weeks', '52 weeks']

/**
 * The newest bucket, searched for from now backwards. The stretches come in order, and the first
 * one with a bucket ends the search, so the server opens no older chunk or partition.
 */
function newestBucket(scope: Scope, table: (typeof rollups)[keyof typeof rollups], now: Date): RawBuilder<Date | null> {
  const since = [...looks.map((length) => earlier(now, length)), firstDate]
  const until = [now, ...since.slice(0, -1)]
  return sql<Date | null>`(
      select newest.bucket
      from unnest(${texts(since)}::timestamptz[], ${texts(until)}::timestamptz[]) with ordinality as stretch (since, until, place)
      cross join lateral (
        select bucket from ${scope.id(table)}
        where tenant_id = ${scope.tenantId}::int8 and bucket > stretch.since and bucket <= stretch.until
        order by bucket desc
        limit 1
      ) as newest
      order by stretch.place
      limit 1
    )`
}

const texts = (moments: readonly Date[]) => moments.map((moment) => moment.toISOString())

/** A snapshot without changes is also new data, and an edge may be written without a snapshot. */
const newestTopology = (scope: Scope, now: Date) => sql<Date | null>`greatest(
      (
        select pg_catalog.max(at) from ${scope.id('topo_snapshot')} where tenant_id = ${scope.tenantId}::int8 and at <= ${now}::timestamptz
      ),
      (
        select pg_catalog.lower(valid) from ${scope.id('topo_edge_time')}
        where tenant_id = ${scope.tenantId}::int8 and pg_catalog.lower(valid) <= ${now}::timestamptz and pg_catalog.lower(valid) > '-infinity'::timestamptz
        order by pg_catalog.lower(valid) desc
        limit 1
      )
    )`

const newestEvent = (scope: Scope, now: Date) => sql<Date | null>`(
      select detected_at from ${scope.id('event_envelope')}
      where tenant_id = ${scope.tenantId}::int8 and detected_at <= ${now}::timestamptz
      order by detected_at desc
      limit 1
    )`
