import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { earlier } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { firstDate, storableDate } from '../schema/date.ts'
import { parseOptions } from '../schema/parse.ts'

const rollups = { metrics: 'metric_1m', calls: 'service_call_5m', logs: 'log_pattern_5m', sketches: 'sketch_5m' } as const

export interface LatestDataOptions {
  /**
   * The moment that counts as now: what is later is passed over. Default: the caller's clock.
   */
  now?: Date
}

/** How old the newest rows of one kind of data are. */
export interface LatestData {
  kind: 'metrics' | 'calls' | 'logs' | 'sketches' | 'topology' | 'events'
  /**
   * When its newest bucket begins; of topology and events, when the newest was. Null where the
   * tenant has none up to now: nothing came, or all of it was dropped.
   */
  newest_at: Date | null
  /** How many seconds before now that was. */
  age_s: number | null
}

const latestDataOptions = z.strictObject({ now: storableDate.default(() => new Date()) })

/**
 * From when the newest rows of each kind of data are: whether anything is coming in. An empty answer of
 * another read means that all is quiet only where the data behind it is fresh.
 *
 * | kind | newest_at |
 * |---|---|
 * | `metrics`, `calls`, `logs`, `sketches` | when the newest bucket of `metric_1m`, `service_call_5m`, `log_pattern_5m`, `sketch_5m` begins: it ends a minute, or five, later |
 * | `topology` | the newest snapshot, or the newest edge that somebody wrote without one |
 * | `events` | the newest `detected_at` |
 *
 * Always these six rows, in this order. A window is written once it has closed, so calls that come
 * in are 5 to 15 minutes old. What lies after `now` says nothing: one host whose clock is wrong
 * would hide that all others went silent.
 *
 * It looks into the last ten minutes first, and further back only where nothing is. What is fresh
 * takes some milliseconds, however large the tables are; a kind that the tenant lacks takes a look
 * at the keys of all its table: about 0.1 s for a million calls.
 *
 * @throws InvalidInputError if `now` is no moment that can be stored.
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

/** How far back each look goes, nearest first; the last one goes to the beginning. */
const looks = ['10 minutes', '1 hour', '6 hours', '1 day', '1 week', '5 weeks', '52 weeks']

/**
 * The newest bucket, looked for from now backwards. The stretches come in order and the first that
 * has one ends it, so that the server opens no chunk or partition that lies before.
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

/** A snapshot that changed nothing is news as well; an edge may have been written without one. */
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
